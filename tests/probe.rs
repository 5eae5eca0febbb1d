//! The probes against small real servers and processes.

#![allow(clippy::unwrap_used)] // its exemption for tests does not reach their helpers

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use axum::routing::get;
use firedrill::model::event::{EventSink, RunEvent};
use firedrill::model::plan::{GatePlan, GaugeProbe, HealthProbe, LoadPlan, Plan, ProbePlan, TargetPlan};
use firedrill::model::reading::{HealthState, Reading};
use firedrill::model::secret::Secret;
use firedrill::model::verdict::Severity;
use firedrill::probe::{ProbeContext, run};
use firedrill::units::{ByteSize, RunClock, Seed, Span};
use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

fn ms(millis: u64) -> Span {
    Span(Duration::from_millis(millis))
}

fn health(every: Span, deadline: Span) -> HealthProbe {
    HealthProbe {
        path: "/health".into(),
        every,
        deadline,
        status_at: Some("/status".into()),
        down: vec!["critical".into()],
        degraded: vec!["degraded".into()],
        blocks_app: Span::default(),
    }
}

fn plan(url: &str, pid: Option<u32>, probes: ProbePlan) -> Plan {
    Plan {
        name: "probe".into(),
        describe: String::new(),
        source: "built-in".into(),
        seed: Seed(1),
        target: TargetPlan::Url { url: url.into(), pid },
        headers: BTreeMap::from([("X-API-Key".to_owned(), Secret::new("let-me-in".into()))]),
        upstreams: Vec::new(),
        load: LoadPlan::Closed { users: 1, ramp_up: ms(0), hold: ms(0), graceful_stop: ms(0), iterations: None },
        feeders: BTreeMap::new(),
        journeys: Vec::new(),
        endpoints: Vec::new(),
        fault_profile: None,
        faults: Vec::new(),
        ballast: None,
        probes,
        gate: GatePlan { fail_on: Severity::P1, while_faulted: Severity::P2, recovery: ms(0) },
        control: None,
        allow_hosts: Vec::new(),
    }
}

fn nothing() -> ProbePlan {
    ProbePlan { health: None, memory_every: Span::from_secs(1), stats: None, metrics: None }
}

struct Watching {
    events: UnboundedReceiver<RunEvent>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Watching {
    fn start(plan: Plan, limit: Option<ByteSize>) -> Self {
        let (sink, events) = EventSink::channel();
        let TargetPlan::Url { url, pid } = plan.target.clone() else { unreachable!() };
        let stop = CancellationToken::new();
        let ctx = ProbeContext {
            plan: Arc::new(plan),
            base_url: url,
            pid,
            group: None,
            limit,
            clock: RunClock::start(),
            events: sink,
            stop: stop.clone(),
        };
        Self { events, stop, task: tokio::spawn(run(ctx)) }
    }

    /// The next event that `pick` takes.
    async fn next<T>(&mut self, mut pick: impl FnMut(RunEvent) -> Option<T>) -> T {
        let wait = async {
            loop {
                if let Some(found) = pick(self.events.recv().await.expect("the probes run")) {
                    return found;
                }
            }
        };
        timeout(Duration::from_secs(20), wait).await.expect("the event comes")
    }

    async fn end(mut self) -> Vec<RunEvent> {
        self.stop.cancel();
        timeout(Duration::from_secs(2), self.task).await.expect("probes stop at once").unwrap();
        let mut rest = Vec::new();
        while let Ok(event) = self.events.try_recv() {
            rest.push(event);
        }
        rest
    }
}

async fn serve(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

fn health_reading(event: RunEvent) -> Option<(Option<u16>, Option<String>, HealthState, Span)> {
    match event {
        RunEvent::Reading(Reading::Health { status, says, state, took, .. }) => Some((status, says, state, took)),
        _ => None,
    }
}

#[tokio::test]
async fn health_follows_status_and_body_in_turn() {
    // One answer after the other; the last one repeats.
    let turn = Arc::new(AtomicUsize::new(0));
    let answer = |State(turn): State<Arc<AtomicUsize>>, headers: axum::http::HeaderMap| async move {
        assert_eq!(headers.get("x-api-key").unwrap(), "let-me-in");
        match turn.fetch_add(1, Ordering::SeqCst) {
            0 => (StatusCode::OK, r#"{"status":"healthy"}"#.to_owned()).into_response(),
            1 => (StatusCode::OK, r#"{"status":"degraded"}"#.to_owned()).into_response(),
            2 => (StatusCode::OK, r#"{"status":"critical"}"#.to_owned()).into_response(),
            3 => StatusCode::BAD_GATEWAY.into_response(),
            4 => (StatusCode::TEMPORARY_REDIRECT, [("location", "http://127.0.0.1:1/")]).into_response(),
            _ => std::future::pending().await,
        }
    };
    let url = serve(Router::new().route("/health", get(answer)).with_state(turn)).await;
    let probes = ProbePlan { health: Some(health(ms(50), ms(400))), ..nothing() };
    let mut watching = Watching::start(plan(&url, None, probes), None);
    let mut seen = Vec::new();
    for _ in 0..6 {
        seen.push(watching.next(health_reading).await);
    }
    let says = |text: &str| Some(text.to_owned());
    assert_eq!((seen[0].0, &seen[0].1, &seen[0].2), (Some(200), &says("healthy"), &HealthState::Up));
    assert_eq!((&seen[1].1, &seen[1].2), (&says("degraded"), &HealthState::Degraded));
    assert_eq!(seen[2].2, HealthState::Down("says `critical`".into()));
    assert_eq!((seen[3].0, &seen[3].2), (Some(502), &HealthState::Down("status 502".into())));
    // A redirect is not followed: another server's health is not the app's.
    assert_eq!((seen[4].0, &seen[4].2), (Some(307), &HealthState::Unclear("status 307".into())));
    assert_eq!((seen[5].0, &seen[5].2), (None, &HealthState::Down("no answer within 400ms".into())));
    assert!(seen[5].3.get() >= Duration::from_millis(400));
    // The check that hangs now is cut off and says nothing.
    let rest = watching.end().await;
    assert!(rest.into_iter().filter_map(health_reading).all(|r| r.3.get() >= Duration::from_millis(400)));
}

#[tokio::test]
async fn an_app_that_is_gone_is_down() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let probes = ProbePlan { health: Some(health(ms(100), ms(1000))), ..nothing() };
    let mut watching = Watching::start(plan(&url, None, probes), None);
    let (status, _, state, _) = watching.next(health_reading).await;
    assert_eq!(status, None);
    assert!(matches!(&state, HealthState::Down(why) if why.contains("refused")), "{state:?}");
    watching.end().await;
}

#[tokio::test]
async fn checks_of_a_slow_app_do_not_pile_up() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let counters = (Arc::clone(&now), Arc::clone(&most));
    let slow = |State((now, most)): State<(Arc<AtomicUsize>, Arc<AtomicUsize>)>| async move {
        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        sleep(Duration::from_millis(120)).await;
        now.fetch_sub(1, Ordering::SeqCst);
        r#"{"status":"healthy"}"#
    };
    let url = serve(Router::new().route("/health", get(slow)).with_state(counters)).await;
    let probes = ProbePlan { health: Some(health(ms(20), ms(5000))), ..nothing() };
    let mut watching = Watching::start(plan(&url, None, probes), None);
    for _ in 0..5 {
        assert_eq!(watching.next(health_reading).await.2, HealthState::Up);
    }
    watching.end().await;
    assert_eq!(most.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn gauges_come_from_both_pages_and_what_never_came_is_said_at_the_end() {
    let router = Router::new()
        .route("/metrics", get(|| async { "# TYPE m counter\nm{a=\"1\"} 1\nm{a=\"2\"} 2\n" }))
        .route("/stats", get(|| async { r#"{"metrics":{"error_rate":0.5}}"# }));
    let url = serve(router).await;
    let probe = |path: &str, gauges: &[(&str, &str)]| {
        let gauges = gauges.iter().map(|(name, place)| ((*name).to_owned(), (*place).to_owned())).collect();
        Some(GaugeProbe { path: path.into(), every: ms(100), gauges, blocks_app: Span::default() })
    };
    let probes = ProbePlan {
        metrics: probe("/metrics", &[("requests", "m"), ("absent", "no_such")]),
        stats: probe("/stats", &[("error_rate", "/metrics/error_rate")]),
        ..nothing()
    };
    let mut watching = Watching::start(plan(&url, None, probes), None);
    let mut found = BTreeMap::new();
    while found.len() < 2 {
        if let RunEvent::Reading(Reading::Gauge { name, value, .. }) = watching.next(Some).await {
            found.insert(name, value);
        }
    }
    assert_eq!(found, BTreeMap::from([("requests".to_owned(), 3.0), ("error_rate".to_owned(), 0.5)]));
    // A counter may appear only once something has been counted, so what never came is known at the end.
    let warnings: Vec<_> = watching
        .end()
        .await
        .into_iter()
        .filter_map(|event| match event {
            RunEvent::Warning { message, .. } => Some(message),
            _ => None,
        })
        .collect();
    assert_eq!(warnings, ["gauge `absent` never had a number at `no_such` in /metrics"]);
}

#[tokio::test]
async fn memory_of_a_known_amount_is_seen_across_the_tree() {
    // 128 MiB in the process itself, then 64 MiB more in a child of it.
    let holder = "import subprocess, sys, time
a = bytearray(b'x' * (128 << 20)); print('one', flush=True); sys.stdin.readline()
child = \"b = bytearray(b'x' * (64 << 20)); print('two', flush=True); import time; time.sleep(60)\"
subprocess.Popen([sys.executable, '-c', child]); time.sleep(60)";
    let mut base = Command::new("python3")
        .args(["-c", "print('up', flush=True); import time; time.sleep(60)"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut child =
        Command::new("python3").args(["-c", holder]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let read_line = |out: &mut std::process::ChildStdout| {
        let mut byte = [0];
        while std::io::Read::read(out, &mut byte).is_ok_and(|n| n == 1) && byte[0] != b'\n' {}
    };
    read_line(base.stdout.as_mut().unwrap());
    let mut out = child.stdout.take().unwrap();
    read_line(&mut out);
    let pid = child.id();
    let kernel = |pid: u32| -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = text.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_ascii_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
    };
    let probes = ProbePlan { memory_every: ms(100), ..nothing() };
    let mut watching = Watching::start(plan("http://127.0.0.1:1", Some(pid), probes), Some(ByteSize::mib(512)));
    let memory = |event| match event {
        RunEvent::Reading(Reading::Memory { rss, limit, group, .. }) => {
            assert_eq!((limit, group), (Some(512 << 20), None));
            Some(rss)
        }
        _ => None,
    };
    let within = |measured: u64, truth: u64, part: f64| (measured as f64 / truth as f64 - 1.0).abs() < part;
    let rss = watching.next(memory).await;
    assert!(within(rss, kernel(pid), 0.01), "{rss} measured, {} by the kernel", kernel(pid));
    // And against what was allocated, on top of what an idle interpreter needs.
    assert!(within(rss, (128 << 20) + kernel(base.id()), 0.02), "{rss}");
    std::io::Write::write_all(child.stdin.as_mut().unwrap(), b"\n").unwrap();
    read_line(&mut out);
    let second = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    let second: u32 = second.trim().parse().unwrap();
    let truth = || kernel(pid) + kernel(second);
    watching.next(|event| memory(event).filter(|rss| within(*rss, truth(), 0.01))).await;
    for process in [&mut child, &mut base] {
        process.kill().unwrap();
        process.wait().unwrap();
    }
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(second as i32).unwrap(),
        rustix::process::Signal::KILL,
    )
    .unwrap();
    let gone = |event| match event {
        RunEvent::Warning { message, .. } => Some(message),
        _ => None,
    };
    assert!(watching.next(gone).await.contains("is gone"));
    let rest = watching.end().await;
    assert!(!rest.iter().any(|e| matches!(e, RunEvent::Warning { .. } | RunEvent::Reading(_))), "{rest:?}");
}

#[tokio::test]
async fn firedrill_watches_itself() {
    let mut watching = Watching::start(plan("http://127.0.0.1:1", None, nothing()), None);
    let harness = |event| match event {
        RunEvent::Harness(reading) => Some(reading),
        _ => None,
    };
    let first = watching.next(harness).await;
    assert!(first.rss > 1 << 20 && first.fds > 2 && first.cpu_seconds >= 0.0, "{first:?}");
    // A runtime that stands still is what lateness must show, whichever timer wakes first after it.
    std::thread::sleep(Duration::from_millis(300));
    let worst = [watching.next(harness).await, watching.next(harness).await].map(|r| r.lateness).into_iter().max();
    assert!(worst.is_some_and(|late| late.get() >= Duration::from_millis(200)), "{worst:?}");
    watching.end().await;
}
