//! The transport with a mock that does what its path says: what no provider's mock can be made to do at will.

use super::accept::accept;
use super::answer::{Answer, AnswerBody, Call, Mock, Piece};
use super::inbound::Inbound;
use super::notes::{Notes, RuleHits};
use super::serve::{Shared, Upstream};
use super::tasks::Tasks;
use crate::fault::Engine;
use crate::model::event::EventSink;
use crate::units::Seed;
use bytes::Bytes;
use http::StatusCode;
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};

const PATIENCE: Duration = Duration::from_secs(10);

struct Script;

impl Mock for Script {
    fn answer(&self, call: &Call<'_>) -> Answer {
        let mut answer = Answer::text(StatusCode::OK, "text/plain", call.in_flight.to_string());
        match call.path {
            "/slow" => {
                let pieces = ["a", "b", "c"].map(|text| Piece { bytes: text.into(), after: Duration::from_millis(40) });
                answer.body = AnswerBody::Stream(Box::new(pieces.into_iter()));
            }
            "/endless" => {
                let tick = Piece { bytes: Bytes::from_static(b"tick"), after: Duration::from_millis(5) };
                answer.body = AnswerBody::Stream(Box::new(std::iter::repeat(tick)));
            }
            "/echo" => {
                answer.status = StatusCode::SWITCHING_PROTOCOLS;
                answer.body = AnswerBody::Upgrade(Box::new(|upgraded| {
                    Box::pin(async move {
                        let (mut read, mut write) = tokio::io::split(TokioIo::new(upgraded));
                        let _ = tokio::io::copy(&mut read, &mut write).await;
                    })
                }));
            }
            _ => {}
        }
        answer
    }

    fn named_error(&self, _name: &str, _call: &Call<'_>) -> Option<Answer> {
        None
    }

    fn error_of_status(&self, status: StatusCode, _call: &Call<'_>) -> Answer {
        Answer::empty(status)
    }

    fn too_large(&self, _call: &Call<'_>) -> Answer {
        Answer::empty(StatusCode::PAYLOAD_TOO_LARGE)
    }

    fn pages(&self) -> &'static [&'static str] {
        &["prices"]
    }

    fn page(&self, name: &str) -> Option<Answer> {
        (name == "prices").then(|| Answer::text(StatusCode::OK, "text/plain", "dear"))
    }
}

struct Wire {
    address: SocketAddr,
    tasks: Tasks,
}

impl Wire {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let tasks = Tasks::new();
        let shared = Shared {
            engine: Arc::new(Engine::new(Vec::new(), Seed(1))),
            events: EventSink::channel().0,
            clock: Arc::new(OnceLock::new()),
            inbound: Arc::new(Inbound::new()),
            tasks: tasks.clone(),
        };
        let upstream = {
            let notes = Notes::new(
                "script".to_owned(),
                0,
                shared.events.clone(),
                Arc::clone(&shared.clock),
                Arc::new(RuleHits::new(0)),
            );
            Arc::new(Upstream::new(Arc::new(notes), Box::new(Script), None, shared))
        };
        tasks.spawn(accept(listener, upstream, None, tasks.clone()));
        Self { address, tasks }
    }

    async fn ask(&self, path: &str, headers: &str) -> TcpStream {
        let mut socket = TcpStream::connect(self.address).await.unwrap();
        socket.write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\n{headers}\r\n").as_bytes()).await.unwrap();
        socket
    }

    async fn in_flight(&self) -> String {
        let mut socket = self.ask("/", "connection: close\r\n").await;
        let mut text = String::new();
        timeout(PATIENCE, socket.read_to_string(&mut text)).await.expect("an answer").unwrap();
        text.rsplit("\r\n").next().unwrap().to_owned()
    }

    async fn end(self) {
        self.tasks.stop.cancel();
        self.tasks.tracker.close();
        timeout(PATIENCE, self.tasks.tracker.wait()).await.expect("everything ends");
    }
}

/// Reads until `end` has come.
async fn until(socket: &mut TcpStream, end: &str) -> String {
    let (mut seen, mut buffer) = (Vec::new(), [0; 1024]);
    while !seen.windows(end.len()).any(|window| window == end.as_bytes()) {
        let read = timeout(PATIENCE, socket.read(&mut buffer)).await.expect("more comes").unwrap();
        assert!(read > 0, "ended before `{end}`: {}", String::from_utf8_lossy(&seen));
        seen.extend_from_slice(&buffer[..read]);
    }
    String::from_utf8(seen).unwrap()
}

#[tokio::test(start_paused = true)]
async fn every_piece_goes_out_when_it_is_due_and_not_with_the_next() {
    let wire = Wire::start().await;
    let started = Instant::now();
    let mut socket = wire.ask("/slow", "").await;
    let head = until(&mut socket, "\r\n\r\n").await;
    assert!(head.ends_with("\r\n\r\n"), "the headers go before the first piece is due");
    for (piece, due) in [("1\r\na\r\n", 40), ("1\r\nb\r\n", 80), ("1\r\nc\r\n", 120)] {
        assert!(until(&mut socket, piece).await.starts_with(piece));
        let at = started.elapsed();
        assert!(at >= Duration::from_millis(due) && at < Duration::from_millis(due + 5), "{piece} at {at:?}");
    }
    wire.end().await;
}

#[tokio::test]
async fn a_stream_is_in_flight_until_its_end_or_until_its_client_leaves() {
    let wire = Wire::start().await;
    assert_eq!(wire.in_flight().await, "1", "itself");
    let mut first = wire.ask("/endless", "").await;
    let mut second = wire.ask("/endless", "").await;
    until(&mut first, "tick").await;
    until(&mut second, "tick").await;
    assert_eq!(wire.in_flight().await, "3");
    drop(first);
    drop(second);
    let released = async {
        while wire.in_flight().await != "1" {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, released).await.expect("those who left are no longer counted");
    wire.end().await;
}

#[tokio::test]
async fn a_connection_that_leaves_http_is_taken_over_until_the_upstream_ends() {
    let wire = Wire::start().await;
    let mut socket = wire.ask("/echo", "connection: Upgrade\r\nupgrade: websocket\r\n").await;
    let head = until(&mut socket, "\r\n\r\n").await.to_lowercase();
    assert!(head.starts_with("http/1.1 101 ") && head.contains("upgrade: websocket"), "{head}");
    assert!(head.contains("connection: upgrade"), "{head}");
    socket.write_all(b"hello").await.unwrap();
    until(&mut socket, "hello").await;
    assert_eq!(wire.in_flight().await, "1", "its answer is over");
    wire.end().await;
    assert_eq!(timeout(PATIENCE, socket.read(&mut [0; 8])).await.expect("it ends").unwrap_or(0), 0);
}

#[tokio::test]
async fn who_does_not_ask_for_another_protocol_is_told_to() {
    let wire = Wire::start().await;
    let mut socket = wire.ask("/echo", "connection: close\r\n").await;
    let head = until(&mut socket, "\r\n\r\n").await.to_lowercase();
    assert!(head.starts_with("http/1.1 426 ") && head.contains("upgrade: websocket"), "{head}");
    wire.end().await;
}

#[tokio::test]
async fn a_client_of_http_1_0_gets_a_stream_that_ends_with_the_connection() {
    let wire = Wire::start().await;
    let mut socket = TcpStream::connect(wire.address).await.unwrap();
    socket.write_all(b"GET /slow HTTP/1.0\r\n\r\n").await.unwrap();
    let mut text = String::new();
    timeout(PATIENCE, socket.read_to_string(&mut text)).await.expect("it ends").unwrap();
    assert!(text.ends_with("\r\n\r\nabc"), "{text}");
    wire.end().await;
}

#[tokio::test]
async fn a_mocks_own_pages_are_listed_and_served() {
    let wire = Wire::start().await;
    for (path, status, part) in [
        ("/__firedrill/", "200", "/__firedrill/prices"),
        ("/__firedrill", "200", "/__firedrill/healthz"),
        ("/__firedrill/prices", "200", "dear"),
        ("/__firedrill/price", "404", "/__firedrill/ lists them"),
    ] {
        let mut socket = wire.ask(path, "connection: close\r\n").await;
        let mut text = String::new();
        timeout(PATIENCE, socket.read_to_string(&mut text)).await.expect("an answer").unwrap();
        assert!(text.starts_with(&format!("HTTP/1.1 {status}")) && text.contains(part), "{path}: {text}");
    }
    let mut socket = wire.ask("/__firedrillx", "connection: close\r\n").await;
    assert!(until(&mut socket, "\r\n\r\n1").await.starts_with("HTTP/1.1 200"), "a provider's path");
    wire.end().await;
}
