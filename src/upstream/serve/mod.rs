//! [`Upstream`]: one request from its head to its answer, with the faults that were decided for it.
//!
//! `through` does it where a real service answers; `outgoing` is what happens to an answer once it is made.

mod outgoing;
mod through;

use crate::fault::{Engine, FaultQuery, is_retry};
use crate::model::event::EventSink;
use crate::model::fault::{Abort, FaultAction, FaultDecision};
use crate::units::{Offset, RunClock};
use crate::upstream::answer::{Answer, AnswerBody, Call, Mock, Takeover, Write};
use crate::upstream::calls::CallGuard;
use crate::upstream::encoding;
use crate::upstream::inbound::{Inbound, InboundError, LOOK_LIMIT, Peeked};
use crate::upstream::link::LinkControl;
use crate::upstream::notes::{Billed, Notes};
use crate::upstream::pages;
use crate::upstream::passage::{MidStream, Passage, Sorted};
use crate::upstream::passthrough::PassThrough;
use crate::upstream::reason;
use crate::upstream::reply::{Busy, Ending, OnEnd, ReplyBody, Severed};
use crate::upstream::tasks::Tasks;
use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use outgoing::{Outgoing, declared, padded, truncate};
use serde_json::Value;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// One upstream at work.
pub struct Upstream {
    mock: Box<dyn Mock>,
    /// The real service, if requests are passed through to it.
    remote: Option<PassThrough>,
    notes: Arc<Notes>,
    engine: Arc<Engine>,
    inbound: Arc<Inbound>,
    tasks: Tasks,
    numbers: AtomicU64,
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
    /// Where connections that left HTTP go on.
    pub tasks: Tasks,
}

/// A request whose answer is being made.
struct Asked {
    method: Method,
    /// The run's clock; `None` for a request that came before the run began, which is not counted.
    clock: Option<RunClock>,
    control: Arc<LinkControl>,
    busy: Option<Busy>,
    upgrade: Option<OnUpgrade>,
    http2: bool,
}

impl Upstream {
    /// An upstream that notes what happens to it here, answers by a mock, or by a real service where there is one.
    pub fn new(notes: Arc<Notes>, mock: Box<dyn Mock>, remote: Option<PassThrough>, shared: Shared) -> Self {
        let ineffective = mock.ineffective();
        let upstream = Self {
            mock,
            remote,
            notes,
            engine: shared.engine,
            inbound: shared.inbound,
            tasks: shared.tasks,
            numbers: AtomicU64::new(0),
        };
        for what in ineffective {
            upstream.notes.warn_once(&what);
        }
        upstream
    }

    /// Writes what was recorded, and records no more.
    pub fn finish_recording(&self) {
        if let Some(recorder) = self.remote.as_ref().and_then(PassThrough::recorder) {
            recorder.finish();
        }
    }

    /// What it has noted.
    pub fn notes(&self) -> &Notes {
        &self.notes
    }

    /// Serves one request; an error closes the connection.
    pub async fn serve(
        self: Arc<Self>,
        request: Request<Incoming>,
        control: Arc<LinkControl>,
    ) -> Result<Response<ReplyBody>, Severed> {
        let (mut head, body) = request.into_parts();
        let path = head.uri.path();
        if let Some(page) = pages::page(path) {
            let (status, headers, body) = pages::answer(self.notes.upstream(), &*self.mock, &head.method, page);
            return Ok(response(status, headers, whole(&head.method, body, control)));
        }
        let clock = self.notes.clock();
        let mut decisions = Vec::new();
        let query = FaultQuery {
            upstream: self.notes.upstream(),
            method: head.method.as_str(),
            path,
            query: head.uri.query().unwrap_or(""),
            service: self.mock.service(path),
            headers: &head.headers,
            connection: control.number(),
        };
        // When the request came, if a rule wants to look at its body.
        let (mut to_look_at, mut watched) = (None, None);
        if let Some(clock) = &clock {
            let at = clock.now();
            // Decided when the request comes, not when its body has: a request's number is its place of arrival.
            decisions = self.engine.decide(at, &query);
            for decision in &decisions {
                if let Some(at) = self.engine.take_opened(decision) {
                    self.notes.opened(at, decision.rule);
                }
            }
            to_look_at = Some(at).filter(|at| !is_ended(&decisions) && self.engine.wants_body(*at, &query));
            self.notes.called(clock, is_retry(&head.headers));
            watched = Some(self.notes.watched(*clock, &head));
        }
        let mut asked = Asked {
            method: head.method.clone(),
            clock,
            control,
            busy: None,
            upgrade: head.extensions.remove::<OnUpgrade>(),
            http2: head.version == Version::HTTP_2,
        };
        let body = match &self.remote {
            Some(remote) if !is_ended(&decisions) => {
                let mut body = Peeked::unread(body);
                if let Some(at) = to_look_at {
                    let read = Box::pin(self.inbound.peek(body.rest)).await;
                    body = read.map_err(|_| Severed::ByClient)?;
                    decisions.extend(self.decide_on_body(at, &query, body.whole().as_deref()));
                }
                if !is_ended(&decisions) {
                    asked.busy = Some(self.busy(watched));
                    return Arc::clone(&self).pass_through(remote, asked, head, body, decisions).await;
                }
                body.into_held()
            }
            _ => match self.inbound.read(&head.headers, body).await {
                Ok(body) => {
                    if let Some(at) = to_look_at {
                        decisions.extend(self.decide_on_body(at, &query, Some(&body)));
                    }
                    body
                }
                Err(InboundError::TooLarge) => {
                    watched.into_iter().for_each(CallGuard::forget);
                    let refusal = self.mock.too_large(&Call {
                        number: self.numbers.fetch_add(1, Ordering::Relaxed),
                        method: &asked.method,
                        path,
                        query: query.query,
                        headers: &head.headers,
                        body: &[],
                        in_flight: 1,
                    });
                    return Ok(self.reply(asked, refusal, Outgoing::default()));
                }
                Err(InboundError::Broken) => return Err(Severed::ByClient),
            },
        };
        let mut busy = self.busy(watched);
        let call = Call {
            number: self.numbers.fetch_add(1, Ordering::Relaxed),
            method: &asked.method,
            path,
            query: head.uri.query().unwrap_or(""),
            headers: &head.headers,
            body: &body,
            in_flight: busy.now,
        };

        if let Some(watched) = busy.call() {
            watched.identify(call.number, Some(&body));
            if watched.is_retry() || !decisions.is_empty() {
                watched.trace(&body);
            }
        }
        let sorted = match clock {
            Some(clock) if !decisions.is_empty() => {
                let passage = Arc::new(Passage::new(&self.notes, clock, &call, &mut busy));
                passage.sort(decisions, &call, |fault| {
                    let event = self.mock.stream_error(fault, &call);
                    if event.is_none() {
                        self.notes
                            .warn_once(&format!("no error `{}` inside a stream is known for {path}", fault.error));
                    }
                    event.map(MidStream::Event)
                })
            }
            _ => Sorted::default(),
        };
        let Sorted { delay, terminal, data, content, head: head_faults, body: body_faults, padding, length } = sorted;
        let answer = match terminal {
            // The upstream does its work at once and answers late, as a real one that is slow to answer: a client
            // that gives up meanwhile has still written its row.
            None => match encoding::refused(&call) {
                None if data.is_empty() => self.mock.answer(&call),
                None => self.mock.answer_hit(&call, data),
                Some(coding) => self.unsupported(coding, &call),
            },
            Some(FaultAction::Abort(abort)) => self.aborted(&abort, &call),
            Some(FaultAction::Hang(after)) => {
                drop(body);
                wait_for(delay).await;
                self.notes.unanswered(clock);
                if let Some(after) = after {
                    tokio::time::sleep(after.get()).await;
                    busy.call().into_iter().for_each(CallGuard::broken);
                    asked.control.close();
                }
                return std::future::pending().await;
            }
            Some(_) => {
                drop(body);
                wait_for(delay).await;
                self.notes.unanswered(clock);
                busy.call().into_iter().for_each(CallGuard::broken);
                asked.control.reset();
                return std::future::pending().await;
            }
        };
        let answer = match answer.body {
            AnswerBody::Upgrade(_) if asked.upgrade.is_none() => self.not_upgradable(&call),
            _ => answer,
        };
        if let Some(watched) = busy.call() {
            watched.inserted(answer.writes.iter().filter(|write| write.is_insert()).count());
            if answer.status.as_u16() >= 400 {
                watched.trace(&body);
            }
        }
        drop(body);
        if let Some(warning) = &answer.warning {
            self.notes.warn_once(warning);
        }
        let mut answer = content.applied(answer, &asked.method);
        let mut outgoing = Outgoing { faults: body_faults, length };
        if let Some((bytes, fire)) = padding {
            outgoing.faults.padding = padded(&asked.method, answer.status, &answer.headers, bytes, fire)
                .filter(|_| !matches!(&answer.body, AnswerBody::Full(body) if body.is_empty()));
        }
        head_faults.apply(&mut answer.headers, !matches!(&answer.body, AnswerBody::Full(body) if body.is_empty()));
        if outgoing.faults.padding.is_none() {
            answer = encoding::encoded(answer, &head.headers).await;
        }
        wait_for(delay + answer.delay).await;
        asked.busy = Some(busy);
        Ok(self.reply(asked, answer, outgoing))
    }

    /// One request more is under way.
    fn busy(&self, watched: Option<CallGuard>) -> Busy {
        let tally = self.notes.tally();
        let busy = Busy::new(tally.under_way());
        if let Some(watched) = &watched {
            tally.at_once(busy.now, watched.steps());
        }
        busy.watch(watched)
    }

    /// What the rules decide that look at bodies. `body` is the whole one, as far as it could be held.
    fn decide_on_body(&self, at: Offset, query: &FaultQuery<'_>, body: Option<&[u8]>) -> Vec<FaultDecision> {
        match body.filter(|body| body.len() as u64 <= LOOK_LIMIT) {
            Some(body) => {
                let json = serde_json::from_slice::<Value>(body).ok();
                self.engine.decide_on_body(at, query, json.as_ref())
            }
            None => {
                let most = LOOK_LIMIT >> 20;
                self.notes.warn_once(&format!(
                    "a request's body was longer than {most} MiB: faults that look at bodies passed it over"
                ));
                Vec::new()
            }
        }
    }

    /// The error that an abort asks for: the provider's own, with what the rule says on top.
    fn aborted(&self, abort: &Abort, call: &Call<'_>) -> Answer {
        let status = abort.status.and_then(|status| StatusCode::from_u16(status).ok());
        let named = abort.error.as_deref().map(|name| (name, self.mock.named_error(name, call)));
        let mut answer = match named {
            Some((_, Some(answer))) => answer,
            Some((name, None)) => {
                self.notes.warn_once(&format!(
                    "the error `{name}` is unknown to upstream `{}`; answered 500",
                    self.notes.upstream()
                ));
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
        for name in &abort.omit {
            answer.headers.remove(name.as_str());
        }
        for (name, value) in &abort.headers {
            match (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
                (Ok(name), Ok(value)) if name != CONTENT_LENGTH && name != TRANSFER_ENCODING => {
                    answer.headers.insert(name, value);
                }
                _ => self.notes.warn_once(&format!("the header `{name}` of an abort cannot be set and was left out")),
            }
        }
        answer
    }

    /// The refusal of a body in a coding that no official client sends (RFC 9110 §15.5.16).
    fn unsupported(&self, coding: &str, call: &Call<'_>) -> Answer {
        let warning =
            format!("request bodies in the coding `{coding:.40}` are refused; what the real one does is unknown");
        self.mock
            .error_of_status(StatusCode::UNSUPPORTED_MEDIA_TYPE, call)
            .with("accept-encoding", "identity")
            .warned(Some(warning))
    }

    /// The answer to a request for what only a changed protocol gives, by a client that did not ask for the change.
    fn not_upgradable(&self, call: &Call<'_>) -> Answer {
        self.mock.error_of_status(StatusCode::UPGRADE_REQUIRED, call).with("upgrade", "websocket")
    }

    /// Notes that an answer is out.
    fn answered(&self, clock: Option<RunClock>, status: StatusCode, tokens: Billed, writes: Vec<Write>) {
        self.notes.answered(clock, status, tokens, writes.len());
        if !writes.is_empty() {
            self.mock.acknowledge(writes, clock.map(|clock| clock.now()));
        }
    }

    /// The response to send, which notes its own end.
    fn reply(self: Arc<Self>, asked: Asked, answer: Answer, outgoing: Outgoing) -> Response<ReplyBody> {
        let Asked { method, clock, control, mut busy, upgrade, http2 } = asked;
        let Outgoing { mut faults, length } = outgoing;
        let tokens = Billed::of(&answer);
        let Answer { status, mut headers, body, writes, .. } = answer;
        let head = method == Method::HEAD;
        busy.as_mut().and_then(Busy::call).into_iter().for_each(|call| call.answering(status, &headers));
        let body = match body {
            AnswerBody::Upgrade(takeover) => {
                self.answered(clock, status, tokens, writes);
                self.take_over(&mut headers, upgrade, takeover);
                ReplyBody::plain(Bytes::new(), control, None)
            }
            AnswerBody::Stream(_) if head => {
                self.answered(clock, status, tokens, writes);
                ReplyBody::plain(Bytes::new(), control, busy)
            }
            AnswerBody::Stream(pieces) => {
                let on_end = self.noting(clock, status, tokens, writes);
                ReplyBody::stream(pieces, faults, control, busy, on_end)
            }
            AnswerBody::Full(mut bytes) => {
                if !head && !faults.points.is_empty() {
                    truncate(&mut bytes, &mut faults.points);
                }
                if head {
                    // As long as the body that GET would get (RFC 9110 §9.3.2); HTTP/2 would send the body, too.
                    if !bytes.is_empty() {
                        headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
                    }
                    self.answered(clock, status, tokens, writes);
                    ReplyBody::plain(Bytes::new(), control, busy)
                } else if bytes.is_empty() || (faults.is_empty() && length.is_none()) {
                    self.answered(clock, status, tokens, writes);
                    ReplyBody::plain(bytes, control, busy)
                } else {
                    let declared = declared(&mut bytes, &mut faults, length, http2);
                    headers.insert(CONTENT_LENGTH, HeaderValue::from(declared));
                    let on_end = self.noting(clock, status, tokens, writes);
                    ReplyBody::whole(bytes, faults, control, busy, on_end)
                }
            }
        };
        response(status, headers, body)
    }

    /// Notes the end of an answer when it comes.
    fn noting(
        self: Arc<Self>,
        clock: Option<RunClock>,
        status: StatusCode,
        tokens: Billed,
        writes: Vec<Write>,
    ) -> OnEnd {
        Box::new(move |ending| match ending {
            Ending::Whole => self.answered(clock, status, tokens, writes),
            Ending::Broken | Ending::Lost => self.notes.unanswered(clock),
        })
    }

    /// Hands the connection over once the headers are out.
    fn take_over(&self, headers: &mut HeaderMap, upgrade: Option<OnUpgrade>, takeover: Takeover) {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.entry(UPGRADE).or_insert(HeaderValue::from_static("websocket"));
        let Some(upgrade) = upgrade else { return };
        self.tasks.spawn(async move {
            // A client that left before the headers were out takes nothing over.
            if let Ok(upgraded) = upgrade.await {
                takeover(upgraded).await;
            }
        });
    }
}

fn response(status: StatusCode, headers: HeaderMap, body: ReplyBody) -> Response<ReplyBody> {
    let mut response = Response::new(body);
    if let Some(words) = reason::of(status) {
        response.extensions_mut().insert(words);
    }
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// A body that nobody needs to watch.
fn whole(method: &Method, body: Bytes, control: Arc<LinkControl>) -> ReplyBody {
    ReplyBody::plain(if *method == Method::HEAD { Bytes::new() } else { body }, control, None)
}

/// Whether one of them takes the place of an answer.
fn is_ended(decisions: &[FaultDecision]) -> bool {
    decisions.iter().any(|decision| is_terminal(&decision.action))
}

/// Whether it takes the place of an answer.
const fn is_terminal(action: &FaultAction) -> bool {
    matches!(action, FaultAction::Abort(_) | FaultAction::Reset | FaultAction::Hang(_))
}

async fn wait_for(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}
