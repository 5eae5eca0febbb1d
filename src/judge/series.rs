//! [`Series`]: counts per second with running sums, so that any window is two look-ups.

use crate::model::interval::EndpointInterval;
use crate::model::sample::Class;

/// How many steps ended how. Sums saturate: a record from outside may hold any number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Steps with a class.
    pub n: u64,
    /// Of those, ok.
    pub ok: u64,
    /// Of those, degraded.
    pub degraded: u64,
    /// Of those, masked.
    pub masked: u64,
    /// Of those, failed.
    pub failed: u64,
    /// Steps that a plain status check would have called a success.
    pub plain_ok: u64,
}

impl Tally {
    /// The counts of one endpoint's second.
    pub(super) fn of(interval: &EndpointInterval) -> Self {
        let mut tally = Self { plain_ok: interval.plain_ok, ..Self::default() };
        for (outcome, count) in &interval.outcomes {
            let part = match outcome.class() {
                Some(Class::Ok) => &mut tally.ok,
                Some(Class::Degraded) => &mut tally.degraded,
                Some(Class::Masked) => &mut tally.masked,
                Some(Class::Failed) => &mut tally.failed,
                None => continue,
            };
            *part = part.saturating_add(*count);
            tally.n = tally.n.saturating_add(*count);
        }
        tally
    }

    /// Failed and masked: what counts as an error of the endpoint.
    pub(super) const fn errors(&self) -> u64 {
        self.failed.saturating_add(self.masked)
    }

    /// Everything but ok: what counts against an agent.
    pub(super) const fn not_ok(&self) -> u64 {
        self.n.saturating_sub(self.ok)
    }

    /// The share that is ok; nothing tried is none.
    pub(super) fn success(&self) -> f64 {
        if self.n == 0 { 0.0 } else { self.ok as f64 / self.n as f64 }
    }

    /// Both added together.
    pub(super) const fn plus(&self, other: &Self) -> Self {
        Self {
            n: self.n.saturating_add(other.n),
            ok: self.ok.saturating_add(other.ok),
            degraded: self.degraded.saturating_add(other.degraded),
            masked: self.masked.saturating_add(other.masked),
            failed: self.failed.saturating_add(other.failed),
            plain_ok: self.plain_ok.saturating_add(other.plain_ok),
        }
    }

    const fn minus(&self, other: &Self) -> Self {
        Self {
            n: self.n.saturating_sub(other.n),
            ok: self.ok.saturating_sub(other.ok),
            degraded: self.degraded.saturating_sub(other.degraded),
            masked: self.masked.saturating_sub(other.masked),
            failed: self.failed.saturating_sub(other.failed),
            plain_ok: self.plain_ok.saturating_sub(other.plain_ok),
        }
    }
}

/// Counts of the seconds that have any, ascending. Its size follows what was recorded, not how long the run was.
#[derive(Clone, Debug, Default)]
pub(super) struct Series {
    seconds: Vec<u64>,
    /// The sum up to and including each of `seconds`.
    sums: Vec<Tally>,
}

impl Series {
    /// A series of counts in any order; counts of the same second are added.
    pub(super) fn new(mut rows: Vec<(u64, Tally)>) -> Self {
        rows.retain(|(_, tally)| tally.n > 0);
        rows.sort_by_key(|(second, _)| *second);
        let mut series = Self::default();
        let mut sum = Tally::default();
        for (second, tally) in rows {
            sum = sum.plus(&tally);
            if series.seconds.last() == Some(&second) {
                series.sums.pop();
            } else {
                series.seconds.push(second);
            }
            series.sums.push(sum);
        }
        series
    }

    /// The seconds that have counts.
    pub(super) fn seconds(&self) -> &[u64] {
        &self.seconds
    }

    /// The counts of the seconds from `from` until before `to`.
    pub(super) fn sum(&self, from: u64, to: u64) -> Tally {
        self.up_to(to).minus(&self.up_to(from))
    }

    /// All counts.
    pub(super) fn total(&self) -> Tally {
        self.sums.last().copied().unwrap_or_default()
    }

    /// The first and the last second of `from..to` in which `counts` is not zero.
    pub(super) fn ends_of(&self, from: u64, to: u64, counts: fn(&Tally) -> u64) -> Option<(u64, u64)> {
        let start = self.seconds.partition_point(|second| *second < from);
        let end = self.seconds.partition_point(|second| *second < to);
        let hit = |index: &usize| {
            let before = index.checked_sub(1).map(|i| self.sums[i]).unwrap_or_default();
            counts(&self.sums[*index].minus(&before)) > 0
        };
        let first = (start..end).find(hit)?;
        let last = (start..end).rev().find(hit)?;
        Some((self.seconds[first], self.seconds[last]))
    }

    fn up_to(&self, second: u64) -> Tally {
        let index = self.seconds.partition_point(|s| *s < second);
        index.checked_sub(1).map(|i| self.sums[i]).unwrap_or_default()
    }
}
