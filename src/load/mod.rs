//! Plan to samples: virtual users walk journeys.
