//! [`CallGuard`]: one call under way, from its head to its end, however that comes about.

use super::Watch;
use super::head::{mark, retry_after};
use super::table::{Coming, Ended, Known, Settling};
use crate::model::calls::{CallEnd, CallNote, CallOutcome, Trigger};
use crate::model::fault::FaultAction;
use crate::units::{Offset, RunClock, Span};
use crate::upstream::tally::Tally;
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode, Uri};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use xxhash_rust::xxh3::Xxh3Default;

/// How much of a request's path is kept in events, in bytes.
const PATH_KEPT: usize = 200;

/// A call under way. Dropped before it is told to have ended, its client has hung up.
#[derive(Debug)]
pub struct CallGuard {
    watch: Arc<Watch>,
    tally: Arc<Tally>,
    clock: RunClock,
    at: Offset,
    number: u64,
    method: Method,
    uri: Uri,
    mark: Option<u32>,
    key: Option<u64>,
    known: Known,
    trigger: Option<Trigger>,
    hits: Option<Arc<Hits>>,
    status: u16,
    retry_after: Option<Span>,
    inserted: u32,
    ended: bool,
}

/// The faults that struck a call.
#[derive(Debug, Default)]
pub struct Hits {
    all: AtomicU32,
    /// Those that did more than slow it down.
    hard: AtomicU32,
}

impl Hits {
    /// One more.
    pub fn add(&self, action: &FaultAction) {
        self.all.fetch_add(1, Ordering::Relaxed);
        let slows = matches!(
            action,
            FaultAction::Delay(_)
                | FaultAction::DelayBody(_)
                | FaultAction::HoldChunks { .. }
                | FaultAction::Drip(_)
                | FaultAction::SlowTokens(_)
        );
        self.hard.fetch_add(u32::from(!slows), Ordering::Relaxed);
    }
}

impl CallGuard {
    /// A call comes.
    pub fn new(watch: &Arc<Watch>, tally: &Arc<Tally>, clock: RunClock, head: &Parts) -> Self {
        let text = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
        let trigger = watch
            .steps
            .get()
            .filter(|steps| steps.count() > 0)
            .and_then(|steps| steps.by_header(text("traceparent"), text("x-request-id")).or_else(|| steps.only()));
        Self {
            watch: Arc::clone(watch),
            tally: Arc::clone(tally),
            clock,
            at: clock.now(),
            number: 0,
            method: head.method.clone(),
            uri: head.uri.clone(),
            mark: mark(&head.headers),
            key: None,
            known: Known { logical: 0, attempt: 1, retry: None, unclear: false },
            trigger,
            hits: None,
            status: 0,
            retry_after: None,
            inserted: 0,
            ended: false,
        }
    }

    /// It has this number, and asks for this; `body` is `None` where there is one that was not read.
    pub fn identify(&mut self, number: u64, body: Option<&[u8]>) {
        self.number = number;
        self.key = body.map(|body| self.key_of(body));
        let step = self.trigger.map(|trigger| trigger.step);
        let coming = Coming { number, key: self.key, mark: self.mark, step, at: self.at };
        self.known = self.watch.table().come(coming);
        if self.known.retry.is_some() || self.known.unclear {
            let equal = self.known.retry.is_some_and(|_| self.mark.is_none_or(|mark| mark == 0));
            let unclear = self.known.unclear;
            self.tally.note(&self.clock, |second| {
                second.resent += u64::from(equal);
                second.unclear += u64::from(unclear);
            });
        }
    }

    /// Looks for the user that triggered it in its query and body, if nothing else has told.
    pub fn trace(&mut self, body: &[u8]) {
        if self.trigger.is_some() {
            return;
        }
        let Some(steps) = self.watch.steps.get() else { return };
        let path = percent_encoding::percent_decode_str(self.uri.path_and_query().map_or("", |all| all.as_str()));
        let path: std::borrow::Cow<'_, [u8]> = path.into();
        self.trigger = steps.by_user(&[&path, body]);
    }

    /// Whether it is known to be a retry.
    pub fn is_retry(&self) -> bool {
        self.known.retry.is_some()
    }

    /// How many steps of users are under way.
    pub fn steps(&self) -> usize {
        self.watch.steps.get().map_or(0, |steps| steps.count())
    }

    /// The step that triggered it, if that is known.
    pub fn trigger(&self) -> Option<Trigger> {
        self.trigger
    }

    /// Where the faults that strike it are counted.
    pub fn hits(&mut self) -> Arc<Hits> {
        Arc::clone(self.hits.get_or_insert_default())
    }

    /// It has inserted so many rows.
    pub fn inserted(&mut self, rows: usize) {
        self.inserted = u32::try_from(rows).unwrap_or(u32::MAX);
    }

    /// This answer goes out from now on.
    pub fn answering(&mut self, status: StatusCode, headers: &HeaderMap) {
        self.status = status.as_u16();
        if self.status >= 400 {
            self.retry_after = retry_after(headers, jiff::Timestamp::now());
        }
        if status == StatusCode::SWITCHING_PROTOCOLS {
            self.answered();
        }
    }

    /// The answer is out.
    pub fn answered(&mut self) {
        self.end(CallEnd::Answered(self.status));
    }

    /// A fault, or a real service, breaks it off.
    pub fn broken(&mut self) {
        self.end(CallEnd::Broken);
    }

    /// It was refused before it could be looked at, and is not watched.
    pub fn forget(mut self) {
        self.ended = true;
    }

    fn end(&mut self, end: CallEnd) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let now = self.clock.now();
        self.tally.was_busy(now.since(self.at));
        let count =
            |count: fn(&Hits) -> &AtomicU32| self.hits.as_ref().map_or(0, |hits| count(hits).load(Ordering::Relaxed));
        let (hits, hard) = (count(|hits| &hits.all), count(|hits| &hits.hard));
        let failed = match end {
            CallEnd::Answered(status) => fails(status) || hard > 0 && status >= 400,
            CallEnd::Broken | CallEnd::HungUp => true,
            CallEnd::Unfinished => false,
        };
        if end == CallEnd::HungUp {
            self.tally.note(&self.clock, |second| second.hung_up += 1);
        }
        let settled = self
            .key
            .filter(|_| end != CallEnd::Unfinished)
            .and_then(|key| self.ended_in_table(key, now, failed, hard > 0));
        if failed || hits > 0 || self.known.retry.is_some() {
            self.watch.note(CallNote {
                at: self.at,
                upstream: self.watch.upstream,
                call: self.number,
                logical: self.known.logical,
                attempt: self.known.attempt,
                retry: self.known.retry,
                request: self.request(),
                took: Span(now.since(self.at)),
                end,
                faults: u16::try_from(hits).unwrap_or(u16::MAX),
                retry_after: self.retry_after,
                inserted: self.inserted,
                trigger: self.trigger,
            });
        }
        let outcome = match end {
            CallEnd::Answered(400..) => CallOutcome::Refused,
            _ => CallOutcome::Succeeded,
        };
        self.watch.tell(settled.map(|settled| (settled, outcome)));
    }

    fn ended_in_table(&self, key: u64, at: Offset, failed: bool, doubtful: bool) -> Option<Settling> {
        self.watch.table().end(&Ended {
            key,
            logical: self.known.logical,
            at,
            failed,
            doubtful,
            asked: self.retry_after,
            inserted: self.inserted,
            step: self.trigger.map(|trigger| trigger.step),
            request: &|| self.request(),
        })
    }

    fn request(&self) -> String {
        let path = self.uri.path();
        format!("{} {}", self.method, path.get(..PATH_KEPT).unwrap_or(path))
    }

    /// A hash of what it asks for. A call that bears its step is told from those of other steps.
    fn key_of(&self, body: &[u8]) -> u64 {
        let mut hasher = Xxh3Default::new();
        hasher.update(self.method.as_str().as_bytes());
        hasher.update(b" ");
        hasher.update(self.uri.path_and_query().map_or("", |all| all.as_str()).as_bytes());
        hasher.update(b"\n");
        hasher.update(body);
        if let Some(trigger) = self.trigger.filter(|trigger| trigger.by == crate::model::calls::TracedBy::Header) {
            hasher.update(&trigger.step.to_le_bytes());
        }
        hasher.digest()
    }
}

impl Drop for CallGuard {
    fn drop(&mut self) {
        self.end(if self.watch.is_closing() { CallEnd::Unfinished } else { CallEnd::HungUp });
    }
}

/// Whether a status asks for another try, by what official clients retry (WIRE-openai §2): 408, 429 and 5xx. Of the
/// others, 409 is an everyday answer of PostgREST.
const fn fails(status: u16) -> bool {
    matches!(status, 408 | 429 | 500..)
}
