//! [`Quota`]: which offending requests are kept as evidence, decided without a lock.

use super::outcomes::OUTCOMES;
use crate::model::sample::{EndpointId, Outcome};
use crate::units::Offset;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Seconds of a slice within which the first few of a kind are kept.
const SLICE_SECS: u64 = 30;
/// Exemplars kept per endpoint, outcome and slice.
const PER_SLICE: u64 = 5;
/// Exemplars kept per run.
const PER_RUN: u32 = 200;
/// Counts the exemplars kept: a cell per endpoint and outcome, holding the slice (plus one) and its count.
#[derive(Debug)]
pub(super) struct Quota {
    cells: Vec<AtomicU64>,
    kept: AtomicU32,
}

impl Quota {
    pub(super) fn new(endpoints: usize) -> Self {
        let cells = (0..endpoints * OUTCOMES.len()).map(|_| AtomicU64::new(0)).collect();
        Self { cells, kept: AtomicU32::new(0) }
    }

    /// Whether an exemplar of this kind would be kept now; cheap enough to ask before building one.
    pub(super) fn has_room(&self, at: Offset, endpoint: EndpointId, outcome: Outcome) -> bool {
        self.kept.load(Ordering::Relaxed) < PER_RUN
            && self.cell(endpoint, outcome).is_some_and(|cell| next(cell.load(Ordering::Relaxed), at).is_some())
    }

    /// Takes a place for an exemplar; false if there is none left.
    pub(super) fn take(&self, at: Offset, endpoint: EndpointId, outcome: Outcome) -> bool {
        let Some(cell) = self.cell(endpoint, outcome) else { return false };
        if self.kept.load(Ordering::Relaxed) >= PER_RUN {
            return false;
        }
        let taken = cell.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |value| next(value, at)).is_ok();
        taken && self.kept.fetch_add(1, Ordering::Relaxed) < PER_RUN
    }

    fn cell(&self, endpoint: EndpointId, outcome: Outcome) -> Option<&AtomicU64> {
        self.cells.get(usize::from(endpoint) * OUTCOMES.len() + outcome as usize)
    }
}

/// The cell's value after one more exemplar at `at`; `None` if the slice is full. An exemplar of an earlier
/// slice that comes late counts towards the slice that is open.
fn next(value: u64, at: Offset) -> Option<u64> {
    let slice = at.second() / SLICE_SECS + 1;
    let (open, count) = (value >> 8, value & 0xff);
    if slice > open { Some(slice << 8 | 1) } else { (count < PER_SLICE).then(|| open << 8 | (count + 1)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_first_five_of_a_kind_per_slice_and_no_more_than_200() {
        let quota = Quota::new(50);
        let at = Offset::from_secs;
        let kept = |second, outcome| (0..20).filter(|_| quota.take(at(second), 0, outcome)).count();
        assert_eq!(kept(0, Outcome::Status), 5);
        assert_eq!(kept(29, Outcome::Status), 0);
        assert!(!quota.has_room(at(29), 0, Outcome::Status));
        assert!(quota.has_room(at(30), 0, Outcome::Status));
        assert_eq!(kept(30, Outcome::Status), 5);
        assert_eq!(kept(30, Outcome::Masked), 5);
        let rest = (1..50).map(|e| (0..9).filter(|_| quota.take(at(40), e, Outcome::Reset)).count()).sum::<usize>();
        assert_eq!(rest, 185, "200 in all");
        assert!(!quota.take(at(99), 60_000, Outcome::Status), "an endpoint that does not exist");
    }
}
