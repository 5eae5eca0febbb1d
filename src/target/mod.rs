//! The app under test: started, limited, watched; and the built-in reference app.
pub mod reference;
