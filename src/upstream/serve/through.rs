//! Answers of a real service that requests are passed through to, with the faults that leave an answer.

use super::outgoing::{Outgoing, is_event_stream, is_readable, padded};
use super::{Asked, Upstream, response, wait_for};
use crate::model::fault::{FaultDecision, StreamError, StreamErrorForm};
use crate::upstream::alter::Alterations;
use crate::upstream::answer::{Answer, AnswerBody, Call};
use crate::upstream::calls::CallGuard;
use crate::upstream::inbound::Peeked;
use crate::upstream::notes::Billed;
use crate::upstream::passage::{MidStream, Passage, Sorted};
use crate::upstream::passthrough::{PassThrough, Remote, Unread};
use crate::upstream::reply::{BodyFault, BodyFaultKind, Busy, Ending, ReplyBody, Severed};
use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CONTENT_LENGTH};
use http::{HeaderValue, Method, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A larger answer of a real service is not altered, in bytes: it would have to be held.
const LARGEST_ALTERED: usize = 32 << 20;

impl Upstream {
    /// The answer of the real service, with the faults that leave one.
    pub(super) async fn pass_through(
        self: Arc<Self>,
        remote: &PassThrough,
        mut asked: Asked,
        mut head: http::request::Parts,
        body: Peeked,
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
        if let Some(watched) = asked.busy.as_mut().and_then(Busy::call) {
            // A body that goes through is not held: what it asks for is known only where there is none.
            let known = body.known();
            watched.identify(call.number, known.as_deref());
            watched.trace(known.as_deref().unwrap_or_default());
        }
        let sorted = match (asked.clock, &mut asked.busy) {
            (Some(clock), Some(busy)) if !decisions.is_empty() => {
                let passage = Arc::new(Passage::new(&self.notes, clock, &call, busy));
                passage.sort(decisions, &call, |fault| self.in_their_stream(fault, &call))
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
        asked.busy.as_mut().and_then(Busy::call).into_iter().for_each(|call| call.answering(status, &headers));
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
                    asked.busy.as_mut().and_then(Busy::call).into_iter().for_each(CallGuard::broken);
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

    /// An error inside a stream of the real service.
    fn in_their_stream(&self, fault: &StreamError, call: &Call<'_>) -> Option<MidStream> {
        if fault.form != Some(StreamErrorForm::Failed) {
            return self.mock.stream_error(fault, call).map(MidStream::Event);
        }
        // The response that fails is theirs: only the reason is ours.
        #[derive(serde::Deserialize)]
        struct Flat {
            code: String,
            message: String,
        }
        let flat = StreamError { form: Some(StreamErrorForm::Flat), ..fault.clone() };
        let event = self.mock.stream_error(&flat, call)?;
        let data = event.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"data: "))?;
        let Flat { code, message } = serde_json::from_slice(data).ok()?;
        Some(MidStream::Failed { code, message })
    }
}
