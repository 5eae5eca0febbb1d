//! [`Numeric`]: PostgreSQL's `numeric`.

use bigdecimal::BigDecimal;

/// A `numeric`: exact, with as many digits after the point as it was written with.
#[derive(Clone, Debug)]
pub enum Numeric {
    /// Minus infinity.
    NegativeInfinity,
    /// A number.
    Finite(BigDecimal),
    /// Infinity.
    Infinity,
    /// Not a number: equal to itself and larger than everything.
    NaN,
}
