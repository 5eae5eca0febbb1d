//! How the upstreams are reached: HTTP/1.1 and HTTP/2, plain and over TLS; compressed answers, large bodies, and the
//! faults that strike inside a stream or on a connection that carries several requests.
#![expect(clippy::unwrap_used, reason = "a test may fail where it stands; helpers are tests too")]

use bytes::Bytes;
use firedrill::fault::Engine;
use firedrill::model::event::{EventSink, RunEvent};
use firedrill::model::fault::{
    Abort, BodyPoint, FaultAction, FaultMatch, FaultRule, FaultWindow, Injection, StreamError,
};
use firedrill::model::timeline::UpstreamInterval;
use firedrill::model::upstream::{OpenaiPlan, SupabasePlan, UpstreamKind, UpstreamPlan};
use firedrill::units::{ByteSize, Offset, RunClock, Seed, Share, Span};
use firedrill::upstream::{Upstreams, trust};
use flate2::read::GzDecoder;
use http::{Method, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rstest::rstest;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{ErrorKind, Read as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(10);
const CHAT: &str = r#"{"model":"gpt-4o","messages":[{"role":"user","content":"hello"}]}"#;
const CHAT_STREAM: &str = r#"{"model":"gpt-4o","stream":true,"messages":[{"role":"user","content":"hello"}]}"#;

fn rule(name: &str, upstream: &str, inject: Injection) -> FaultRule {
    FaultRule {
        name: name.into(),
        upstream: upstream.into(),
        when: FaultMatch::default(),
        share: Share::ALL,
        window: FaultWindow { from: Offset::ZERO, until: None },
        inject,
    }
}

fn openai() -> UpstreamPlan {
    UpstreamPlan::new("openai", UpstreamKind::Openai(OpenaiPlan::default()))
}

/// A table whose answer is a few hundred kilobytes of JSON, and one whose answer is small.
fn supabase() -> UpstreamPlan {
    let large: Vec<Value> = (0..400).map(|n| json!({"id": n, "text": format!("row {n} ").repeat(100)})).collect();
    let seed = BTreeMap::from([("large".to_owned(), large), ("small".to_owned(), vec![json!({"id": 1})])]);
    UpstreamPlan::new("supabase", UpstreamKind::Supabase(SupabasePlan { seed, ..SupabasePlan::default() }))
}

struct Bench {
    upstreams: Upstreams,
    events: UnboundedReceiver<RunEvent>,
}

/// What a run would have been told.
struct Told {
    fired: Vec<FaultAction>,
    statuses: BTreeMap<u16, u64>,
    calls: u64,
    warnings: Vec<String>,
}

impl Bench {
    async fn start(plans: &[UpstreamPlan], rules: Vec<FaultRule>) -> Self {
        let (sink, events) = EventSink::channel();
        let engine = Arc::new(Engine::new(rules, Seed(1)));
        let upstreams = Upstreams::start(plans, engine, Seed(1), sink).await.unwrap();
        upstreams.begin(RunClock::start());
        Self { upstreams, events }
    }

    fn address(&self, name: &str) -> SocketAddr {
        self.upstreams.address(name).unwrap()
    }

    async fn finish(mut self) -> Told {
        timeout(PATIENCE, self.upstreams.shutdown()).await.expect("shutting down takes no time");
        let mut told = Told { fired: vec![], statuses: BTreeMap::new(), calls: 0, warnings: vec![] };
        while let Some(event) = self.events.recv().await {
            match event {
                RunEvent::FaultFired { action, .. } => told.fired.push(action),
                RunEvent::Upstream(UpstreamInterval { calls, statuses, .. }) => {
                    told.calls += calls;
                    statuses.into_iter().for_each(|(status, n)| *told.statuses.entry(status).or_default() += n);
                }
                RunEvent::Warning { message, .. } => told.warnings.push(message),
                RunEvent::Call(_) | RunEvent::CallSettled(_) => {}
                other => panic!("unexpected {other:?}"),
            }
        }
        told
    }

    /// An HTTP/2 connection with prior knowledge.
    async fn http2(&self, name: &str) -> SendRequest<Full<Bytes>> {
        let stream = TcpStream::connect(self.address(name)).await.unwrap();
        let (client, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        client
    }
}

fn chat(body: &'static str) -> Request<Full<Bytes>> {
    let request = Request::post("http://mock/v1/chat/completions").header("authorization", "Bearer sk-test-0123456789");
    request.body(Full::new(Bytes::from_static(body.as_bytes()))).unwrap()
}

fn rows(method: Method, path: &str) -> Request<Full<Bytes>> {
    let request = Request::builder().method(method).uri(format!("http://mock{path}")).header("apikey", "k");
    request.body(Full::default()).unwrap()
}

async fn whole(response: Response<Incoming>) -> Result<Bytes, hyper::Error> {
    timeout(PATIENCE, response.into_body().collect()).await.expect("the body ends").map(|body| body.to_bytes())
}

// --- HTTP/2 -----------------------------------------------------------------------------------------------------

#[tokio::test]
async fn http_2_by_prior_knowledge_answers_many_requests_on_one_connection() {
    let bench = Bench::start(&[openai()], vec![]).await;
    let client = bench.http2("openai").await;
    let asked: Vec<_> = (0..50)
        .map(|n| {
            let mut client = client.clone();
            tokio::spawn(async move {
                let response = client.send_request(chat(if n % 2 == 0 { CHAT } else { CHAT_STREAM })).await.unwrap();
                assert_eq!((response.status(), response.version()), (StatusCode::OK, Version::HTTP_2));
                let body = whole(response).await.unwrap();
                if n % 2 == 0 {
                    assert_eq!(serde_json::from_slice::<Value>(&body).unwrap()["object"], "chat.completion");
                } else {
                    assert!(body.ends_with(b"data: [DONE]\n\n"));
                }
            })
        })
        .collect();
    for one in asked {
        one.await.unwrap();
    }
    let told = bench.finish().await;
    assert_eq!((told.calls, &told.statuses), (50, &BTreeMap::from([(200, 50)])));
}

#[tokio::test]
async fn head_has_no_body_on_http_2_and_says_how_long_it_would_be() {
    let bench = Bench::start(&[openai()], vec![]).await;
    let mut client = bench.http2("openai").await;
    let get = client.send_request(rows(Method::GET, "/__firedrill/healthz")).await.unwrap();
    let length = whole(get).await.unwrap().len();
    let head = client.send_request(rows(Method::HEAD, "/__firedrill/healthz")).await.unwrap();
    assert_eq!(head.status(), 200);
    assert!(length > 0 && whole(head).await.unwrap().is_empty());
    bench.finish().await;
}

/// A connection-level fault on HTTP/2 is what a real outage is: it ends the connection, with all that it carries.
#[rstest]
#[case::reset(Injection::ResetPeer {}, 0)]
#[case::timeout(Injection::Timeout { after: Some(Span(Duration::from_millis(30))) }, 0)]
#[case::cut(Injection::LimitData { bytes: ByteSize(40) }, 40)]
#[tokio::test]
async fn a_fault_on_the_connection_ends_all_streams_of_http_2(#[case] inject: Injection, #[case] through: usize) {
    let mut stall = rule("stall", "openai", Injection::Stall { after: BodyPoint::Events(1), pause: None });
    stall.when.header = BTreeMap::from([("x-stalled".to_owned(), "*".to_owned())]);
    let mut fault = rule("fault", "openai", inject);
    fault.when.header = BTreeMap::from([("x-hit".to_owned(), "*".to_owned())]);
    let bench = Bench::start(&[openai()], vec![stall, fault]).await;
    let mut client = bench.http2("openai").await;

    let mut bystander = chat(CHAT_STREAM);
    bystander.headers_mut().insert("x-stalled", "1".parse().unwrap());
    let mut bystander = client.send_request(bystander).await.unwrap().into_body();
    assert!(timeout(PATIENCE, bystander.frame()).await.unwrap().unwrap().is_ok(), "its first event is there");

    let mut hit = chat(CHAT);
    hit.headers_mut().insert("x-hit", "1".parse().unwrap());
    match timeout(PATIENCE, client.send_request(hit)).await.expect("it does not hang") {
        Err(_) => assert_eq!(through, 0),
        Ok(response) => {
            assert!(response.headers().contains_key("content-length"));
            let (mut body, mut seen) = (response.into_body(), 0);
            loop {
                match timeout(PATIENCE, body.frame()).await.expect("it does not hang") {
                    Some(Ok(frame)) => seen += frame.data_ref().map_or(0, Bytes::len),
                    Some(Err(_)) => break,
                    None => panic!("the body ends in good order after {seen} bytes"),
                }
            }
            assert_eq!(seen, through);
        }
    }
    let last = timeout(PATIENCE, bystander.frame()).await.expect("the connection is gone");
    assert!(last.is_none_or(|frame| frame.is_err()));
    assert!(client.ready().await.is_err() || client.send_request(chat(CHAT)).await.is_err());
    // The next connection works.
    let again = bench.http2("openai").await.send_request(chat(CHAT)).await.unwrap();
    assert_eq!(again.status(), 200);
    let told = bench.finish().await;
    assert_eq!(told.fired.len(), 2);
    assert_eq!(told.statuses, BTreeMap::from([(0, 2), (200, 1)]));
}

#[tokio::test]
async fn a_cut_on_http_2_lets_exactly_its_bytes_through_beyond_the_flow_control_window() {
    let mut cut = rule("cut", "supabase", Injection::LimitData { bytes: ByteSize(250_000) });
    cut.when.path = Some("/rest/v1/large".into());
    let bench = Bench::start(&[supabase()], vec![cut]).await;
    let mut client = bench.http2("supabase").await;
    let mut body = client.send_request(rows(Method::GET, "/rest/v1/large")).await.unwrap().into_body();
    let mut seen = 0;
    while let Some(Ok(frame)) = timeout(PATIENCE, body.frame()).await.expect("it does not hang") {
        seen += frame.data_ref().map_or(0, Bytes::len);
        if let Some(data) = frame.data_ref() {
            drop(data.clone());
        }
    }
    assert_eq!(seen, 250_000);
    assert_eq!(bench.finish().await.statuses, BTreeMap::from([(0, 1)]));
}

#[tokio::test]
async fn a_client_that_cancels_a_stream_of_http_2_leaves_the_connection_alone() {
    let bench = Bench::start(&[openai()], vec![rule("hang", "openai", Injection::Timeout { after: None })]).await;
    let mut client = bench.http2("openai").await;
    for _ in 0..3 {
        assert!(timeout(Duration::from_millis(20), client.send_request(chat(CHAT))).await.is_err(), "it hangs");
    }
    let health = client.send_request(rows(Method::GET, "/__firedrill/healthz")).await.unwrap();
    assert_eq!(health.status(), 200);
    assert_eq!(bench.finish().await.fired.len(), 3);
}

// --- TLS --------------------------------------------------------------------------------------------------------

fn over_tls(plan: UpstreamPlan) -> UpstreamPlan {
    UpstreamPlan { tls: true, ..plan }
}

#[tokio::test]
async fn over_tls_clients_that_trust_the_runs_ca_speak_either_version() {
    let bench = Bench::start(&[over_tls(openai()), supabase()], vec![]).await;
    let ca = reqwest::Certificate::from_pem(bench.upstreams.ca().unwrap().as_bytes()).unwrap();
    let base = bench.upstreams.url("openai").unwrap();
    assert_eq!(base, format!("https://{}/v1", bench.address("openai")));
    assert_eq!(bench.upstreams.environment()["OPENAI_BASE_URL"], base);
    assert!(bench.upstreams.url("supabase").unwrap().starts_with("http://"), "each upstream for itself");
    let client = reqwest::Client::builder().tls_certs_only([ca]).http1_only().build().unwrap();
    let port = bench.address("openai").port();
    for host in ["127.0.0.1", "localhost"] {
        let url = format!("https://{host}:{port}/v1/chat/completions");
        let response = client.post(url).bearer_auth("sk-test-0123456789").body(CHAT_STREAM).send().await.unwrap();
        assert_eq!((response.status(), response.version()), (StatusCode::OK, Version::HTTP_11));
        assert!(response.text().await.unwrap().ends_with("data: [DONE]\n\n"));
    }

    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(bench.upstreams.ca().unwrap().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let stream = TcpStream::connect(bench.address("openai")).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let stream = connector.connect("localhost".try_into().unwrap(), stream).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]), "the newest that both speak");
    let (mut client, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let response = client.send_request(chat(CHAT_STREAM)).await.unwrap();
    assert!(whole(response).await.unwrap().ends_with(b"data: [DONE]\n\n"));
    let told = bench.finish().await;
    assert_eq!((told.calls, told.warnings.len()), (3, 0));
}

#[tokio::test]
async fn a_client_without_trust_or_without_tls_fails_and_the_reader_learns_why() {
    let bench = Bench::start(&[over_tls(openai())], vec![]).await;
    let trusting_nobody = reqwest::Client::builder().tls_certs_only([]).build().unwrap();
    let url = format!("{}/models", bench.upstreams.url("openai").unwrap());
    trusting_nobody.get(&url).send().await.unwrap_err();
    reqwest::get(url.replace("https", "http")).await.unwrap_err();
    let told = bench.finish().await;
    assert_eq!(told.calls, 0);
    assert_eq!(told.warnings.len(), 2, "{:?}", told.warnings);
    assert!(told.warnings[0].contains("SSL_CERT_FILE") && told.warnings[1].contains("https://"), "{:?}", told.warnings);
}

#[tokio::test]
async fn a_reset_over_tls_is_one_of_the_connection() {
    let bench = Bench::start(&[over_tls(openai())], vec![rule("reset", "openai", Injection::ResetPeer {})]).await;
    let ca = reqwest::Certificate::from_pem(bench.upstreams.ca().unwrap().as_bytes()).unwrap();
    let client = reqwest::Client::builder().tls_certs_only([ca]).http1_only().build().unwrap();
    let url = format!("{}/models", bench.upstreams.url("openai").unwrap());
    let error = client.get(url).send().await.unwrap_err();
    let mut cause: &dyn std::error::Error = &error;
    let kind = loop {
        if let Some(error) = cause.downcast_ref::<std::io::Error>() {
            break error.kind();
        }
        cause = cause.source().expect("an error of the socket");
    };
    assert_eq!(kind, ErrorKind::ConnectionReset);
    bench.finish().await;
}

#[test]
fn the_ca_file_is_named_by_the_variables_that_clients_read() {
    let variables = trust(std::path::Path::new("/runs/1/ca.pem"));
    assert_eq!(
        variables.keys().collect::<Vec<_>>(),
        ["CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"]
    );
    assert!(variables.values().all(|path| path == "/runs/1/ca.pem"));
}

// --- Compressed answers -----------------------------------------------------------------------------------------

/// A request on a bare socket, and the whole of what comes back: its head, lower-cased, and its body.
async fn raw(address: SocketAddr, request: &str) -> (String, Vec<u8>) {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut seen = Vec::new();
    timeout(PATIENCE, socket.read_to_end(&mut seen)).await.expect("the connection ends").unwrap();
    split(seen)
}

fn split(seen: Vec<u8>) -> (String, Vec<u8>) {
    let end = seen.windows(4).position(|window| window == b"\r\n\r\n").expect("a head") + 4;
    (String::from_utf8_lossy(&seen[..end]).to_lowercase(), seen[end..].to_vec())
}

fn get(method: &str, path: &str, accept: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nhost: x\r\napikey: k\r\n{accept}connection: close\r\n\r\n")
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

const GZIP: &str = "accept-encoding: gzip, deflate\r\n";

#[tokio::test]
async fn json_is_compressed_for_those_who_ask_and_head_agrees_with_get() {
    let bench = Bench::start(&[supabase()], vec![]).await;
    let address = bench.address("supabase");
    let (plain_head, plain) = raw(address, &get("GET", "/rest/v1/large", "")).await;
    assert_eq!(header(&plain_head, "content-encoding"), None);
    assert_eq!(header(&plain_head, "vary"), Some("accept-encoding"));
    assert!(plain.len() > 256 << 10, "large enough to be compressed elsewhere");
    let (head, body) = raw(address, &get("GET", "/rest/v1/large", GZIP)).await;
    assert_eq!(header(&head, "content-encoding"), Some("gzip"));
    assert_eq!(header(&head, "content-length"), Some(body.len().to_string().as_str()));
    assert!(body.len() < plain.len() / 4);
    let mut unpacked = Vec::new();
    GzDecoder::new(&body[..]).read_to_end(&mut unpacked).unwrap();
    assert_eq!(unpacked, plain);

    let (small_head, small) = raw(address, &get("GET", "/rest/v1/small", GZIP)).await;
    assert_eq!((header(&small_head, "content-encoding"), header(&small_head, "vary")), (None, None));
    assert_eq!(serde_json::from_slice::<Value>(&small).unwrap()[0]["id"], 1);
    let (refusing, body) = raw(address, &get("GET", "/rest/v1/large", "accept-encoding: br, gzip;q=0\r\n")).await;
    assert_eq!((header(&refusing, "content-encoding"), body.len()), (None, plain.len()));
    let (head, body) = raw(address, &get("HEAD", "/rest/v1/large", GZIP)).await;
    assert!(head.starts_with("http/1.1 200") && body.is_empty(), "{head}");
    bench.finish().await;
}

#[tokio::test]
async fn a_middling_answer_is_compressed_and_a_stream_is_not() {
    let bench = Bench::start(&[openai(), supabase()], vec![]).await;
    let path = "/rest/v1/large?limit=3";
    let (head, body) = raw(bench.address("supabase"), &get("GET", path, GZIP)).await;
    assert_eq!(header(&head, "content-encoding"), Some("gzip"));
    let rows: Value = serde_json::from_reader(GzDecoder::new(&body[..])).unwrap();
    assert_eq!(rows.as_array().unwrap().len(), 3);
    let stream = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer k0123456789\r\n{GZIP}connection: \
         close\r\ncontent-length: {}\r\n\r\n{CHAT_STREAM}",
        CHAT_STREAM.len()
    );
    let (head, body) = raw(bench.address("openai"), &stream).await;
    assert_eq!(header(&head, "content-encoding"), None);
    assert!(String::from_utf8(body).unwrap().contains("data: [DONE]\n\n"));
    bench.finish().await;
}

#[tokio::test]
async fn faults_count_the_bytes_that_are_on_the_wire() {
    let mut cut = rule("cut", "supabase", Injection::LimitData { bytes: ByteSize(1_000) });
    cut.when.path = Some("/rest/v1/large".into());
    let bench = Bench::start(&[supabase()], vec![cut]).await;
    let (head, body) = raw(bench.address("supabase"), &get("GET", "/rest/v1/large", GZIP)).await;
    assert_eq!(header(&head, "content-encoding"), Some("gzip"));
    assert!(header(&head, "content-length").unwrap().parse::<usize>().unwrap() > 1_000);
    assert_eq!(body.len(), 1_000);
    assert!(GzDecoder::new(&body[..]).read_to_end(&mut Vec::new()).is_err());
    bench.finish().await;
}

#[tokio::test]
async fn a_compressed_request_is_refused_and_the_reader_is_warned() {
    let bench = Bench::start(&[openai()], vec![]).await;
    let request = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer k0123456789\r\nconnection: \
                   close\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\nabcd";
    let (head, body) = raw(bench.address("openai"), request).await;
    assert!(head.starts_with("http/1.1 415"), "{head}");
    assert!(serde_json::from_slice::<Value>(&body).unwrap()["error"]["message"].is_string());
    assert_eq!(bench.finish().await.warnings.len(), 1);
}

// --- Large bodies -----------------------------------------------------------------------------------------------

/// Sends a body of so many bytes on a bare socket, and then a second request on the same connection.
async fn send_large(address: SocketAddr, length: usize, chunked: bool) -> (String, String) {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let framing = if chunked { "transfer-encoding: chunked".to_owned() } else { format!("content-length: {length}") };
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer k0123456789\r\n{framing}\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let block = vec![b' '; 1 << 20];
    let mut left = length;
    while left > 0 {
        let part = &block[..left.min(block.len())];
        if chunked {
            socket.write_all(format!("{:x}\r\n", part.len()).as_bytes()).await.unwrap();
        }
        socket.write_all(part).await.unwrap();
        if chunked {
            socket.write_all(b"\r\n").await.unwrap();
        }
        left -= part.len();
    }
    if chunked {
        socket.write_all(b"0\r\n\r\n").await.unwrap();
    }
    let health = "GET /__firedrill/healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    socket.write_all(health.as_bytes()).await.unwrap();
    let mut seen = String::new();
    timeout(PATIENCE, socket.read_to_string(&mut seen)).await.expect("both are answered").unwrap();
    let second = seen[1..].find("HTTP/1.1 ").map_or("", |at| &seen[at + 1..]).to_owned();
    (seen, second)
}

#[rstest]
#[case::as_large_as_allowed(32 << 20, false, "400")]
#[case::as_large_as_allowed_in_chunks(32 << 20, true, "400")]
#[case::larger(40 << 20, false, "413")]
#[case::larger_in_chunks(40 << 20, true, "413")]
#[tokio::test]
async fn a_large_body_is_read_or_refused_and_the_connection_goes_on(
    #[case] length: usize,
    #[case] chunked: bool,
    #[case] status: &str,
) {
    let bench = Bench::start(&[openai()], vec![]).await;
    let (first, second) = send_large(bench.address("openai"), length, chunked).await;
    assert!(first.starts_with(&format!("HTTP/1.1 {status}")), "{first}");
    assert!(first.contains("invalid_request_error"), "the provider's envelope: {first}");
    assert!(second.starts_with("HTTP/1.1 200"), "the connection is usable: {first}");
    bench.finish().await;
}

#[tokio::test]
async fn who_asks_before_sending_is_let_or_refused_before_sending() {
    let bench = Bench::start(&[openai()], vec![]).await;
    let head = |length: usize| {
        format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer k0123456789\r\nexpect: \
             100-continue\r\ncontent-length: {length}\r\n\r\n"
        )
    };
    let mut socket = TcpStream::connect(bench.address("openai")).await.unwrap();
    socket.write_all(head(CHAT.len()).as_bytes()).await.unwrap();
    let mut buffer = [0; 256];
    let read = timeout(PATIENCE, socket.read(&mut buffer)).await.expect("go on").unwrap();
    assert!(buffer[..read].starts_with(b"HTTP/1.1 100 "));
    socket.write_all(CHAT.as_bytes()).await.unwrap();
    let read = timeout(PATIENCE, socket.read(&mut buffer)).await.expect("an answer").unwrap();
    assert!(buffer[..read].starts_with(b"HTTP/1.1 200 "));

    let (refusal, body) = raw(bench.address("openai"), &head(40 << 20)).await;
    assert!(refusal.starts_with("http/1.1 413"), "{refusal}");
    assert!(serde_json::from_slice::<Value>(&body).unwrap()["error"]["message"].is_string());
    bench.finish().await;
}

// --- Faults inside answers --------------------------------------------------------------------------------------

async fn events_of(rule: FaultRule) -> (Vec<String>, Told) {
    let bench = Bench::start(&[openai()], vec![rule]).await;
    let mut client = bench.http2("openai").await;
    let response = client.send_request(chat(CHAT_STREAM)).await.unwrap();
    assert_eq!(response.status(), 200);
    let text = String::from_utf8(whole(response).await.unwrap().to_vec()).unwrap();
    let events = text.split_inclusive("\n\n").map(str::to_owned).collect();
    (events, bench.finish().await)
}

#[tokio::test]
async fn a_truncated_stream_ends_in_good_order_without_done() {
    let (full, _) = events_of(rule("none", "supabase", Injection::ResetPeer {})).await;
    let (events, told) = events_of(rule("no end", "openai", Injection::Truncate { after: BodyPoint::LastEvent })).await;
    assert_eq!(events.len(), full.len() - 1);
    assert!(full.last().unwrap().contains("[DONE]") && !events.last().unwrap().contains("[DONE]"));
    assert_eq!(told.statuses, BTreeMap::from([(200, 1)]), "nobody sees on the transport that something is missing");
    assert_eq!(told.fired, [FaultAction::Truncate(BodyPoint::LastEvent)]);
    let (events, _) = events_of(rule("two", "openai", Injection::Truncate { after: BodyPoint::Events(2) })).await;
    assert_eq!(events.len(), 2);
}

#[tokio::test]
async fn a_truncated_answer_is_whole_by_its_length_and_broken_as_json() {
    let truncate = Injection::Truncate { after: BodyPoint::Bytes(ByteSize(100)) };
    let bench = Bench::start(&[openai()], vec![rule("short", "openai", truncate)]).await;
    let request = chat(CHAT);
    let response = bench.http2("openai").await.send_request(request).await.unwrap();
    assert_eq!(response.headers()["content-length"], "100");
    let body = whole(response).await.unwrap();
    assert_eq!(body.len(), 100);
    assert!(serde_json::from_slice::<Value>(&body).is_err());
    assert_eq!(bench.finish().await.statuses, BTreeMap::from([(200, 1)]));
}

#[tokio::test]
async fn an_error_comes_inside_a_stream_that_began_with_200() {
    let inside = |error: &str| Injection::StreamError(StreamError { events: 3, error: error.into(), form: None });
    let (events, told) = events_of(rule("inside", "openai", inside("overloaded"))).await;
    assert_eq!(events.len(), 4);
    let error: Value = serde_json::from_str(events[3].strip_prefix("data: ").unwrap()).unwrap();
    assert_eq!(error["error"]["type"], "server_error");
    assert!(error["error"]["message"].as_str().unwrap().contains("overloaded"));
    assert_eq!((told.fired.len(), told.statuses), (1, BTreeMap::from([(200, 1)])));

    let (events, told) = events_of(rule("unknown", "openai", inside("gremlins"))).await;
    assert!(events.last().unwrap().contains("[DONE]"));
    assert_eq!((told.fired.len(), told.warnings.len()), (0, 1), "what cannot be done is not said to be done");
}

#[tokio::test]
async fn an_error_inside_a_stream_does_not_hit_an_answer_that_is_none() {
    let inside = Injection::StreamError(StreamError { events: 0, error: "overloaded".into(), form: None });
    let bench = Bench::start(&[openai()], vec![rule("inside", "openai", inside)]).await;
    let response = bench.http2("openai").await.send_request(chat(CHAT)).await.unwrap();
    let completion: Value = serde_json::from_slice(&whole(response).await.unwrap()).unwrap();
    assert_eq!(completion["object"], "chat.completion");
    assert_eq!(bench.finish().await.fired, []);
}

#[rstest]
#[case(vec![], true)]
#[case(vec!["Retry-After".to_owned()], false)]
#[tokio::test]
async fn one_service_is_out_while_the_others_work(#[case] omit: Vec<String>, #[case] says_when: bool) {
    let abort = Abort { error: Some("PGRST002".into()), omit, ..Abort::default() };
    let mut outage = rule("rest", "supabase", Injection::Abort(abort));
    outage.when.service = Some("rest".into());
    let bench = Bench::start(&[supabase(), openai()], vec![outage]).await;
    let mut client = bench.http2("supabase").await;
    let rest = client.send_request(rows(Method::GET, "/rest/v1/small")).await.unwrap();
    assert_eq!((rest.status().as_u16(), rest.headers().contains_key("retry-after")), (503, says_when));
    let auth = client.send_request(rows(Method::GET, "/auth/v1/health")).await.unwrap();
    assert_eq!(auth.status(), 200);
    assert_eq!(bench.finish().await.fired.len(), 1);
}

#[tokio::test]
async fn own_pages_are_never_counted_and_never_hit() {
    let bench = Bench::start(&[openai()], vec![rule("reset", "openai", Injection::ResetPeer {})]).await;
    let mut client = bench.http2("openai").await;
    for (method, path, status) in [
        (Method::GET, "/__firedrill/", 200),
        (Method::GET, "/__firedrill/healthz", 200),
        (Method::GET, "/__firedrill/state", 200),
        (Method::GET, "/__firedrill/nothing", 404),
        (Method::POST, "/__firedrill/state", 405),
    ] {
        assert_eq!(client.send_request(rows(method, path)).await.unwrap().status(), status, "{path}");
    }
    let told = bench.finish().await;
    assert_eq!((told.calls, told.fired.len()), (0, 0));
}
