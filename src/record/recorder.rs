//! [`Recorder`]: hands out shards, and merges them every second.

use super::exemplars::Quota;
use super::outcomes::OUTCOMES;
use super::population::Population;
use super::shard::{Shard, Slot};
use super::times::Merger;
use super::under_way::StepsUnderWay;
use crate::model::event::{EventSink, RunEvent};
use crate::model::interval::{EndpointInterval, Interval, JourneyInterval, USER_SLICE_SECS, UserSlice};
use crate::model::sample::{EndpointId, Outcome};
use crate::model::timeline::Exemplar;
use crate::units::{Offset, RunClock};
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZero;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long after its end a second is taken, so that whoever read the clock just before can still record.
const LAG: Duration = Duration::from_millis(250);
/// More shards than this gain nothing.
const MAX_SHARDS: usize = 16;

/// Records samples of all virtual users; cheap to clone.
///
/// Memory does not grow with the length of a run: every second leaves as an event. It grows with endpoints,
/// shards and, per ten seconds, with the users met (24 bytes and a key each).
#[derive(Clone, Debug)]
pub struct Recorder {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    shards: Vec<Shard>,
    exemplars: Quota,
    population: Mutex<Population>,
    steps: Arc<StepsUnderWay>,
    clock: RunClock,
    events: EventSink,
}

impl Recorder {
    /// A recorder for a plan with so many endpoints and journeys; indices beyond them are ignored.
    #[must_use]
    pub fn new(endpoints: usize, journeys: usize, clock: RunClock, events: EventSink) -> Self {
        let threads = std::thread::available_parallelism().map_or(2, NonZero::get);
        // Twice as many as threads, so that two threads seldom want the same one.
        let shards = (threads * 2).min(MAX_SHARDS);
        let shards = (0..shards).map(|_| Shard::new(endpoints, journeys, clock)).collect();
        let steps = StepsUnderWay::new(clock.started_at());
        let inner =
            Inner { shards, exemplars: Quota::new(endpoints), population: Mutex::default(), steps, clock, events };
        Self { inner: Arc::new(inner) }
    }

    /// The steps under way.
    #[must_use]
    pub fn steps(&self) -> &Arc<StepsUnderWay> {
        &self.inner.steps
    }

    /// The shard that virtual user number `user` records into.
    #[must_use]
    pub fn shard(&self, user: usize) -> Shard {
        self.inner.shards[user % self.inner.shards.len()].clone()
    }

    /// Whether an exemplar of this kind would be kept: ask before going to the trouble of building one.
    #[must_use]
    pub fn wants_exemplar(&self, at: Offset, endpoint: EndpointId, outcome: Outcome) -> bool {
        self.inner.exemplars.has_room(at, endpoint, outcome)
    }

    /// Keeps an offending request: the first 5 per endpoint, outcome and 30 s, at most 200 per run.
    pub fn exemplar(&self, exemplar: Exemplar) {
        if self.inner.exemplars.take(exemplar.at, exemplar.endpoint, exemplar.outcome) {
            self.inner.events.emit(RunEvent::Exemplar(exemplar));
        }
    }

    /// Notes that so many virtual users began (or, negative, ended).
    pub fn users_changed(&self, delta: i32) {
        let second = self.inner.clock.now().second();
        self.population().change(second, delta);
    }

    /// Says something that a reader of the run should know.
    pub fn warn(&self, message: String) {
        self.inner.events.emit(RunEvent::Warning { at: self.inner.clock.now(), message });
    }

    /// Sends every second on as events until `stop`, then what is left, the running second included.
    ///
    /// Call it once, and stop it only when nobody records any more.
    pub async fn roll(self, stop: CancellationToken) {
        let mut roller = Roller { inner: self.inner, merger: Merger::new(), next: 0 };
        loop {
            let due = roller.inner.clock.instant(Offset::from_secs(roller.next + 1).plus(LAG));
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = tokio::time::sleep_until(due) => {}
            }
            let now = roller.inner.clock.now().as_micros();
            let lag = u64::try_from(LAG.as_micros()).unwrap_or(0);
            roller.emit_until(Offset::from_micros(now.saturating_sub(lag)).second());
        }
        roller.finish();
    }

    fn population(&self) -> MutexGuard<'_, Population> {
        self.inner.population.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The one that takes seconds out of the shards.
struct Roller {
    inner: Arc<Inner>,
    merger: Merger,
    /// The first second that has not been sent yet.
    next: u64,
}

impl Roller {
    /// Sends all seconds before `until`.
    fn emit_until(&mut self, until: u64) {
        if until <= self.next {
            return;
        }
        let inner = Arc::clone(&self.inner);
        let mut taken: Vec<Vec<Slot>> = Vec::with_capacity(inner.shards.len());
        let mut users = Vec::new();
        for shard in &inner.shards {
            let part = shard.take(until);
            taken.push(part.slots);
            users.extend(part.users);
        }
        // Seconds without anything are left out, so a long silence costs nothing here either.
        let mut seconds: BTreeSet<u64> = taken.iter().flatten().map(|slot| slot.second).collect();
        seconds.extend(self.next..until);
        for second in seconds {
            let slots: Vec<&Slot> = taken.iter().flatten().filter(|slot| slot.second == second).collect();
            self.emit_second(second, &slots);
        }
        for (shard, slots) in inner.shards.iter().zip(taken) {
            shard.give_back(slots);
        }
        self.emit_users(users);
        self.next = until;
    }

    /// Sends all that is left.
    fn finish(&mut self) {
        let running = self.inner.clock.now().second() + 1;
        self.emit_until(running.max(self.next));
        // The slice that is still open, and whatever a held-up roller left behind.
        let rest: Vec<UserSlice> =
            self.inner.shards.iter().flat_map(|shard| shard.take(running + USER_SLICE_SECS).users).collect();
        self.emit_users(rest);
    }

    fn emit_second(&mut self, second: u64, slots: &[&Slot]) {
        let population = &self.inner.population;
        let users = population.lock().unwrap_or_else(PoisonError::into_inner).take(second);
        let started = slots.iter().map(|slot| slot.started).sum();
        let count = slots.first().map_or(0, |slot| slot.endpoints.len());
        let endpoints: Vec<EndpointInterval> = (0..count).filter_map(|index| self.endpoint(index, slots)).collect();
        if users > 0 || started > 0 || !endpoints.is_empty() {
            self.inner.events.emit(RunEvent::Interval(Interval { second, users, started, endpoints }));
        }
        let journeys: Vec<JourneyInterval> = journeys(second, slots);
        if !journeys.is_empty() {
            self.inner.events.emit(RunEvent::Journeys { journeys });
        }
    }

    /// One endpoint's results over all shards; `None` if there are none.
    fn endpoint(&mut self, index: usize, slots: &[&Slot]) -> Option<EndpointInterval> {
        let parts: Vec<_> = slots.iter().filter_map(|slot| slot.endpoints.get(index)).collect();
        let mut outcomes = BTreeMap::new();
        for (at, outcome) in OUTCOMES.into_iter().enumerate() {
            let count: u64 = parts.iter().map(|part| part.outcomes[at]).sum();
            if count > 0 {
                outcomes.insert(outcome, count);
            }
        }
        if outcomes.is_empty() {
            return None;
        }
        Some(EndpointInterval {
            endpoint: EndpointId::try_from(index).ok()?,
            outcomes,
            plain_ok: parts.iter().map(|part| part.plain_ok).sum(),
            bytes: parts.iter().map(|part| part.bytes).sum(),
            response: self.merger.spectrum(parts.iter().map(|part| &part.response)),
            service: self.merger.spectrum(parts.iter().map(|part| &part.service)),
        })
    }

    fn emit_users(&self, slices: Vec<UserSlice>) {
        if slices.is_empty() {
            return;
        }
        // A user without a feeder's row may have recorded in more than one shard.
        let mut merged: BTreeMap<(u32, u32, EndpointId), UserSlice> = BTreeMap::new();
        for slice in slices {
            merged
                .entry((slice.slice, slice.user, slice.endpoint))
                .and_modify(|sum| {
                    sum.steps += slice.steps;
                    sum.bad += slice.bad;
                    sum.degraded += slice.degraded;
                    sum.slowest_ms = sum.slowest_ms.max(slice.slowest_ms);
                })
                .or_insert(slice);
        }
        self.inner.events.emit(RunEvent::Users { users: merged.into_values().collect() });
    }
}

/// The journeys that ended in a second, over all shards.
fn journeys(second: u64, slots: &[&Slot]) -> Vec<JourneyInterval> {
    let count = slots.first().map_or(0, |slot| slot.journeys.len());
    let sums = (0..count).map(|index| {
        let mut sum =
            JourneyInterval { second, journey: u16::try_from(index).unwrap_or(u16::MAX), ..JourneyInterval::default() };
        for counts in slots.iter().filter_map(|slot| slot.journeys.get(index)) {
            sum.completed += counts.completed;
            sum.degraded += counts.degraded;
            sum.failed += counts.failed;
        }
        sum
    });
    sums.filter(|sum| sum.completed + sum.degraded + sum.failed > 0).collect()
}

#[cfg(test)]
mod tests {
    use super::super::shard::JourneyEnd;
    use super::*;
    use crate::model::sample::Sample;
    use tokio::sync::mpsc::UnboundedReceiver;

    fn sample(endpoint: EndpointId, user: u32, done_ms: u64, took_ms: u64, outcome: Outcome) -> Sample {
        let done = Offset::from_micros(done_ms * 1000);
        let sent = Offset::from_micros((done_ms - took_ms) * 1000);
        Sample {
            endpoint,
            journey: 0,
            user,
            intended: sent,
            sent,
            first_byte: Some(done),
            done,
            bytes: 10,
            status: Some(200),
            outcome,
        }
    }

    fn drain(events: &mut UnboundedReceiver<RunEvent>) -> Vec<RunEvent> {
        std::iter::from_fn(|| events.try_recv().ok()).collect()
    }

    fn intervals(events: &[RunEvent]) -> Vec<&Interval> {
        events.iter().filter_map(|e| if let RunEvent::Interval(i) = e { Some(i) } else { None }).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_sample_lands_in_the_second_in_which_it_ended_and_silence_is_left_out() {
        let (sink, mut events) = EventSink::channel();
        let clock = RunClock::start();
        let recorder = Recorder::new(2, 1, clock, sink);
        let stop = CancellationToken::new();
        let roller = tokio::spawn(recorder.clone().roll(stop.clone()));

        tokio::time::sleep(Duration::from_millis(1900)).await;
        recorder.shard(0).started();
        recorder.shard(0).record(&sample(0, 7, 1900, 1500, Outcome::Ok));
        recorder.shard(1).record(&sample(0, 8, 1800, 100, Outcome::Masked));
        recorder.shard(1).record(&sample(1, 8, 1850, 20, Outcome::Unfinished));
        recorder.shard(1).journey_ended(0, JourneyEnd::Failed);
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(drain(&mut events).is_empty(), "the second may still get samples");
        // Recorded late, but within the lag: still in its second.
        recorder.shard(2).record(&sample(0, 9, 1999, 1, Outcome::Degraded));
        tokio::time::sleep(Duration::from_millis(200)).await;

        let seen = drain(&mut events);
        let [only] = intervals(&seen)[..] else { panic!("one interval, not {seen:?}") };
        assert_eq!((only.second, only.users, only.started, only.endpoints.len()), (1, 0, 1, 2));
        let first = &only.endpoints[0];
        assert_eq!(first.outcomes, BTreeMap::from([(Outcome::Ok, 1), (Outcome::Masked, 1), (Outcome::Degraded, 1)]));
        assert_eq!((first.plain_ok, first.bytes, first.response.count()), (3, 30, 3));
        let second = &only.endpoints[1];
        assert_eq!(second.outcomes, BTreeMap::from([(Outcome::Unfinished, 1)]));
        assert_eq!((second.plain_ok, second.response.count(), second.service.count()), (0, 0, 0));
        assert!(matches!(&seen[1], RunEvent::Journeys { journeys } if journeys[0].failed == 1));

        // Users alive make an interval even without results; the running second is flushed at the end.
        recorder.users_changed(3);
        tokio::time::sleep(Duration::from_millis(1500)).await;
        recorder.shard(0).record(&sample(1, 7, 3600, 3600, Outcome::Timeout));
        recorder.users_changed(-3);
        stop.cancel();
        roller.await.unwrap();
        let seen = drain(&mut events);
        let summary: Vec<_> = intervals(&seen).iter().map(|i| (i.second, i.users, i.endpoints.len())).collect();
        assert_eq!(summary, [(2, 3, 0), (3, 3, 1)]);
        let Some(RunEvent::Users { users }) = seen.last() else { panic!("users come last: {seen:?}") };
        let met: Vec<_> =
            users.iter().map(|u| (u.user, u.endpoint, u.steps, u.bad, u.degraded, u.slowest_ms)).collect();
        assert_eq!(met, [(7, 0, 1, 0, 0, 1500), (7, 1, 1, 1, 0, 3600), (8, 0, 1, 1, 0, 100), (9, 0, 1, 0, 1, 1)]);
    }

    #[tokio::test(start_paused = true)]
    async fn user_slices_leave_every_ten_seconds_and_nothing_is_lost_when_the_roller_lags() {
        let (sink, mut events) = EventSink::channel();
        let clock = RunClock::start();
        let recorder = Recorder::new(1, 1, clock, sink);
        // Nobody rolls for 12 s: only a few seconds stay open, but every sample counts.
        for second in 0..12 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            recorder.shard(0).record(&sample(0, 1, second * 1000 + 900, 5, Outcome::Ok));
        }
        let stop = CancellationToken::new();
        let roller = tokio::spawn(recorder.clone().roll(stop.clone()));
        tokio::time::sleep(Duration::from_secs(1)).await;
        let seen = drain(&mut events);
        let counts: u64 = intervals(&seen).iter().map(|i| i.endpoints[0].response.count()).sum();
        assert_eq!(counts, 12);
        stop.cancel();
        roller.await.unwrap();
        let mut users: Vec<UserSlice> = Vec::new();
        for event in seen.into_iter().chain(drain(&mut events)) {
            if let RunEvent::Users { users: more } = event {
                users.extend(more);
            }
        }
        assert_eq!(users.iter().map(|u| u.steps).sum::<u32>(), 12);
    }
}
