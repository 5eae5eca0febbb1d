//! Real servers behind a TCP proxy, and faults on connections.

use super::*;
use firedrill::model::fault::{CertificateFault, ConnectionFault, Injection, PostgresError, PostgresFault, Streams};
use firedrill::model::toxic::ToxicKind;
use firedrill::model::upstream::{TcpPlan, TcpProtocol};

const UPSTREAMS: &str = r#"
allow-hosts = ["db.example.com"]

[upstreams]
openai = { tls = true }
tcp.db = { url = "postgres://app:${env.PASSWORD}@db.example.com/app" }
tcp.cache = { to = "127.0.0.1:6379" }
tcp.plain = { to = "[::1]:5432", protocol = "postgres" }
tcp.queue = { url = "amqp://guest@localhost:5673" }
"#;

fn password(name: &str) -> Option<String> {
    (name == "PASSWORD").then(|| "s3cret".to_owned())
}

fn plan(faults: Option<&str>) -> Plan {
    let folder = tempfile::tempdir().unwrap();
    let profile = faults.map(|text| write(folder.path(), "faults.toml", text).display().to_string());
    let path = write(folder.path(), "mine.toml", &format!("{UPSTREAMS}\n{SMALL}"));
    let overrides = Overrides { faults: profile, ..Overrides::default() };
    load_with(ScenarioRef::File(path), overrides, password).unwrap_or_else(|error| panic!("{error}")).plan
}

fn fault(upstream: &str, inject: &str) -> ConnectionFault {
    let plan = plan(Some(&format!("[[fault]]\nupstream = \"{upstream}\"\ninject.{inject}\n")));
    let written = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<Plan>(&written).unwrap().faults, plan.faults, "what is on disk says the same");
    match plan.faults[0].inject.clone() {
        Injection::Connection(fault) => fault,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_server_is_known_by_its_address_or_its_url() {
    let plan = plan(None);
    let servers: Vec<(&str, &TcpPlan)> = plan
        .upstreams
        .iter()
        .filter_map(|up| if let UpstreamKind::Tcp(tcp) = &up.kind { Some((up.name.as_str(), tcp)) } else { None })
        .collect();
    let known: Vec<_> = servers.iter().map(|(name, tcp)| (*name, tcp.to.as_str(), tcp.protocol)).collect();
    assert_eq!(
        known,
        [
            ("cache", "127.0.0.1:6379", TcpProtocol::None),
            ("db", "db.example.com:5432", TcpProtocol::Postgres),
            ("plain", "[::1]:5432", TcpProtocol::Postgres),
            ("queue", "localhost:5673", TcpProtocol::None),
        ]
    );
    assert_eq!(servers[1].1.url.as_ref().unwrap().expose(), "postgres://app:s3cret@db.example.com/app");
    assert!(!serde_json::to_string(&plan).unwrap().contains("s3cret"));
}

#[test]
fn faults_on_connections_are_read_as_written() {
    let toxic = |kind, stream| ConnectionFault::Toxic { kind, stream };
    let down = Streams::Downstream;
    for (upstream, written, expected) in [
        ("openai", "refuse = {}", ConnectionFault::Refuse { keep_open: false }),
        ("cache", "refuse = { keep-open = true }", ConnectionFault::Refuse { keep_open: true }),
        ("openai", "partition = {}", toxic(ToxicKind::Partition {}, Streams::Both)),
        ("cache", "partition = { stream = \"upstream\" }", toxic(ToxicKind::Partition {}, Streams::Upstream)),
        ("openai", "blackhole = { bytes = \"1KB\" }", toxic(ToxicKind::Blackhole { bytes: 1_000 }, Streams::Both)),
        ("openai", "half_close = {}", toxic(ToxicKind::HalfClose { bytes: 0 }, down)),
        ("openai", "slow_close = { delay = \"2s\" }", toxic(ToxicKind::SlowClose { delay: 2_000 }, down)),
        ("openai", "bandwidth = { rate = \"20KB/s\" }", toxic(ToxicKind::Bandwidth { rate: 20 }, down)),
        (
            "openai",
            "slicer = { average-size = \"64B\", size-variation = \"32B\", delay = \"1ms\" }",
            toxic(ToxicKind::Slicer { average_size: 64, size_variation: 32, delay: 1_000 }, down),
        ),
        ("openai", "connection_cap = { connections = 15 }", toxic(ToxicKind::ConnectionCap { connections: 15 }, down)),
        ("openai", "tls_handshake_failure = {}", ConnectionFault::TlsHandshakeFailure {}),
        ("openai", "certificate = { is = \"wrong-host\" }", ConnectionFault::Certificate(CertificateFault::WrongHost)),
        ("cache", "limit_data = { bytes = \"10B\" }", toxic(ToxicKind::LimitData { bytes: 10 }, down)),
        ("cache", "timeout = { after = \"3s\" }", toxic(ToxicKind::Timeout { timeout: 3_000 }, down)),
        ("cache", "reset_peer = {}", toxic(ToxicKind::ResetPeer { timeout: 0 }, down)),
        ("plain", "postgres.stall_auth = {}", ConnectionFault::Postgres(PostgresFault::StallAuth {})),
        ("db", "postgres.cut_rows = { after = 3 }", ConnectionFault::Postgres(PostgresFault::CutRows { after: 3 })),
    ] {
        assert_eq!(fault(upstream, written), expected, "{written}");
    }
    assert!(matches!(fault("cache", "latency = { mean = \"1s\", jitter = \"1s\" }"), ConnectionFault::Latency { .. }));
}

#[test]
fn postgres_errors_have_names_codes_and_words() {
    let error = |written: &str| match fault("db", &format!("postgres.startup = {{ {written} }}")) {
        ConnectionFault::Postgres(PostgresFault::Startup(PostgresError { code, message })) => (code, message),
        other => panic!("{other:?}"),
    };
    let (code, message) = error("error = \"too_many_connections\"");
    assert_eq!((code.as_str(), message.as_str()), ("53300", "sorry, too many clients already"));
    assert_eq!(error("error = \"53300\""), (code, message));
    assert_eq!(error("error = \"58P01\", message = \"no file\""), ("58P01".to_owned(), "no file".to_owned()));
}

#[test]
fn requests_still_have_their_own_faults_of_the_same_name() {
    let plan = plan(Some("[[fault]]\nupstream = \"openai\"\ninject.timeout = {}\n"));
    assert_eq!(plan.faults[0].inject, Injection::Timeout { after: None });
}

#[test]
fn a_control_api_brings_a_rule_for_what_is_done_by_hand_and_hides_its_token() {
    let folder = tempfile::tempdir().unwrap();
    let text = format!("{UPSTREAMS}\n[control]\ntoken = \"${{env.PASSWORD}}\"\n{SMALL}");
    let path = write(folder.path(), "mine.toml", &text);
    let plan = load_with(ScenarioRef::File(path), Overrides::default(), password).unwrap().plan;
    let access = plan.control.as_ref().unwrap();
    assert_eq!(
        (access.listen.to_string().as_str(), access.token.as_ref().unwrap().expose()),
        ("127.0.0.1:8474", "s3cret")
    );
    let names: Vec<&str> = plan.faults.iter().map(|rule| rule.name.as_str()).collect();
    assert_eq!(names, ["openai/by-hand", "cache/by-hand", "db/by-hand", "plain/by-hand", "queue/by-hand"]);
    assert!(!serde_json::to_string(&plan).unwrap().contains("s3cret"));
}
