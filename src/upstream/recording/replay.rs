//! [`Replay`]: answers from a recording, in its timing. A request is looked for as it is, then without what changes
//! from run to run; several answers to the same request come in their turn, and the last one again.

use super::RecordingError;
use super::format::{Exchange, Header, VERSION};
use super::matching::{self, Matcher};
use super::recorder::stripped;
use super::strip::Strip;
use crate::model::fault::StreamError;
use crate::model::source::{ReplayElse, ReplayPlan};
use crate::units::Offset;
use crate::upstream::answer::{Answer, AnswerBody, Call, Mock, Piece, Write};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use std::collections::HashMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// A longer line is none of ours, in bytes.
const LONGEST_LINE: u64 = 128 << 20;
/// A larger file is refused, in bytes: it would be held in memory.
const LARGEST: u64 = 512 << 20;
/// How much of a path is shown.
const WARNED_PATH: usize = 120;

/// Answers from a recording; errors and all else come from the mock behind it.
pub struct Replay {
    mock: Box<dyn Mock>,
    otherwise: ReplayElse,
    speed: f64,
    strip: Strip,
    matcher: Matcher,
    answers: Vec<Recorded>,
    exact: HashMap<u128, Turns>,
    loose: HashMap<u128, Turns>,
    /// What the reader of the run must know of the recording.
    remarks: Vec<String>,
}

/// The answers to one request, by their indices, and whose turn it is.
#[derive(Debug, Default)]
struct Turns {
    answers: Vec<usize>,
    next: AtomicUsize,
}

#[derive(Debug)]
struct Recorded {
    status: StatusCode,
    headers: HeaderMap,
    after: Duration,
    total: Duration,
    streamed: bool,
    pieces: Arc<[Piece]>,
    tokens: (u64, u64),
}

impl Replay {
    /// Reads a recording; `mock` answers where the recording cannot. It reads a file: not where connections are
    /// served.
    ///
    /// # Errors
    /// When the file cannot be read or is no recording. A last line that was not written to its end is left out.
    pub fn read(plan: &ReplayPlan, mock: Box<dyn Mock>) -> Result<Self, RecordingError> {
        let (header, exchanges, torn) = lines(&plan.file)?;
        let mut replay = Self {
            mock,
            otherwise: plan.otherwise,
            speed: plan.speed,
            strip: Strip::new(&header.strip)?,
            matcher: Matcher::new()?,
            answers: Vec::new(),
            exact: HashMap::new(),
            loose: HashMap::new(),
            remarks: Vec::new(),
        };
        let name = plan.file.display().to_string();
        for (line, exchange) in exchanges {
            let request = &exchange.request;
            let keys =
                replay.matcher.keys(&request.method, &request.path, &request.query, &request.headers, &request.body);
            let recorded = Recorded::new(exchange).map_err(|what| RecordingError::Format {
                file: name.clone(),
                line,
                what: what.to_owned(),
            })?;
            let index = replay.answers.len();
            replay.answers.push(recorded);
            replay.exact.entry(keys.exact).or_default().answers.push(index);
            replay.loose.entry(keys.loose).or_default().answers.push(index);
        }
        if torn {
            replay.remarks.push(format!("the last line of {name} was not written to its end and is left out"));
        }
        if replay.answers.is_empty() {
            replay.remarks.push(format!("{name} holds no exchange: nothing can be replayed"));
        }
        Ok(replay)
    }

    fn find(&self, call: &Call<'_>) -> Option<&Recorded> {
        let headers = matching::telling(call.headers, &self.strip);
        let (path, query) = (self.strip.text(call.path), self.strip.query(call.query));
        let body = stripped(call.body, &self.strip);
        let keys = self.matcher.keys(call.method.as_str(), &path, &query, &headers, &body);
        let turns = self.exact.get(&keys.exact).or_else(|| self.loose.get(&keys.loose))?;
        let turn = turns.next.fetch_add(1, Ordering::Relaxed).min(turns.answers.len().saturating_sub(1));
        // Never so far that it could wrap around.
        turns.next.fetch_min(turns.answers.len(), Ordering::Relaxed);
        self.answers.get(*turns.answers.get(turn)?)
    }

    fn paced(&self, time: Duration) -> Duration {
        // Of a recording that was written by hand, a time may be out of all bounds.
        Duration::try_from_secs_f64(time.as_secs_f64() / self.speed).unwrap_or(Duration::MAX)
    }

    fn answered(&self, recorded: &Recorded) -> Answer {
        let mut answer = Answer::empty(recorded.status);
        answer.headers = recorded.headers.clone();
        (answer.tokens_in, answer.tokens_out) = recorded.tokens;
        if recorded.streamed && recorded.pieces.len() > 1 {
            answer.delay = self.paced(recorded.after);
            let (pieces, speed) = (Arc::clone(&recorded.pieces), self.speed);
            answer.body = AnswerBody::Stream(Box::new((0..pieces.len()).map(move |index| Piece {
                bytes: pieces[index].bytes.clone(),
                after: Duration::try_from_secs_f64(pieces[index].after.as_secs_f64() / speed).unwrap_or(Duration::MAX),
            })));
        } else {
            // A body of declared length counts as there once all of it is.
            answer.delay = self.paced(recorded.total);
            let mut body = BytesMut::new();
            answer.body = AnswerBody::Full(match &*recorded.pieces {
                [] => Bytes::new(),
                [one] => one.bytes.clone(),
                pieces => {
                    pieces.iter().for_each(|piece| body.extend_from_slice(&piece.bytes));
                    body.freeze()
                }
            });
        }
        answer
    }
}

impl Mock for Replay {
    fn service(&self, path: &str) -> Option<&'static str> {
        self.mock.service(path)
    }

    fn answer(&self, call: &Call<'_>) -> Answer {
        match (self.find(call), self.otherwise) {
            (Some(recorded), _) => self.answered(recorded),
            (None, ReplayElse::Mock) => self.mock.answer(call),
            (None, ReplayElse::Error) => {
                let path: String = self.strip.text(call.path).chars().take(WARNED_PATH).collect();
                let what = format!("{} {path} was not recorded; answered 501", call.method);
                let body = serde_json::json!({"error": {
                    "message": format!("firedrill: {} {path} is not in the recording", call.method),
                    "type": "firedrill_not_recorded", "param": null, "code": "not_recorded",
                }});
                Answer::json(StatusCode::NOT_IMPLEMENTED, &body)
                    .with("x-firedrill", "not-recorded")
                    // OpenAI's clients would try a 501 again (WIRE-openai §4).
                    .with("x-should-retry", "false")
                    .warned(Some(what))
            }
        }
    }

    fn named_error(&self, name: &str, call: &Call<'_>) -> Option<Answer> {
        self.mock.named_error(name, call)
    }

    fn stream_error(&self, fault: &StreamError, call: &Call<'_>) -> Option<Bytes> {
        self.mock.stream_error(fault, call)
    }

    fn error_of_status(&self, status: StatusCode, call: &Call<'_>) -> Answer {
        self.mock.error_of_status(status, call)
    }

    fn too_large(&self, call: &Call<'_>) -> Answer {
        self.mock.too_large(call)
    }

    fn acknowledge(&self, writes: Vec<Write>, at: Option<Offset>) {
        self.mock.acknowledge(writes, at);
    }

    fn ineffective(&self) -> Vec<String> {
        self.remarks.clone()
    }

    fn state(&self) -> serde_json::Value {
        serde_json::json!({"replay": {"exchanges": self.answers.len(), "requests": self.exact.len()}})
    }

    fn pages(&self) -> &'static [&'static str] {
        self.mock.pages()
    }

    fn page(&self, name: &str) -> Option<Answer> {
        self.mock.page(name)
    }
}

impl Recorded {
    fn new(exchange: Exchange) -> Result<Self, &'static str> {
        let response = exchange.response;
        let status = StatusCode::from_u16(response.status).ok().filter(|status| !status.is_informational());
        let mut headers = HeaderMap::with_capacity(response.headers.len());
        for (name, value) in response.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| "a header's name cannot be one")?;
            headers.append(name, HeaderValue::from_str(&value).map_err(|_| "a header's value cannot be one")?);
        }
        let pieces = response.chunks.into_iter().map(|(after, chunk)| {
            let bytes = chunk.into_bytes().ok_or("a piece is not base64")?;
            Ok(Piece { bytes, after: Duration::from_micros(after) })
        });
        let pieces: Arc<[Piece]> = pieces.collect::<Result<_, &'static str>>()?;
        Ok(Self {
            status: status.ok_or("there is no such status")?,
            headers,
            after: Duration::from_micros(response.after_us),
            total: Duration::from_micros(response.total_us),
            streamed: response.streamed,
            tokens: super::usage::tokens(pieces.iter().map(|piece| &piece.bytes[..])),
            pieces,
        })
    }
}

/// The lines of a recording, each with its number; and whether the last was torn.
#[expect(clippy::type_complexity, reason = "used once, right above")]
fn lines(path: &Path) -> Result<(Header, Vec<(usize, Exchange)>, bool), RecordingError> {
    let name = path.display().to_string();
    let io = |source| RecordingError::File { file: name.clone(), source };
    let format = |line: usize, what: String| RecordingError::Format { file: name.clone(), line, what };
    let file = std::fs::File::open(path).map_err(io)?;
    if file.metadata().map_err(io)?.len() > LARGEST {
        return Err(format(1, format!("it is larger than {} MiB", LARGEST >> 20)));
    }
    let mut reader = BufReader::new(file);
    let mut header = None;
    let mut exchanges = Vec::new();
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        std::io::Read::take(&mut reader, LONGEST_LINE).read_until(b'\n', &mut line).map_err(io)?;
        if line.is_empty() {
            break;
        }
        if line.last() != Some(&b'\n') && header.is_some() {
            return match header {
                Some(header) => Ok((header, exchanges, true)),
                None => Err(format(number, "it is no recording".to_owned())),
            };
        }
        match &header {
            None => {
                let first: Header = serde_json::from_slice(&line)
                    .map_err(|error| format(number, format!("it is no recording of firedrill: {error}")))?;
                if first.firedrill_recording != VERSION {
                    let version = first.firedrill_recording;
                    return Err(format(number, format!("version {version}, but only version {VERSION} is known")));
                }
                header = Some(first);
            }
            Some(_) => {
                let exchange = serde_json::from_slice(&line).map_err(|error| format(number, error.to_string()))?;
                exchanges.push((number, exchange));
            }
        }
    }
    let header = header.ok_or_else(|| format(1, "it is empty".to_owned()))?;
    Ok((header, exchanges, false))
}
