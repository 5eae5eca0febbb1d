//! [`Upstream`]: one request from its head to its answer, with the faults that were decided for it.

use super::alter::Alterations;
use super::answer::{Answer, AnswerBody, Call, Mock, Takeover, Write};
use super::encoding;
use super::fire::Fire;
use super::inbound::{Inbound, InboundError};
use super::link::LinkControl;
use super::notes::{Billed, Notes};
use super::pages;
use super::passage::{Passage, Sorted};
use super::passthrough::{PassThrough, Remote, Unread};
use super::reply::{BodyFault, BodyFaultKind, BodyFaults, Busy, Ending, Padding, ReplyBody, Severed, Tail};
use super::tasks::Tasks;
use crate::fault::{Engine, FaultQuery};
use crate::model::event::EventSink;
use crate::model::fault::{Abort, BodyPoint, FaultAction, FaultDecision};
use crate::units::RunClock;
use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// A larger answer of a real service is not altered, in bytes: it would have to be held.
const LARGEST_ALTERED: usize = 32 << 20;

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
    in_flight: Arc<AtomicU64>,
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
            in_flight: Arc::default(),
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
        if let Some(clock) = &clock {
            let query = FaultQuery {
                upstream: self.notes.upstream(),
                method: head.method.as_str(),
                path,
                service: self.mock.service(path),
                headers: &head.headers,
            };
            // Decided when the request comes, not when its body has: a request's number is its place of arrival.
            decisions = self.engine.decide(clock.now(), &query);
            self.notes.called(clock, is_retry(&head.headers));
        }
        let mut asked = Asked {
            method: head.method,
            clock,
            control,
            busy: None,
            upgrade: head.extensions.remove::<OnUpgrade>(),
            http2: head.version == Version::HTTP_2,
        };
        if let Some(remote) = &self.remote
            && !decisions.iter().any(|decision| is_terminal(&decision.action))
        {
            head.method = asked.method.clone();
            asked.busy = Some(Busy::new(&self.in_flight));
            return Arc::clone(&self).pass_through(remote, asked, head, body, decisions).await;
        }
        let body = match self.inbound.read(&head.headers, body).await {
            Ok(body) => body,
            Err(InboundError::TooLarge) => {
                let refusal = self.mock.too_large();
                return Ok(self.reply(asked, refusal, Outgoing::default()));
            }
            Err(InboundError::Broken) => return Err(Severed::ByClient),
        };
        let busy = Busy::new(&self.in_flight);
        let call = Call {
            number: self.numbers.fetch_add(1, Ordering::Relaxed),
            method: &asked.method,
            path,
            query: head.uri.query().unwrap_or(""),
            headers: &head.headers,
            body: &body,
            in_flight: busy.now,
        };

        let sorted = match clock {
            Some(clock) if !decisions.is_empty() => {
                let passage = Arc::new(Passage::new(&self.notes, clock, call.method, path));
                passage.sort(decisions, &call, |fault| {
                    let event = self.mock.stream_error(fault, &call);
                    if event.is_none() {
                        self.notes
                            .warn_once(&format!("no error `{}` inside a stream is known for {path}", fault.error));
                    }
                    event
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
                    asked.control.close();
                }
                return std::future::pending().await;
            }
            Some(_) => {
                drop(body);
                wait_for(delay).await;
                self.notes.unanswered(clock);
                asked.control.reset();
                return std::future::pending().await;
            }
        };
        let answer = match answer.body {
            AnswerBody::Upgrade(_) if asked.upgrade.is_none() => self.not_upgradable(&call),
            _ => answer,
        };
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

    /// The answer of the real service, with the faults that leave one.
    async fn pass_through(
        self: Arc<Self>,
        remote: &PassThrough,
        mut asked: Asked,
        mut head: http::request::Parts,
        body: Incoming,
        decisions: Vec<FaultDecision>,
    ) -> Result<Response<ReplyBody>, Severed> {
        let path = head.uri.path();
        let call = Call {
            number: self.numbers.fetch_add(1, Ordering::Relaxed),
            method: &asked.method,
            path,
            query: head.uri.query().unwrap_or(""),
            headers: &head.headers,
            body: &[],
            in_flight: asked.busy.as_ref().map_or(1, |busy| busy.now),
        };
        let sorted = match asked.clock {
            Some(clock) if !decisions.is_empty() => {
                let passage = Arc::new(Passage::new(&self.notes, clock, call.method, path));
                passage.sort(decisions, &call, |fault| self.mock.stream_error(fault, &call))
            }
            _ => Sorted::default(),
        };
        if sorted.reads() {
            // What is to be changed must be readable.
            head.headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        let answered = remote.forward(&head, body).await;
        wait_for(sorted.delay).await;
        let Remote { head: answer, body, upgrade } = match answered {
            Ok(remote) => remote,
            Err(why) => {
                self.notes.warn_once(&format!("{} could not be reached; answered 502: {why}", remote.address()));
                let body = serde_json::json!({"error": {"type": "firedrill_pass_through",
                    "message": format!("firedrill could not reach {}: {why}", remote.address())}});
                let refusal = Answer::json(StatusCode::BAD_GATEWAY, &body).with("x-firedrill", "unreachable");
                return Ok(self.reply(asked, refusal, Outgoing::default()));
            }
        };
        let Sorted { mut content, head: head_faults, body: mut faults, padding, length, .. } = sorted;
        let (parts, ()) = answer.into_parts();
        let (status, mut headers) = (parts.status, parts.headers);
        if let (Some(theirs), Some(ours)) = (upgrade, asked.upgrade.take()) {
            self.answered(asked.clock, status, Billed::default(), Vec::new());
            self.tasks.spawn(async move {
                if let (Ok(ours), Ok(theirs)) = tokio::join!(ours, theirs) {
                    let (mut ours, mut theirs) = (TokioIo::new(ours), TokioIo::new(theirs));
                    // How it ends is between the two of them.
                    let _ = tokio::io::copy_bidirectional(&mut ours, &mut theirs).await;
                }
            });
            return Ok(response(status, headers, ReplyBody::plain(Bytes::new(), asked.control, None)));
        }
        let mut body = body;
        if asked.method == Method::HEAD || body.is_empty() {
            head_faults.apply(&mut headers, false);
            body.finish();
            self.answered(asked.clock, status, Billed::default(), Vec::new());
            return Ok(response(status, headers, ReplyBody::plain(Bytes::new(), asked.control, asked.busy)));
        }
        content.only_for(&asked.method, status);
        if !is_readable(&headers) && (!content.is_empty() || padding.is_some()) {
            let address = remote.address();
            self.notes.warn_once(&format!("{address} compresses unasked: faults of the content have no effect"));
            content = Alterations::default();
        }
        let is_stream = is_event_stream(&headers);
        if let Some((bytes, fire)) = padding.filter(|_| is_readable(&headers)) {
            faults.padding = padded(&asked.method, status, &headers, bytes, fire);
        }
        if content.replace() || (!is_stream && !content.is_empty()) || (!is_stream && length.is_some()) {
            let whole =
                if content.replace() && is_stream { Ok(Bytes::new()) } else { body.whole(LARGEST_ALTERED).await };
            match whole {
                Ok(whole) => {
                    let (prompt, completion) = body.tokens().get();
                    headers.remove(CONTENT_LENGTH);
                    let whole = content.whole(&mut headers, whole);
                    head_faults.apply(&mut headers, true);
                    let mut answer = Answer::empty(status);
                    (answer.headers, answer.body) = (headers, AnswerBody::Full(whole));
                    (answer.tokens_in, answer.tokens_out) = (prompt, completion);
                    return Ok(self.reply(asked, answer, Outgoing { faults, length }));
                }
                Err(Unread::TooLarge) => {
                    self.notes.warn_once("an answer was too large to be altered; it was passed on as it is");
                    content = Alterations::default();
                }
                Err(Unread::Broken) => {
                    self.notes.warn_once(&format!("{} broke an answer off", remote.address()));
                    self.notes.unanswered(asked.clock);
                    asked.control.close();
                    return std::future::pending().await;
                }
            }
        }
        let Asked { method: _, clock, control, busy, upgrade: _, http2: _ } = asked;
        head_faults.apply(&mut headers, true);
        if !content.is_empty() {
            faults.editor = Some(content.editor());
        }
        let ends = |fault: &BodyFault| matches!(fault.kind, BodyFaultKind::Truncate | BodyFaultKind::Replace(_));
        if faults.points.iter().any(ends) || faults.editor.is_some() || faults.padding.is_some() {
            // It may end in good order before its declared length, or behind it.
            headers.remove(CONTENT_LENGTH);
        }
        let address = remote.address().to_owned();
        let tokens = body.tokens();
        let on_end = move |ending| match ending {
            Ending::Whole => self.answered(clock, status, tokens.get().into(), Vec::new()),
            Ending::Broken => self.notes.unanswered(clock),
            Ending::Lost => {
                self.notes.warn_once(&format!("{address} broke an answer off"));
                self.notes.unanswered(clock);
            }
        };
        Ok(response(status, headers, ReplyBody::remote(body, faults, control, busy, Box::new(on_end))))
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
        let Asked { method, clock, control, busy, upgrade, http2 } = asked;
        let Outgoing { mut faults, length } = outgoing;
        let tokens = Billed::of(&answer);
        let Answer { status, mut headers, body, writes, .. } = answer;
        let head = method == Method::HEAD;
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
    ) -> super::reply::OnEnd {
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

/// What happens to an answer once it is made.
#[derive(Default)]
struct Outgoing {
    faults: BodyFaults,
    length: Option<(i64, Fire)>,
}

/// What makes an answer with this head huge; `None` if it is neither JSON nor a stream of events, or no success.
fn padded(method: &Method, status: StatusCode, headers: &HeaderMap, bytes: u64, fire: Fire) -> Option<Padding> {
    let stream = is_event_stream(headers);
    let fits = *method != Method::HEAD && status.is_success() && (stream || is_json(headers));
    fits.then(|| Padding::new(bytes, stream, fire))
}

/// The length to declare for a body that is there, with what its end must then be like. Nothing is off where there
/// is too little to take away, or where what is taken away would be padding.
fn declared(bytes: &mut Bytes, faults: &mut BodyFaults, length: Option<(i64, Fire)>, http2: bool) -> u64 {
    let padding = faults.padding.as_ref().map_or(0, Padding::left);
    let whole = bytes.len() as u64 + padding;
    let Some((off, mut fire)) = length else { return whole };
    if off > 0 {
        fire.now();
        // In HTTP/2 the end of the stream contradicts the length by itself.
        faults.tail = (!http2).then_some(Tail::Hang);
        return whole.saturating_add(off.unsigned_abs());
    }
    let Some(short) = whole.checked_sub(off.unsigned_abs()).filter(|short| *short > 0 && padding == 0) else {
        return whole;
    };
    fire.now();
    if !http2 {
        let rest = bytes.split_off(usize::try_from(short).unwrap_or(usize::MAX));
        faults.tail = Some(Tail::Surplus(rest));
    }
    short
}

fn media_type(headers: &HeaderMap) -> &str {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    value.split(';').next().unwrap_or("").trim()
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    media_type(headers).eq_ignore_ascii_case("text/event-stream")
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = media_type(headers).to_ascii_lowercase();
    kind == "application/json" || kind.ends_with("+json")
}

/// Whether a body is not compressed.
fn is_readable(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_ENCODING).is_none_or(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// Carries out on a body that is there what shall end it early, so that its declared length is that of what is sent;
/// and drops the faults that only streams can have.
fn truncate(bytes: &mut Bytes, faults: &mut Vec<BodyFault>) {
    let (ending, rest): (Vec<_>, Vec<_>) =
        std::mem::take(faults).into_iter().partition(|fault| matches!(fault.kind, BodyFaultKind::Truncate));
    *faults = rest.into_iter().filter(|fault| !matches!(fault.kind, BodyFaultKind::Replace(_))).collect();
    for mut fault in ending {
        let end = match fault.after {
            BodyPoint::Bytes(bytes) => bytes.get(),
            BodyPoint::Events(0) | BodyPoint::LastEvent => 0,
            BodyPoint::Events(_) => continue,
        };
        if end < bytes.len() as u64 {
            bytes.truncate(usize::try_from(end).unwrap_or(usize::MAX));
            fault.fire.now();
        }
    }
}

fn response(status: StatusCode, headers: HeaderMap, body: ReplyBody) -> Response<ReplyBody> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// A body that nobody needs to watch.
fn whole(method: &Method, body: Bytes, control: Arc<LinkControl>) -> ReplyBody {
    ReplyBody::plain(if *method == Method::HEAD { Bytes::new() } else { body }, control, None)
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

/// Whether the client marks the request as a retry, as the official OpenAI and Supabase clients do.
fn is_retry(headers: &HeaderMap) -> bool {
    ["x-stainless-retry-count", "x-retry-count"].iter().any(|name| {
        let count = headers.get(*name).and_then(|value| value.to_str().ok());
        count.and_then(|count| count.trim().parse::<u64>().ok()).is_some_and(|count| count > 0)
    })
}
