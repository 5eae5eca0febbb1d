//! [`StepsUnderWay`]: the steps that virtual users are making at this moment, so that a call which the app makes of an
//! upstream can be traced to the step that triggered it. The load enters them, the upstreams look them up.

use crate::model::calls::{TracedBy, Trigger};
use crate::model::sample::EndpointId;
use jiff::Timestamp;
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use xxhash_rust::xxh3::xxh3_64;

/// How much of a call's query and body is looked through for users, in bytes.
const LOOKED_THROUGH: usize = 64 << 10;
/// Shorter words name nobody: they would be found in everything.
const SHORTEST_WORD: usize = 4;

/// The steps under way in a run.
#[derive(Debug, Default)]
pub struct StepsUnderWay {
    /// Tells this run's trace ids from those of others.
    run: u64,
    /// How many there are; read without the lock.
    count: AtomicUsize,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    last: u64,
    steps: HashMap<u64, Step>,
    /// The hash of a word of a user's id → steps of such users.
    words: HashMap<u64, Vec<u64>>,
}

#[derive(Clone, Debug)]
struct Step {
    user: u32,
    endpoint: EndpointId,
    ids: Arc<[String]>,
}

/// A step under way; it is over when this is dropped.
#[derive(Debug)]
pub struct StepGuard {
    steps: Arc<StepsUnderWay>,
    /// Its number in the run, from 1.
    number: u64,
}

impl StepsUnderWay {
    /// None yet, in the run that started then.
    #[must_use]
    pub fn new(started_at: Timestamp) -> Arc<Self> {
        // Never zero, for a trace id must not be all zeros.
        Arc::new(Self { run: xxh3_64(&started_at.as_nanosecond().to_le_bytes()) | 1, ..Self::default() })
    }

    /// A step of `user` begins, who is known to the app by these ids.
    #[must_use]
    pub fn begin(self: &Arc<Self>, user: u32, endpoint: EndpointId, ids: &Arc<[String]>) -> StepGuard {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.last += 1;
        let number = table.last;
        for word in ids.iter().filter_map(|id| anchor(id)) {
            table.words.entry(word).or_default().push(number);
        }
        table.steps.insert(number, Step { user, endpoint, ids: Arc::clone(ids) });
        self.count.fetch_add(1, Ordering::Relaxed);
        drop(table);
        StepGuard { steps: Arc::clone(self), number }
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Whether a step is still under way.
    #[must_use]
    pub fn is_under_way(&self, step: u64) -> bool {
        self.table.lock().unwrap_or_else(PoisonError::into_inner).steps.contains_key(&step)
    }

    /// The step that a call bears, by its `traceparent` and its `x-request-id`. One that is over by now triggered it
    /// all the same, but nothing is known of it any more, so it is not told.
    #[must_use]
    pub fn by_header(&self, traceparent: Option<&str>, request_id: Option<&str>) -> Option<Trigger> {
        // traceparent = version "-" trace-id "-" parent-id "-" flags (W3C Trace Context, section 3.2)
        let trace = traceparent.and_then(|header| header.split('-').nth(1));
        let number = [trace, request_id].into_iter().flatten().find_map(|id| self.number_in(id))?;
        self.trigger(number, TracedBy::Header)
    }

    /// The only step under way.
    #[must_use]
    pub fn only(&self) -> Option<Trigger> {
        if self.count() != 1 {
            return None;
        }
        let table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let mut steps = table.steps.iter();
        match (steps.next(), steps.next()) {
            (Some((number, step)), None) => Some(step.trigger(*number, TracedBy::Only)),
            _ => None,
        }
    }

    /// The step of the one user whom these texts name: ids stand in them as whole words. `None` if they name nobody,
    /// or several.
    #[must_use]
    pub fn by_user(&self, texts: &[&[u8]]) -> Option<Trigger> {
        let table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if table.words.is_empty() {
            return None;
        }
        let mut found: Option<u64> = None;
        for text in texts {
            let text = &text[..text.len().min(LOOKED_THROUGH)];
            for (at, word) in words(text) {
                for number in table.words.get(&xxh3_64(word)).into_iter().flatten() {
                    let Some(step) = table.steps.get(number) else { continue };
                    if !step.ids.iter().any(|id| stands_at(id.as_bytes(), text, at, word)) {
                        continue;
                    }
                    match found {
                        None => found = Some(*number),
                        Some(other) if other == *number => {}
                        // Two steps, be it of two users or of one: it cannot be told whose call it is.
                        Some(_) => return None,
                    }
                }
            }
        }
        let number = found?;
        table.steps.get(&number).map(|step| step.trigger(number, TracedBy::User))
    }

    fn number_in(&self, id: &str) -> Option<u64> {
        // Foreign ids may be anything, so nothing but 32 hexadecimal digits is looked at.
        if id.len() != 32 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let (run, number) = id.split_at(16);
        let run = u64::from_str_radix(run, 16).ok()?;
        (run == self.run).then(|| u64::from_str_radix(number, 16).ok()).flatten()
    }

    fn trigger(&self, number: u64, by: TracedBy) -> Option<Trigger> {
        let table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.steps.get(&number).map(|step| step.trigger(number, by))
    }

    fn end(&self, number: u64) {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(step) = table.steps.remove(&number) else { return };
        for word in step.ids.iter().filter_map(|id| anchor(id)) {
            if let Some(steps) = table.words.get_mut(&word) {
                steps.retain(|step| *step != number);
                if steps.is_empty() {
                    table.words.remove(&word);
                }
            }
        }
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Step {
    fn trigger(&self, step: u64, by: TracedBy) -> Trigger {
        Trigger { step, user: self.user, endpoint: self.endpoint, by }
    }
}

impl StepGuard {
    /// Its id as 32 hexadecimal digits, unlike that of any other step: a trace id, and a request id.
    #[must_use]
    pub fn id(&self) -> StepId {
        StepId { run: self.steps.run, number: self.number }
    }
}

impl Drop for StepGuard {
    fn drop(&mut self) {
        self.steps.end(self.number);
    }
}

/// The id of a step, for headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepId {
    run: u64,
    number: u64,
}

impl StepId {
    /// As the value of a `traceparent` header. Its flags are zero: firedrill keeps no trace of its own.
    #[must_use]
    pub fn traceparent(self) -> String {
        format!("00-{self}-{:016x}-00", self.number)
    }
}

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:016x}", self.run, self.number)
    }
}

/// The hash of the word by which an id is looked for: its longest, the last of several. `None` if it has none that
/// could name anybody.
fn anchor(id: &str) -> Option<u64> {
    let word = words(id.as_bytes()).map(|(_, word)| word).max_by_key(|word| word.len())?;
    (word.len() >= SHORTEST_WORD).then(|| xxh3_64(word))
}

/// The words of a text, with their places: runs of letters, digits, `_` and `-`.
fn words(text: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let begin = at + text[at..].iter().position(|byte| is_word(*byte))?;
        let end = text[begin..].iter().position(|byte| !is_word(*byte)).map_or(text.len(), |length| begin + length);
        at = end;
        Some((begin, &text[begin..end]))
    })
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-' || byte >= 0x80
}

/// Whether `id`, one of whose words is `word`, stands around the place of that word in a text, as a whole.
fn stands_at(id: &[u8], text: &[u8], at: usize, word: &[u8]) -> bool {
    words(id).filter(|(_, own)| *own == word).any(|(place, _)| {
        let Some(begin) = at.checked_sub(place) else { return false };
        let end = begin + id.len();
        let whole = |edge: Option<&u8>| edge.is_none_or(|byte| !is_word(*byte));
        text.get(begin..end) == Some(id)
            && whole(begin.checked_sub(1).and_then(|before| text.get(before)))
            && whole(text.get(end))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ids(ids: &[&str]) -> Arc<[String]> {
        ids.iter().map(|id| (*id).to_owned()).collect()
    }

    fn user_in(steps: &StepsUnderWay, text: &str) -> Option<u32> {
        steps.by_user(&[text.as_bytes()]).map(|trigger| trigger.user)
    }

    #[test]
    fn a_user_is_found_as_a_whole_word_and_only_alone() {
        let steps = StepsUnderWay::new(Timestamp::UNIX_EPOCH);
        let _three = steps.begin(3, 1, &ids(&["load_test_user_3"]));
        let _thirty = steps.begin(31, 1, &ids(&["load_test_user_31"]));
        let mail = steps.begin(7, 2, &ids(&["ann.lee+7@example.com"]));
        assert_eq!(user_in(&steps, "user_id=eq.load_test_user_3&select=*"), Some(3));
        assert_eq!(user_in(&steps, r#"{"messages":[{"content":"Plan for load_test_user_31."}]}"#), Some(31));
        assert_eq!(user_in(&steps, r#"{"a":"load_test_user_3","b":["load_test_user_3"]}"#), Some(3), "twice the same");
        assert_eq!(user_in(&steps, "load_test_user_3 and load_test_user_31"), None, "two users");
        for near in ["load_test_user_32", "xload_test_user_3", "load_test_user_3x", "load_test_user", "", "user-3"] {
            assert_eq!(user_in(&steps, near), None, "{near}");
        }
        assert_eq!(user_in(&steps, r#"{"email":"ann.lee+7@example.com"}"#), Some(7));
        assert_eq!(user_in(&steps, "ann.lee+8@example.com example"), None);
        drop(mail);
        assert_eq!(user_in(&steps, "ann.lee+7@example.com"), None, "over");
    }

    #[test]
    fn two_steps_of_one_user_cannot_be_told_apart() {
        let steps = StepsUnderWay::new(Timestamp::UNIX_EPOCH);
        let _one = steps.begin(3, 1, &ids(&["somebody"]));
        let two = steps.begin(3, 2, &ids(&["somebody"]));
        assert_eq!(user_in(&steps, "somebody"), None);
        drop(two);
        assert_eq!(user_in(&steps, "somebody"), Some(3));
    }

    #[test]
    fn ids_that_could_stand_anywhere_name_nobody() {
        let steps = StepsUnderWay::new(Timestamp::UNIX_EPOCH);
        let _step = steps.begin(1, 0, &ids(&["7", "a b"]));
        assert_eq!(user_in(&steps, r#"{"n":7,"a b":1}"#), None);
    }

    #[test]
    fn headers_name_the_step_of_this_run() {
        let steps = StepsUnderWay::new(Timestamp::UNIX_EPOCH);
        let first = steps.begin(5, 2, &ids(&[]));
        let second = steps.begin(6, 3, &ids(&[]));
        let traceparent = second.id().traceparent();
        assert_eq!(traceparent.len(), 55);
        let by = |traceparent: Option<&str>, id: Option<&str>| steps.by_header(traceparent, id).map(|t| t.user);
        assert_eq!(by(Some(&traceparent), None), Some(6));
        assert_eq!(by(None, Some(&first.id().to_string())), Some(5));
        // As a tracing library of the app forwards it: the same trace, another parent, sampled.
        let forwarded = format!("00-{}-00f067aa0ba902b7-01", first.id());
        assert_eq!(by(Some(&forwarded), None), Some(5));
        let other = StepsUnderWay::new(Timestamp::MAX).begin(9, 9, &ids(&[])).id().traceparent();
        for foreign in
            [other.as_str(), "", "00", "00--", "00-ü-x-0", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"]
        {
            assert_eq!(by(Some(foreign), Some(foreign)), None, "{foreign}");
        }
        drop(second);
        assert_eq!(by(Some(&traceparent), None), None, "over");
        assert_eq!(steps.only().map(|trigger| (trigger.user, trigger.by)), Some((5, TracedBy::Only)));
        drop(first);
        assert_eq!((steps.only(), steps.count()), (None, 0));
    }

    proptest! {
        #[test]
        fn whatever_a_call_holds_only_a_whole_id_is_found(text in proptest::collection::vec(any::<u8>(), 0..200), id in "[a-z0-9_.@ -]{4,20}") {
            let steps = StepsUnderWay::new(Timestamp::UNIX_EPOCH);
            let _step = steps.begin(1, 0, &ids(&[&id]));
            if steps.by_user(&[&text]).is_some() {
                prop_assert!(text.windows(id.len()).any(|window| window == id.as_bytes()));
            }
        }
    }
}
