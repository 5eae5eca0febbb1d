//! [`OUTCOMES`]: the table of outcomes, for counting them in arrays.

use crate::model::sample::Outcome;

/// Every outcome, at the index that `outcome as usize` gives.
pub(super) const OUTCOMES: [Outcome; 11] = [
    Outcome::Ok,
    Outcome::Degraded,
    Outcome::Masked,
    Outcome::Status,
    Outcome::Assertion,
    Outcome::Timeout,
    Outcome::Refused,
    Outcome::Reset,
    Outcome::Truncated,
    Outcome::Unbuildable,
    Outcome::Unfinished,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_outcomes() {
        for (index, outcome) in OUTCOMES.into_iter().enumerate() {
            assert_eq!(outcome as usize, index);
        }
    }
}
