//! Memory pressure on the app.
