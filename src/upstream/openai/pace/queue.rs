//! [`Queue`]: a provider that works on so many requests at once. Who comes when all places are taken waits for the
//! first that becomes free, first come first served; the wait is known on arrival, so nobody has to be woken.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Nobody waits longer: beyond that every client is gone, and instants must not overflow.
const LONGEST: Duration = Duration::from_secs(86_400);

/// When each busy place becomes free.
#[derive(Debug)]
pub struct Queue {
    places: usize,
    free_at: Mutex<BinaryHeap<Reverse<Instant>>>,
}

impl Queue {
    /// A queue before so many places, at least one.
    pub fn new(places: u32) -> Self {
        Self { places: places.max(1) as usize, free_at: Mutex::default() }
    }

    /// Takes the place that is free first for as long as `service`, and says how long it takes until then.
    pub fn enter(&self, now: Instant, service: Duration) -> Duration {
        let mut free_at = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
        let begin =
            if free_at.len() < self.places { now } else { free_at.pop().map_or(now, |Reverse(at)| at.max(now)) };
        let begin = begin.min(now + LONGEST);
        free_at.push(Reverse(begin + service.min(LONGEST)));
        begin - now
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[tokio::test(start_paused = true)]
    async fn the_third_of_two_places_waits_for_the_first_to_end() {
        let queue = Queue::new(2);
        let (now, secs) = (Instant::now(), Duration::from_secs);
        assert_eq!(queue.enter(now, secs(5)), secs(0));
        assert_eq!(queue.enter(now, secs(3)), secs(0));
        assert_eq!(queue.enter(now + secs(1), secs(10)), secs(2));
        assert_eq!(queue.enter(now + secs(1), secs(1)), secs(4));
        assert_eq!(queue.enter(now + secs(60), secs(1)), secs(0));
    }

    proptest! {
        #[test]
        fn never_are_more_served_at_once_than_there_are_places(
            places in 1_u32..5,
            arrivals in proptest::collection::vec((0_u64..2_000, 1_u64..5_000), 1..60),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            let start = runtime.block_on(async { Instant::now() });
            let queue = Queue::new(places);
            let (mut now, mut served, mut last_begin) = (start, Vec::new(), start);
            for (passed, service) in arrivals {
                now += Duration::from_millis(passed);
                let service = Duration::from_millis(service);
                let begin = now + queue.enter(now, service);
                prop_assert!(begin >= last_begin, "first come, first served");
                last_begin = begin;
                served.push((begin, begin + service));
            }
            for (at, _) in &served {
                let busy = served.iter().filter(|(begin, end)| begin <= at && at < end).count();
                prop_assert!(busy <= places as usize, "{busy} at once in {places} places");
            }
        }
    }
}
