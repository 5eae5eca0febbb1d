//! [`Recorder`]: gathers exchanges while they pass, and writes each as a line once it is over. A line is written in one
//! go, so that a recording that ended suddenly is whole up to its last line.

use super::RecordingError;
use super::format::{Chunk, Exchange, Header, Payload, RecordedRequest, RecordedResponse, VERSION};
use super::matching;
use super::strip::Strip;
use crate::model::source::RecordPlan;
use crate::upstream::notes::Notes;
use http::header::{
    ALT_SVC, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, STRICT_TRANSPORT_SECURITY, TRANSFER_ENCODING,
};
use http::{HeaderMap, Method, StatusCode, Uri};
use std::fs::File;
use std::io::Write as _;
#[cfg(unix)]
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

/// What exchanges under way and waiting to be written may hold together, in bytes; others are not recorded then.
const ROOM: u64 = 128 << 20;
/// What one exchange may hold, in bytes: a request and its answer.
const LARGEST: u64 = 40 << 20;
/// Headers that belong to the connection or to the host, not to the answer.
const TRANSPORT: [&http::HeaderName; 5] =
    [&CONNECTION, &CONTENT_LENGTH, &TRANSFER_ENCODING, &ALT_SVC, &STRICT_TRANSPORT_SECURITY];

/// Records what passes through one upstream.
#[derive(Debug)]
pub struct Recorder {
    started: Instant,
    room: AtomicU64,
    notes: Arc<Notes>,
    strip: Arc<Strip>,
    /// Taken away at the end.
    lines: Mutex<Option<mpsc::UnboundedSender<Capture>>>,
}

/// An exchange that is being recorded. It is written when it is finished; dropped before, it is forgotten.
#[derive(Debug)]
pub struct Capture {
    recorder: Arc<Recorder>,
    began: Instant,
    method: Method,
    uri: Uri,
    headers: Vec<(String, String)>,
    request: Vec<u8>,
    response: Option<Response>,
    /// What it holds of the room, in bytes.
    held: u64,
    /// Whether there was no room for all of it.
    spilled: bool,
    ended: Duration,
}

#[derive(Debug)]
struct Response {
    status: StatusCode,
    headers: HeaderMap,
    after: Duration,
    body: Vec<u8>,
    /// Where each piece ends, and when it came.
    pieces: Vec<(usize, Duration)>,
}

impl Recorder {
    /// Makes the file and records into it; the writing is a task of `tasks`.
    ///
    /// # Errors
    /// When the file is there already or cannot be made.
    pub fn start(
        plan: &RecordPlan,
        from: &str,
        notes: Arc<Notes>,
        tasks: &TaskTracker,
    ) -> Result<Arc<Self>, RecordingError> {
        let strip = Arc::new(Strip::new(&plan.strip)?);
        let header = Header { firedrill_recording: VERSION, from: from.to_owned(), strip: plan.strip.clone() };
        let named = |source| RecordingError::File { file: plan.file.display().to_string(), source };
        let file = create(&plan.file, &header).map_err(named)?;
        let (sender, receiver) = mpsc::unbounded_channel();
        let writer = Writer { file, left: plan.limit.get(), strip: Arc::clone(&strip), notes: Arc::clone(&notes) };
        tasks.spawn_blocking(move || writer.run(receiver));
        Ok(Arc::new(Self {
            started: Instant::now(),
            room: AtomicU64::new(ROOM),
            notes,
            strip,
            lines: Mutex::new(Some(sender)),
        }))
    }

    /// Begins to record an exchange.
    pub fn begin(self: &Arc<Self>, method: &Method, uri: &Uri, headers: &HeaderMap) -> Capture {
        Capture {
            recorder: Arc::clone(self),
            began: Instant::now(),
            method: method.clone(),
            uri: uri.clone(),
            headers: matching::telling(headers, &self.strip),
            request: Vec::new(),
            response: None,
            held: 0,
            spilled: false,
            ended: Duration::ZERO,
        }
    }

    /// Writes what is finished and nothing more.
    pub fn finish(&self) {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

impl Capture {
    /// Whether there is room for more.
    fn take_room(&mut self, bytes: usize) -> bool {
        let bytes = bytes as u64;
        let taken = |left: u64| left.checked_sub(bytes);
        let fits = !self.spilled
            && self.held + bytes <= LARGEST
            && self.recorder.room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken).is_ok();
        if fits {
            self.held += bytes;
        } else if !self.spilled {
            self.spilled = true;
            let what = "an exchange was too large, or too much passed at once, to be recorded";
            self.recorder.notes.warn_once(what);
        }
        fits
    }

    /// A piece of the request's body.
    pub fn sent(&mut self, piece: &[u8]) {
        if self.take_room(piece.len()) {
            self.request.extend_from_slice(piece);
        }
    }

    /// The head of the answer.
    pub fn answered(&mut self, status: StatusCode, headers: &HeaderMap) {
        let after = self.began.elapsed();
        self.response =
            Some(Response { status, headers: headers.clone(), after, body: Vec::new(), pieces: Vec::new() });
    }

    /// A piece of the answer's body.
    pub fn received(&mut self, piece: &[u8]) {
        if self.take_room(piece.len()) {
            let at = self.began.elapsed();
            if let Some(response) = &mut self.response {
                response.body.extend_from_slice(piece);
                response.pieces.push((response.body.len(), at));
            }
        }
    }

    /// What the answer's body was so far.
    pub fn body(&self) -> &[u8] {
        self.response.as_ref().map_or(&[], |response| &response.body)
    }

    /// Writes the exchange, which came to its end.
    pub fn finish(mut self) {
        self.ended = self.began.elapsed();
        if self.spilled {
            return;
        }
        let lines = Arc::clone(&self.recorder);
        let lines = lines.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = &*lines {
            // A writer that is gone said why.
            let _ = sender.send(self);
        }
    }

    fn into_exchange(mut self, strip: &Strip) -> Option<Exchange> {
        let response = self.response.take()?;
        let request = RecordedRequest {
            method: self.method.to_string(),
            path: strip.text(self.uri.path()).into_owned(),
            query: strip.query(self.uri.query().unwrap_or("")),
            headers: std::mem::take(&mut self.headers),
            body: stripped(&self.request, strip),
        };
        let ends: Vec<usize> = response.pieces.iter().map(|(end, _)| *end).collect();
        let mut before = response.after;
        let times = response.pieces.iter().map(|(_, at)| {
            let since = at.saturating_sub(before);
            before = *at;
            micros(since)
        });
        let times: Vec<u64> = times.collect();
        let pieces = strip.pieces(response.body, &ends);
        let chunks = pieces.iter().map(|piece| Chunk::new(piece));
        let kept = response.headers.iter().filter(|(name, _)| !TRANSPORT.contains(name) && strip.keeps(name.as_str()));
        let headers =
            kept.filter_map(|(name, value)| Some((name.to_string(), strip.text(value.to_str().ok()?).into_owned())));
        Some(Exchange {
            at_us: micros(self.began.saturating_duration_since(self.recorder.started)),
            request,
            response: RecordedResponse {
                status: response.status.as_u16(),
                headers: headers.collect(),
                after_us: micros(response.after),
                total_us: micros(self.ended),
                streamed: !response.headers.contains_key(CONTENT_LENGTH),
                chunks: times.into_iter().zip(chunks).collect(),
            },
        })
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.recorder.room.fetch_add(self.held, Ordering::Relaxed);
    }
}

/// A request's body without secrets, as it is kept and as it is looked for.
pub fn stripped(body: &[u8], strip: &Strip) -> Payload {
    match std::str::from_utf8(body) {
        Ok(text) => Payload::new(strip.text(text).as_bytes()),
        Err(_) => Payload::new(body),
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Makes the file, which must not be there, with its first line.
fn create(path: &Path, header: &Header) -> std::io::Result<File> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut options = File::options();
    options.write(true).create_new(true);
    // What is taken out by its form is never sure to be everything.
    #[cfg(unix)]
    options.mode(0o600);
    let mut file = options.open(path)?;
    let mut line = serde_json::to_vec(header)?;
    line.push(b'\n');
    file.write_all(&line)?;
    Ok(file)
}

/// Writes lines until nothing more can come.
struct Writer {
    file: File,
    /// How many bytes the file may still take.
    left: u64,
    strip: Arc<Strip>,
    notes: Arc<Notes>,
}

impl Writer {
    fn run(mut self, mut captures: mpsc::UnboundedReceiver<Capture>) {
        while let Some(capture) = captures.blocking_recv() {
            if capture.response.as_ref().is_some_and(|response| response.headers.contains_key(CONTENT_ENCODING)) {
                self.notes.warn_once("an answer came compressed although it was not asked for; it was not recorded");
                continue;
            }
            let Some(exchange) = capture.into_exchange(&self.strip) else { continue };
            // Our own types serialise to memory without fail.
            let Ok(mut line) = serde_json::to_vec(&exchange) else { continue };
            line.push(b'\n');
            let length = line.len() as u64;
            if length > self.left {
                self.notes.warn_once("the recording is full (`record-limit`); what passes now is not recorded");
                return;
            }
            if let Err(error) = self.file.write_all(&line) {
                self.notes.warn_once(&format!("the recording ends here: {error}"));
                return;
            }
            self.left -= length;
        }
    }
}
