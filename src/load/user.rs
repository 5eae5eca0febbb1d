//! [`VirtualUser`]: walks journeys, one after another, and records every step. The journey executor.

use super::canary::{Canaries, Scan};
use super::classify::{Answer, Judgement, classify};
use super::client::{Arrived, Client, Dialer, Failure, Watch};
use super::draw::start_of;
use super::program::{CompiledStep, Program, Unbuildable};
use super::values::Values;
use crate::model::sample::{Class, Outcome, Sample};
use crate::model::timeline::Exemplar;
use crate::record::{JourneyEnd, Recorder, Shard, StepId};
use crate::units::{Offset, RunClock};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use http_body_util::Full;
use serde_json::Value;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::{sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

/// Body bytes that are kept for checks.
const KEEP_FOR_CHECKS: usize = 1024 * 1024;
/// Body bytes that are kept where only evidence may need them.
const KEEP_FOR_EVIDENCE: usize = 4 * 1024;
/// The least pause after a step that reached nobody. Without it a user without think time would try tens of
/// thousands of times a second while the app is down, which no user does.
const PAUSE_AT_CLOSED_DOOR: Duration = Duration::from_millis(100);

/// What a timer rounds up to. Sleeping so much shorter, a user begins up to a tick before its time (and then
/// its intended start is its start), instead of up to a tick after it: response times show how late we really
/// were, not how coarse the timer is.
const TIMER_TICK: Duration = Duration::from_millis(1);

/// The header by which traces go on (W3C Trace Context).
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// The header that many frameworks and proxies hand on instead.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What all virtual users of a run share.
#[derive(Debug)]
pub(super) struct Walk {
    pub(super) program: Program,
    pub(super) dialer: Arc<Dialer>,
    pub(super) clock: RunClock,
    pub(super) recorder: Recorder,
    pub(super) users: u32,
    pub(super) ramp: Duration,
    /// When users stop beginning anything.
    pub(super) load_end: Offset,
    /// When what is under way is given up.
    pub(super) grace_end: Offset,
    /// Journeys per user.
    pub(super) iterations: Option<u64>,
    /// Rows that the feeders have given.
    pub(super) rows: AtomicU64,
    pub(super) tally: Tally,
    /// What no answer may hold.
    pub(super) canaries: Option<Arc<Canaries>>,
    /// Each endpoint's method and path, for what was found there.
    pub(super) places: Vec<String>,
}

/// Counts over a run.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) users_started: AtomicU64,
    pub(super) journeys: AtomicU64,
    pub(super) steps: AtomicU64,
    pub(super) unfinished: AtomicU64,
}

/// Whether a virtual user goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// With another journey.
    Again,
    /// Never again.
    Over,
}

/// One virtual user.
#[derive(Debug)]
pub(super) struct VirtualUser {
    /// Its number from 0: the key of its draws.
    number: u32,
    walk: Arc<Walk>,
    stop: CancellationToken,
    client: Client,
    shard: Shard,
    arrived: Arrived,
    /// The ids by which the app knows the user of the present journey.
    ids: Arc<[String]>,
    iteration: u64,
    /// When the next step should begin.
    intended: Offset,
    started: bool,
}

/// Who a step is made for.
#[derive(Clone, Copy, Debug)]
struct Walker {
    journey: u16,
    user: u32,
}

/// What a step asked for.
#[derive(Debug)]
enum Target {
    Sent(Method, Uri),
    NotSent(String),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sent(method, uri) => write!(f, "{method} {uri}"),
            Self::NotSent(text) => f.write_str(text),
        }
    }
}

impl VirtualUser {
    /// A user that ends at once when `stop` is cancelled.
    pub(super) fn new(number: u32, walk: Arc<Walk>, stop: CancellationToken) -> Self {
        Self {
            number,
            client: Client::new(Arc::clone(&walk.dialer), walk.clock),
            shard: walk.recorder.shard(number as usize),
            arrived: Arrived {
                watch: walk.canaries.clone().map(|canaries| Watch { canaries, scan: Scan::default(), own: None }),
                ..Arrived::default()
            },
            ids: Arc::default(),
            iteration: 0,
            intended: start_of(number, walk.users, walk.ramp),
            started: false,
            walk,
            stop,
        }
    }

    /// Waits until it is time and walks one journey.
    pub(super) async fn turn(&mut self) -> Turn {
        let due = self.wait().await;
        if !self.started {
            // Its start, not the end of its first journey, is what the chart of users shows.
            if !due {
                return Turn::Over;
            }
            self.started = true;
            self.walk.recorder.users_changed(1);
            self.walk.tally.users_started.fetch_add(1, Ordering::Relaxed);
        }
        let enough = self.walk.iterations.is_some_and(|most| self.iteration >= most);
        if !due || enough {
            return Turn::Over;
        }
        let Some(journey) = self.walk.program.draw.journey(self.number, self.iteration) else { return Turn::Over };
        let end = self.journey(journey).await;
        self.shard.journey_ended(u16::try_from(journey).unwrap_or(u16::MAX), end);
        self.iteration += 1;
        let last = self.walk.iterations.is_some_and(|most| self.iteration >= most);
        if end == JourneyEnd::Unfinished || last { Turn::Over } else { Turn::Again }
    }

    /// Walks a journey for a new user of the app.
    async fn journey(&mut self, index: usize) -> JourneyEnd {
        let walk = Arc::clone(&self.walk);
        let Some(journey) = walk.program.journeys.get(index) else { return JourneyEnd::Unfinished };
        let n = walk.rows.fetch_add(1, Ordering::Relaxed) + 1;
        let mut values = walk.program.values(journey, n, self.number + 1);
        self.ids = values.rows.as_slice().into();
        let user = if walk.program.has_feeders() { u32::try_from(n).unwrap_or(u32::MAX) } else { self.number + 1 };
        let walker = Walker { journey: u16::try_from(index).unwrap_or(u16::MAX), user };
        walk.tally.journeys.fetch_add(1, Ordering::Relaxed);
        if let Some(watch) = &mut self.arrived.watch {
            watch.own = Some(n);
        }

        let mut degraded = false;
        for (position, step) in journey.steps.iter().enumerate() {
            if !self.wait().await {
                return JourneyEnd::Unfinished;
            }
            let outcome = self.step(step, walker, &mut values).await;
            let mut pause = walk.program.draw.think(step.think, self.number, self.iteration, position);
            if matches!(outcome, Outcome::Refused | Outcome::Unbuildable) {
                pause = pause.max(PAUSE_AT_CLOSED_DOOR);
            }
            self.intended = walk.clock.now().plus(pause);
            match outcome.class() {
                Some(Class::Ok) => {}
                Some(Class::Degraded) => degraded = true,
                Some(Class::Masked | Class::Failed) => return JourneyEnd::Failed,
                None if outcome == Outcome::Unfinished => return JourneyEnd::Unfinished,
                None => return JourneyEnd::Failed,
            }
        }
        if degraded { JourneyEnd::Degraded } else { JourneyEnd::Completed }
    }

    /// Waits for the intended start of the next step. False if the load ends first, when nothing may begin.
    async fn wait(&self) -> bool {
        let walk = &self.walk;
        let ahead = self.intended.since(walk.clock.now());
        if !ahead.is_zero() {
            let due = walk.clock.instant(self.intended.min(walk.load_end));
            // A user's own start stays exact to its side: the ramp's chart counts by it.
            let due = if self.started && ahead > TIMER_TICK { due - TIMER_TICK } else { due };
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return false,
                () = sleep_until(due) => {}
            }
        }
        !self.stop.is_cancelled() && walk.clock.now() < walk.load_end && self.intended < walk.load_end
    }

    /// Makes one step and records how it ended.
    async fn step(&mut self, step: &CompiledStep, walker: Walker, values: &mut Values) -> Outcome {
        self.arrived.reset();
        let sent = self.walk.clock.now();
        // If we are late by our own doing, response times show it.
        let intended = self.intended.min(sent);
        let (target, judgement) = match step.request(values) {
            Ok(mut request) => {
                // Over when the step is, however that comes about.
                let under_way = self.walk.recorder.steps().begin(walker.user, step.endpoint, &self.ids);
                trace(request.headers_mut(), under_way.id());
                self.shard.started();
                self.walk.tally.steps.fetch_add(1, Ordering::Relaxed);
                // Cheap to keep; put into words only if it becomes evidence.
                let target = Target::Sent(request.method().clone(), request.uri().clone());
                let judgement = self.exchange(step, request, sent, values).await;
                drop(under_way);
                (target, judgement)
            }
            Err(Unbuildable { request, why }) => {
                (Target::NotSent(request), Judgement { outcome: Outcome::Unbuildable, why })
            }
        };
        let done = self.walk.clock.now();
        if let Some(watch) = self.arrived.watch.as_mut().filter(|_| self.arrived.status.is_some()) {
            watch.scan.finish(&watch.canaries, watch.own);
            let place = self.walk.places.get(usize::from(step.endpoint)).map_or("an answer", String::as_str);
            watch.canaries.note(watch.scan.found(), place);
        }
        let Judgement { outcome, why } = judgement;
        if outcome == Outcome::Unfinished {
            self.walk.tally.unfinished.fetch_add(1, Ordering::Relaxed);
        }
        self.shard.record(&Sample {
            endpoint: step.endpoint,
            journey: walker.journey,
            user: walker.user,
            intended,
            sent,
            first_byte: self.arrived.first_byte,
            done,
            bytes: self.arrived.bytes,
            status: self.arrived.status,
            outcome,
        });
        if outcome != Outcome::Ok && self.walk.recorder.wants_exemplar(done, step.endpoint, outcome) {
            let redactor = &self.walk.program.redactor;
            self.walk.recorder.exemplar(Exemplar {
                at: done,
                endpoint: step.endpoint,
                user: walker.user,
                request: redactor.line(&target.to_string()),
                status: self.arrived.status,
                outcome,
                why: redactor.line(&why),
                took_ms: u64::try_from(done.since(sent).as_millis()).unwrap_or(u64::MAX),
                body: redactor.body(&self.arrived.body),
            });
        }
        outcome
    }

    /// Sends a request, waits for the answer as long as the step and the run allow, and classes it.
    async fn exchange(
        &mut self,
        step: &CompiledStep,
        request: Request<Full<Bytes>>,
        sent: Offset,
        values: &mut Values,
    ) -> Judgement {
        let walk = &self.walk;
        let deadline = sent.plus(step.deadline.get());
        let limit = walk.clock.instant(deadline.min(walk.grace_end));
        let keep = if step.reads_body() { KEEP_FOR_CHECKS } else { KEEP_FOR_EVIDENCE };
        let exchange = timeout_at(limit, self.client.exchange(request, keep, &mut self.arrived));
        let ended = tokio::select! {
            biased;
            () = self.stop.cancelled() => None,
            ended = exchange => Some(ended),
        };
        let given_up = |what: &str| {
            let took = walk.clock.now().since(sent).as_secs_f64();
            let got = self.arrived.status.map_or_else(
                || "no answer".to_owned(),
                |status| format!("status {status} and {} bytes of the body", self.arrived.bytes),
            );
            format!("{what} after {took:.1} s with {got}")
        };
        match ended {
            None => Judgement { outcome: Outcome::Unfinished, why: given_up("the run was stopped") },
            Some(Err(_)) if deadline <= walk.grace_end => {
                Judgement { outcome: Outcome::Timeout, why: given_up("the step's deadline passed") }
            }
            Some(Err(_)) => Judgement { outcome: Outcome::Unfinished, why: given_up("the run ended") },
            Some(Ok(Err(failure))) => {
                let (outcome, why) = match failure {
                    Failure::Refused(why) => (Outcome::Refused, why),
                    Failure::Reset(why) => (Outcome::Reset, why),
                    Failure::Truncated(why) => (Outcome::Truncated, why),
                };
                Judgement { outcome, why }
            }
            Some(Ok(Ok(()))) => judge(step, &self.arrived, values),
        }
    }
}

impl Drop for VirtualUser {
    /// However it ended, it is no longer alive.
    fn drop(&mut self) {
        if self.started {
            self.walk.recorder.users_changed(-1);
        }
    }
}

/// Marks a request as this step's, unless the scenario has marks of its own: an app that forwards either header lets
/// its calls be traced to the step (W3C Trace Context).
fn trace(headers: &mut HeaderMap, step: StepId) {
    if !headers.contains_key(TRACEPARENT)
        && let Ok(value) = HeaderValue::try_from(step.traceparent())
    {
        headers.insert(TRACEPARENT, value);
    }
    if !headers.contains_key(REQUEST_ID)
        && let Ok(value) = HeaderValue::try_from(step.to_string())
    {
        headers.insert(REQUEST_ID, value);
    }
}

/// Classes a complete answer, and saves what later steps need from one that is of use.
fn judge(step: &CompiledStep, arrived: &Arrived, values: &mut Values) -> Judgement {
    let whole = arrived.body.len() as u64 == arrived.bytes;
    let json: Option<Value> =
        if step.reads_json() && whole { serde_json::from_slice(&arrived.body).ok() } else { None };
    let answer =
        Answer { status: arrived.status.unwrap_or(0), body: &arrived.body, length: arrived.bytes, json: json.as_ref() };
    let judgement = classify(&step.expect, step.degraded.as_ref(), answer);
    if matches!(judgement.outcome, Outcome::Ok | Outcome::Degraded) {
        for (place, pointer) in &step.save {
            let value = json.as_ref().and_then(|json| json.pointer(pointer)).filter(|value| !value.is_null());
            if let Some(saved) = values.saved.get_mut(*place) {
                // An earlier value must not stand in for one that this answer lacks.
                *saved = value.cloned();
            }
        }
    }
    judgement
}
