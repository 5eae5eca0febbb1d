//! Samples to one-second intervals.
