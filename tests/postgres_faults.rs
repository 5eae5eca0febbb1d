//! Faults in PostgreSQL's own words, before a real PostgreSQL, as tokio-postgres and psql see them.
#![expect(clippy::unwrap_used, reason = "a test may fail where it stands; helpers are tests too")]

#[path = "postgres/server.rs"]
mod server;

use bytes::Bytes;
use firedrill::fault::Engine;
use firedrill::model::event::{EventSink, RunEvent};
use firedrill::model::fault::{
    ConnectionFault, FaultMatch, FaultRule, FaultWindow, Injection, PostgresError, PostgresFault, Streams,
};
use firedrill::model::toxic::ToxicKind;
use firedrill::model::upstream::{TcpPlan, TcpProtocol, UpstreamKind, UpstreamPlan};
use firedrill::units::{Offset, RunClock, Seed, Share, Span};
use firedrill::upstream::Upstreams;
use futures_util::{SinkExt as _, StreamExt as _, TryStreamExt as _, pin_mut};
use server::Server;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, timeout};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, Error, NoTls, SimpleQueryMessage};

/// Long enough for anything that shall happen, on a loaded machine too.
const SOON: Duration = Duration::from_secs(20);
/// Long enough to tell "does not come" from "comes".
const MOMENT: Duration = Duration::from_millis(300);
/// SSLRequest, as it stands on the wire.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

fn fault(fault: PostgresFault) -> Injection {
    Injection::Connection(ConnectionFault::Postgres(fault))
}

fn error(name: &str) -> PostgresError {
    PostgresError::named(name).unwrap()
}

fn rule(inject: Injection) -> FaultRule {
    FaultRule {
        name: "fault".into(),
        upstream: "db".into(),
        when: FaultMatch::default(),
        share: Share::ALL,
        window: FaultWindow { from: Offset::ZERO, until: None },
        inject,
    }
}

/// Strikes the n-th, 2n-th, … connection or statement.
fn every(nth: u64, inject: Injection) -> FaultRule {
    FaultRule { when: FaultMatch { nth: Some(nth), ..FaultMatch::default() }, ..rule(inject) }
}

struct Bench {
    upstreams: Upstreams,
    events: UnboundedReceiver<RunEvent>,
}

impl Bench {
    async fn start(server: &Server, rules: Vec<FaultRule>) -> Self {
        let (sink, events) = EventSink::channel();
        let plan = TcpPlan { to: server.address().to_string(), protocol: TcpProtocol::Postgres, url: None };
        let plan = UpstreamPlan::new("db", UpstreamKind::Tcp(plan));
        let engine = Arc::new(Engine::new(rules, Seed(1)));
        let upstreams = Upstreams::start(&[plan], engine, Seed(1), sink).await.unwrap();
        upstreams.begin(RunClock::start());
        // Faults on bytes that are on from the first moment are set a little after it.
        tokio::time::sleep(Duration::from_millis(30)).await;
        Self { upstreams, events }
    }

    fn config(&self) -> Config {
        let address = self.upstreams.address("db").unwrap();
        let mut config = Config::new();
        config.host(address.ip().to_string()).port(address.port()).user("postgres").dbname("postgres");
        config
    }

    async fn connect(&self) -> Result<Client, Error> {
        let (client, connection) = timeout(SOON, self.config().connect(NoTls)).await.unwrap()?;
        tokio::spawn(connection);
        Ok(client)
    }

    /// What psql says, asked over the proxy.
    async fn psql(&self, query: &str, more: &str) -> (bool, String) {
        let address = self.upstreams.address("db").unwrap();
        let target = format!(
            "host={} port={} user=postgres dbname=postgres sslmode=disable {more}",
            address.ip(),
            address.port()
        );
        let mut psql = tokio::process::Command::new("psql");
        psql.args(["-X", "-A", "-t", "-v", "VERBOSITY=verbose", "-c", query, "-d", &target]);
        psql.stdin(Stdio::null()).kill_on_drop(true);
        let output = timeout(SOON, psql.output()).await.unwrap().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&said).trim().to_owned())
    }

    /// What a run is told: what was struck, and by what.
    async fn finish(mut self) -> Vec<String> {
        timeout(SOON, self.upstreams.shutdown()).await.unwrap();
        let mut told = Vec::new();
        while let Some(event) = self.events.recv().await {
            match event {
                RunEvent::FaultFired { request, .. } => told.push(request),
                RunEvent::Warning { message, .. } => told.push(message),
                _ => {}
            }
        }
        told
    }
}

fn code(error: &Error) -> &str {
    error.code().map_or("none", SqlState::code)
}

/// The value in the first column of the only row.
async fn one(client: &Client, query: &str) -> Result<i32, Error> {
    timeout(SOON, client.query_one(query, &[])).await.unwrap().map(|row| row.get(0))
}

async fn works(client: &Client) {
    assert_eq!(one(client, "SELECT 7").await.unwrap(), 7);
}

#[tokio::test]
#[ignore = "needs PostgreSQL; run by .ci/run"]
async fn a_session_can_be_refused_with_every_fatal_error_of_a_start() {
    let server = Server::start_with_tcp().await;
    for name in [
        "too_many_connections",
        "reserved_slots",
        "starting_up",
        "shutting_down",
        "in_recovery",
        "invalid_password",
        "invalid_catalog_name",
        "pool_full",
        "max_client_connections",
        "tenant_not_found",
    ] {
        let expected = error(name);
        let bench = Bench::start(&server, vec![every(2, fault(PostgresFault::Startup(expected.clone())))]).await;
        works(&bench.connect().await.unwrap()).await;
        let refused = bench.connect().await.err().unwrap();
        let said = refused.as_db_error().unwrap();
        assert_eq!(
            (said.severity(), said.code().code(), said.message()),
            ("FATAL", &*expected.code, &*expected.message)
        );
        works(&bench.connect().await.unwrap()).await;
        let (ok, said) = bench.psql("SELECT 1", "").await;
        assert!(!ok && said.contains(&format!("FATAL:  {}", expected.message)), "{said}");
        assert_eq!(bench.finish().await, ["connection 2", "connection 4"], "{name}");
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL; run by .ci/run"]
async fn a_session_is_terminated_in_its_middle_and_its_transaction_undone() {
    let server = Server::start_with_tcp().await;
    let direct = server.connect().await;
    direct.batch_execute("CREATE TABLE t (n int)").await.unwrap();
    let bench = Bench::start(&server, vec![every(3, fault(PostgresFault::Terminate(error("admin_shutdown"))))]).await;
    let (client, connection) = bench.config().connect(NoTls).await.unwrap();
    let ended = tokio::spawn(connection);
    client.simple_query("BEGIN").await.unwrap();
    client.execute("INSERT INTO t VALUES (1)", &[]).await.unwrap();
    let error = client.query("SELECT n FROM t", &[]).await.unwrap_err();
    assert_eq!(code(&error), "57P01");
    assert_eq!(error.as_db_error().unwrap().severity(), "FATAL");
    let _ = timeout(SOON, ended).await.expect("the connection has ended");
    assert!(client.is_closed());
    let gone = async {
        while one(&direct, "SELECT count(*)::int FROM pg_stat_activity WHERE client_port > 0").await.unwrap() > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(SOON, gone).await.expect("the server's session has ended");
    assert_eq!(one(&direct, "SELECT count(*)::int FROM t").await.unwrap(), 0);
    assert_eq!(bench.finish().await, ["statement 3"]);
}

#[tokio::test]
#[ignore = "needs PostgreSQL; run by .ci/run"]
async fn a_statement_fails_as_if_the_server_had_failed_it() {
    let server = Server::start_with_tcp().await;
    for name in [
        "query_canceled",
        "serialization_failure",
        "deadlock_detected",
        "lock_not_available",
        "read_only_sql_transaction",
        "disk_full",
        "out_of_memory",
    ] {
        let expected = error(name);
        let bench = Bench::start(&server, vec![every(2, fault(PostgresFault::Error(expected.clone())))]).await;
        let client = bench.connect().await.unwrap();
        works(&client).await;
        let failed = one(&client, "SELECT 8").await.unwrap_err();
        let said = failed.as_db_error().unwrap();
        assert_eq!(
            (said.severity(), said.code().code(), said.message()),
            ("ERROR", &*expected.code, &*expected.message)
        );
        assert_eq!((said.where_(), said.file(), said.line(), said.routine()), (None, None, None, None), "{said:?}");
        works(&client).await;
        // The simple protocol, too.
        let failed = client.simple_query("SELECT 9").await.unwrap_err();
        assert_eq!(code(&failed), expected.code);
        works(&client).await;
        assert_eq!(bench.finish().await, ["statement 2", "statement 4"], "{name}");
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL; run by .ci/run"]
async fn a_transaction_in_which_a_statement_failed_has_failed() {
    let server = Server::start_with_tcp().await;
    let direct = server.connect().await;
    direct.batch_execute("CREATE TABLE t (n int)").await.unwrap();
    let bench = Bench::start(&server, vec![every(3, fault(PostgresFault::Error(error("40001"))))]).await;
    let mut client = bench.connect().await.unwrap();
    let transaction = client.transaction().await.unwrap();
    transaction.execute("INSERT INTO t VALUES (1)", &[]).await.unwrap();
    assert_eq!(code(&transaction.execute("INSERT INTO t VALUES (2)", &[]).await.unwrap_err()), "40001");
    assert_eq!(code(&transaction.execute("INSERT INTO t VALUES (3)", &[]).await.unwrap_err()), "25P02");
    transaction.rollback().await.unwrap();
    assert_eq!(one(&direct, "SELECT count(*)::int FROM t").await.unwrap(), 0);

    // What could not even be prepared was not executed, so these are the fourth and the fifth; and BEGIN is a
    // statement, too: the sixth.
    works(&client).await;
    works(&client).await;
    assert_eq!(code(&client.transaction().await.err().unwrap()), "40001");
    let transaction = client.transaction().await.unwrap();
    transaction.execute("INSERT INTO t VALUES (4)", &[]).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(one(&direct, "SELECT count(*)::int FROM t").await.unwrap(), 1);
    assert_eq!(bench.finish().await, ["statement 3", "statement 6"]);
}

#[tokio::test]
#[ignore = "needs PostgreSQL; run by .ci/run"]
async fn ends_of_transactions_are_left_alone() {
    let server = Server::start_with_tcp().await;
    let bench = Bench::start(&server, vec![rule(fault(PostgresFault::Error(error("57014"))))]).await;
    let client = bench.connect().await.unwrap();
    for end in ["COMMIT", "ROLLBACK", "END", "ABORT"] {
        client.simple_query(end).await.unwrap();
        client.execute(end, &[]).await.unwrap();
    }
    let commit = client.prepare("COMMIT").await.unwrap();
    client.execute(&commit, &[]).await.unwrap();
    assert_eq!(code(&one(&client, "SELECT 1").await.unwrap_err()), "57014");
    assert_eq!(bench.finish().await.len(), 1);
}

#[tokio::test]
#[ignore = "needs PostgreSQL; run by .ci/run"]
async fn a_pipeline_copies_notices_and_large_values_pass_beside_what_is_made_to_fail() {
    let server = Server::start_with_tcp().await;
    // A rule that is on but strikes too rarely to be met here.
    let bench = Bench::start(&server, vec![every(1_000_000, fault(PostgresFault::Error(error("57014"))))]).await;
    let client = bench.connect().await.unwrap();
    client.batch_execute("CREATE TABLE t (n int, data text); INSERT INTO t VALUES (0, 'zero')").await.unwrap();
    let large = "x".repeat(5 << 20);
    client.execute("INSERT INTO t VALUES (1, $1)", &[&large]).await.unwrap();
    let back: String = client.query_one("SELECT data FROM t WHERE n = 1", &[]).await.unwrap().get(0);
    assert!(back == large);

    for round in 0..2 {
        let sink = client.copy_in::<_, Bytes>("COPY t FROM STDIN").await.unwrap();
        pin_mut!(sink);
        sink.send(Bytes::from_static(b"2\ttwo\n")).await.unwrap();
        sink.send(Bytes::from_static(b"3\tthree\n")).await.unwrap();
        assert_eq!(sink.finish().await.unwrap(), 2, "round {round}");
        works(&client).await;
    }
    let copied: Vec<Bytes> = client.copy_out("COPY t (n) TO STDOUT").await.unwrap().try_collect().await.unwrap();
    assert_eq!(copied.concat(), b"0\n1\n2\n3\n2\n3\n");

    // Without waiting for answers in between.
    let many = futures_util::future::join_all((0..50).map(|n| {
        let client = &client;
        async move { client.query_one(&format!("SELECT {n}"), &[]).await.unwrap().get::<_, i32>(0) }
    }));
    assert_eq!(timeout(SOON, many).await.unwrap(), (0..50).collect::<Vec<_>>());

    // A mistake of one's own looks as ever.
    let own = client.query("SELECT nothing_of_that_name", &[]).await.unwrap_err();
    let own = own.as_db_error().unwrap();
    assert_eq!((own.code().code(), own.routine().is_some()), ("42703", true));

    // A request to cancel goes on a connection of its own.
    let cancel = client.cancel_token();
    let slept = client.simple_query("SELECT pg_sleep(30)");
    let cancelled = async {
        tokio::time::sleep(MOMENT).await;
        cancel.cancel_query(NoTls).await.unwrap();
    };
    let (slept, ()) = timeout(SOON, async { tokio::join!(slept, cancelled) }).await.unwrap();
    assert_eq!(code(&slept.unwrap_err()), "57014");
    let (ok, said) = bench.psql("SELECT 40 + 2", "").await;
    assert_eq!((ok, said.as_str()), (true, "42"));
    assert_eq!(bench.finish().await, Vec::<String>::new());
}

#[tokio::test]
#[ignore = "needs PostgreSQL; run by .ci/run"]
async fn in_a_pipeline_exactly_the_drawn_statements_fail_and_the_same_again() {
    let server = Server::start_with_tcp().await;
    let mut runs = Vec::new();
    for _ in 0..2 {
        let mut some = rule(fault(PostgresFault::Error(error("57014"))));
        some.share = Share::from_fraction(0.3).unwrap();
        let bench = Bench::start(&server, vec![some]).await;
        let client = bench.connect().await.unwrap();
        let statement = client.prepare("SELECT $1::int").await.unwrap();
        let asked = (1..=60_i32).map(|n| {
            let (client, statement) = (&client, &statement);
            async move { client.query_one(statement, &[&n]).await.map(|row| row.get::<_, i32>(0)) }
        });
        let answers = timeout(SOON, futures_util::future::join_all(asked)).await.unwrap();
        let mut failed = Vec::new();
        for (n, answer) in (1..).zip(&answers) {
            match answer {
                Ok(value) => assert_eq!(*value, n, "answers are not mixed up"),
                Err(error) => {
                    assert_eq!(code(error), "57014");
                    failed.push(format!("statement {n}"));
                }
            }
        }
        assert!((8..=30).contains(&failed.len()), "{failed:?}");
        assert_eq!(bench.finish().await, failed, "what is told is what the client saw");
        runs.push(failed);
    }
    assert_eq!(runs[0], runs[1]);
}

#[tokio::test]
#[ignore = "needs PostgreSQL; run by .ci/run"]
async fn a_slow_statement_is_late_and_right() {
    let server = Server::start_with_tcp().await;
    let delay = Span(Duration::from_millis(250));
    let bench = Bench::start(&server, vec![every(2, fault(PostgresFault::Slow { delay }))]).await;
    let client = bench.connect().await.unwrap();
    works(&client).await;
    let began = Instant::now();
    works(&client).await;
    assert!(began.elapsed() >= delay.get(), "{:?}", began.elapsed());
    assert_eq!(bench.finish().await, ["statement 2"]);
}

#[tokio::test]
#[ignore = "needs PostgreSQL; run by .ci/run"]
async fn a_stream_of_rows_breaks_off_within_a_row() {
    let server = Server::start_with_tcp().await;
    let bench = Bench::start(&server, vec![every(2, fault(PostgresFault::CutRows { after: 3 }))]).await;
    let client = bench.connect().await.unwrap();
    let few = client.query("SELECT n FROM generate_series(1, 10) n", &[]).await.unwrap();
    assert_eq!(few.len(), 10);
    let rows = client.query_raw("SELECT n FROM generate_series(1, 10) n", Vec::<i32>::new()).await.unwrap();
    pin_mut!(rows);
    let mut seen = Vec::new();
    let end = loop {
        match timeout(SOON, rows.next()).await.unwrap() {
            Some(Ok(row)) => seen.push(row.get::<_, i32>(0)),
            Some(Err(error)) => break Some(error),
            None => break None,
        }
    };
    assert!(seen.len() <= 3 && end.is_some(), "{seen:?} {end:?}");
    assert!(client.is_closed() || one(&client, "SELECT 1").await.is_err());
    assert_eq!(bench.finish().await, ["statement 2"]);
}

#[tokio::test]
#[ignore = "needs PostgreSQL; run by .ci/run"]
async fn a_full_pool_keeps_the_next_one_waiting() {
    let server = Server::start_with_tcp().await;
    let kind = ToxicKind::ConnectionCap { connections: 2 };
    let cap = Injection::Connection(ConnectionFault::Toxic { kind, stream: Streams::Downstream });
    let bench = Bench::start(&server, vec![rule(cap)]).await;
    let (first, second) = (bench.connect().await.unwrap(), bench.connect().await.unwrap());
    works(&first).await;
    works(&second).await;
    let mut third = Box::pin(async { timeout(SOON, bench.config().connect(NoTls)).await.unwrap() });
    assert!(timeout(MOMENT, &mut third).await.is_err(), "the pool is not full");
    drop(first);
    let (third, connection) = third.await.unwrap();
    tokio::spawn(connection);
    works(&third).await;
    drop((second, third));
    assert_eq!(bench.finish().await, ["connection 3"]);
}

#[tokio::test]
#[ignore = "needs PostgreSQL; run by .ci/run"]
async fn tls_is_refused_or_met_with_silence() {
    let server = Server::start_with_tcp().await;
    let ask = async |bench: &Bench| {
        let mut socket = TcpStream::connect(bench.upstreams.address("db").unwrap()).await.unwrap();
        socket.write_all(&SSL_REQUEST).await.unwrap();
        let mut answer = [0];
        timeout(MOMENT, socket.read_exact(&mut answer)).await.ok().map(|read| read.map(|_| answer[0]).unwrap())
    };
    let bench = Bench::start(&server, vec![rule(fault(PostgresFault::RefuseSsl {}))]).await;
    assert_eq!(ask(&bench).await, Some(b'N'));
    let (ok, said) = bench.psql("SELECT 1", "sslmode=require").await;
    assert!(!ok && said.contains("server does not support SSL"), "{said}");
    assert_eq!(bench.psql("SELECT 1", "sslmode=prefer").await, (true, "1".to_owned()));
    assert_eq!(bench.finish().await, ["connection 1", "connection 2", "connection 3"]);

    let bench = Bench::start(&server, vec![rule(fault(PostgresFault::StallSsl {}))]).await;
    assert_eq!(ask(&bench).await, None);
    works(&bench.connect().await.unwrap()).await;
    assert_eq!(bench.finish().await, ["connection 1"]);

    // Where sessions have to be read, nobody gets TLS, and the reader of the run is told.
    let rare = every(1_000_000, fault(PostgresFault::Error(error("57014"))));
    let bench = Bench::start(&server, vec![rare]).await;
    assert_eq!(ask(&bench).await, Some(b'N'));
    let told = bench.finish().await;
    assert!(told.len() == 1 && told[0].contains("sslmode=disable"), "{told:?}");
}

#[tokio::test]
#[ignore = "needs PostgreSQL; run by .ci/run"]
async fn silence_falls_during_authentication() {
    let server = Server::start_with_tcp().await;
    server.connect().await.batch_execute("CREATE ROLE app LOGIN PASSWORD 's3cret'").await.unwrap();
    let bench = Bench::start(&server, vec![every(2, fault(PostgresFault::StallAuth {}))]).await;
    let mut config = bench.config();
    config.user("app").password("s3cret");
    let (client, connection) = timeout(SOON, config.connect(NoTls)).await.unwrap().unwrap();
    tokio::spawn(connection);
    works(&client).await;
    assert!(timeout(MOMENT, config.connect(NoTls)).await.is_err(), "a word came");
    // By hand: the challenge is the last that comes. Without one (`trust`) there is not even that.
    for (user, challenge) in [("app", true), ("postgres", false)] {
        works(&bench.connect().await.unwrap()).await;
        let mut socket = TcpStream::connect(bench.upstreams.address("db").unwrap()).await.unwrap();
        let parameters = format!("user\0{user}\0database\0postgres\0\0");
        let mut startup = u32::try_from(parameters.len() + 8).unwrap().to_be_bytes().to_vec();
        startup.extend([0, 3, 0, 0]);
        startup.extend(parameters.as_bytes());
        socket.write_all(&startup).await.unwrap();
        let mut first = [0];
        let came = timeout(MOMENT, socket.read_exact(&mut first)).await.is_ok();
        assert_eq!((came, came && first[0] == b'R'), (challenge, challenge), "{user}");
    }
    assert_eq!(bench.finish().await, ["connection 2", "connection 4", "connection 6"]);
}

#[tokio::test]
#[ignore = "needs PostgreSQL; run by .ci/run"]
async fn faults_on_bytes_and_in_words_are_carried_out_together() {
    let server = Server::start_with_tcp().await;
    let latency = ToxicKind::Latency { latency: 60, jitter: 0 };
    let slow = Injection::Connection(ConnectionFault::Toxic { kind: latency, stream: Streams::Downstream });
    let failing = FaultRule { name: "failing".into(), ..every(2, fault(PostgresFault::Error(error("57014")))) };
    let bench = Bench::start(&server, vec![rule(slow), failing]).await;
    let client = bench.connect().await.unwrap();
    let began = Instant::now();
    let rows = client.simple_query("SELECT 1").await.unwrap();
    assert!(rows.iter().any(|row| matches!(row, SimpleQueryMessage::Row(_))));
    assert!(began.elapsed() >= Duration::from_millis(60));
    assert_eq!(code(&client.simple_query("SELECT 1").await.unwrap_err()), "57014");
    assert_eq!(bench.finish().await, ["connection 1", "statement 2"]);
}
