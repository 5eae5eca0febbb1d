//! Statistics: pure functions.
