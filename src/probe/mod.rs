//! Watches the app from beside the load.
