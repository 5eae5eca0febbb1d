//! [`Canaries`]: values that no answer may hold, looked for in every head and body, also where chunks part them.

use crate::model::checks::{Observation, Sighting};
use crate::model::event::{EventSink, RunEvent};
use crate::units::RunClock;
use http::HeaderMap;
use memchr::memmem::Finder;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Shorter values are not looked for: they stand in ordinary text by chance.
const SHORTEST: usize = 8;
/// So many places with sightings are told apart.
const PLACES: usize = 200;
/// The most digits of a row's number.
const DIGITS: usize = 20;

/// What is looked for.
#[derive(Debug)]
pub struct Canaries {
    needles: Vec<(String, Finder<'static>)>,
    others: Option<Others>,
    /// Bytes that must be kept of what came before, so that no boundary hides anything.
    overlap: usize,
    answers: AtomicU64,
    seen: Mutex<BTreeMap<(String, String), u64>>,
    clock: RunClock,
    events: EventSink,
}

/// Rows of generated data: all that stands before a row's number.
#[derive(Debug)]
struct Others {
    name: String,
    prefix: Finder<'static>,
}

impl Canaries {
    /// Looks for these values, by name, and for rows of other users: `others` is the data's name and what stands before
    /// the number in its rows. Nothing where there is nothing to look for.
    #[must_use]
    pub fn new(
        values: impl IntoIterator<Item = (String, String)>,
        others: Option<(String, String)>,
        clock: RunClock,
        events: EventSink,
    ) -> Option<Self> {
        let needles: Vec<(String, Finder<'static>)> = values
            .into_iter()
            .filter(|(_, value)| value.len() >= SHORTEST)
            .map(|(name, value)| (name, Finder::new(value.as_bytes()).into_owned()))
            .collect();
        let others = others
            .filter(|(_, prefix)| prefix.len() >= SHORTEST)
            .map(|(name, prefix)| Others { name, prefix: Finder::new(prefix.as_bytes()).into_owned() });
        let longest = needles.iter().map(|(_, finder)| finder.needle().len()).max().unwrap_or(0);
        let overlap = longest.max(others.as_ref().map_or(0, |others| others.prefix.needle().len() + DIGITS + 1));
        (overlap > 0).then(|| Self {
            needles,
            others,
            overlap,
            answers: AtomicU64::new(0),
            seen: Mutex::default(),
            clock,
            events,
        })
    }

    /// How many are looked for.
    fn count(&self) -> u32 {
        u32::try_from(self.needles.len() + usize::from(self.others.is_some())).unwrap_or(u32::MAX)
    }

    /// Notes what was found in an answer to `place`, a method and a path template; `found` may name one several times.
    pub fn note(&self, found: &[String], place: &str) {
        self.answers.fetch_add(1, Ordering::Relaxed);
        for canary in found {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            let key = (canary.clone(), place.to_owned());
            if seen.len() >= PLACES && !seen.contains_key(&key) {
                continue;
            }
            let count = seen.entry(key).or_default();
            *count += 1;
            let count = *count;
            drop(seen);
            // Each tenfold is told, so that a journal of a leak in every answer stays small.
            if count.checked_ilog10().is_some_and(|zeros| count == 10_u64.pow(zeros)) {
                let sighting =
                    Sighting { at: self.clock.now(), canary: canary.clone(), place: place.to_owned(), count };
                self.events.emit(RunEvent::Observed { what: Observation::Sighting(sighting) });
            }
        }
    }

    /// Says how much was looked through.
    pub fn report(&self) {
        let what = Observation::LookedThrough {
            at: self.clock.now(),
            answers: self.answers.load(Ordering::Relaxed),
            canaries: self.count(),
        };
        self.events.emit(RunEvent::Observed { what });
    }

    /// Looks through one whole answer.
    #[must_use]
    pub fn in_answer(&self, headers: &HeaderMap, body: &[u8]) -> Vec<String> {
        let mut scan = Scan::default();
        scan.head(self, headers);
        scan.chunk(self, body, None);
        scan.finish(self, None);
        scan.found
    }
}

/// One answer being looked through.
#[derive(Debug, Default)]
pub(super) struct Scan {
    tail: Vec<u8>,
    found: Vec<String>,
}

impl Scan {
    /// What was found.
    pub(super) fn found(&self) -> &[String] {
        &self.found
    }

    /// Begins another answer.
    pub(super) fn reset(&mut self) {
        self.tail.clear();
        self.found.clear();
    }

    /// Looks through an answer's head.
    pub(super) fn head(&mut self, canaries: &Canaries, headers: &HeaderMap) {
        for value in headers.values() {
            for (name, finder) in &canaries.needles {
                if finder.find(value.as_bytes()).is_some() {
                    self.add(name);
                }
            }
        }
    }

    /// Looks through the next piece of the body; `own` is the number of the row that the answer is for.
    pub(super) fn chunk(&mut self, canaries: &Canaries, data: &[u8], own: Option<u64>) {
        let before = self.tail.len();
        self.tail.extend_from_slice(data);
        let work = std::mem::take(&mut self.tail);
        for (name, finder) in &canaries.needles {
            // What ends within the overlap was found before.
            if finder.find_iter(&work).any(|at| at + finder.needle().len() > before) {
                self.add(name);
            }
        }
        self.others(canaries, &work, before, own, false);
        let keep = canaries.overlap.min(work.len());
        self.tail.extend_from_slice(&work[work.len() - keep..]);
    }

    /// The body has ended.
    pub(super) fn finish(&mut self, canaries: &Canaries, own: Option<u64>) {
        let work = std::mem::take(&mut self.tail);
        self.others(canaries, &work, work.len(), own, true);
    }

    /// Looks for rows of others. A number that the end of `work` cuts off is told only once the body has ended.
    fn others(&mut self, canaries: &Canaries, work: &[u8], before: usize, own: Option<u64>, ended: bool) {
        let (Some(others), Some(own)) = (&canaries.others, own) else { return };
        let length = others.prefix.needle().len();
        for at in others.prefix.find_iter(work) {
            let digits = work[at + length..].iter().take(DIGITS).take_while(|b| b.is_ascii_digit()).count();
            let end = at + length + digits;
            if (end == work.len()) != ended || (!ended && end < before) || digits == 0 {
                continue;
            }
            let number = std::str::from_utf8(&work[at + length..end]).ok().and_then(|digits| digits.parse().ok());
            if number != Some(own) {
                self.add(&format!("another user's row of {}", others.name));
            }
        }
    }

    fn add(&mut self, name: &str) {
        if !self.found.iter().any(|found| found == name) {
            self.found.push(name.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn canaries() -> Canaries {
        let (sink, _) = EventSink::channel();
        let values = [("the OpenAI key".to_owned(), "sk-canary-1234".to_owned()), ("short".into(), "abc".into())];
        Canaries::new(values, Some(("user".into(), "user_run7_".into())), RunClock::start(), sink).unwrap()
    }

    fn scanned(pieces: &[&[u8]], own: u64) -> Vec<String> {
        let canaries = canaries();
        let mut scan = Scan::default();
        for piece in pieces {
            scan.chunk(&canaries, piece, Some(own));
        }
        scan.finish(&canaries, Some(own));
        scan.found
    }

    #[tokio::test]
    async fn finds_keys_in_heads_and_bodies() {
        let canaries = canaries();
        let headers = HeaderMap::from_iter([(http::header::SERVER, HeaderValue::from_static("x sk-canary-1234 y"))]);
        assert_eq!(canaries.in_answer(&headers, b""), ["the OpenAI key"]);
        assert_eq!(canaries.in_answer(&HeaderMap::new(), b"{\"k\":\"sk-canary-1234\"}"), ["the OpenAI key"]);
        assert!(canaries.in_answer(&HeaderMap::new(), b"sk-canary-123 abc sk_canary-1234").is_empty());
    }

    #[tokio::test]
    async fn ones_own_row_is_no_sighting_and_anothers_is() {
        assert!(scanned(&[b"user_run7_12 and user_run7_12"], 12).is_empty());
        assert_eq!(scanned(&[b"user_run7_12 and user_run7_1"], 12), ["another user's row of user"]);
        assert_eq!(scanned(&[b"user_run7_123"], 12), ["another user's row of user"]);
        assert!(scanned(&[b"user_run8_1 user_run7_x"], 12).is_empty());
        assert!(scanned(&[b"user_run7_1", b"2"], 12).is_empty(), "a number in two chunks is one");
        assert!(scanned(&[b"user_run7_1", b"2", b" x"], 12).is_empty());
    }

    proptest! {
        #[test]
        fn no_parting_hides_or_makes_anything(
            text in proptest::collection::vec(
                prop_oneof![
                    Just("sk-canary-1234"), Just("user_run7_"), Just("12"), Just("7"), Just(" "), Just("sk-canary-12"),
                ],
                0..12,
            ),
            cuts in proptest::collection::vec(0..200_usize, 0..20),
        ) {
            let clock = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let _guard = clock.enter();
            let text = text.concat().into_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).chain([0, text.len()]).collect();
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect();
            let (mut parted, mut whole) = (scanned(&pieces, 12), scanned(&[&text], 12));
            parted.sort();
            whole.sort();
            prop_assert_eq!(parted, whole);
        }
    }
}
