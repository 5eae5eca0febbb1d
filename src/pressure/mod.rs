//! Memory pressure on the app.

pub mod ballast;
mod ballast_child;
mod place;

pub use ballast::{BallastError, ballast};
pub use place::Place;
