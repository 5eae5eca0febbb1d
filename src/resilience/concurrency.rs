//! [`concurrency`]: how many calls an app makes at once, and whether that is a limit of its own, such as a connection
//! pool's size.

use super::seconds::{Second, Seconds};
use crate::model::resilience::{Concurrency, Seen};

/// In fewer seconds, a limit that was never passed is chance.
const FEWEST: usize = 10;
/// Of the seconds in which more was wanted, the limit must be reached in this share.
const REACHED: f64 = 0.9;
/// And on average this share of it must be in use: calls that merely never meet would reach it, too.
const IN_USE: f64 = 0.85;

/// What is known of it.
pub(super) fn concurrency(seconds: &Seconds) -> Seen<Concurrency> {
    let most = seconds.all().iter().map(|second| second.at_once).max().unwrap_or(0);
    if most == 0 {
        return Seen::TooFew("no call came".to_owned());
    }
    // Half as many steps again as calls: users who wait for something else than a call of their own.
    let wants_more = |second: &&Second| 2 * second.steps_at_once > 3 * most;
    let wanted: Vec<&Second> = seconds.all().iter().filter(wants_more).collect();
    let reached = wanted.iter().filter(|second| second.at_once == most).count();
    let busy = wanted.iter().map(|second| second.busy_micros).sum::<u64>() as f64 / 1e6;
    let is_limit = wanted.len() >= FEWEST
        && reached as f64 >= REACHED * wanted.len() as f64
        && busy >= IN_USE * most as f64 * wanted.len() as f64;
    Seen::Seen(Concurrency { most, is_limit, wanted_seconds: wanted.len() as u64 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Seed;

    fn told(second: impl Fn(u64) -> Second) -> Concurrency {
        let Seen::Seen(told) = concurrency(&(0..40).map(second).collect::<Vec<_>>().into()) else { panic!("nothing") };
        told
    }

    #[test]
    fn a_pool_that_is_full_is_a_limit() {
        let told = told(|_| Second { at_once: 5, busy_micros: 4_900_000, steps_at_once: 20, ..Second::default() });
        assert_eq!(told, Concurrency { most: 5, is_limit: true, wanted_seconds: 40 });
    }

    #[test]
    fn what_only_looks_like_one_is_none() {
        // As many calls as users: the load is the limit.
        assert!(
            !told(|_| Second { at_once: 5, busy_micros: 5_000_000, steps_at_once: 5, ..Second::default() }).is_limit
        );
        // Short calls that never meet.
        assert!(!told(|_| Second { at_once: 1, busy_micros: 30_000, steps_at_once: 20, ..Second::default() }).is_limit);
        // Chance decides how many meet.
        let chance = |n| Second {
            at_once: 3 + (5.0 * Seed(1).unit(&[n])) as u64,
            busy_micros: 4_000_000,
            steps_at_once: 20,
            ..Second::default()
        };
        assert!(!told(chance).is_limit);
        // For a moment only.
        let moment = |n| Second {
            at_once: 5,
            busy_micros: 5_000_000,
            steps_at_once: if n < 9 { 20 } else { 5 },
            ..Second::default()
        };
        assert!(!told(moment).is_limit);
        assert!(matches!(concurrency(&vec![Second::default(); 3].into()), Seen::TooFew(_)));
    }
}
