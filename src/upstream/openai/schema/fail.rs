//! [`Fail`]: why no value could be made.

/// Why there is no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fail {
    /// The schemas at this place contradict each other, as far as was tried.
    Impossible,
    /// It would take too long or get too large.
    Exhausted,
}
