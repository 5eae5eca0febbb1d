//! What the app keeps in memory between requests: the duplicate guard, behaviour results, and the circadian
//! entries that are never completed (the 30-second stall).

use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// An abandoned first request keeps its duplicates out for so long.
const DUPLICATE_FOR: Duration = Duration::from_secs(60);
/// Behaviour results are served from memory for so long.
const REMEMBERED_FOR: Duration = Duration::from_secs(600);
/// So many behaviour results are remembered at most.
const REMEMBERED: usize = 100;
/// So many circadian entries are kept; HolisticOS has no bound, but a test must not eat its own machine.
const MOST_ENTRIES: usize = 200_000;

/// User and archetype.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) user: String,
    pub(super) archetype: String,
}

/// Subject and kind of plan.
type ClaimKey = (Key, &'static str);

/// The state shared by all requests.
#[derive(Default)]
pub(super) struct Coordination {
    /// By subject and kind of plan: the claim's number and when it began.
    claims: Mutex<HashMap<ClaimKey, (u64, Instant)>>,
    next_claim: AtomicU64,
    behaviors: Mutex<HashMap<Key, Behavior>>,
    circadians: Mutex<HashSet<Key>>,
}

enum Behavior {
    Running(watch::Receiver<()>),
    Done { result: Arc<Value>, at: Instant },
}

/// What to do for a behaviour analysis.
pub(super) enum Begin {
    /// Serve this result.
    Remembered(Arc<Value>),
    /// Another request is at it: wait until the channel closes.
    Wait(watch::Receiver<()>),
    /// Do it, and then [`Permit::finish`].
    Run(Permit),
}

/// The right to run the behaviour analysis of a key. Dropping it unfinished lets the next request run.
pub(super) struct Permit {
    owner: Arc<Coordination>,
    key: Key,
    finished: bool,
    /// Closes the channel of those who wait.
    _running: watch::Sender<()>,
}

/// The exclusive right to generate a plan for a key; freed when dropped.
pub(super) struct Claim {
    owner: Arc<Coordination>,
    key: ClaimKey,
    number: u64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Coordination {
    /// Claims a plan; `None` if the same is under way and began less than 60 s ago.
    pub(super) fn claim(self: &Arc<Self>, key: &Key, kind: &'static str) -> Option<Claim> {
        let key = (key.clone(), kind);
        let mut claims = lock(&self.claims);
        if claims.get(&key).is_some_and(|(_, began)| began.elapsed() < DUPLICATE_FOR) {
            return None;
        }
        let number = self.next_claim.fetch_add(1, Ordering::Relaxed);
        claims.insert(key.clone(), (number, Instant::now()));
        Some(Claim { owner: Arc::clone(self), key, number })
    }

    /// The behaviour result in memory, if it is young enough.
    pub(super) fn remembered(&self, key: &Key) -> Option<Arc<Value>> {
        match lock(&self.behaviors).get(key) {
            Some(Behavior::Done { result, at }) if at.elapsed() < REMEMBERED_FOR => Some(Arc::clone(result)),
            _ => None,
        }
    }

    /// Begins a behaviour analysis, or says what stands in its way.
    pub(super) fn begin(self: &Arc<Self>, key: &Key) -> Begin {
        let mut behaviors = lock(&self.behaviors);
        match behaviors.get(key) {
            Some(Behavior::Done { result, at }) if at.elapsed() < REMEMBERED_FOR => {
                return Begin::Remembered(Arc::clone(result));
            }
            Some(Behavior::Running(running)) => return Begin::Wait(running.clone()),
            Some(Behavior::Done { .. }) | None => {}
        }
        let (sender, receiver) = watch::channel(());
        behaviors.insert(key.clone(), Behavior::Running(receiver));
        Begin::Run(Permit { owner: Arc::clone(self), key: key.clone(), finished: false, _running: sender })
    }

    /// Notes a circadian analysis; whether it is the first of its key. It is never forgotten.
    pub(super) fn first_circadian(&self, key: &Key) -> bool {
        let mut circadians = lock(&self.circadians);
        circadians.len() >= MOST_ENTRIES || circadians.insert(key.clone())
    }
}

impl Permit {
    /// Remembers the result and wakes those who wait; `None` remembers nothing.
    pub(super) fn finish(mut self, result: Option<Arc<Value>>) {
        let Some(result) = result else { return };
        self.finished = true;
        let mut behaviors = lock(&self.owner.behaviors);
        behaviors.insert(self.key.clone(), Behavior::Done { result, at: Instant::now() });
        let done = behaviors.iter().filter_map(|(key, behavior)| match behavior {
            Behavior::Done { at, .. } => Some((*at, key)),
            Behavior::Running(_) => None,
        });
        if done.clone().count() > REMEMBERED {
            let oldest = done.min_by_key(|(at, _)| *at).map(|(_, key)| key.clone());
            if let Some(oldest) = oldest {
                behaviors.remove(&oldest);
            }
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !self.finished {
            lock(&self.owner.behaviors).remove(&self.key);
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut claims = lock(&self.owner.claims);
        // After 60 s somebody else may have taken the claim over.
        if claims.get(&self.key).is_some_and(|(number, _)| *number == self.number) {
            claims.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(user: &str) -> Key {
        Key { user: user.to_owned(), archetype: "Foundation Builder".to_owned() }
    }

    #[tokio::test(start_paused = true)]
    async fn duplicates_are_kept_out_until_done_or_for_a_minute() {
        let state = Arc::new(Coordination::default());
        let first = state.claim(&key("a"), "routine").unwrap();
        assert!(state.claim(&key("a"), "routine").is_none());
        assert!(state.claim(&key("a"), "nutrition").is_some());
        assert!(state.claim(&key("b"), "routine").is_some());
        tokio::time::advance(DUPLICATE_FOR).await;
        let second = state.claim(&key("a"), "routine").unwrap();
        drop(first);
        assert!(state.claim(&key("a"), "routine").is_none(), "the first must not free the second's claim");
        drop(second);
        assert!(state.claim(&key("a"), "routine").is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn behaviour_is_remembered_for_ten_minutes_and_bounded() {
        let state = Arc::new(Coordination::default());
        let Begin::Run(permit) = state.begin(&key("a")) else { panic!("the first runs") };
        let Begin::Wait(mut waiting) = state.begin(&key("a")) else { panic!("the second waits") };
        permit.finish(Some(Arc::new(Value::Bool(true))));
        assert!(waiting.changed().await.is_err(), "the channel closes");
        assert!(matches!(state.begin(&key("a")), Begin::Remembered(_)));
        for n in 0..REMEMBERED {
            tokio::time::advance(Duration::from_millis(1)).await;
            let Begin::Run(permit) = state.begin(&key(&format!("u{n}"))) else { panic!("fresh") };
            permit.finish(Some(Arc::new(Value::Null)));
        }
        assert!(state.remembered(&key("a")).is_none(), "the oldest went");
        assert!(state.remembered(&key("u5")).is_some());
        tokio::time::advance(REMEMBERED_FOR).await;
        assert!(state.remembered(&key("u5")).is_none());
    }

    #[test]
    fn an_unfinished_permit_frees_the_key() {
        let state = Arc::new(Coordination::default());
        drop(state.begin(&key("a")));
        assert!(matches!(state.begin(&key("a")), Begin::Run(_)));
    }
}
