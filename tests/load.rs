//! The load stage against servers on loopback: what users send, how answers are classed, and how a run ends.
//! One long file, because every test is made of the same plan, server and driver.

// Helpers outside of test functions may fail a test too.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use firedrill::load::{LoadContext, LoadError, LoadSummary, run};
use firedrill::model::event::{EventSink, RunEvent};
use firedrill::model::interval::{Interval, JourneyInterval, UserSlice};
use firedrill::model::journey::{Condition, Journey, JsonCheck, Step, ThinkTime};
use firedrill::model::plan::{Endpoint, Feeder, GatePlan, LoadPlan, Plan, ProbePlan, TargetPlan};
use firedrill::model::sample::Outcome;
use firedrill::model::secret::Secret;
use firedrill::model::timeline::Exemplar;
use firedrill::model::verdict::Severity;
use firedrill::record::Recorder;
use firedrill::units::{RunClock, Seed, Span};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

// --- What runs are made of ---

fn ms(ms: u64) -> Span {
    Span(Duration::from_millis(ms))
}

fn step(name: &str, method: &str, path: &str) -> Step {
    Step {
        name: name.to_owned(),
        agent: None,
        method: method.to_owned(),
        path: path.to_owned(),
        headers: BTreeMap::new(),
        body: None,
        expect: Condition::default(),
        degraded: None,
        deadline: ms(5_000),
        save: BTreeMap::new(),
        think: ThinkTime { min: ms(5), max: ms(5) },
    }
}

fn journey(name: &str, weight: u32, steps: Vec<Step>) -> Journey {
    Journey { name: name.to_owned(), weight, steps }
}

/// A plan of so many users that walk these journeys for so long, or each so often.
fn plan(journeys: Vec<Journey>, users: u32, hold_ms: u64, iterations: Option<u64>) -> Plan {
    let mut endpoints: Vec<Endpoint> = Vec::new();
    for step in journeys.iter().flat_map(|j| &j.steps) {
        if endpoints.iter().all(|e| e.name != step.name) {
            let (method, path) = (step.method.clone(), step.path.clone());
            endpoints.push(Endpoint { name: step.name.clone(), agent: None, method, path });
        }
    }
    Plan {
        name: "test".to_owned(),
        describe: String::new(),
        source: "built-in".to_owned(),
        seed: Seed(7),
        target: TargetPlan::Url { url: String::new(), pid: None },
        headers: BTreeMap::new(),
        upstreams: Vec::new(),
        load: LoadPlan::Closed { users, ramp_up: ms(0), hold: ms(hold_ms), graceful_stop: ms(2_000), iterations },
        feeders: BTreeMap::new(),
        journeys,
        endpoints,
        fault_profile: None,
        faults: Vec::new(),
        ballast: None,
        probes: ProbePlan { health: None, memory_every: ms(1_000), stats: None, metrics: None },
        gate: GatePlan { fail_on: Severity::P1, while_faulted: Severity::P2, recovery: ms(0) },
        control: None,
        allow_hosts: Vec::new(),
    }
}

/// What a run left behind.
#[derive(Debug)]
struct Ran {
    result: Result<LoadSummary, LoadError>,
    events: Vec<RunEvent>,
    took: Duration,
}

impl Ran {
    fn summary(&self) -> LoadSummary {
        *self.result.as_ref().unwrap()
    }

    fn intervals(&self) -> Vec<&Interval> {
        self.events.iter().filter_map(|e| if let RunEvent::Interval(i) = e { Some(i) } else { None }).collect()
    }

    fn exemplars(&self) -> Vec<&Exemplar> {
        self.events.iter().filter_map(|e| if let RunEvent::Exemplar(x) = e { Some(x) } else { None }).collect()
    }

    fn users(&self) -> Vec<UserSlice> {
        let slices =
            self.events.iter().filter_map(|e| if let RunEvent::Users { users } = e { Some(users) } else { None });
        slices.flatten().copied().collect()
    }

    fn journeys(&self) -> JourneyInterval {
        let mut sum = JourneyInterval::default();
        for event in &self.events {
            let RunEvent::Journeys { journeys } = event else { continue };
            for part in journeys {
                sum.completed += part.completed;
                sum.degraded += part.degraded;
                sum.failed += part.failed;
            }
        }
        sum
    }

    /// How many steps ended how, over the run and all endpoints.
    fn outcomes(&self) -> BTreeMap<Outcome, u64> {
        let mut sum = BTreeMap::new();
        for endpoint in self.intervals().iter().flat_map(|i| &i.endpoints) {
            for (outcome, count) in &endpoint.outcomes {
                *sum.entry(*outcome).or_insert(0) += count;
            }
        }
        sum
    }

    fn steps(&self) -> u64 {
        self.intervals().iter().map(|i| i.started).sum()
    }

    fn plain_ok(&self) -> u64 {
        self.intervals().iter().flat_map(|i| &i.endpoints).map(|e| e.plain_ok).sum()
    }
}

/// Runs a plan against a server, recorder included; `stop_after` cancels it from outside.
async fn drive(plan: Plan, base_url: &str, stop_after: Option<Duration>) -> Ran {
    let clock = RunClock::start();
    let (sink, mut receiver) = EventSink::channel();
    let recorder = Recorder::new(plan.endpoints.len(), plan.journeys.len(), clock, sink);
    let rolled = CancellationToken::new();
    let roller = tokio::spawn(recorder.clone().roll(rolled.clone()));
    let stop = CancellationToken::new();
    let context = LoadContext {
        plan: Arc::new(plan),
        base_url: base_url.to_owned(),
        run_id: "r1".to_owned(),
        clock,
        recorder,
        stop: stop.clone(),
    };
    let mut load = tokio::spawn(run(context));
    let result = match stop_after {
        None => load.await.unwrap(),
        Some(after) => {
            tokio::time::sleep(after).await;
            stop.cancel();
            let cancelled = Instant::now();
            let result = (&mut load).await.unwrap();
            assert!(cancelled.elapsed() < Duration::from_secs(1), "{:?} after the stop", cancelled.elapsed());
            result
        }
    };
    let took = clock.now().as_duration();
    rolled.cancel();
    roller.await.unwrap();
    let mut events = Vec::new();
    while let Ok(event) = receiver.try_recv() {
        events.push(event);
    }
    Ran { result, events, took }
}

/// A server on loopback that ends with the test.
struct Server {
    url: String,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(app: Router) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    Server { url, task: tokio::spawn(async move { axum::serve(listener, app).await.unwrap() }) }
}

/// A server that does to each connection what `talk` says, once its first request has come.
async fn raw<F>(talk: impl Fn(TcpStream) -> F + Send + 'static) -> Server
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let task = tokio::spawn(async move {
        let mut talks = tokio::task::JoinSet::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await.unwrap();
            talks.spawn(talk(stream));
        }
    });
    Server { url, task }
}

/// The requests that a server saw: method, path with query, headers, body.
type Seen = Arc<Mutex<Vec<(String, axum::http::HeaderMap, String)>>>;

/// A server that remembers every request and answers with `answer`.
async fn remember(answer: fn(&str) -> Response) -> (Server, Seen) {
    let seen = Seen::default();
    let app = Router::new().fallback(move |State(seen): State<Seen>, request: Request| async move {
        let line = format!("{} {}", request.method(), request.uri());
        let headers = request.headers().clone();
        let body = axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap();
        let response = answer(&line);
        seen.lock().unwrap().push((line, headers, String::from_utf8(body.to_vec()).unwrap()));
        response
    });
    (serve(app.with_state(Arc::clone(&seen))).await, seen)
}

fn json_answer(value: Value) -> Response {
    (StatusCode::OK, axum::Json(value)).into_response()
}

// --- What users send ---

#[tokio::test]
async fn walks_journeys_with_data_from_feeders_and_earlier_answers() {
    let (server, seen) = remember(|_| json_answer(json!({"plan": {"id": 42, "name": "a/b \"c\""}}))).await;
    let mut first = step("generate", "POST", "/api/user/{user.id}/generate?vu={vu}");
    first.body = Some(json!({"id": "{user.id}", "when": "{date}"}));
    first.headers = BTreeMap::from([
        ("X-Trace".to_owned(), "{uuid}".to_owned()),
        ("Accept".to_owned(), "application/json".to_owned()),
    ]);
    first.save =
        BTreeMap::from([("plan".to_owned(), "/plan/id".to_owned()), ("name".to_owned(), "/plan/name".to_owned())]);
    let mut second = step("fetch", "PUT", "/plans/{name}/{plan}");
    second.body = Some(json!({"plan": "{plan}", "text": "no {plan}", "open": "{{"}));
    let mut plan = plan(vec![journey("daily", 1, vec![first, second])], 2, 60_000, Some(3));
    plan.feeders = BTreeMap::from([("user".to_owned(), Feeder::Generate("load {run} {n}".to_owned()))]);
    plan.headers = BTreeMap::from([("X-API-Key".to_owned(), Secret::new("k-12345".to_owned()))]);
    let ran = drive(plan, &format!("{}/base", server.url), None).await;

    assert_eq!((ran.summary().journeys, ran.summary().steps, ran.summary().users_started), (6, 12, 2));
    assert_eq!(ran.outcomes(), BTreeMap::from([(Outcome::Ok, 12)]));
    assert_eq!(ran.journeys().completed, 6);
    assert!(ran.took < Duration::from_secs(3), "it ends when all iterations are done: {:?}", ran.took);

    let seen = seen.lock().unwrap();
    let mut lines: Vec<&str> = seen.iter().map(|(line, ..)| line.split("?vu=").next().unwrap()).collect();
    lines.sort_unstable();
    let expected_posts: Vec<String> =
        (1..=6).map(|n| format!("POST /base/api/user/load%20r1%20{n}/generate")).collect();
    assert_eq!(lines[..6], expected_posts, "every journey is a new user of the app");
    assert!(lines[6..].iter().all(|line| *line == "PUT /base/plans/a%2Fb%20%22c%22/42"), "{lines:?}");
    let (_, headers, body) = seen.iter().find(|(line, ..)| line.contains("%201/")).unwrap();
    assert_eq!(headers["x-api-key"], "k-12345");
    assert_eq!(headers["accept"], "application/json");
    assert_eq!(headers["content-type"], "application/json");
    assert_eq!(format!("http://{}", headers["host"].to_str().unwrap()), server.url);
    assert_eq!(headers["x-trace"].len(), 36);
    let today = jiff::Timestamp::now().strftime("%Y-%m-%d").to_string();
    assert_eq!(serde_json::from_str::<Value>(body).unwrap(), json!({"id": "load r1 1", "when": today}));
    let (.., body) = seen.iter().find(|(line, ..)| line.starts_with("PUT")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(body).unwrap(), json!({"plan": 42, "text": "no 42", "open": "{"}));

    // The app's users are the feeder's rows.
    let mut users: Vec<u32> = ran.users().iter().map(|u| u.user).collect();
    users.sort_unstable();
    users.dedup();
    assert_eq!(users, [1, 2, 3, 4, 5, 6]);
}

#[tokio::test]
async fn a_value_that_no_answer_gave_ends_the_journey_and_says_which() {
    // HolisticOS answers 200 with `analysis_id: null` while Supabase is down.
    let (server, seen) = remember(|_| json_answer(json!({"analysis_id": null}))).await;
    let mut first = step("generate", "POST", "/generate");
    first.save = BTreeMap::from([("analysis".to_owned(), "/analysis_id".to_owned())]);
    let steps = vec![first, step("insights", "GET", "/insights/{analysis}"), step("never", "GET", "/never")];
    let ran = drive(plan(vec![journey("daily", 1, steps)], 1, 60_000, Some(2)), &server.url, None).await;

    assert_eq!(ran.outcomes(), BTreeMap::from([(Outcome::Ok, 2), (Outcome::Unbuildable, 2)]));
    assert_eq!(ran.journeys(), JourneyInterval { failed: 2, ..JourneyInterval::default() });
    assert_eq!(seen.lock().unwrap().len(), 2);
    let exemplar = ran.exemplars()[0];
    assert_eq!(exemplar.request, "GET /insights/{analysis}");
    assert_eq!(exemplar.why, "no value for `{analysis}`: no earlier answer of this journey gave one");
    // What was not sent says nothing about the app.
    assert_eq!(ran.steps(), 2);
    assert!(ran.users().iter().all(|u| u.endpoint == 0));
}

#[tokio::test]
async fn the_same_seed_walks_the_same_journeys() {
    let walked = |seed: u64| async move {
        let (server, seen) = remember(|_| StatusCode::NO_CONTENT.into_response()).await;
        let names = ["a", "b", "c"];
        let journeys = names.iter().zip([3, 1, 0]).map(|(name, weight)| {
            let mut only = step(name, "GET", &format!("/{name}/{{vu}}"));
            only.think = ThinkTime::default();
            journey(name, weight, vec![only])
        });
        let mut plan = plan(journeys.collect(), 4, 60_000, Some(50));
        plan.seed = Seed(seed);
        let ran = drive(plan, &server.url, None).await;
        assert_eq!(ran.outcomes(), BTreeMap::from([(Outcome::Ok, 200)]));
        let seen = seen.lock().unwrap();
        let by_user = |vu| seen.iter().map(|s| s.0.clone()).filter(|l| l.ends_with(vu)).collect::<Vec<_>>();
        ["/1", "/2", "/3", "/4"].map(by_user)
    };
    let first = walked(1).await;
    assert_eq!(first, walked(1).await, "per user and in order");
    assert_ne!(first, walked(2).await);
    assert_ne!(
        first[0].iter().map(|l| &l[..6]).collect::<Vec<_>>(),
        first[1].iter().map(|l| &l[..6]).collect::<Vec<_>>()
    );
    let a = first.iter().flatten().filter(|line| line.starts_with("GET /a")).count();
    assert!((120..180).contains(&a), "{a} of 200 with weight 3 of 4");
    assert!(first.iter().flatten().all(|line| !line.starts_with("GET /c")));
}

// --- How answers are classed ---

#[tokio::test]
async fn classes_answers_by_content_and_keeps_evidence_without_secrets() {
    let (server, _) = remember(|line| match line.rsplit('/').next().unwrap() {
        "ok" => json_answer(json!({"status": "success", "plan": "eat"})),
        "degraded" => json_answer(json!({"status": "success", "plan": "eat", "error": "key-abcdef is out"})),
        "masked" => (StatusCode::OK, "{\"say\":\t\"key-abcdef\u{1b}[0m\"}").into_response(),
        "status" => (StatusCode::INTERNAL_SERVER_ERROR, "boom key-abcdef").into_response(),
        _ => (StatusCode::NOT_FOUND, axum::Json(json!({"detail": "gone"}))).into_response(),
    })
    .await;
    let journeys = ["ok", "degraded", "masked", "status", "assertion"].map(|name| {
        let mut only = step(name, "POST", &format!("/do/{name}"));
        only.expect.json = BTreeMap::from([("/plan".to_owned(), JsonCheck::NotEmpty(true))]);
        if name == "assertion" {
            only.expect.status = vec![404];
        }
        let exists = BTreeMap::from([("/error".to_owned(), JsonCheck::Exists(true))]);
        only.degraded = Some(Condition { json: exists, ..Condition::default() });
        journey(name, 1, vec![only])
    });
    let mut plan = plan(journeys.to_vec(), 5, 60_000, Some(40));
    plan.headers = BTreeMap::from([("Authorization".to_owned(), Secret::new("Bearer key-abcdef".to_owned()))]);
    let ran = drive(plan, &server.url, None).await;

    let outcomes = ran.outcomes();
    let kinds = [Outcome::Ok, Outcome::Degraded, Outcome::Masked, Outcome::Status, Outcome::Assertion];
    assert_eq!(outcomes.keys().copied().collect::<Vec<_>>(), kinds);
    assert_eq!(outcomes.values().sum::<u64>(), 200);
    let journeys = ran.journeys();
    assert_eq!((journeys.completed, journeys.degraded), (outcomes[&Outcome::Ok], outcomes[&Outcome::Degraded]));
    assert_eq!(journeys.failed, 200 - journeys.completed - journeys.degraded);
    assert_eq!(ran.plain_ok(), 200 - outcomes[&Outcome::Status] - outcomes[&Outcome::Assertion]);

    let text = serde_json::to_string(&ran.events).unwrap();
    assert!(!text.contains("abcdef"), "no secret anywhere");
    let shown = |e: &&Exemplar| format!("{}{}{}", e.request, e.why, e.body);
    assert!(!ran.exemplars().iter().any(|e| shown(e).contains(char::is_control)), "no control characters");
    let exemplar = |outcome| *ran.exemplars().iter().find(|e| e.outcome == outcome).unwrap();
    let masked = exemplar(Outcome::Masked);
    assert_eq!((masked.request.as_str(), masked.status), ("POST /do/masked", Some(200)));
    assert_eq!(masked.why, "the body is not JSON", "a raw control character is not allowed in JSON");
    assert_eq!(masked.body, r#"{"say": "[secret] [0m"}"#);
    assert_eq!(exemplar(Outcome::Degraded).why, r#"fallback: /error: "[secret] is out""#);
    assert_eq!(exemplar(Outcome::Status).why, "status 500, expected 2xx");
    assert_eq!(exemplar(Outcome::Assertion).why, "/plan: missing, expected something not empty");
    assert!(ran.exemplars().iter().all(|e| e.outcome != Outcome::Ok));
}

/// One user, one journey of one step, once.
async fn once(server_url: &str, deadline: Span) -> Ran {
    let mut only = step("one", "GET", "/");
    only.deadline = deadline;
    let ran = drive(plan(vec![journey("one", 1, vec![only])], 1, 10_000, Some(1)), server_url, None).await;
    assert_eq!(ran.summary().steps, 1);
    ran
}

fn only_outcome(ran: &Ran) -> (Outcome, String) {
    let [exemplar] = ran.exemplars()[..] else { panic!("one exemplar: {:?}", ran.events) };
    assert_eq!(ran.outcomes(), BTreeMap::from([(exemplar.outcome, 1)]));
    (exemplar.outcome, exemplar.why.clone())
}

#[tokio::test]
async fn tells_transport_failures_apart() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    assert_eq!(only_outcome(&once(&url, ms(3_000)).await).0, Outcome::Refused);
    let (outcome, why) = only_outcome(&once(&format!("http://{}", "x".repeat(70)), ms(5_000)).await);
    assert_eq!(outcome, Outcome::Refused, "a label of more than 63 letters, so that no resolver is asked");
    assert!(why.starts_with("cannot look up `xxx"), "{why}");

    let server = raw(|stream| async move { drop(stream) }).await;
    assert_eq!(only_outcome(&once(&server.url, ms(3_000)).await).0, Outcome::Reset);
    let server = raw(|stream| async move {
        stream.set_zero_linger().unwrap();
        drop(stream);
    })
    .await;
    assert_eq!(only_outcome(&once(&server.url, ms(3_000)).await).0, Outcome::Reset);
    let server =
        raw(|mut stream| async move { stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Le").await.unwrap() }).await;
    assert_eq!(only_outcome(&once(&server.url, ms(3_000)).await).0, Outcome::Reset);
    let server = raw(|mut stream| async move { stream.write_all(b"220 smtp ready\r\n\r\n").await.unwrap() }).await;
    let (outcome, why) = only_outcome(&once(&server.url, ms(3_000)).await);
    assert_eq!((outcome, why.contains("is not HTTP")), (Outcome::Reset, true), "{why}");
    let wide = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X-Many: 1\r\n".repeat(101));
    let long = format!("HTTP/1.1 200 OK\r\nX-Long: {}\r\n\r\n", "x".repeat(500 << 10));
    for head in [wide, long] {
        let server = raw(move |mut stream| {
            let head = head.clone();
            // The client goes away before it has read all of it.
            async move { drop(stream.write_all(head.as_bytes()).await) }
        })
        .await;
        let (outcome, why) = only_outcome(&once(&server.url, ms(3_000)).await);
        let limits = "the answer's head has more than 100 headers or is larger than 408 KiB";
        assert_eq!((outcome, why.as_str()), (Outcome::Reset, limits));
    }

    let short = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this";
    let server = raw(move |mut stream| async move { stream.write_all(short).await.unwrap() }).await;
    let ran = once(&server.url, ms(3_000)).await;
    let (outcome, why) = only_outcome(&ran);
    assert_eq!(outcome, Outcome::Truncated);
    assert!(why.starts_with("the body ended after 9 bytes"), "{why}");
    assert_eq!(
        (ran.exemplars()[0].status, ran.exemplars()[0].body.as_str(), ran.plain_ok()),
        (Some(200), "only this", 0)
    );
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nwell\r\n";
    let server = raw(move |mut stream| async move { stream.write_all(chunked).await.unwrap() }).await;
    assert_eq!(only_outcome(&once(&server.url, ms(3_000)).await).0, Outcome::Truncated);

    // The deadline covers the whole answer: no head, and a body that stalls.
    let server = raw(|stream| async move {
        let _open = stream;
        std::future::pending::<()>().await;
    })
    .await;
    let ran = once(&server.url, ms(150)).await;
    assert_eq!(only_outcome(&ran).0, Outcome::Timeout);
    let took = ran.exemplars()[0].took_ms;
    assert!((150..400).contains(&took), "{took} ms");
    let server = raw(move |mut stream| async move {
        stream.write_all(short).await.unwrap();
        std::future::pending::<()>().await;
    })
    .await;
    let (outcome, why) = only_outcome(&once(&server.url, ms(150)).await);
    assert_eq!((outcome, why.contains("status 200 and 9 bytes")), (Outcome::Timeout, true), "{why}");
}

#[tokio::test]
async fn a_connection_that_the_server_closes_between_requests_is_no_failure() {
    // Keep-alive by the protocol, but closed after each answer: every second request finds a dead connection.
    let server = raw(|mut stream| async move {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
    })
    .await;
    let mut only = step("one", "GET", "/");
    only.think = ThinkTime { min: ms(20), max: ms(20) };
    let ran = drive(plan(vec![journey("one", 1, vec![only])], 2, 10_000, Some(10)), &server.url, None).await;
    assert_eq!(ran.outcomes(), BTreeMap::from([(Outcome::Ok, 20)]));
}

#[tokio::test]
async fn a_connection_is_used_again_until_it_was_idle_for_four_seconds() {
    let opened = Arc::new(Mutex::new(0));
    let counter = Arc::clone(&opened);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let task = tokio::spawn(async move {
        let mut connections = tokio::task::JoinSet::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            *counter.lock().unwrap() += 1;
            connections.spawn(async move {
                let mut request = [0; 4096];
                while stream.read(&mut request).await.is_ok_and(|n| n > 0) {
                    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
                }
            });
        }
    });
    let server = Server { url, task };
    let mut steps = vec![step("one", "GET", "/"), step("two", "GET", "/"), step("three", "GET", "/")];
    steps[1].think = ThinkTime { min: ms(4_050), max: ms(4_050) };
    let ran = drive(plan(vec![journey("one", 1, steps)], 1, 10_000, Some(1)), &server.url, None).await;
    assert_eq!(ran.outcomes(), BTreeMap::from([(Outcome::Ok, 3)]));
    assert_eq!(*opened.lock().unwrap(), 2);
}

#[tokio::test]
async fn https_speaks_tls() {
    let server = raw(|mut stream| async move { stream.write_all(b"HTTP/1.1 400 Bad\r\n\r\n").await.unwrap() }).await;
    let url = server.url.replace("http:", "https:");
    let only = plan(vec![journey("one", 1, vec![step("one", "GET", "/")])], 1, 10_000, Some(1));
    let ran = drive(only, &url, None).await;
    match &ran.result {
        // A machine without any trusted roots says so at once.
        Err(LoadError::Tls(why)) => assert!(why.contains("root"), "{why}"),
        Err(error) => panic!("{error}"),
        Ok(_) => {
            let (outcome, why) = only_outcome(&ran);
            assert_eq!((outcome, why.starts_with("cannot set up TLS")), (Outcome::Refused, true), "{why}");
        }
    }
}

#[tokio::test]
async fn a_long_body_is_counted_whole_and_checked_as_far_as_it_is_kept() {
    let app =
        Router::new().route("/long", axum::routing::get(|| async { format!("{{\"a\":\"{}\"}}", "x".repeat(3 << 20)) }));
    let server = serve(app).await;
    let mut only = step("long", "GET", "/long");
    only.expect.json = BTreeMap::from([("/a".to_owned(), JsonCheck::Exists(true))]);
    let ran = drive(plan(vec![journey("long", 1, vec![only])], 1, 10_000, Some(1)), &server.url, None).await;
    assert_eq!(ran.intervals().iter().flat_map(|i| &i.endpoints).map(|e| e.bytes).sum::<u64>(), (3 << 20) + 8);
    let (outcome, why) = only_outcome(&ran);
    assert_eq!(outcome, Outcome::Masked);
    assert_eq!(why, "the body is too long to be checked as JSON (3145736 bytes, 1048576 kept)");
}

// --- How runs begin and end ---

/// A server that counts requests and answers after a pause.
async fn slow(pause: Duration) -> (Server, Seen) {
    let seen = Seen::default();
    let app = Router::new().fallback(move |State(seen): State<Seen>, request: Request| async move {
        seen.lock().unwrap().push((request.uri().to_string(), request.headers().clone(), String::new()));
        tokio::time::sleep(pause).await;
        "done"
    });
    (serve(app.with_state(Arc::clone(&seen))).await, seen)
}

#[tokio::test]
async fn counts_what_the_server_saw_and_sends_nothing_after_its_end() {
    let (server, seen) = slow(Duration::from_millis(3)).await;
    let mut only = step("one", "GET", "/");
    only.think = ThinkTime { min: ms(0), max: ms(8) };
    let ran = drive(plan(vec![journey("one", 1, vec![only])], 8, 1_300, None), &server.url, None).await;
    let at_the_end = seen.lock().unwrap().len() as u64;
    assert!(at_the_end > 200, "{at_the_end}");
    assert_eq!(ran.steps(), at_the_end);
    assert_eq!(ran.summary().steps, at_the_end);
    assert_eq!(ran.outcomes(), BTreeMap::from([(Outcome::Ok, at_the_end)]));
    assert_eq!(ran.users().iter().map(|u| u64::from(u.steps)).sum::<u64>(), at_the_end);
    let times: u64 = ran.intervals().iter().flat_map(|i| &i.endpoints).map(|e| e.response.count()).sum();
    assert_eq!(times, at_the_end);
    assert!(ran.intervals().iter().all(|i| i.users <= 8) && ran.intervals()[0].users == 8);
    assert!(ran.took >= Duration::from_millis(1_300) && ran.took < Duration::from_millis(2_300), "{:?}", ran.took);
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(seen.lock().unwrap().len() as u64, at_the_end, "nobody sends after the end");
}

#[tokio::test]
async fn at_the_end_steps_may_finish_time_out_or_stay_unfinished() {
    let app = Router::new().fallback(|request: Request| async move {
        let pause = if request.uri().path() == "/soon" { 700 } else { 60_000 };
        tokio::time::sleep(Duration::from_millis(pause)).await;
        "done"
    });
    let server = serve(app).await;
    let journeys = [("soon", 9_000), ("timeout", 800), ("unfinished", 9_000)].map(|(name, deadline)| {
        let mut only = step(name, "GET", &format!("/{name}"));
        only.deadline = ms(deadline);
        journey(name, 1, vec![only, step("next", "GET", "/next")])
    });
    let mut plan = plan(journeys.to_vec(), 30, 400, None);
    plan.load = LoadPlan::Closed { users: 30, ramp_up: ms(0), hold: ms(400), graceful_stop: ms(800), iterations: None };
    let ran = drive(plan, &server.url, None).await;
    let outcomes = ran.outcomes();
    let kinds = [Outcome::Ok, Outcome::Timeout, Outcome::Unfinished];
    assert_eq!(outcomes.keys().copied().collect::<Vec<_>>(), kinds);
    assert_eq!(outcomes.values().sum::<u64>(), 30, "nobody began another step after the end: {outcomes:?}");
    assert_eq!(ran.summary().unfinished, outcomes[&Outcome::Unfinished]);
    assert_eq!(ran.journeys().failed, outcomes[&Outcome::Timeout], "cut-off journeys are not counted");
    assert_eq!(ran.journeys().completed, 0);
    assert!(ran.took < Duration::from_millis(2_200), "{:?}", ran.took);
}

#[tokio::test]
async fn a_stop_ends_users_on_hanging_requests_and_users_that_are_still_to_come() {
    let (server, seen) = slow(Duration::from_secs(60)).await;
    let mut plan = plan(vec![journey("one", 1, vec![step("one", "GET", "/")])], 200, 60_000, None);
    plan.load = LoadPlan::Closed {
        users: 200,
        ramp_up: ms(2_000),
        hold: ms(60_000),
        graceful_stop: ms(30_000),
        iterations: None,
    };
    // `drive` asserts that it returns within a second.
    let ran = drive(plan, &server.url, Some(Duration::from_millis(1_000))).await;
    let begun = ran.summary().users_started;
    assert!((80..=110).contains(&begun), "half the ramp: {begun}");
    let sent = seen.lock().unwrap().len() as u64;
    assert!(begun - sent <= 2, "{begun} users, {sent} requests");
    assert_eq!(ran.outcomes(), BTreeMap::from([(Outcome::Unfinished, begun)]));
    assert_eq!(ran.journeys(), JourneyInterval::default());
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(seen.lock().unwrap().len() as u64, sent);
}

#[tokio::test]
async fn users_come_evenly_over_the_ramp() {
    let (server, _) = slow(Duration::from_millis(1)).await;
    let mut plan = plan(vec![journey("one", 1, vec![step("one", "GET", "/")])], 30, 0, None);
    plan.load =
        LoadPlan::Closed { users: 30, ramp_up: ms(3_000), hold: ms(200), graceful_stop: ms(500), iterations: None };
    let ran = drive(plan, &server.url, None).await;
    let users: Vec<u32> = ran.intervals().iter().map(|i| i.users).collect();
    // One may come late on a busy machine.
    assert!(
        users.iter().zip([10, 20, 30]).all(|(seen, planned)| planned - 1 <= *seen && *seen <= planned),
        "{users:?}"
    );
    assert_eq!(users[3], 30, "alive until the end of the hold: {users:?}");
    assert_eq!(ran.summary().users_started, 30);
}

#[tokio::test]
async fn our_own_lateness_shows_in_response_times_and_not_in_service_times() {
    let (server, _) = slow(Duration::from_millis(1)).await;
    let mut steps = vec![step("one", "GET", "/"), step("two", "GET", "/")];
    steps[0].think = ThinkTime { min: ms(300), max: ms(300) };
    let run = drive(plan(vec![journey("one", 1, steps)], 1, 10_000, Some(1)), &server.url, None);
    // This runtime has one thread: while it is blocked, nobody's timer fires.
    let block = async {
        tokio::time::sleep(Duration::from_millis(150)).await;
        std::thread::sleep(Duration::from_millis(700));
    };
    let (ran, ()) = tokio::join!(run, block);
    let second = ran.intervals().into_iter().flat_map(|i| &i.endpoints).find(|e| e.endpoint == 1).unwrap();
    let (response, service) = (second.response.quantile(1.0).unwrap(), second.service.quantile(1.0).unwrap());
    assert!(response >= service + 300_000, "response {response} µs, service {service} µs");
}

#[tokio::test]
async fn runs_in_sequence_and_side_by_side_do_not_touch_each_other() {
    let (server, seen) = slow(Duration::from_millis(1)).await;
    let some = |users, iterations| {
        plan(vec![journey("one", 1, vec![step("one", "GET", "/")])], users, 30_000, Some(iterations))
    };
    let first = drive(some(3, 4), &server.url, None).await;
    let second = drive(some(2, 5), &server.url, None).await;
    assert_eq!((first.summary().steps, second.summary().steps), (12, 10));
    let hanging = some(2, 1_000_000);
    let (stopped, whole) = tokio::join!(
        drive(hanging, &server.url, Some(Duration::from_millis(300))),
        drive(some(4, 30), &server.url, None)
    );
    assert_eq!(whole.summary().steps, 120);
    assert!(stopped.summary().steps > 2);
    let all = 12 + 10 + 120 + stopped.summary().steps;
    assert!(all - seen.lock().unwrap().len() as u64 <= 2, "a stop may fall between counting and sending");
}

#[tokio::test]
async fn a_dropped_run_stops_its_users() {
    let (server, seen) = slow(Duration::from_millis(1)).await;
    let clock = RunClock::start();
    let (sink, _receiver) = EventSink::channel();
    let plan = plan(vec![journey("one", 1, vec![step("one", "GET", "/")])], 4, 60_000, None);
    let context = LoadContext {
        recorder: Recorder::new(1, 1, clock, sink),
        plan: Arc::new(plan),
        base_url: server.url.clone(),
        run_id: String::new(),
        clock,
        stop: CancellationToken::new(),
    };
    assert!(tokio::time::timeout(Duration::from_millis(400), run(context)).await.is_err());
    tokio::time::sleep(Duration::from_millis(50)).await;
    let count = seen.lock().unwrap().len();
    assert!(count > 4);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(seen.lock().unwrap().len(), count);
}

#[tokio::test]
async fn a_plan_that_cannot_be_sent_is_refused_before_anything_is_sent() {
    let refused = |change: fn(&mut Plan), url: &'static str| async move {
        let mut plan = plan(vec![journey("one", 1, vec![step("one", "GET", "/")])], 1, 1_000, None);
        change(&mut plan);
        let error = drive(plan, url, None).await.result.unwrap_err();
        let source = std::error::Error::source(&error).map(|s| format!(": {s}")).unwrap_or_default();
        format!("{error}{source}")
    };
    let url = "http://127.0.0.1:1";
    let texts = [
        refused(|_| {}, "nowhere").await,
        refused(|_| {}, "ftp://127.0.0.1:1").await,
        refused(|_| {}, "http://me:hidden@127.0.0.1:1").await,
        refused(|_| {}, "http://127.0.0.1:1/?a=b").await,
        refused(|p| p.journeys[0].steps[0].path = "/a/{b".to_owned(), url).await,
        refused(|p| p.journeys[0].steps[0].path = "a".to_owned(), url).await,
        refused(|p| p.journeys[0].steps[0].name = "two".to_owned(), url).await,
        refused(|p| p.journeys[0].weight = 0, url).await,
        refused(
            |p| {
                p.headers.insert("X-Key".to_owned(), Secret::new("a\nsecret".to_owned()));
            },
            url,
        )
        .await,
        refused(
            |p| {
                p.feeders.insert("user".to_owned(), Feeder::Generate("u{m}".to_owned()));
            },
            url,
        )
        .await,
    ];
    insta::assert_snapshot!(texts.join("\n"), @"
    the target's URL `nowhere` cannot be used: relative URL without a base
    the target's URL `ftp://127.0.0.1:1/` cannot be used: its scheme is neither http nor https
    the target's URL `http://127.0.0.1:1/` cannot be used: it holds credentials; put them into a header
    the target's URL `http://127.0.0.1:1/?a=b` cannot be used: it has a query or a fragment, which no step would send
    step `one` has a template that is wrong: the `{` at character 4 is never closed; write `{{` for a brace
    the path `a` of step `one` cannot be sent over HTTP: it does not start with `/`
    step `two` is not among the plan's endpoints
    there is nothing to do: the plan has no journey with a step and a weight
    the header `X-Key` cannot be sent over HTTP: its value holds a forbidden character
    feeder `user` has a template that is wrong: `{m}` is unknown here; there are `{n}` and `{run}`
    ");
}

#[tokio::test]
async fn nothing_is_printed() {
    let child = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--nocapture", "--exact", "prints_nothing"])
        .output();
    let output = child.await.unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let ours = |line: &&str| !line.is_empty() && !line.starts_with("running ") && !line.starts_with("test ");
    assert!(output.status.success() && stdout.contains("1 passed"), "{stdout}");
    assert_eq!(stdout.lines().filter(ours).collect::<Vec<_>>(), Vec::<&str>::new());
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

/// Run by [`nothing_is_printed`], in a process whose output can be seen whole.
#[tokio::test]
#[ignore = "run by another test"]
async fn prints_nothing() {
    let (server, _) = slow(Duration::from_millis(1)).await;
    let only = || plan(vec![journey("one", 1, vec![step("one", "GET", "/")])], 3, 30_000, Some(2));
    assert_eq!(drive(only(), &server.url, None).await.summary().steps, 6);
    assert!(drive(only(), "http://127.0.0.1:1", Some(Duration::from_millis(50))).await.result.is_ok());
}

// --- What it costs ---

/// Not a test of anything: prints what a request costs. `cargo test --test load -- --ignored --nocapture cost`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement, not a test"]
async fn cost_per_request() {
    let exe = std::env::current_exe().unwrap();
    if let Ok(address) = std::env::var("FIREDRILL_COST_SERVER") {
        let listener = TcpListener::bind(address).await.unwrap();
        let app = Router::new().fallback(|| async { axum::Json(json!({"status": "success", "id": 7})) });
        println!("listening on {}", listener.local_addr().unwrap());
        axum::serve(listener, app).await.unwrap();
    }
    // The server in a process of its own, so that its cost is not counted.
    let mut child = tokio::process::Command::new(exe)
        .args(["--ignored", "--nocapture", "--exact", "cost_per_request"])
        .env("FIREDRILL_COST_SERVER", "127.0.0.1:0")
        .stdout(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(child.stdout.take().unwrap()));
    let address = loop {
        let line = lines.next_line().await.unwrap().unwrap();
        if let Some((_, address)) = line.split_once("listening on ") {
            break address.to_owned();
        }
    };
    let mut first = step("one", "POST", "/api/{user.id}/generate");
    first.body = Some(json!({"id": "{user.id}", "archetype": "Foundation Builder"}));
    first.expect.json = BTreeMap::from([("/status".to_owned(), JsonCheck::Equals(json!("success")))]);
    first.save = BTreeMap::from([("id".to_owned(), "/id".to_owned())]);
    first.think = ThinkTime::default();
    let mut second = step("two", "GET", "/api/{id}");
    second.think = ThinkTime::default();
    let mut plan = plan(vec![journey("one", 1, vec![first, second])], 64, 5_000, None);
    plan.feeders = BTreeMap::from([("user".to_owned(), Feeder::Generate("load_test_user_{n}".to_owned()))]);
    let cpu = || {
        let usage = procfs::process::Process::myself().unwrap().stat().unwrap();
        (usage.utime + usage.stime) as f64 / procfs::ticks_per_second() as f64
    };
    let before = cpu();
    let ran = drive(plan, &format!("http://{address}"), None).await;
    let spent = cpu() - before;
    let steps = ran.summary().steps;
    let spectra: Vec<_> = ran.intervals().iter().flat_map(|i| &i.endpoints).map(|e| e.service.clone()).collect();
    let all = firedrill::model::interval::Spectrum::merged(&spectra);
    println!(
        "{steps} requests, {:.1} µs of CPU each, {:.0}/s; service p50 {:?} µs, p99 {:?} µs; outcomes {:?}",
        spent / steps as f64 * 1e6,
        steps as f64 / ran.took.as_secs_f64(),
        all.quantile(0.5),
        all.quantile(0.99),
        ran.outcomes()
    );
    child.kill().await.unwrap();
}
