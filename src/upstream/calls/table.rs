//! [`Table`]: what was lately asked for, so that a retry is known when it comes.
//!
//! A retry is known by the client's own mark, or because it equals a call that has just failed. Equal calls are common
//! for other reasons, too: several users ask the same, a page is polled, an app reads a row again and again. So equality
//! counts only for what was never seen to be asked twice otherwise; where it was, the call is *unclear*, and said to be.

use crate::model::calls::{CallOutcome, Layer, Retry, RetrySign};
use crate::units::{Offset, Span};
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// How many different calls are remembered, in two halves: the older half is forgotten as a whole.
const KEPT: usize = 8192;
/// How long after a failure a client is expected to try again, beyond what it was asked to wait. The longest pause of
/// OpenAI's clients is 8 s.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long after a failure it is too late, once the step that triggered the call is over.
const AFTER_STEP: Duration = Duration::from_secs(3);
/// At the end of a run, a pause as long as this is an end.
const AT_END: Duration = Duration::from_secs(10);

/// A call as it comes.
#[derive(Clone, Copy, Debug)]
pub struct Coming {
    /// Its number at the upstream.
    pub number: u64,
    /// A hash of what it asks for; `None` if that is not known.
    pub key: Option<u64>,
    /// The client's mark.
    pub mark: Option<u32>,
    /// The step that triggered it.
    pub step: Option<u64>,
    /// When it came.
    pub at: Offset,
}

/// What is known of a call once it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// The first call of its logical call.
    pub logical: u64,
    /// Which try it is.
    pub attempt: u32,
    /// If it is a retry, how that is known.
    pub retry: Option<Retry>,
    /// It equals one that had just failed, and it cannot be told whether it is a retry.
    pub unclear: bool,
}

/// How a call ended.
#[derive(Clone)]
pub struct Ended<'a> {
    /// What it asked for.
    pub key: u64,
    /// The first call of its logical call.
    pub logical: u64,
    /// When.
    pub at: Offset,
    /// Whether it failed for certain.
    pub failed: bool,
    /// Whether the client may see it as failed: a fault struck its answer.
    pub doubtful: bool,
    /// How long the client was asked to wait.
    pub asked: Option<Span>,
    /// Rows that it inserted.
    pub inserted: u32,
    /// The step that triggered it, should it be known only by now.
    pub step: Option<u64>,
    /// Its method and path.
    pub request: &'a dyn Fn() -> String,
}

/// A logical call whose fate is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settling {
    /// When its last try ended.
    pub at: Offset,
    /// The number of its first call.
    pub logical: u64,
    /// Tries.
    pub tries: u32,
    /// After how many tries it was told to be given up, wrongly.
    pub corrects: Option<u32>,
    /// Tries that inserted rows.
    pub inserting: u32,
    /// Rows inserted more than once.
    pub inserted_again: u32,
    /// Its method and path.
    pub request: Box<str>,
}

/// What was lately asked for.
#[derive(Debug, Default)]
pub struct Table {
    young: HashMap<u64, Entry>,
    old: HashMap<u64, Entry>,
    /// Logical calls that failed and may be tried again, in the order of their failing.
    waiting: VecDeque<Waiting>,
}

/// One thing that was asked for.
#[derive(Clone, Debug, Default)]
struct Entry {
    logical: u64,
    attempts: u32,
    /// Retries of the client library since the last retry from above it.
    by_client: u32,
    from_above: u32,
    under_way: u32,
    last_end: Offset,
    failed: bool,
    /// Whether `failed` is certain.
    certain: bool,
    asked: Option<Span>,
    step: Option<u64>,
    /// It was asked for by several at once, or again after it had gone well.
    common: bool,
    given_up: Option<u32>,
    inserting: u32,
    inserted: u32,
    most_inserted: u32,
    request: Option<Box<str>>,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    key: u64,
    logical: u64,
    attempts: u32,
    since: Offset,
    asked: Duration,
}

impl Table {
    /// Takes a call in.
    pub fn come(&mut self, call: Coming) -> Known {
        let Coming { number, key, mark, step, at } = call;
        let first = Known { logical: number, attempt: 1, retry: None, unclear: false };
        let marked = mark.filter(|mark| *mark > 0);
        // A retry by its mark alone: what it retries is not known.
        let alone =
            marked.map(|number| Retry { by: RetrySign::Mark, layer: Layer::Client, number, gap: None, asked: None });
        let unlinked = Known { attempt: mark.unwrap_or(0) + 1, retry: alone, ..first };
        let Some(key) = key else { return unlinked };
        let Some(entry) = self.find(key) else {
            self.insert(
                key,
                Entry { logical: number, attempts: unlinked.attempt, under_way: 1, step, ..Entry::default() },
            );
            return unlinked;
        };
        let is_alone = entry.under_way == 0;
        entry.under_way += 1;
        let late = at.since(entry.last_end) > PATIENCE + entry.asked.map_or(Duration::ZERO, Span::get);
        let same_step = !matches!((entry.step, step), (Some(then), Some(now)) if then != now);
        let follows = is_alone && entry.failed && !late && same_step;
        if !is_alone || !entry.failed && !late {
            entry.common = true;
        }
        if !follows || (entry.common && marked.is_none()) {
            let unclear = follows;
            if is_alone {
                entry.renew(number, unlinked.attempt, step);
            }
            return Known { unclear, ..unlinked };
        }
        entry.attempts += 1;
        let (layer, number) = match mark {
            Some(0) => {
                entry.from_above += 1;
                entry.by_client = 0;
                (Layer::Above, entry.from_above)
            }
            Some(number) => {
                entry.by_client = number;
                (Layer::Client, number)
            }
            None => {
                entry.by_client += 1;
                (Layer::Client, entry.by_client)
            }
        };
        let by = if marked.is_some() { RetrySign::Mark } else { RetrySign::Equal };
        let retry = Retry { by, layer, number, gap: Some(Span(at.since(entry.last_end))), asked: entry.asked };
        entry.step = entry.step.or(step);
        Known { logical: entry.logical, attempt: entry.attempts, retry: Some(retry), unclear: false }
    }

    /// Notes the end of a call. Returns a logical call that does not fail any more.
    pub fn end(&mut self, ended: &Ended<'_>) -> Option<Settling> {
        let entry = self.find(ended.key)?;
        entry.under_way = entry.under_way.saturating_sub(1);
        if entry.logical != ended.logical {
            // One of several at once; which of them is retried cannot be told.
            return None;
        }
        entry.last_end = ended.at;
        entry.asked = ended.asked;
        entry.step = entry.step.or(ended.step);
        if ended.inserted > 0 {
            entry.inserting += 1;
            entry.inserted += ended.inserted;
            entry.most_inserted = entry.most_inserted.max(ended.inserted);
        }
        if ended.failed {
            (entry.failed, entry.certain) = (true, true);
            entry.request.get_or_insert_with(|| (ended.request)().into());
            let waiting = Waiting {
                key: ended.key,
                logical: entry.logical,
                attempts: entry.attempts,
                since: ended.at,
                asked: ended.asked.map_or(Duration::ZERO, Span::get),
            };
            if !entry.common && self.waiting.len() < KEPT {
                self.waiting.push_back(waiting);
            }
            return None;
        }
        let after_failure = entry.certain && entry.attempts > 1;
        (entry.failed, entry.certain) = (ended.doubtful, false);
        if !after_failure || entry.common {
            return None;
        }
        let settling = entry.settling();
        entry.forget_writes();
        Some(settling)
    }

    /// Takes out those that were not tried again in time.
    pub fn settle(&mut self, now: Offset, is_over: impl Fn(u64) -> bool) -> Vec<(Settling, CallOutcome)> {
        self.resolve(|waiting, step| {
            let waited = now.since(waiting.since);
            let early = waited >= waiting.asked + AFTER_STEP && step.is_some_and(&is_over);
            (early || waited >= waiting.asked + PATIENCE).then_some(CallOutcome::GaveUp)
        })
    }

    /// Takes out all, at the end of the run.
    pub fn flush(&mut self, now: Offset, is_over: impl Fn(u64) -> bool) -> Vec<(Settling, CallOutcome)> {
        self.resolve(|waiting, step| {
            let waited = now.since(waiting.since);
            let ended = waited >= waiting.asked + AFTER_STEP && step.is_some_and(&is_over);
            let gave_up = ended || waited >= waiting.asked + AT_END;
            Some(if gave_up { CallOutcome::GaveUp } else { CallOutcome::Unknown })
        })
    }

    fn resolve(&mut self, fate: impl Fn(&Waiting, Option<u64>) -> Option<CallOutcome>) -> Vec<(Settling, CallOutcome)> {
        let mut settled = Vec::new();
        for _ in 0..self.waiting.len() {
            let Some(waiting) = self.waiting.pop_front() else { break };
            // What was tried again in the meantime, or went well, waits elsewhere or no more.
            let Some(entry) = self.find(waiting.key).filter(|entry| {
                entry.logical == waiting.logical
                    && entry.attempts == waiting.attempts
                    && entry.under_way == 0
                    && entry.failed
            }) else {
                continue;
            };
            match fate(&waiting, entry.step) {
                Some(outcome) => {
                    settled.push((entry.settling(), outcome));
                    if outcome == CallOutcome::GaveUp {
                        entry.given_up = Some(entry.attempts);
                    }
                }
                None => self.waiting.push_back(waiting),
            }
        }
        settled
    }

    fn find(&mut self, key: u64) -> Option<&mut Entry> {
        if !self.young.contains_key(&key) {
            let entry = self.old.remove(&key)?;
            self.insert(key, entry);
        }
        self.young.get_mut(&key)
    }

    fn insert(&mut self, key: u64, entry: Entry) {
        if self.young.len() >= KEPT / 2 {
            // The older half goes, and its room is used again.
            self.old.clear();
            std::mem::swap(&mut self.young, &mut self.old);
        }
        self.young.insert(key, entry);
    }
}

impl Entry {
    /// Another logical call for the same thing.
    fn renew(&mut self, logical: u64, attempts: u32, step: Option<u64>) {
        *self = Self { logical, attempts, under_way: self.under_way, step, common: self.common, ..Self::default() };
    }

    fn settling(&mut self) -> Settling {
        let again = self.inserted.saturating_sub(self.most_inserted);
        Settling {
            at: self.last_end,
            logical: self.logical,
            tries: self.attempts,
            corrects: self.given_up.take(),
            inserting: self.inserting,
            inserted_again: if self.inserting > 1 { again } else { 0 },
            request: self.request.clone().unwrap_or_default(),
        }
    }

    fn forget_writes(&mut self) {
        (self.inserting, self.inserted, self.most_inserted) = (0, 0, 0);
    }
}

#[cfg(test)]
mod tests;
