//! Faults on connections as a run has them: on upstreams that speak HTTP, over TLS, and on real servers behind a TCP
//! proxy; on and off as planned, drawn by connection, and noted.
#![expect(clippy::unwrap_used, reason = "a test may fail where it stands; helpers are tests too")]

use firedrill::fault::Engine;
use firedrill::model::event::{EventSink, RunEvent};
use firedrill::model::fault::{
    CertificateFault, ConnectionFault, Course, Delay, DutyCycle, FaultAction, FaultMatch, FaultRule, FaultWindow,
    Injection, Streams,
};
use firedrill::model::secret::Secret;
use firedrill::model::timeline::UpstreamInterval;
use firedrill::model::toxic::ToxicKind;
use firedrill::model::upstream::{OpenaiPlan, TcpPlan, TcpProtocol, UpstreamKind, UpstreamPlan};
use firedrill::units::{Offset, RunClock, Seed, Share, Span};
use firedrill::upstream::Upstreams;
use rstest::rstest;
use std::error::Error as _;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, timeout};

/// Long enough for anything that shall happen, on a loaded machine too.
const SOON: Duration = Duration::from_secs(20);
/// Long enough to tell "does not come" from "comes".
const MOMENT: Duration = Duration::from_millis(200);

/// A server that sends back what it gets.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = socket.split();
                let _ = tokio::io::copy(&mut from, &mut to).await;
            });
        }
    });
    address
}

fn server(to: SocketAddr) -> UpstreamPlan {
    let plan = TcpPlan { to: to.to_string(), protocol: TcpProtocol::None, url: None };
    UpstreamPlan::new("cache", UpstreamKind::Tcp(plan))
}

fn openai(tls: bool) -> UpstreamPlan {
    UpstreamPlan { tls, ..UpstreamPlan::new("openai", UpstreamKind::Openai(OpenaiPlan::default())) }
}

fn rule(upstream: &str, fault: ConnectionFault) -> FaultRule {
    FaultRule {
        name: format!("{upstream} {}", fault.kind()),
        upstream: upstream.into(),
        when: FaultMatch::default(),
        share: Share::ALL,
        window: FaultWindow { from: Offset::ZERO, until: None },
        inject: Injection::Connection(fault),
    }
}

fn toxic(kind: ToxicKind) -> ConnectionFault {
    ConnectionFault::Toxic { kind, stream: Streams::Downstream }
}

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

struct Bench {
    upstreams: Upstreams,
    events: UnboundedReceiver<RunEvent>,
    clock: RunClock,
}

/// What a run would have been told.
#[derive(Debug, Default)]
struct Told {
    fired: Vec<(u64, String, &'static str)>,
    calls: u64,
    faulted: u64,
    warnings: Vec<String>,
}

impl Bench {
    async fn start(plans: &[UpstreamPlan], rules: Vec<FaultRule>) -> Self {
        Self::seeded(plans, rules, Seed(1)).await
    }

    async fn seeded(plans: &[UpstreamPlan], rules: Vec<FaultRule>, seed: Seed) -> Self {
        let (sink, events) = EventSink::channel();
        let upstreams = Upstreams::start(plans, Arc::new(Engine::new(rules, seed)), seed, sink).await.unwrap();
        let clock = RunClock::start();
        upstreams.begin(clock);
        // Faults that are on from the first moment are set a little after it.
        tokio::time::sleep(millis(30)).await;
        Self { upstreams, events, clock }
    }

    async fn connect(&self, name: &str) -> std::io::Result<TcpStream> {
        TcpStream::connect(self.upstreams.address(name).unwrap()).await
    }

    async fn until(&self, at: u64) {
        tokio::time::sleep_until(self.clock.instant(Offset::ZERO.plus(millis(at)))).await;
    }

    async fn finish(mut self) -> Told {
        timeout(SOON, self.upstreams.shutdown()).await.expect("shutting down takes no time");
        let mut told = Told::default();
        while let Some(event) = self.events.recv().await {
            match event {
                RunEvent::FaultFired { n, request, action, .. } => {
                    let FaultAction::Connection(fault) = action else { panic!("{action:?}") };
                    told.fired.push((n, request, fault.kind()));
                }
                RunEvent::Upstream(UpstreamInterval { calls, faulted, .. }) => {
                    told.calls += calls;
                    told.faulted += faulted;
                }
                RunEvent::Warning { message, .. } => told.warnings.push(message),
                other => panic!("unexpected {other:?}"),
            }
        }
        told
    }
}

async fn exchange(socket: &mut TcpStream) -> std::io::Result<()> {
    let all = async {
        socket.write_all(b"ping").await?;
        socket.read_exact(&mut [0; 4]).await.map(|_| ())
    };
    timeout(SOON, all).await.expect("an end of some kind")
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().pool_max_idle_per_host(0).timeout(SOON).no_proxy().build().unwrap()
}

async fn models(client: &reqwest::Client, bench: &Bench) -> Result<u16, reqwest::Error> {
    let url = format!("{}/models", bench.upstreams.url("openai").unwrap());
    let response = client.get(url).bearer_auth("sk-test").send().await?;
    let status = response.status().as_u16();
    response.bytes().await?;
    Ok(status)
}

/// The system's error at the bottom of a client's.
fn cause(error: &reqwest::Error) -> Option<ErrorKind> {
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<std::io::Error>() {
            return Some(error.kind());
        }
        source = error.source();
    }
    None
}

#[tokio::test]
async fn a_server_behind_a_proxy_is_reached_counted_and_told_of() {
    let url = Secret::new("postgres://app:s3cret@localhost:5432/app?sslmode=disable".into());
    let to = echo().await;
    let plan = TcpPlan { to: to.to_string(), protocol: TcpProtocol::Postgres, url: Some(url) };
    let bench = Bench::start(&[UpstreamPlan::new("main-db", UpstreamKind::Tcp(plan))], vec![]).await;
    let address = bench.upstreams.address("main-db").unwrap();
    exchange(&mut bench.connect("main-db").await.unwrap()).await.unwrap();
    let environment = bench.upstreams.environment();
    let whole = format!("postgres://app:s3cret@{address}/app?sslmode=disable");
    let (ip, port) = (address.ip().to_string(), address.port().to_string());
    for (name, value) in [
        ("DATABASE_URL", &whole),
        ("MAIN_DB_URL", &whole),
        ("PGHOST", &ip),
        ("PGPORT", &port),
        ("MAIN_DB_HOST", &ip),
        ("MAIN_DB_PORT", &port),
    ] {
        assert_eq!(environment.get(name), Some(value), "{name}");
    }
    let told = bench.finish().await;
    assert_eq!((told.calls, told.fired.len()), (1, 0), "{told:?}");
}

#[tokio::test]
async fn an_upstream_without_such_faults_has_no_proxy_before_it() {
    let abort = FaultRule {
        inject: Injection::Timeout { after: Some(Span(millis(1))) },
        ..rule("openai", toxic(ToxicKind::AcceptHang {}))
    };
    let bench = Bench::start(&[openai(false)], vec![abort]).await;
    assert!(format!("{:?}", bench.upstreams).contains("openai"));
    let before = connections();
    let mut socket = bench.connect("openai").await.unwrap();
    socket.write_all(b"GET /v1/models HTTP/1.1\r\n").await.unwrap();
    // Both ends of one connection, and no further one behind it.
    let own = socket.local_addr().unwrap().port();
    tokio::time::sleep(MOMENT).await;
    let added = connections().into_iter().filter(|ends| !before.contains(ends) && ends.0 != own && ends.1 != own);
    let ours: Vec<_> =
        added.filter(|(a, b)| [*a, *b].contains(&bench.upstreams.address("openai").unwrap().port())).collect();
    assert!(ours.is_empty(), "{ours:?}");
    let told = bench.finish().await;
    assert!(told.fired.is_empty(), "{told:?}");
}

/// The ports of the connections of this process.
fn connections() -> Vec<(u16, u16)> {
    let all = procfs::net::tcp().unwrap().into_iter();
    all.filter(|entry| entry.state == procfs::net::TcpState::Established)
        .map(|entry| (entry.local_address.port(), entry.remote_address.port()))
        .collect()
}

#[tokio::test]
async fn a_refused_upstream_refuses_and_resets_what_is_open_until_its_window_is_over() {
    let mut refused = rule("openai", ConnectionFault::Refuse { keep_open: false });
    refused.window =
        FaultWindow { from: Offset::ZERO.plus(millis(300)), until: Some(Offset::ZERO.plus(millis(1_500))) };
    let bench = Bench::start(&[openai(false)], vec![refused]).await;
    let client = client();
    assert_eq!(models(&client, &bench).await.unwrap(), 200);
    let mut open = bench.connect("openai").await.unwrap();
    // It must be carried to the upstream before the fault comes.
    open.write_all(b"GET /v1/models HTTP/1.1\r\nhost: a\r\nauthorization: Bearer k\r\n\r\n").await.unwrap();
    open.read_exact(&mut [0; 12]).await.unwrap();
    bench.until(400).await;
    let error = models(&client, &bench).await.unwrap_err();
    assert_eq!(cause(&error), Some(ErrorKind::ConnectionRefused), "{error:?}");
    let mut rest = Vec::new();
    let end = timeout(SOON, open.read_to_end(&mut rest)).await.unwrap();
    assert_eq!(end.unwrap_err().kind(), ErrorKind::ConnectionReset);
    bench.until(1_600).await;
    assert_eq!(models(&client, &bench).await.unwrap(), 200, "the address is the same as before");
    let told = bench.finish().await;
    let count = |what: &str| told.fired.iter().filter(|(_, request, _)| request.contains(what)).count();
    assert_eq!((count("every new connection"), count("connection 2")), (2, 1), "{told:?}");
    assert_eq!(told.calls, 3, "{told:?}");
}

#[tokio::test]
async fn a_refusal_can_leave_open_connections_alone() {
    let mut refused = rule("cache", ConnectionFault::Refuse { keep_open: true });
    refused.window.from = Offset::ZERO.plus(millis(200));
    let bench = Bench::start(&[server(echo().await)], vec![refused]).await;
    let mut open = bench.connect("cache").await.unwrap();
    exchange(&mut open).await.unwrap();
    bench.until(300).await;
    assert_eq!(bench.connect("cache").await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    exchange(&mut open).await.unwrap();
}

/// What each fault looks like from an HTTP client: the request fails like this, and the fault is noted.
#[rstest]
#[case::accept_hang(ToxicKind::AcceptHang {}, None)]
#[case::reset(ToxicKind::ResetPeer { timeout: 0 }, Some(ErrorKind::ConnectionReset))]
#[case::reset_after(ToxicKind::ResetAfter { bytes: 30 }, Some(ErrorKind::ConnectionReset))]
#[case::limit(ToxicKind::LimitData { bytes: 30 }, Some(ErrorKind::UnexpectedEof))]
#[case::half_close(ToxicKind::HalfClose { bytes: 30 }, Some(ErrorKind::UnexpectedEof))]
#[case::blackhole(ToxicKind::Blackhole { bytes: 30 }, None)]
#[case::timeout(ToxicKind::Timeout { timeout: 0 }, None)]
#[case::partition(ToxicKind::Partition {}, None)]
#[tokio::test]
async fn an_http_client_meets_a_fault_on_its_connection(#[case] kind: ToxicKind, #[case] expected: Option<ErrorKind>) {
    let bench = Bench::start(&[openai(false)], vec![rule("openai", toxic(kind))]).await;
    let client = client();
    let asked = timeout(millis(700), models(&client, &bench)).await;
    match (expected, asked) {
        (None, Err(_)) => {}
        (Some(ErrorKind::UnexpectedEof), Ok(Err(error))) => {
            assert!(error.is_request() || error.is_body() || error.is_decode(), "{error:?}");
        }
        (Some(expected), Ok(Err(error))) => assert_eq!(cause(&error), Some(expected), "{error:?}"),
        (expected, asked) => panic!("{expected:?}: {asked:?}"),
    }
    let told = bench.finish().await;
    let name = if let ToxicKind::ResetAfter { .. } = kind { "reset_peer" } else { kind.name() };
    assert_eq!(told.fired, [(1, "connection 1".to_owned(), name)]);
    assert_eq!(told.faulted, 0, "no request was hit, a connection was");
}

#[rstest]
#[case::latency(ConnectionFault::Latency { delay: Delay::constant(millis(150)), stream: Streams::Both }, 300)]
#[case::bandwidth(toxic(ToxicKind::Bandwidth { rate: 1 }), 150)]
#[case::slicer(toxic(ToxicKind::Slicer { average_size: 20, size_variation: 0, delay: 10_000 }), 150)]
#[tokio::test]
async fn an_http_client_waits_for_what_comes_slowly(#[case] fault: ConnectionFault, #[case] least: u64) {
    let kind = fault.kind();
    let bench = Bench::start(&[openai(false)], vec![rule("openai", fault)]).await;
    let began = Instant::now();
    assert_eq!(models(&client(), &bench).await.unwrap(), 200);
    assert!(began.elapsed() >= millis(least), "{:?}", began.elapsed());
    assert_eq!(bench.finish().await.fired, [(1, "connection 1".to_owned(), kind)]);
}

#[tokio::test]
async fn one_way_partitions_differ_by_what_the_server_has_seen() {
    for (stream, seen) in [(Streams::Downstream, true), (Streams::Upstream, false)] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let fault = ConnectionFault::Toxic { kind: ToxicKind::Partition {}, stream };
        let bench = Bench::start(&[server(listener.local_addr().unwrap())], vec![rule("cache", fault)]).await;
        let mut app = bench.connect("cache").await.unwrap();
        let (mut server, _) = timeout(SOON, listener.accept()).await.unwrap().unwrap();
        app.write_all(b"question").await.unwrap();
        server.write_all(b"answer").await.unwrap();
        let came = timeout(MOMENT, server.read_exact(&mut [0; 8])).await.is_ok();
        let back = timeout(MOMENT, app.read_exact(&mut [0; 6])).await.is_ok();
        assert_eq!((came, back), (seen, !seen), "{stream:?}");
        assert_eq!(bench.finish().await.fired, [(1, "connection 1".to_owned(), "partition")]);
    }
}

#[tokio::test]
async fn a_full_pool_keeps_the_next_one_waiting() {
    let cap = rule("cache", toxic(ToxicKind::ConnectionCap { connections: 2 }));
    let bench = Bench::start(&[server(echo().await)], vec![cap]).await;
    let mut first = bench.connect("cache").await.unwrap();
    let mut second = bench.connect("cache").await.unwrap();
    exchange(&mut first).await.unwrap();
    exchange(&mut second).await.unwrap();
    let mut third = bench.connect("cache").await.unwrap();
    assert!(timeout(MOMENT, exchange(&mut third)).await.is_err());
    drop(second);
    third.read_exact(&mut [0; 4]).await.unwrap();
    let told = bench.finish().await;
    assert_eq!(told.fired, [(3, "connection 3".to_owned(), "connection_cap")]);
    assert_eq!((told.calls, told.faulted), (3, 1));
}

#[tokio::test]
async fn who_is_hit_is_the_same_for_the_same_seed_and_goes_by_share_or_number() {
    let some = |seed| async move {
        let mut rule = rule("cache", toxic(ToxicKind::ResetPeer { timeout: 0 }));
        rule.share = Share::from_fraction(0.4).unwrap();
        let bench = Bench::seeded(&[server(echo().await)], vec![rule], Seed(seed)).await;
        let mut hit = Vec::new();
        for _ in 0..50 {
            hit.push(exchange(&mut bench.connect("cache").await.unwrap()).await.is_err());
        }
        let fired: Vec<u64> = bench.finish().await.fired.iter().map(|(n, ..)| *n).collect();
        let numbers: Vec<u64> = (1..).zip(&hit).filter(|(_, hit)| **hit).map(|(n, _)| n).collect();
        assert_eq!(fired, numbers, "what is noted is what the client saw");
        numbers
    };
    let one = some(7).await;
    assert!((10..=30).contains(&one.len()), "{one:?}");
    assert_eq!(one, some(7).await);
    assert_ne!(one, some(8).await);

    let mut third = rule("cache", toxic(ToxicKind::ResetPeer { timeout: 0 }));
    third.when.nth = Some(3);
    let bench = Bench::start(&[server(echo().await)], vec![third]).await;
    for n in 1..=9 {
        assert_eq!(exchange(&mut bench.connect("cache").await.unwrap()).await.is_err(), n % 3 == 0, "{n}");
    }
}

#[tokio::test]
async fn a_fault_comes_and_goes_with_its_cycle_and_is_told_of_each_time() {
    let mut slow =
        rule("cache", ConnectionFault::Latency { delay: Delay::constant(millis(120)), stream: Streams::Both });
    slow.window = FaultWindow { from: Offset::ZERO, until: Some(Offset::ZERO.plus(millis(1_800))) };
    let half = Span(millis(600));
    slow.when.course = Course { cycle: Some(DutyCycle { on: half, off: half }), ..Course::default() };
    let bench = Bench::start(&[server(echo().await)], vec![slow]).await;
    let mut open = bench.connect("cache").await.unwrap();
    let mut took = Vec::new();
    for at in [50, 700, 1_250, 1_850] {
        bench.until(at).await;
        let began = Instant::now();
        exchange(&mut open).await.unwrap();
        took.push(began.elapsed() >= millis(240));
    }
    assert_eq!(took, [true, false, true, false]);
    let told = bench.finish().await;
    assert_eq!(told.fired.len(), 2, "one connection, hit each time once: {told:?}");
    assert_eq!((told.calls, told.faulted), (1, 1));
}

#[tokio::test]
async fn a_share_grows_over_its_ramp() {
    let mut growing = rule("cache", toxic(ToxicKind::ResetPeer { timeout: 0 }));
    growing.when.course = Course { ramp_up: Span(millis(2_500)), ..Course::default() };
    let bench = Bench::start(&[server(echo().await)], vec![growing]).await;
    let mut hits = [0, 0, 0];
    for (part, at) in [0, 1_100, 2_800].into_iter().enumerate() {
        bench.until(at).await;
        for _ in 0..40 {
            hits[part] += u32::from(exchange(&mut bench.connect("cache").await.unwrap()).await.is_err());
        }
    }
    assert!(hits[0] < 15 && (8..=34).contains(&hits[1]) && hits[2] == 40, "{hits:?}");
}

fn trusting(bench: &Bench) -> reqwest::Client {
    let ca = reqwest::Certificate::from_pem(bench.upstreams.ca().unwrap().as_bytes()).unwrap();
    reqwest::Client::builder().tls_certs_only([ca]).timeout(SOON).no_proxy().build().unwrap()
}

/// All that an error says.
fn words(error: &reqwest::Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        words.push_str(&format!(": {error}"));
        source = error.source();
    }
    words
}

#[rstest]
#[case::expired(ConnectionFault::Certificate(CertificateFault::Expired), "expired")]
#[case::host(ConnectionFault::Certificate(CertificateFault::WrongHost), "not valid for name")]
#[case::untrusted(ConnectionFault::Certificate(CertificateFault::Untrusted), "UnknownIssuer")]
#[case::handshake(ConnectionFault::TlsHandshakeFailure {}, "HandshakeFailure")]
#[tokio::test]
async fn a_tls_client_says_what_is_wrong_and_comes_back_when_it_is_over(
    #[case] fault: ConnectionFault,
    #[case] said: &str,
) {
    let kind = fault.kind();
    let mut fault = rule("openai", fault);
    fault.when.nth = Some(2);
    let bench = Bench::start(&[openai(true)], vec![fault]).await;
    assert_eq!(models(&trusting(&bench), &bench).await.unwrap(), 200);
    let error = models(&trusting(&bench), &bench).await.unwrap_err();
    assert!(words(&error).contains(said), "{}", words(&error));
    assert_eq!(models(&trusting(&bench), &bench).await.unwrap(), 200);
    let told = bench.finish().await;
    assert_eq!(told.fired, [(2, "TLS handshake 2".to_owned(), kind)]);
    assert!(told.warnings.is_empty(), "what we do is no warning: {told:?}");
}

#[tokio::test]
async fn nothing_is_hit_or_counted_before_the_run_begins() {
    let (sink, mut events) = EventSink::channel();
    let reset = rule("cache", toxic(ToxicKind::ResetPeer { timeout: 0 }));
    let engine = Arc::new(Engine::new(vec![reset], Seed(1)));
    let upstreams = Upstreams::start(&[server(echo().await)], engine, Seed(1), sink).await.unwrap();
    let mut socket = TcpStream::connect(upstreams.address("cache").unwrap()).await.unwrap();
    exchange(&mut socket).await.unwrap();
    upstreams.begin(RunClock::start());
    let mut rest = Vec::new();
    let end = timeout(SOON, socket.read_to_end(&mut rest)).await.unwrap();
    assert_eq!(end.unwrap_err().kind(), ErrorKind::ConnectionReset, "what is open when it begins is hit, too");
    upstreams.shutdown().await;
    let mut fired = 0;
    while let Some(event) = events.recv().await {
        fired += usize::from(matches!(event, RunEvent::FaultFired { .. }));
    }
    assert_eq!(fired, 1);
}
