//! [`Notes`]: what an upstream notes of its traffic, for the timeline and for the reader of the run.

use super::answer::Answer;
use super::tally::Tally;
use crate::model::event::{EventSink, RunEvent};
use crate::model::fault::FaultDecision;
use crate::model::prices::TokenUse;
use crate::units::{Offset, RunClock};
use http::StatusCode;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// How many different warnings one upstream gives; each is given once.
const WARNINGS_KEPT: usize = 64;

/// The tokens that are billed for an answer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Billed {
    model: Option<&'static str>,
    used: TokenUse,
}

impl Billed {
    /// Those of this answer.
    pub fn of(answer: &Answer) -> Self {
        let used = TokenUse { prompt: answer.tokens_in, cached: answer.tokens_cached, completion: answer.tokens_out };
        Self { model: answer.model, used }
    }
}

impl From<(u64, u64)> for Billed {
    /// Prompt and completion tokens of a model that is not known.
    fn from((prompt, completion): (u64, u64)) -> Self {
        Self { model: None, used: TokenUse { prompt, cached: 0, completion } }
    }
}

/// How often each fault rule has hit something.
#[derive(Debug)]
pub struct RuleHits(Vec<AtomicU64>);

impl RuleHits {
    /// For so many rules; none has hit anything yet.
    pub fn new(rules: usize) -> Self {
        Self((0..rules).map(|_| AtomicU64::new(0)).collect())
    }

    fn add(&self, rule: usize) {
        if let Some(hits) = self.0.get(rule) {
            hits.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How often this rule has.
    pub fn of(&self, rule: usize) -> u64 {
        self.0.get(rule).map_or(0, |hits| hits.load(Ordering::Relaxed))
    }
}

/// The notes of one upstream. Where a clock is asked for, it is that of a request: one that came before the run began
/// has none, and is not counted.
#[derive(Debug)]
pub struct Notes {
    upstream: String,
    tally: Tally,
    events: EventSink,
    clock: Arc<OnceLock<RunClock>>,
    hits: Arc<RuleHits>,
    warned: Mutex<BTreeSet<String>>,
}

impl Notes {
    /// Nothing noted, for the upstream of this name and index in the plan.
    pub fn new(
        upstream: String,
        index: u16,
        events: EventSink,
        clock: Arc<OnceLock<RunClock>>,
        hits: Arc<RuleHits>,
    ) -> Self {
        let tally = Tally::new(index, events.clone());
        Self { upstream, tally, events, clock, hits, warned: Mutex::default() }
    }

    /// The upstream's name.
    pub fn upstream(&self) -> &str {
        &self.upstream
    }

    /// The run's clock, once it has begun.
    pub fn clock(&self) -> Option<RunClock> {
        self.clock.get().copied()
    }

    /// What was counted.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// A request came.
    pub fn called(&self, clock: &RunClock, is_retry: bool) {
        self.tally.note(clock, |second| {
            second.calls += 1;
            second.retries += u64::from(is_retry);
        });
    }

    /// An answer is out: its status, the tokens that are billed for it, and how many rows it wrote.
    pub fn answered(&self, clock: Option<RunClock>, status: StatusCode, tokens: Billed, writes: usize) {
        let Some(clock) = clock else { return };
        self.tally.note(&clock, |second| {
            *second.statuses.entry(status.as_u16()).or_default() += 1;
            second.tokens_in += tokens.used.prompt;
            second.tokens_out += tokens.used.completion;
            if let Some(model) = tokens.model {
                match second.tokens_by_model.get_mut(model) {
                    Some(used) => *used += tokens.used,
                    None => drop(second.tokens_by_model.insert(model.to_owned(), tokens.used)),
                }
            }
            second.writes += writes as u64;
        });
    }

    /// A request ends without a (whole) answer.
    pub fn unanswered(&self, clock: Option<RunClock>) {
        let Some(clock) = clock else { return };
        self.tally.note(&clock, |second| *second.statuses.entry(0).or_default() += 1);
    }

    /// A fault is on that no plan says when.
    pub fn opened(&self, at: Offset, rule: usize) {
        self.events.emit(RunEvent::FaultOpened { at, rule });
    }

    /// A fault is off that no plan says when.
    pub fn closed(&self, at: Offset, rule: usize) {
        self.events.emit(RunEvent::FaultClosed { at, rule });
    }

    /// A fault has hit this request, `first` if none did before.
    pub fn fired(&self, clock: &RunClock, request: &str, decision: FaultDecision, first: bool) {
        if first {
            self.tally.note(clock, |second| second.faulted += 1);
        }
        self.hits.add(decision.rule);
        self.events.emit(RunEvent::FaultFired {
            at: clock.now(),
            rule: decision.rule,
            n: decision.n,
            upstream: self.upstream.clone(),
            request: request.to_owned(),
            action: decision.action,
        });
    }

    /// Warns the reader of the run, once for each message.
    pub fn warn_once(&self, message: &str) {
        let at = self.clock().as_ref().map(RunClock::now).unwrap_or_default();
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if warned.len() < WARNINGS_KEPT && !warned.contains(message) {
            warned.insert(message.to_owned());
            let message = format!("upstream `{}`: {message}", self.upstream);
            self.events.emit(RunEvent::Warning { at, message });
        }
    }
}
