//! Pass-through, recording and replay from outside: what a real service answers arrives as it was sent, faults strike
//! it, nothing secret is kept of it, and a recording answers as the service did.
#![expect(clippy::unwrap_used, reason = "a test may fail where it stands; helpers are tests too")]

use firedrill::fault::Engine;
use firedrill::model::event::{EventSink, RunEvent};
use firedrill::model::fault::{Abort, BodyPoint, FaultMatch, FaultRule, FaultWindow, Injection};
use firedrill::model::source::{RecordPlan, ReplayElse, ReplayPlan, SourcePlan};
use firedrill::model::upstream::{OpenaiPlan, UpstreamKind, UpstreamPlan};
use firedrill::units::{ByteSize, Offset, RunClock, Seed, Share, Span};
use firedrill::upstream::Upstreams;
use reqwest::{Client, Response};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::Instant;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

const KEY: &str = "sk-proj-abcdefghijklmnop0123456789";

struct Api {
    upstreams: Upstreams,
    events: UnboundedReceiver<RunEvent>,
    base: String,
    client: Client,
}

impl Api {
    async fn try_start(source: SourcePlan, faults: Vec<FaultRule>) -> Result<Self, String> {
        let kind = UpstreamKind::Openai(OpenaiPlan::default());
        let plan = UpstreamPlan { source, ..UpstreamPlan::new("openai", kind) };
        let (sink, events) = EventSink::channel();
        let engine = Arc::new(Engine::new(faults, Seed(1)));
        let upstreams = Upstreams::start(&[plan], engine, Seed(1), sink).await.map_err(|error| error.to_string())?;
        upstreams.begin(RunClock::start());
        let base = format!("http://{}", upstreams.address("openai").unwrap());
        Ok(Self { upstreams, events, base, client: Client::new() })
    }

    async fn start(source: SourcePlan) -> Self {
        Self::try_start(source, Vec::new()).await.unwrap()
    }

    async fn post(&self, path: &str, body: &Value) -> Response {
        self.client.post(format!("{}{path}", self.base)).bearer_auth(KEY).json(body).send().await.unwrap()
    }

    fn warnings(&mut self) -> Vec<String> {
        let mut all = Vec::new();
        while let Ok(event) = self.events.try_recv() {
            if let RunEvent::Warning { message, .. } = event {
                all.push(message);
            }
        }
        all
    }
}

fn through(url: impl Into<String>, record: Option<RecordPlan>) -> SourcePlan {
    SourcePlan::PassThrough { url: url.into(), record }
}

fn record(file: &Path) -> RecordPlan {
    RecordPlan { file: file.to_owned(), strip: vec![r"cus_\w+".to_owned()], limit: ByteSize::mib(16) }
}

fn replay(file: &Path, otherwise: ReplayElse) -> SourcePlan {
    SourcePlan::Replay(ReplayPlan { file: file.to_owned(), speed: 1.0, otherwise })
}

fn fault(inject: Injection) -> Vec<FaultRule> {
    vec![FaultRule {
        name: "f".into(),
        upstream: "openai".into(),
        when: FaultMatch::default(),
        share: Share::ALL,
        window: FaultWindow { from: Offset::ZERO, until: None },
        inject,
    }]
}

fn lines(file: &Path) -> Vec<Value> {
    std::fs::read_to_string(file).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A service that answers whatever comes with these pieces, each so many milliseconds after the one before; then it
/// closes the connection.
async fn service(head: &'static str, pieces: &'static [(u64, &'static [u8])]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                read_head(&mut stream).await;
                stream.set_nodelay(true).unwrap();
                stream.write_all(head.as_bytes()).await.unwrap();
                for (after, piece) in pieces {
                    tokio::time::sleep(Duration::from_millis(*after)).await;
                    let size = format!("{:x}\r\n", piece.len());
                    let chunk = [size.as_bytes(), piece, b"\r\n"].concat();
                    let bytes = if head.contains("chunked") { &chunk[..] } else { piece };
                    if stream.write_all(bytes).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    url
}

async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

const STREAM: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nx-request-id: req_1\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n";

// --- Pass-through --------------------------------------------------------------------------------------------------

#[tokio::test]
async fn requests_and_answers_pass_as_they_are() {
    let provider = MockServer::start().await;
    let answer = ResponseTemplate::new(429)
        .set_body_raw(br#"{"error":{"message":"slow down"}}"#, "application/json")
        .insert_header("retry-after", "7")
        .insert_header("connection", "x-hop")
        .insert_header("x-hop", "1");
    Mock::given(any()).respond_with(answer).mount(&provider).await;
    let api = Api::start(through(provider.uri(), None)).await;
    let request = api.client.post(format!("{}/v1/any/path?a=1&b=%20", api.base));
    let request = request.bearer_auth(KEY).header("x-own", "1").header("connection", "x-mine").header("x-mine", "1");
    let answer = request.body("not json").send().await.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.headers()["retry-after"]), (429, &"7".parse().unwrap()));
    assert!(!answer.headers().contains_key("x-hop") && !answer.headers().contains_key("openai-version"));
    assert_eq!(answer.text().await.unwrap(), r#"{"error":{"message":"slow down"}}"#);

    let seen = provider.received_requests().await.unwrap();
    assert_eq!(seen.len(), 1, "no second try");
    assert_eq!((seen[0].url.path(), seen[0].url.query()), ("/v1/any/path", Some("a=1&b=%20")));
    assert_eq!(seen[0].body, b"not json");
    let header = |name: &str| seen[0].headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    assert_eq!(header("authorization").unwrap(), format!("Bearer {KEY}"));
    assert_eq!(header("host").unwrap(), provider.address().to_string());
    assert_eq!((header("x-own").as_deref(), header("x-mine")), (Some("1"), None));
}

#[tokio::test]
async fn pieces_pass_when_they_come_and_a_large_body_goes_both_ways() {
    let url = service(STREAM, &[(0, b"data: one\n\n"), (400, b"data: two\n\n"), (0, b"")]).await;
    let api = Api::start(through(url, None)).await;
    let started = Instant::now();
    let mut answer = api.post("/v1/chat/completions", &json!({"stream": true})).await;
    assert_eq!(answer.chunk().await.unwrap().unwrap(), "data: one\n\n");
    assert!(started.elapsed() < Duration::from_millis(400), "the first piece waited for the second");
    assert_eq!(answer.chunk().await.unwrap().unwrap(), "data: two\n\n");
    assert_eq!(answer.chunk().await.unwrap(), None);

    let provider = MockServer::start().await;
    Mock::given(any())
        .respond_with(|request: &wiremock::Request| ResponseTemplate::new(200).set_body_bytes(request.body.clone()))
        .mount(&provider)
        .await;
    let api = Api::start(through(provider.uri(), None)).await;
    let large = vec![b'x'; 48 << 20];
    let answer = api.client.post(format!("{}/v1/files", api.base)).body(large.clone()).send().await.unwrap();
    assert_eq!(answer.content_length(), Some(48 << 20));
    assert!(answer.bytes().await.unwrap() == large);
}

#[tokio::test]
async fn a_service_that_cannot_be_reached_is_no_answer_of_the_service() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let mut api = Api::start(through(format!("http://{closed}"), None)).await;
    let answer = api.post("/v1/chat/completions", &json!({})).await;
    assert_eq!((answer.status().as_u16(), &answer.headers()["x-firedrill"]), (502, &"unreachable".parse().unwrap()));
    assert_eq!(answer.json::<Value>().await.unwrap()["error"]["type"], "firedrill_pass_through");
    let warnings = api.warnings();
    assert!(warnings.iter().any(|warning| warning.contains("could not be reached")), "{warnings:?}");
}

#[tokio::test]
async fn a_service_that_breaks_off_breaks_off() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n";
    let mut api = Api::start(through(service(head, &[(0, b"{\"half\":")]).await, None)).await;
    let answer = api.post("/v1/chat/completions", &json!({})).await;
    assert_eq!(answer.content_length(), Some(100));
    assert!(answer.bytes().await.is_err());
    let warnings = api.warnings();
    assert!(warnings.iter().any(|warning| warning.contains("broke an answer off")), "{warnings:?}");
}

#[tokio::test]
async fn faults_strike_what_passes() {
    let provider = MockServer::start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(200).set_body_string("real")).mount(&provider).await;
    let abort = Abort { error: Some("rate_limit".into()), ..Abort::default() };
    let api = Api::try_start(through(provider.uri(), None), fault(Injection::Abort(abort))).await.unwrap();
    assert_eq!(api.post("/v1/chat/completions", &json!({"model": "gpt-4o"})).await.status(), 429);
    assert_eq!(provider.received_requests().await.unwrap().len(), 0, "an aborted request costs nothing");

    // Two events in one piece: the fault counts events, not pieces.
    let url = service(STREAM, &[(0, b"data: one\n\ndata: two\n\n"), (0, b"data: [DONE]\n\n"), (0, b"")]).await;
    let stall = Injection::Stall { after: BodyPoint::Events(1), pause: Some(Span(Duration::from_millis(300))) };
    let api = Api::try_start(through(url.clone(), None), fault(stall)).await.unwrap();
    let started = Instant::now();
    let mut answer = api.post("/v1/chat/completions", &json!({})).await;
    assert_eq!(answer.chunk().await.unwrap().unwrap(), "data: one\n\n");
    assert!(started.elapsed() < Duration::from_millis(300));
    assert_eq!(answer.chunk().await.unwrap().unwrap(), "data: two\n\n");
    assert!(started.elapsed() >= Duration::from_millis(300));

    let cut = Injection::LimitData { bytes: ByteSize(5) };
    let api = Api::try_start(through(url, None), fault(cut)).await.unwrap();
    let mut answer = api.post("/v1/chat/completions", &json!({})).await;
    assert_eq!(answer.chunk().await.unwrap().unwrap(), "data:");
    assert!(answer.chunk().await.is_err());
}

#[tokio::test]
async fn a_connection_that_leaves_http_leads_to_the_service() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let head = read_head(&mut stream).await.to_ascii_lowercase();
        assert!(head.contains("upgrade: websocket") && head.contains("connection: upgrade"), "{head}");
        let switch = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: x\r\n\r\n";
        stream.write_all(switch).await.unwrap();
        let mut word = [0; 4];
        stream.read_exact(&mut word).await.unwrap();
        word.reverse();
        stream.write_all(&word).await.unwrap();
    });
    let api = Api::start(through(url, None)).await;
    let mut stream = TcpStream::connect(api.upstreams.address("openai").unwrap()).await.unwrap();
    let hello = "GET /realtime/v1/websocket HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\r\n";
    stream.write_all(hello.as_bytes()).await.unwrap();
    let head = read_head(&mut stream).await;
    assert!(head.starts_with("HTTP/1.1 101") && head.contains("sec-websocket-accept: x"), "{head}");
    stream.write_all(b"ping").await.unwrap();
    let mut word = [0; 4];
    stream.read_exact(&mut word).await.unwrap();
    assert_eq!(&word, b"gnip");
}

// --- Recording -----------------------------------------------------------------------------------------------------

/// Records what `ask` does against a service, and gives the file back.
async fn recorded<F: Future<Output = ()>>(folder: &Path, url: String, ask: impl FnOnce(Arc<Api>) -> F) -> PathBuf {
    let file = folder.join("recordings/openai.jsonl");
    let api = Arc::new(Api::start(through(url, Some(record(&file)))).await);
    ask(Arc::clone(&api)).await;
    Arc::into_inner(api).unwrap().upstreams.shutdown().await;
    file
}

#[tokio::test]
async fn nothing_secret_is_kept() {
    let provider = MockServer::start().await;
    let answer = ResponseTemplate::new(200)
        .insert_header("openai-organization", "acme-secret-org")
        .insert_header("set-cookie", "session=abcdef")
        .insert_header("x-request-id", "req_42")
        .set_body_json(
            json!({"owner": "eve@example.org", "organization": "org-AbCdEfGhIjKl", "access_token": "t0psecret",
            "customer": "cus_98765", "text": format!("your key {KEY}")}),
        );
    Mock::given(any()).respond_with(answer).mount(&provider).await;
    let folder = tempfile::tempdir().unwrap();
    let file = recorded(folder.path(), provider.uri(), |api| async move {
        let request = api.client.post(format!("{}/v1/chat/completions?apikey=hidden1", api.base)).bearer_auth(KEY);
        let request = request.header("apikey", "hidden2").header("cookie", "hidden3");
        let answer = request.json(&json!({"mail": "adam@example.org", "password": "hidden4"})).send().await.unwrap();
        let body: Value = answer.json().await.unwrap();
        assert_eq!(body["access_token"], "t0psecret", "the app gets what was sent");
    })
    .await;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "nobody else may read it");
    }
    let text = std::fs::read_to_string(&file).unwrap();
    for secret in ["sk-proj", "hidden", "eve@", "adam@", "AbCdEfGh", "t0psecret", "98765", "acme", "abcdef"] {
        assert!(!text.contains(secret), "{secret} was kept: {text}");
    }
    let lines = lines(&file);
    assert_eq!((&lines[0]["firedrill_recording"], &lines[0]["from"]), (&json!(1), &json!(provider.uri())));
    assert_eq!(lines[1]["request"]["body"]["json"], json!({"mail": "stripped@example.com", "password": "stripped"}));
    assert_eq!(lines[1]["request"]["query"], "apikey=stripped");
    let headers = lines[1]["response"]["headers"].as_array().unwrap();
    assert!(headers.contains(&json!(["x-request-id", "req_42"])), "{headers:?}");
    assert!(!headers.iter().any(|header| header[0] == "content-length" || header[0] == "set-cookie"));
}

#[tokio::test]
async fn a_stream_is_kept_and_replayed_with_its_timing() {
    // The key lies across two pieces.
    let pieces: &[(u64, &[u8])] = &[
        (120, b"data: {\"a\":\"sk-abcdefgh"),
        (150, b"ijklmnopqrst\"}\n\n"),
        (100, b"data: {\"usage\":{\"prompt_tokens\":11,\"completion_tokens\":5}}\n\ndata: [DONE]\n\n"),
        (0, b""),
    ];
    let folder = tempfile::tempdir().unwrap();
    let ask = json!({"model": "gpt-4o", "stream": true});
    let body = ask.clone();
    let file = recorded(folder.path(), service(STREAM, pieces).await, |api| async move {
        let text = api.post("/v1/chat/completions", &body).await.text().await.unwrap();
        assert!(text.ends_with("data: [DONE]\n\n"));
    })
    .await;
    let line = &lines(&file)[1]["response"];
    let chunks = line["chunks"].as_array().unwrap();
    assert_eq!(chunks[0][1], "data: {\"a\":\"sk-stripped");
    assert_eq!(chunks[1][1], "\"}\n\n");
    for (chunk, least) in chunks.iter().zip([100_000, 130_000, 80_000]) {
        assert!(chunk[0].as_u64().unwrap() >= least, "{chunk} came too early");
    }
    assert_eq!(line["streamed"], true);

    let mut api = Api::start(replay(&file, ReplayElse::Error)).await;
    let started = Instant::now();
    let mut answer = api.post("/v1/chat/completions", &ask).await;
    assert_eq!((answer.status().as_u16(), &answer.headers()["x-request-id"]), (200, &"req_1".parse().unwrap()));
    assert_eq!(answer.chunk().await.unwrap().unwrap(), "data: {\"a\":\"sk-stripped");
    assert!(started.elapsed() >= Duration::from_millis(100));
    let rest = answer.text().await.unwrap();
    assert!(rest.starts_with("\"}\n\n") && rest.ends_with("data: [DONE]\n\n"));
    assert!(started.elapsed() >= Duration::from_millis(310));
    api.upstreams.shutdown().await;
    let mut tokens = (0, 0);
    while let Ok(event) = api.events.try_recv() {
        if let RunEvent::Upstream(second) = event {
            tokens = (tokens.0 + second.tokens_in, tokens.1 + second.tokens_out);
        }
    }
    assert_eq!(tokens, (11, 5), "what the real answer says was billed");

    // A hundred times as fast, and as slow as nobody would wait for.
    let fast = SourcePlan::Replay(ReplayPlan { file: file.clone(), speed: 100.0, otherwise: ReplayElse::Error });
    let api = Api::start(fast).await;
    assert!(api.post("/v1/chat/completions", &ask).await.text().await.unwrap().ends_with("[DONE]\n\n"));
    let slow = SourcePlan::Replay(ReplayPlan { file, speed: 0.01, otherwise: ReplayElse::Error });
    let api = Api::start(slow).await;
    let answer = async { api.post("/v1/chat/completions", &ask).await.text().await };
    assert!(tokio::time::timeout(Duration::from_millis(500), answer).await.is_err());
}

#[tokio::test]
async fn answers_come_in_their_turn_and_strangers_are_named() {
    let provider = MockServer::start().await;
    for n in 1..=3_u8 {
        let answer = ResponseTemplate::new(200).set_body_json(json!({"n": n}));
        Mock::given(any()).respond_with(answer).up_to_n_times(1).with_priority(n).mount(&provider).await;
    }
    let ask =
        |user: &str| json!({"model": "gpt-4o", "user": user, "messages": [{"role": "user", "content": "2026-11-23"}]});
    let folder = tempfile::tempdir().unwrap();
    let file = recorded(folder.path(), provider.uri(), |api| async move {
        for _ in 0..3 {
            api.post("/v1/chat/completions", &ask("a")).await.bytes().await.unwrap();
        }
    })
    .await;
    let mut api = Api::start(replay(&file, ReplayElse::Error)).await;
    let mut turns = Vec::new();
    for _ in 0..4 {
        turns.push(api.post("/v1/chat/completions", &ask("a")).await.json::<Value>().await.unwrap()["n"].clone());
    }
    assert_eq!(turns, [1, 2, 3, 3]);
    // Another user on another day asks the same.
    let mut other = ask("b");
    other["messages"][0]["content"] = json!("2026-12-24");
    assert_eq!(api.post("/v1/chat/completions", &other).await.json::<Value>().await.unwrap()["n"], 1);

    other["messages"][0]["content"] = json!("something else");
    let stranger = api.post("/v1/chat/completions", &other).await;
    assert_eq!(
        (stranger.status().as_u16(), &stranger.headers()["x-firedrill"]),
        (501, &"not-recorded".parse().unwrap())
    );
    assert_eq!(stranger.headers()["x-should-retry"], "false");
    let warnings = api.warnings();
    let named = "POST /v1/chat/completions was not recorded";
    assert!(warnings.iter().any(|warning| warning.contains(named)), "{warnings:?}");

    let api = Api::start(replay(&file, ReplayElse::Mock)).await;
    assert_eq!(api.post("/v1/chat/completions", &ask("a")).await.json::<Value>().await.unwrap()["n"], 1);
    let mocked = api.post("/v1/chat/completions", &other).await.json::<Value>().await.unwrap();
    assert_eq!(mocked["object"], "chat.completion");
}

#[tokio::test]
async fn bytes_that_are_no_text_survive() {
    let provider = MockServer::start().await;
    let image = vec![0x89, b'P', b'N', b'G', 0xff, 0x00, 0xfe];
    let answer = ResponseTemplate::new(200).set_body_raw(image.clone(), "image/png");
    Mock::given(any()).respond_with(answer).mount(&provider).await;
    let folder = tempfile::tempdir().unwrap();
    let body = image.clone();
    let file = recorded(folder.path(), provider.uri(), |api| async move {
        let request = api.client.post(format!("{}/v1/images", api.base)).body(body);
        request.send().await.unwrap().bytes().await.unwrap();
    })
    .await;
    let api = Api::start(replay(&file, ReplayElse::Error)).await;
    let answer = api.client.post(format!("{}/v1/images", api.base)).body(image.clone()).send().await.unwrap();
    assert_eq!(answer.bytes().await.unwrap(), image);
    let other = api.client.post(format!("{}/v1/images", api.base)).body(vec![0xff]).send().await.unwrap();
    assert_eq!(other.status(), 501);
}

#[tokio::test]
async fn a_recording_that_ended_suddenly_is_whole_up_to_its_last_line() {
    let provider = MockServer::start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(200).set_body_json(json!({"n": 1}))).mount(&provider).await;
    let folder = tempfile::tempdir().unwrap();
    let file = recorded(folder.path(), provider.uri(), |api| async move {
        for path in ["/v1/a", "/v1/b"] {
            api.post(path, &json!({})).await.bytes().await.unwrap();
        }
    })
    .await;
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, &text[..text.len() - 20]).unwrap();
    let mut api = Api::start(replay(&file, ReplayElse::Error)).await;
    assert_eq!(api.post("/v1/a", &json!({})).await.status(), 200);
    assert_eq!(api.post("/v1/b", &json!({})).await.status(), 501);
    let warnings = api.warnings();
    assert!(warnings.iter().any(|warning| warning.contains("not written to its end")), "{warnings:?}");
}

#[tokio::test]
async fn recordings_are_never_overwritten_and_bad_ones_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("r.jsonl");
    let refused = |source: SourcePlan| async move { Api::try_start(source, Vec::new()).await.err().unwrap() };
    std::fs::write(&file, "kept").unwrap();
    let taken = refused(through("http://127.0.0.1:9", Some(record(&file)))).await;
    assert!(taken.contains("File exists"), "{taken}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "kept");

    for (text, why) in [
        ("", "it is empty"),
        ("{}\n", "r.jsonl:1: it is no recording"),
        ("{\"firedrill_recording\":9,\"from\":\"x\"}\n", "version 9, but only version 1"),
        ("{\"firedrill_recording\":1,\"from\":\"x\"}\n{\"at\n", "r.jsonl:2:"),
        (
            "{\"firedrill_recording\":1,\"from\":\"x\"}\n{\"at_us\":0,\"request\":{\"method\":\"GET\",\"path\":\"/\"},\"response\":{\"status\":77,\"headers\":[],\"after_us\":0,\"total_us\":0,\"streamed\":false,\"whole\":true,\"chunks\":[]}}\n",
            "r.jsonl:2: there is no such status",
        ),
    ] {
        std::fs::write(&file, text).unwrap();
        let error = refused(replay(&file, ReplayElse::Error)).await;
        assert!(error.contains(why), "{error}");
    }
}

#[tokio::test]
async fn a_recording_keeps_to_its_limit() {
    let provider = MockServer::start().await;
    Mock::given(any())
        .respond_with(ResponseTemplate::new(200).set_body_string("x".repeat(3000)))
        .mount(&provider)
        .await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("r.jsonl");
    let plan = RecordPlan { limit: ByteSize(8000), ..record(&file) };
    let mut api = Api::start(through(provider.uri(), Some(plan))).await;
    for _ in 0..5 {
        assert_eq!(api.post("/v1/a", &json!({})).await.bytes().await.unwrap().len(), 3000);
    }
    api.upstreams.shutdown().await;
    assert!(std::fs::metadata(&file).unwrap().len() < 8200);
    let mut warned = false;
    while let Ok(event) = api.events.try_recv() {
        warned |= matches!(event, RunEvent::Warning { message, .. } if message.contains("record-limit"));
    }
    assert!(warned);
    assert_eq!(lines(&file).len(), 3, "the first line and two exchanges of a good 3 kB");
}
