//! [`Population`]: how many virtual users were alive in each second.

use std::collections::BTreeMap;

/// The number of virtual users over time: the present number, and peak and last value of the seconds in which
/// it changed and that have not been taken yet.
#[derive(Debug, Default)]
pub(super) struct Population {
    current: u32,
    /// The number at the end of the last second that was taken.
    carried: u32,
    changes: BTreeMap<u64, (u32, u32)>,
}

impl Population {
    /// Notes that `delta` users came or went in `second`.
    pub(super) fn change(&mut self, second: u64, delta: i32) {
        let before = self.current;
        self.current = before.saturating_add_signed(delta);
        let (peak, last) = self.changes.entry(second).or_insert((before, before));
        *peak = (*peak).max(self.current);
        *last = self.current;
    }

    /// The most users that were alive at once in `second`. Seconds are to be taken in ascending order.
    pub(super) fn take(&mut self, second: u64) -> u32 {
        let mut peak = self.carried;
        // Earlier seconds are here only if they were never asked for.
        while let Some(entry) = self.changes.first_entry().filter(|entry| *entry.key() <= second) {
            let (at, (highest, last)) = entry.remove_entry();
            peak = if at == second { peak.max(highest) } else { last };
            self.carried = last;
        }
        peak
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_everybody_who_was_alive_at_some_time_of_the_second() {
        let mut population = Population::default();
        population.change(0, 1);
        population.change(0, 1);
        population.change(2, 1);
        population.change(3, -2);
        population.change(3, -1);
        assert_eq!((0..6).map(|s| population.take(s)).collect::<Vec<_>>(), [2, 2, 3, 3, 0, 0]);
    }
}
