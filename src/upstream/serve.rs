//! [`Upstream`]: one request from its head to its answer, with the faults that were decided for it.

use super::answer::{Answer, AnswerBody, Call, Mock, Write};
use super::inbound::{Inbound, InboundError};
use super::link::LinkControl;
use super::reply::{BodyFault, BodyFaultKind, Ending, ReplyBody, Severed};
use super::tally::Tally;
use crate::fault::{Engine, FaultQuery};
use crate::model::event::{EventSink, RunEvent};
use crate::model::fault::{Abort, FaultAction, FaultDecision};
use crate::units::RunClock;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// Paths under this prefix are firedrill's own and never collide with a provider's.
const OWN_PREFIX: &str = "/__firedrill/";
/// How much of a request's path is kept in events.
const PATH_KEPT: usize = 200;
/// How many different warnings one upstream gives; each is given once.
const WARNINGS_KEPT: usize = 64;

/// One upstream at work.
pub struct Upstream {
    name: String,
    mock: Box<dyn Mock>,
    engine: Arc<Engine>,
    tally: Tally,
    events: EventSink,
    clock: Arc<OnceLock<RunClock>>,
    inbound: Arc<Inbound>,
    numbers: AtomicU64,
    in_flight: AtomicU64,
    warned: Mutex<BTreeSet<String>>,
}

/// What all upstreams of a run share.
#[derive(Clone)]
pub struct Shared {
    /// Decides on faults.
    pub engine: Arc<Engine>,
    /// Where events go.
    pub events: EventSink,
    /// Set once the run begins.
    pub clock: Arc<OnceLock<RunClock>>,
    /// Reads request bodies within the memory that is set aside for them.
    pub inbound: Arc<Inbound>,
}

/// A request under way, with what is needed to note how it went.
struct Passage {
    upstream: Arc<Upstream>,
    /// The run's clock; `None` for a request that came before the run began, which is not counted.
    clock: Option<RunClock>,
    request: String,
    hit: AtomicBool,
}

impl Upstream {
    /// An upstream of this name and index in the plan.
    pub fn new(name: String, index: u16, mock: Box<dyn Mock>, shared: Shared) -> Self {
        let ineffective = mock.ineffective();
        let upstream = Self {
            tally: Tally::new(index, shared.events.clone()),
            name,
            mock,
            engine: shared.engine,
            events: shared.events,
            clock: shared.clock,
            inbound: shared.inbound,
            numbers: AtomicU64::new(0),
            in_flight: AtomicU64::new(0),
            warned: Mutex::new(BTreeSet::new()),
        };
        for what in ineffective {
            upstream.warn_once(&what);
        }
        upstream
    }

    /// What it has counted.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Serves one request; an error closes the connection.
    pub async fn serve(
        self: Arc<Self>,
        request: Request<Incoming>,
        control: Arc<LinkControl>,
    ) -> Result<Response<ReplyBody>, Severed> {
        let (head, body) = request.into_parts();
        let path = head.uri.path();
        if let Some(own) = path.strip_prefix(OWN_PREFIX) {
            return Ok(self.own_page(own, control));
        }
        let clock = self.clock.get().copied();
        let query = FaultQuery { upstream: &self.name, method: head.method.as_str(), path, headers: &head.headers };
        // Decided when the request comes, not when its body has: the number of a request is its place of arrival.
        let decisions = clock.map(|clock| self.engine.decide(clock.now(), &query)).unwrap_or_default();
        if let Some(clock) = &clock {
            let retry = is_retry(&head.headers);
            self.tally.note(clock, |second| {
                second.calls += 1;
                second.retries += u64::from(retry);
            });
        }
        let passage = Arc::new(Passage {
            request: format!("{} {}", head.method, path.get(..PATH_KEPT).unwrap_or(path)),
            upstream: Arc::clone(&self),
            clock,
            hit: AtomicBool::new(false),
        });

        let body = match self.inbound.read(&head.headers, body).await {
            Ok(body) => body,
            Err(InboundError::TooLarge) => {
                let answer = self.mock.too_large();
                return Ok(passage.reply(answer, Vec::new(), &head.method, control));
            }
            Err(InboundError::Broken) => return Err(Severed::ByClient),
        };
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let busy = Busy::new(&self.in_flight);
        let call = Call {
            number,
            method: &head.method,
            path,
            query: head.uri.query().unwrap_or(""),
            headers: &head.headers,
            body: &body,
            in_flight: busy.now,
        };

        let Sorted { delay, body_faults, terminal } = passage.sort(decisions);
        let (answer, wait) = match terminal {
            // The upstream does its work at once and answers late, as a real one that is slow to answer: a client
            // that gives up meanwhile has still written its row.
            None => {
                let answer = self.mock.answer(&call);
                let wait = delay + answer.delay;
                (answer, wait)
            }
            Some(FaultAction::Abort(abort)) => (self.aborted(&abort, &call), delay),
            Some(FaultAction::Hang(after)) => {
                drop(body);
                wait_for(delay).await;
                passage.ended_without_answer();
                match after {
                    Some(after) => tokio::time::sleep(after.get()).await,
                    None => std::future::pending().await,
                }
                return Err(Severed::ByFault);
            }
            Some(_) => {
                drop(body);
                wait_for(delay).await;
                passage.ended_without_answer();
                control.reset_on_close();
                return Err(Severed::ByFault);
            }
        };
        drop(body);
        wait_for(wait).await;
        if let Some(warning) = &answer.warning {
            self.warn_once(warning);
        }
        Ok(passage.reply(answer, body_faults, &head.method, control))
    }

    /// firedrill's own pages, which are never counted and never hit.
    fn own_page(&self, page: &str, control: Arc<LinkControl>) -> Response<ReplyBody> {
        let answer = match page {
            "healthz" => Answer::json(StatusCode::OK, &serde_json::json!({"status": "ok", "upstream": self.name})),
            "state" => Answer::json(StatusCode::OK, &self.mock.state()),
            _ => Answer::json(StatusCode::NOT_FOUND, &serde_json::json!({"error": "no such page of firedrill"})),
        };
        let mut response = Response::new(match answer.body {
            AnswerBody::Full(body) => ReplyBody::plain(body, control),
            AnswerBody::Stream(_) | AnswerBody::Upgrade(_) => ReplyBody::plain(Bytes::new(), control),
        });
        *response.status_mut() = answer.status;
        *response.headers_mut() = answer.headers;
        response
    }

    /// The error that an abort asks for: the provider's own, with what the rule says on top.
    fn aborted(&self, abort: &Abort, call: &Call<'_>) -> Answer {
        let status = abort.status.and_then(|status| StatusCode::from_u16(status).ok());
        let named = abort.error.as_deref().map(|name| (name, self.mock.named_error(name, call)));
        let mut answer = match named {
            Some((_, Some(answer))) => answer,
            Some((name, None)) => {
                self.warn_once(&format!("the error `{name}` is unknown to upstream `{}`; answered 500", self.name));
                self.mock.error_of_status(StatusCode::INTERNAL_SERVER_ERROR, call)
            }
            None => self.mock.error_of_status(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), call),
        };
        if let Some(status) = status {
            answer.status = status;
        }
        if let Some(body) = &abort.body {
            let is_json = serde_json::from_str::<serde::de::IgnoredAny>(body).is_ok();
            let content_type = if is_json { "application/json" } else { "text/plain; charset=utf-8" };
            answer.headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
            answer.body = AnswerBody::Full(Bytes::from(body.clone()));
        }
        for (name, value) in &abort.headers {
            match (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
                (Ok(name), Ok(value)) if name != CONTENT_LENGTH && name != TRANSFER_ENCODING => {
                    answer.headers.insert(name, value);
                }
                _ => self.warn_once(&format!("the header `{name}` of an abort cannot be set and was left out")),
            }
        }
        answer
    }

    fn warn_once(&self, message: &str) {
        let at = self.clock.get().map(RunClock::now).unwrap_or_default();
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if warned.len() < WARNINGS_KEPT && warned.insert(message.to_owned()) {
            let message = format!("upstream `{}`: {message}", self.name);
            self.events.emit(RunEvent::Warning { at, message });
        }
    }
}

/// Counts a request as under way for as long as it lives.
struct Busy<'a> {
    counter: &'a AtomicU64,
    /// How many are under way, this one included.
    now: u64,
}

impl<'a> Busy<'a> {
    fn new(counter: &'a AtomicU64) -> Self {
        Self { counter, now: counter.fetch_add(1, Ordering::Relaxed) + 1 }
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.counter.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Decisions by what they act on.
struct Sorted {
    delay: Duration,
    body_faults: Vec<BodyFault>,
    terminal: Option<FaultAction>,
}

impl Passage {
    /// Sorts decisions by what they act on. Those that happen whatever the answer is are noted as fired.
    fn sort(self: &Arc<Self>, decisions: Vec<FaultDecision>) -> Sorted {
        let mut sorted = Sorted { delay: Duration::ZERO, body_faults: Vec::new(), terminal: None };
        for decision in decisions {
            let (after, kind) = match &decision.action {
                FaultAction::Delay(delay) => {
                    sorted.delay += delay.get();
                    self.fired(decision);
                    continue;
                }
                FaultAction::Abort(_) | FaultAction::Reset | FaultAction::Hang(_) => {
                    sorted.terminal = Some(decision.action.clone());
                    self.fired(decision);
                    continue;
                }
                FaultAction::Cut(bytes) => (bytes.get(), BodyFaultKind::Cut),
                FaultAction::Stall { after, pause } => {
                    (after.get(), BodyFaultKind::Stall(pause.map(|pause| pause.get())))
                }
            };
            let passage = Arc::clone(self);
            sorted.body_faults.push(BodyFault { after, kind, on_fire: Box::new(move || passage.fired(decision)) });
        }
        sorted
    }

    /// Notes that a fault has hit this request.
    fn fired(&self, decision: FaultDecision) {
        let Some(clock) = &self.clock else { return };
        if !self.hit.swap(true, Ordering::Relaxed) {
            self.upstream.tally.note(clock, |second| second.faulted += 1);
        }
        self.upstream.events.emit(RunEvent::FaultFired {
            at: clock.now(),
            rule: decision.rule,
            n: decision.n,
            upstream: self.upstream.name.clone(),
            request: self.request.clone(),
            action: decision.action,
        });
    }

    /// Notes that the connection fails without a (whole) answer.
    fn ended_without_answer(&self) {
        if let Some(clock) = &self.clock {
            self.upstream.tally.note(clock, |second| *second.statuses.entry(0).or_default() += 1);
        }
    }

    /// Notes that an answer is out.
    fn answered(&self, status: StatusCode, tokens_in: u64, tokens_out: u64, writes: Vec<Write>) {
        if let Some(clock) = &self.clock {
            self.upstream.tally.note(clock, |second| {
                *second.statuses.entry(status.as_u16()).or_default() += 1;
                second.tokens_in += tokens_in;
                second.tokens_out += tokens_out;
                second.writes += writes.len() as u64;
            });
        }
        if !writes.is_empty() {
            self.upstream.mock.acknowledge(writes);
        }
    }

    /// The response to send, which notes its own end.
    fn reply(
        self: Arc<Self>,
        answer: Answer,
        body_faults: Vec<BodyFault>,
        method: &Method,
        control: Arc<LinkControl>,
    ) -> Response<ReplyBody> {
        let Answer { status, mut headers, body, tokens_in, tokens_out, writes, delay: _, warning: _ } = answer;
        let bodiless = *method == Method::HEAD || matches!(&body, AnswerBody::Full(bytes) if bytes.is_empty());
        let faulty = !bodiless && !body_faults.is_empty();
        let body = match body {
            AnswerBody::Full(bytes) if !faulty => {
                self.answered(status, tokens_in, tokens_out, writes);
                ReplyBody::plain(bytes, control)
            }
            body => {
                if let AnswerBody::Full(bytes) = &body {
                    headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
                }
                let on_end = move |ending| match ending {
                    Ending::Whole => self.answered(status, tokens_in, tokens_out, writes),
                    Ending::Broken => self.ended_without_answer(),
                };
                ReplyBody::new(body, body_faults, control, Some(Box::new(on_end)))
            }
        };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
    }
}

async fn wait_for(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}

/// Whether the client marks the request as a retry, as the official OpenAI and Supabase clients do.
fn is_retry(headers: &HeaderMap) -> bool {
    ["x-stainless-retry-count", "x-retry-count"].iter().any(|name| {
        let count = headers.get(*name).and_then(|value| value.to_str().ok());
        count.and_then(|count| count.trim().parse::<u64>().ok()).is_some_and(|count| count > 0)
    })
}
