//! [`Delay`]: a distribution of waiting times.

use crate::units::{Share, Span};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A delay drawn per request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Delay {
    /// The mean of the distribution.
    pub mean: Span,
    /// Its spread: the standard deviation, or half the width if uniform. Zero is a constant delay, unless the shape
    /// is empirical.
    pub jitter: Span,
    /// Its shape.
    pub shape: DelayShape,
    /// How much a draw depends on the one before it; none if zero.
    #[serde(default)]
    pub correlation: Share,
}

impl Delay {
    /// No delay at all.
    pub const NONE: Self = Self {
        mean: Span(Duration::ZERO),
        jitter: Span(Duration::ZERO),
        shape: DelayShape::Constant,
        correlation: Share::NONE,
    };

    /// The same distribution, this many times as long (a factor from 0 to 1).
    #[must_use]
    pub fn scaled(&self, factor: f64) -> Self {
        if factor == 1.0 {
            return self.clone();
        }
        let times = |span: Span| Span(span.get().mul_f64(factor.clamp(0.0, 1.0)));
        let shape = match &self.shape {
            DelayShape::Empirical(quantiles) => DelayShape::Empirical(
                quantiles.iter().map(|quantile| Quantile { delay: times(quantile.delay), ..*quantile }).collect(),
            ),
            shape => shape.clone(),
        };
        Self { mean: times(self.mean), jitter: times(self.jitter), shape, correlation: self.correlation }
    }

    /// Always the same delay.
    #[must_use]
    pub const fn constant(delay: Duration) -> Self {
        Self { mean: Span(delay), ..Self::NONE }
    }
}

/// The shape of a delay's distribution. Draws below zero become zero.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DelayShape {
    /// Always the mean.
    #[default]
    Constant,
    /// Even between mean − jitter and mean + jitter.
    Uniform,
    /// Normal, standard deviation = jitter.
    Normal,
    /// Log-normal with this mean and standard deviation: the long tail that real services have.
    Lognormal,
    /// Pareto (type I) with this mean and standard deviation: most delays near the least one, a few very long.
    Pareto,
    /// As observed: quantiles in ascending order, linear in between. Below the first and above the last given, those
    /// two hold. `mean` and `jitter` then only describe it.
    Empirical(Vec<Quantile>),
}

impl DelayShape {
    /// The shape's name in files and reports.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Constant => "constant",
            Self::Uniform => "uniform",
            Self::Normal => "normal",
            Self::Lognormal => "lognormal",
            Self::Pareto => "pareto",
            Self::Empirical(_) => "empirical",
        }
    }
}

/// One quantile of an observed distribution.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quantile {
    /// The share of delays that are at most this long, from 0 to 1.
    pub share: f64,
    /// The delay.
    pub delay: Span,
}
