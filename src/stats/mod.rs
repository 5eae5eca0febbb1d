//! Statistics: pure functions with their sources, checked against published numbers.
//!
//! Exact quantiles of a histogram live with [`Spectrum`](crate::model::interval::Spectrum); here is what says how
//! sure one can be of a figure.

mod normal;
mod order;
mod poisson;
mod ratio;
mod scan;
mod slope;
mod wilson;

pub use normal::{density, normal_quantile, upper_tail};
pub use order::{RankInterval, quantile_ranks};
pub use poisson::poisson_low;
pub use ratio::ratio;
pub use scan::{Looks, Z95, family_z};
pub use slope::theil_sen;
pub use wilson::{Bounds, wilson};
