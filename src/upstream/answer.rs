//! What passes between the server and a mock: [`Call`] in, [`Answer`] out, and [`Mock`], which every upstream is.

use super::fire::Fire;
use crate::model::fault::{Cause, DataFault, StreamError};
use crate::units::Offset;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde::{Serialize, Serializer};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Room for the headers of most answers, and for the bodies of small ones (in bytes): growing costs more than room.
const HEADERS: usize = 12;
const BODY: usize = 1 << 10;

/// One request, whole.
#[derive(Debug)]
pub struct Call<'a> {
    /// The request's number at this upstream, from 0: the key of every draw for it.
    pub number: u64,
    /// Its method.
    pub method: &'a Method,
    /// Its path, as sent.
    pub path: &'a str,
    /// Its query, as sent.
    pub query: &'a str,
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// Its body.
    pub body: &'a [u8],
    /// How many requests this upstream is busy with, this one included.
    pub in_flight: u64,
}

impl Call<'_> {
    /// A header's value, if it is there and readable.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The token of an `Authorization: Bearer` header.
    #[must_use]
    pub fn bearer(&self) -> Option<&str> {
        let (scheme, token) = self.header("authorization")?.split_once(' ')?;
        let token = token.trim();
        (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
    }
}

/// A row that an upstream wrote on the app's behalf.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Write {
    /// The table's schema.
    pub schema: String,
    /// The table.
    pub table: String,
    /// The row's number in its table, which it keeps for good.
    pub number: u64,
    /// The row's primary key, as text.
    pub row: String,
    /// A hash of the row as it was; none if it is new.
    pub before: Option<u64>,
    /// A hash of the row as it was written, to tell later whether it is still the same; none if it was removed.
    pub after: Option<u64>,
    /// The number of the call at this upstream.
    pub call: u64,
    /// The call's method, path and query.
    #[serde(serialize_with = "as_text")]
    pub request: Arc<str>,
    /// The role that it acted as.
    pub role: &'static str,
    /// The fault by which it was not kept, or not as it says: acknowledged, and lost by us.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost_by: Option<Cause>,
}

/// A fault of the database that was decided for a call.
#[derive(Debug)]
pub struct DataHit {
    /// What goes wrong.
    pub fault: DataFault,
    /// Which decision it was.
    pub cause: Cause,
    /// Called if it does have an effect.
    pub fire: Fire,
}

impl Write {
    /// Whether the row was not there before.
    #[must_use]
    pub fn is_insert(&self) -> bool {
        self.before.is_none() && self.after.is_some()
    }
}

fn as_text<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

/// One piece of a streamed body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Its bytes.
    pub bytes: Bytes,
    /// How long after the piece before it (or after the headers) it is due. Due times add up, so that a piece that
    /// was sent late does not make the ones behind it late too.
    pub after: Duration,
}

impl From<Bytes> for Piece {
    /// A piece that is due at once.
    fn from(bytes: Bytes) -> Self {
        Self { bytes, after: Duration::ZERO }
    }
}

/// What takes over a connection that leaves HTTP (a websocket). It ends when its future does, or with the upstream.
pub type Takeover = Box<dyn FnOnce(hyper::upgrade::Upgraded) -> BoxFuture<'static, ()> + Send>;

/// The body of an answer.
pub enum AnswerBody {
    /// All of it.
    Full(Bytes),
    /// Piece by piece, made while it is sent so that an unread stream costs no memory.
    Stream(Box<dyn Iterator<Item = Piece> + Send>),
    /// None: the connection changes its protocol. The status is 101, `upgrade` names the protocol (`websocket` if it
    /// is not set), and the future ends with the upstream. A client that did not ask for it gets 426.
    Upgrade(Takeover),
}

impl fmt::Debug for AnswerBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(bytes) => f.debug_tuple("Full").field(&bytes.len()).finish(),
            Self::Stream(_) => f.write_str("Stream"),
            Self::Upgrade(_) => f.write_str("Upgrade"),
        }
    }
}

/// What a mock answers.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers, without those of the transport.
    pub headers: HeaderMap,
    /// The body.
    pub body: AnswerBody,
    /// How long the upstream takes before the headers, by its own latency.
    pub delay: Duration,
    /// Prompt tokens that the provider would bill for it.
    pub tokens_in: u64,
    /// Completion tokens that the provider would bill for it.
    pub tokens_out: u64,
    /// Of the prompt tokens, those that the provider had cached.
    pub tokens_cached: u64,
    /// The model that is billed for them.
    pub model: Option<&'static str>,
    /// Rows that are written for good once this answer is out.
    pub writes: Vec<Write>,
    /// Something about the request that this mock cannot do faithfully; the reader of the run must know.
    pub warning: Option<String>,
}

impl Answer {
    /// An answer with a text body of the given type.
    #[must_use]
    pub fn text(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        let mut headers = HeaderMap::with_capacity(HEADERS);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        Self {
            status,
            headers,
            body: AnswerBody::Full(body.into()),
            delay: Duration::ZERO,
            tokens_in: 0,
            tokens_out: 0,
            tokens_cached: 0,
            model: None,
            writes: Vec::new(),
            warning: None,
        }
    }

    /// An answer without a body.
    #[must_use]
    pub fn empty(status: StatusCode) -> Self {
        let mut answer = Self::text(status, "", Bytes::new());
        answer.headers.clear();
        answer
    }

    /// An answer with a JSON body.
    #[must_use]
    pub fn json(status: StatusCode, body: &impl Serialize) -> Self {
        let mut bytes = Vec::with_capacity(BODY);
        // Serialising our own values to memory cannot fail; an empty body would show it if it did.
        if serde_json::to_writer(&mut bytes, body).is_err() {
            bytes.clear();
        }
        Self::text(status, "application/json", bytes)
    }

    /// The same answer with one more header; a value that is no header value is left out.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(HeaderName::from_static(name), value);
        }
        self
    }

    /// The same answer, `delay` later.
    #[must_use]
    pub fn delayed(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// The same answer with a warning.
    #[must_use]
    pub fn warned(mut self, warning: Option<String>) -> Self {
        self.warning = warning;
        self
    }
}

/// An upstream: what answers, apart from transport, latency and faults.
pub trait Mock: Send + Sync {
    /// Which of the provider's services a path belongs to (`auth`, `rest`, …), for faults that hit only one of them.
    fn service(&self, _path: &str) -> Option<&'static str> {
        None
    }

    /// The answer, made as soon as the request is there and sent after its delay. It must not block: it runs where
    /// connections are served.
    fn answer(&self, call: &Call<'_>) -> Answer;

    /// The answer while the database behind it fails so. Whatever cannot have its effect has none, and does not fire.
    fn answer_hit(&self, call: &Call<'_>, _hits: Vec<DataHit>) -> Answer {
        self.answer(call)
    }

    /// From now on knows what was true until so long ago, for reads that are stale.
    fn remember(&self, _age: Duration) {}

    /// The provider's error of this name; `None` if it has none of that name.
    fn named_error(&self, name: &str, call: &Call<'_>) -> Option<Answer>;

    /// The event, or events, by which this provider reports an error inside a stream that began well; `None` if it
    /// has no error of that name, or no streams on that path.
    fn stream_error(&self, _fault: &StreamError, _call: &Call<'_>) -> Option<Bytes> {
        None
    }

    /// The error that this provider gives with such a status.
    fn error_of_status(&self, status: StatusCode, call: &Call<'_>) -> Answer;

    /// The answer to a body that is too large to be read.
    fn too_large(&self, call: &Call<'_>) -> Answer;

    /// Takes note of rows whose writing was acknowledged to the app, at this moment of the run.
    fn acknowledge(&self, _writes: Vec<Write>, _at: Option<Offset>) {}

    /// What was planned for it and has no effect, such as limits for a model that it does not know.
    fn ineffective(&self) -> Vec<String> {
        Vec::new()
    }

    /// What the mock holds, for people who look.
    fn state(&self) -> serde_json::Value {
        serde_json::Value::Null
    }

    /// The names of pages that it has under `/__firedrill/`, beside `healthz` and `state`.
    fn pages(&self) -> &'static [&'static str] {
        &[]
    }

    /// The page of this name, with a whole body.
    fn page(&self, _name: &str) -> Option<Answer> {
        None
    }
}
