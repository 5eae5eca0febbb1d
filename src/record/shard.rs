//! [`Shard`]: where a virtual user records. A shard's lock is shared by few users and held for a push or two.

use super::outcomes::OUTCOMES;
use super::times::Times;
use crate::model::interval::{USER_SLICE_SECS, UserSlice};
use crate::model::sample::{Class, EndpointId, Outcome, Sample};
use crate::units::RunClock;
use std::collections::HashMap;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Seconds that can be open at once. Normally two are: the running one and the one being taken. More than that
/// means that the roller was held up; beyond this bound samples count towards the latest open second.
const MAX_OPEN: usize = 4;

/// How a journey ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JourneyEnd {
    /// Walked to the end, every step ok.
    Completed,
    /// Walked to the end with at least one degraded answer.
    Degraded,
    /// Ended by a step that failed, was masked, or could not be built for want of an earlier answer's value.
    Failed,
    /// Cut off by the end of the run; says nothing about the app and is not counted.
    Unfinished,
}

/// Where one virtual user records; cheap to clone.
#[derive(Clone, Debug)]
pub struct Shard {
    state: Arc<Mutex<ShardState>>,
    clock: RunClock,
}

impl Shard {
    pub(super) fn new(endpoints: usize, journeys: usize, clock: RunClock) -> Self {
        let state = ShardState { endpoints, journeys, ..ShardState::default() };
        Self { state: Arc::new(Mutex::new(state)), clock }
    }

    /// Records a finished step in the second in which it ended.
    pub fn record(&self, sample: &Sample) {
        self.lock().record(sample);
    }

    /// Counts a step that has just begun.
    pub fn started(&self) {
        let second = self.clock.now().second();
        self.lock().slot(second).started += 1;
    }

    /// Counts a journey (its index in the plan) that has just ended.
    pub fn journey_ended(&self, journey: u16, end: JourneyEnd) {
        let second = self.clock.now().second();
        let mut state = self.lock();
        let Some(counts) = state.slot(second).journeys.get_mut(usize::from(journey)) else { return };
        match end {
            JourneyEnd::Completed => counts.completed += 1,
            JourneyEnd::Degraded => counts.degraded += 1,
            JourneyEnd::Failed => counts.failed += 1,
            JourneyEnd::Unfinished => {}
        }
    }

    /// Takes every second before `until`, and every user slice that lies wholly before it.
    pub(super) fn take(&self, until: u64) -> Taken {
        self.lock().take(until)
    }

    /// Gives the memory of seconds back that [`Shard::take`] gave out.
    pub(super) fn give_back(&self, slots: Vec<Slot>) {
        let mut state = self.lock();
        for mut slot in slots {
            if state.spare.len() < MAX_OPEN {
                slot.clear();
                state.spare.push(slot);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, ShardState> {
        // Counts stay usable whatever happened to another user of this shard.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the roller took out of a shard.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) slots: Vec<Slot>,
    pub(super) users: Vec<UserSlice>,
}

#[derive(Debug, Default)]
struct ShardState {
    endpoints: usize,
    journeys: usize,
    /// Seconds before this one have been taken; what still comes for them counts towards this one.
    taken: u64,
    open: Vec<Slot>,
    spare: Vec<Slot>,
    users: HashMap<(u32, u32, EndpointId), UserSlice>,
}

/// One second of one shard.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) second: u64,
    pub(super) started: u64,
    pub(super) endpoints: Vec<EndpointSlot>,
    pub(super) journeys: Vec<JourneyCounts>,
}

/// One endpoint in one second of one shard.
#[derive(Debug, Default)]
pub(super) struct EndpointSlot {
    pub(super) outcomes: [u64; OUTCOMES.len()],
    pub(super) plain_ok: u64,
    pub(super) bytes: u64,
    pub(super) response: Times,
    pub(super) service: Times,
}

/// One journey's endings in one second of one shard.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct JourneyCounts {
    pub(super) completed: u64,
    pub(super) degraded: u64,
    pub(super) failed: u64,
}

impl Slot {
    fn clear(&mut self) {
        self.started = 0;
        self.journeys.fill(JourneyCounts::default());
        for endpoint in &mut self.endpoints {
            endpoint.outcomes = [0; OUTCOMES.len()];
            endpoint.plain_ok = 0;
            endpoint.bytes = 0;
            endpoint.response.clear();
            endpoint.service.clear();
        }
    }
}

impl ShardState {
    fn record(&mut self, sample: &Sample) {
        let slot = self.slot(sample.done.second());
        let second = slot.second;
        let Some(endpoint) = slot.endpoints.get_mut(usize::from(sample.endpoint)) else { return };
        endpoint.outcomes[sample.outcome as usize] += 1;
        endpoint.bytes += sample.bytes;
        let Some(class) = sample.outcome.class() else { return };
        let response = micros(sample.done.since(sample.intended));
        endpoint.response.record(response);
        endpoint.service.record(micros(sample.done.since(sample.sent)));
        endpoint.plain_ok += u64::from(plainly_ok(sample));

        let slice = u32::try_from(second / USER_SLICE_SECS).unwrap_or(u32::MAX);
        let key = (slice, sample.user, sample.endpoint);
        let empty = UserSlice {
            slice,
            user: sample.user,
            endpoint: sample.endpoint,
            steps: 0,
            bad: 0,
            degraded: 0,
            slowest_ms: 0,
        };
        let met = self.users.entry(key).or_insert(empty);
        met.steps += 1;
        met.bad += u32::from(matches!(class, Class::Failed | Class::Masked));
        met.degraded += u32::from(class == Class::Degraded);
        // Rounded up, so that "slower than 10 s" stays exact.
        met.slowest_ms = met.slowest_ms.max(u32::try_from(response.div_ceil(1000)).unwrap_or(u32::MAX));
    }

    /// The open slot for `second`.
    fn slot(&mut self, second: u64) -> &mut Slot {
        let second = second.max(self.taken);
        let found = self.open.iter().position(|slot| slot.second == second);
        let index = match found {
            Some(index) => index,
            None if self.open.len() >= MAX_OPEN => {
                let latest = self.open.iter().enumerate().max_by_key(|(_, slot)| slot.second);
                latest.map_or(0, |(index, _)| index)
            }
            None => {
                let mut slot = self.spare.pop().unwrap_or_else(|| Slot {
                    second,
                    started: 0,
                    endpoints: (0..self.endpoints).map(|_| EndpointSlot::default()).collect(),
                    journeys: vec![JourneyCounts::default(); self.journeys],
                });
                slot.second = second;
                self.open.push(slot);
                self.open.len() - 1
            }
        };
        &mut self.open[index]
    }

    fn take(&mut self, until: u64) -> Taken {
        self.taken = self.taken.max(until);
        let (slots, open) = mem::take(&mut self.open).into_iter().partition(|slot| slot.second < until);
        self.open = open;
        let mut users = Vec::new();
        self.users.retain(|_, met| {
            let ended = (u64::from(met.slice) + 1) * USER_SLICE_SECS <= until;
            if ended {
                users.push(*met);
            }
            !ended
        });
        Taken { slots, users }
    }
}

fn micros(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Whether a check of nothing but the status would have called it a success: a complete answer with a 2xx.
fn plainly_ok(sample: &Sample) -> bool {
    let answered = matches!(
        sample.outcome,
        Outcome::Ok | Outcome::Degraded | Outcome::Masked | Outcome::Status | Outcome::Assertion
    );
    answered && sample.status.is_some_and(|status| (200..300).contains(&status))
}
