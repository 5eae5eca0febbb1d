//! The app under test as firedrill starts, limits, presses and ends it: with real processes, and where the machine
//! allows it with real control groups and the kernel's own out-of-memory kills.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // their exemption for tests does not reach helpers

use firedrill::model::event::{EventSink, RunEvent};
use firedrill::model::memory_group::MemoryGroup;
use firedrill::model::plan::{Ballast, TargetPlan};
use firedrill::model::reading::TargetChange;
use firedrill::model::secret::Secret;
use firedrill::pressure::{BallastError, Place, ballast};
use firedrill::target::{Target, TargetContext, TargetError};
use firedrill::units::{ByteSize, Offset, RunClock, Span};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

/// Answers every GET; the path is what it does first.
const APP: &str = r#"
import http.server, os, signal, subprocess, sys, time
kept = []
class App(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        what, _, value = self.path.strip("/").partition("/")
        if what == "grow":
            kept.append(bytearray(int(value) << 20))
            for page in range(0, len(kept[-1]), 4096): kept[-1][page] = 1
        if what == "worker": subprocess.Popen([sys.executable, "-c", "x = bytearray(b'x' * (%s << 20))\nimport time; time.sleep(60)" % value])
        if what == "exit": os._exit(int(value))
        if what == "signal": os.kill(os.getpid(), int(value))
        if what == "escape":
            if os.fork() == 0:
                os.setsid()
                if os.fork() == 0: time.sleep(600)
                os._exit(0)
            os.wait()
        self.send_response(int(value) if what == "status" else 200); self.end_headers(); self.wfile.write(b"ok")
    def log_message(self, *args): pass
if len(sys.argv) > 2: signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("key", os.environ.get("APP_KEY"), "upstream", os.environ.get("OPENAI_BASE_URL"), os.environ.get("SIDE"), flush=True)
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), App).serve_forever()
"#;

struct Stage {
    dir: tempfile::TempDir,
    events: UnboundedReceiver<RunEvent>,
    sink: EventSink,
    headers: BTreeMap<String, Secret>,
}

/// firedrill itself, or the copy of it that another user may run.
fn firedrill() -> PathBuf {
    std::env::var_os(COPY).map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_firedrill")), PathBuf::from)
}

/// Names the copy in the environment of tests that run as another user.
const COPY: &str = "FIREDRILL_COPY";

impl Stage {
    fn new() -> Self {
        let (sink, events) = EventSink::channel();
        Self { dir: tempfile::tempdir().unwrap(), events, sink, headers: BTreeMap::new() }
    }

    fn log(&self) -> PathBuf {
        self.dir.path().join("app.log")
    }

    async fn start(&self, plan: &TargetPlan) -> Result<Target, TargetError> {
        Target::start(TargetContext {
            plan,
            environment: BTreeMap::from([("OPENAI_BASE_URL".into(), "http://127.0.0.1:1/v1".into())]),
            upstream_urls: BTreeMap::from([("side".into(), "http://127.0.0.1:2".into())]),
            firedrill: &firedrill(),
            run_id: "test-run",
            log: &self.log(),
            events: self.sink.clone(),
            ready_headers: &self.headers,
        })
        .await
    }

    /// The next end of the app among the events.
    async fn end(&mut self) -> TargetChange {
        let wait = async {
            while let Some(event) = self.events.recv().await {
                if let RunEvent::Target(event) = event
                    && matches!(event.what, TargetChange::Ended { .. })
                {
                    return event.what;
                }
            }
            panic!("no end came");
        };
        timeout(Duration::from_secs(20), wait).await.expect("the app's end is reported")
    }
}

fn app(memory_limit: Option<ByteSize>) -> TargetPlan {
    run_as(&["python3", "-u", "-c", APP, "{port}"], memory_limit)
}

fn run_as(parts: &[&str], memory_limit: Option<ByteSize>) -> TargetPlan {
    TargetPlan::Command {
        command: parts.iter().map(|part| (*part).to_owned()).collect(),
        env: BTreeMap::from([
            ("APP_KEY".to_owned(), Secret::new("s3cret-value".into())),
            ("SIDE".to_owned(), Secret::new("{side.url}/x".into())),
        ]),
        url: "http://127.0.0.1:{port}".into(),
        ready: "/".into(),
        ready_within: Span::from_secs(20),
        memory_limit,
    }
}

async fn ask(target: &Target, path: &str) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    // Many of these requests end the app, so no answer is an answer.
    let _ = client.get(format!("{}/{path}", target.base_url())).send().await;
}

fn alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
}

/// All living processes whose command line holds `mark`.
fn processes(mark: &str) -> Vec<u32> {
    let of = |pid: u32| std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| *pid != std::process::id() && String::from_utf8_lossy(&of(*pid)).contains(mark) && alive(*pid))
        .collect()
}

async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(15);
    while !holds() {
        assert!(Instant::now() < until, "{what}");
        sleep(Duration::from_millis(10)).await;
    }
}

/// The app in a group of its own, or the reason to skip the test.
async fn limited(stage: &Stage, mib: u64) -> Option<(Target, MemoryGroup)> {
    let target = stage.start(&app(Some(ByteSize::mib(mib)))).await.unwrap();
    match target.group().cloned() {
        Some(group) => Some((target, group)),
        None => {
            println!("skipped: no control group here: {}", target.means().join("; "));
            target.stop().await;
            None
        }
    }
}

#[tokio::test]
async fn starts_fills_places_in_and_leaves_nothing() {
    let mut stage = Stage::new();
    let target = stage.start(&app(None)).await.unwrap();
    let pid = target.pid().unwrap();
    target.begin(RunClock::start());
    ask(&target, "escape").await;
    let family = processes("http.server.ThreadingHTTPServer");
    assert!(family.contains(&pid));
    target.stop().await;
    assert!(!alive(pid));
    let log = std::fs::read_to_string(stage.log()).unwrap();
    assert_eq!(log.trim(), "key [-] upstream http://127.0.0.1:1/v1 http://127.0.0.1:2/x");
    // The end that we brought about ourselves is no event.
    drop(stage.sink);
    stage.events.close();
    let mut seen = Vec::new();
    while let Some(event) = stage.events.recv().await {
        seen.push(event);
    }
    assert!(matches!(&seen[..], [RunEvent::Target(e)] if e.what == TargetChange::Started { pid }), "{seen:?}");
}

#[tokio::test]
async fn what_escapes_its_process_group_is_ended_too() {
    let stage = Stage::new();
    let mark = format!("escaped-{}", std::process::id());
    let script = format!("{APP}\n# {mark}");
    let target = stage.start(&run_as(&["python3", "-u", "-c", &script, "{port}"], None)).await.unwrap();
    ask(&target, "escape").await;
    // The guardian, the app, and the escaped one.
    assert_eq!(processes(&mark).len(), 3);
    target.stop().await;
    assert_eq!(processes(&mark), Vec::<u32>::new());
}

#[tokio::test]
async fn an_app_that_ignores_sigterm_is_killed_after_the_grace() {
    let stage = Stage::new();
    let target = stage.start(&run_as(&["python3", "-u", "-c", APP, "{port}", "stubborn"], None)).await.unwrap();
    let pid = target.pid().unwrap();
    let asked = Instant::now();
    target.stop_within(Duration::from_millis(300)).await;
    assert!(!alive(pid));
    assert!(asked.elapsed() >= Duration::from_millis(300));
}

#[tokio::test]
async fn dropping_the_target_ends_the_app() {
    let stage = Stage::new();
    let target = stage.start(&app(None)).await.unwrap();
    let pid = target.pid().unwrap();
    drop(target);
    eventually("the app ends", || !alive(pid)).await;
}

/// Not a test of its own: the firedrill that [`nothing_survives_a_killed_parent`] kills.
#[tokio::test]
#[ignore = "run by another test"]
async fn a_parent_to_be_killed() {
    let stage = Stage::new();
    let target = stage.start(&app(Some(ByteSize::mib(256)))).await.unwrap();
    ask(&target, "escape").await;
    let group = target.group().map_or(String::new(), |group| group.dir.display().to_string());
    println!("\n{} {} {group}", target.pid().unwrap(), target.base_url());
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn nothing_survives_a_killed_parent() {
    let mut parent = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_parent_to_be_killed", "--ignored", "--nocapture"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(parent.stdout.take().unwrap()).lines().map(Result::unwrap);
    let line = lines.find(|line| line.contains("http://")).unwrap();
    let mut parts = line.split(' ');
    let pid: u32 = parts.next().unwrap().parse().unwrap();
    let address = parts.next().unwrap().trim_start_matches("http://").to_owned();
    let group = parts.next().filter(|dir| !dir.is_empty()).map(PathBuf::from);
    assert!(alive(pid) && group.as_ref().is_none_or(|dir| dir.exists()));
    // `Child::kill` is SIGKILL, on which nothing of the parent runs any more.
    parent.kill().unwrap();
    parent.wait().unwrap();
    eventually("the app ends", || !alive(pid)).await;
    eventually("the group is removed", || group.as_ref().is_none_or(|dir| !dir.exists())).await;
    eventually("the port is free", || std::net::TcpListener::bind(&address).is_ok()).await;
}

#[tokio::test]
async fn a_killed_guardian_takes_the_app_along() {
    let mut stage = Stage::new();
    let target = stage.start(&app(Some(ByteSize::mib(256)))).await.unwrap();
    target.begin(RunClock::start());
    let pid = target.pid().unwrap();
    let group = target.group().cloned();
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let guardian: i32 = stat.rsplit_once(')').unwrap().1.split_ascii_whitespace().nth(1).unwrap().parse().unwrap();
    rustix::process::kill_process(rustix::process::Pid::from_raw(guardian).unwrap(), rustix::process::Signal::KILL)
        .unwrap();
    assert!(target.lost().await.contains("guardian"));
    assert!(matches!(stage.end().await, TargetChange::Ended { oom_killed: false, .. }));
    eventually("the app ends", || !alive(pid)).await;
    eventually("the group is removed", || group.as_ref().is_none_or(|group| !group.dir.exists())).await;
    target.stop().await;
}

#[tokio::test]
async fn an_exit_is_no_kill() {
    for (path, code, signal, words) in [
        ("exit/3", Some(3), None, "exited with code 3"),
        ("exit/0", Some(0), None, "exited with code 0"),
        ("signal/11", None, Some(11), "SIGSEGV"),
        ("signal/9", None, Some(9), "SIGKILL"),
    ] {
        let mut stage = Stage::new();
        let target = stage.start(&app(Some(ByteSize::mib(256)))).await.unwrap();
        target.begin(RunClock::start());
        ask(&target, path).await;
        let expected = TargetChange::Ended { code, signal, oom_killed: false, at_limit: false };
        assert_eq!(stage.end().await, expected, "{path}");
        assert!(target.lost().await.contains(words), "{}", target.lost().await);
        target.stop().await;
    }
}

#[tokio::test]
async fn a_kill_by_the_kernel_is_told_from_a_crash() {
    let mut stage = Stage::new();
    let Some((target, group)) = limited(&stage, 96).await else { return };
    assert_eq!(target.limit(), Some(ByteSize::mib(96)));
    target.begin(RunClock::start());
    ask(&target, "grow/200").await;
    let end = stage.end().await;
    assert_eq!(end, TargetChange::Ended { code: None, signal: Some(9), oom_killed: true, at_limit: true });
    assert!(target.lost().await.contains("lack of memory (its limit is 96MiB)"), "{}", target.lost().await);
    target.stop().await;
    assert!(!group.dir.exists());
}

#[tokio::test]
async fn a_killed_worker_is_seen_though_the_app_lives() {
    let mut stage = Stage::new();
    let Some((target, _)) = limited(&stage, 96).await else { return };
    target.begin(RunClock::start());
    ask(&target, "worker/200").await;
    assert!(matches!(stage.end().await, TargetChange::Ended { oom_killed: true, .. }));
    assert!(timeout(Duration::from_millis(100), target.lost()).await.is_err());
    // A later exit is not put down to that kill.
    ask(&target, "exit/1").await;
    assert!(matches!(stage.end().await, TargetChange::Ended { code: Some(1), oom_killed: false, .. }));
    target.stop().await;
}

#[tokio::test]
async fn an_end_before_the_run_begins_is_not_lost() {
    let mut stage = Stage::new();
    let target = stage.start(&app(None)).await.unwrap();
    ask(&target, "exit/4").await;
    assert!(target.lost().await.contains("code 4"));
    target.begin(RunClock::start());
    assert!(matches!(stage.end().await, TargetChange::Ended { code: Some(4), .. }));
    target.stop().await;
}

#[tokio::test]
async fn errors_say_what_happened() {
    let stage = Stage::new();
    let error = async |plan: TargetPlan| stage.start(&plan).await.err().expect("it fails").to_string();
    let text = error(run_as(&["no-such-program-here"], None)).await;
    assert_eq!(text, "the app under test could not be started: `no-such-program-here`: there is no such program");
    let text = error(run_as(&["sh", "-c", "echo first; echo broken config >&2; exit 7"], None)).await;
    assert!(text.contains("exited with code 7") && text.contains("  | first\n  | broken config"), "{text}");
    let TargetPlan::Command { command, env, url, memory_limit, .. } = app(None) else { unreachable!() };
    let ready_within = Span::from_secs(5);
    let unready = TargetPlan::Command { command, env, url, memory_limit, ready: "/status/503".into(), ready_within };
    let text = error(unready).await;
    assert!(text.contains("was not ready within 5s") && text.contains("it answers 503"), "{text}");
    assert!(text.contains("  | key [-] upstream"), "{text}");
    let text = error(run_as(&[], None)).await;
    assert!(text.contains("command is empty"), "{text}");
    let occupied = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let fixed = format!("http://{}", occupied.local_addr().unwrap());
    let TargetPlan::Command { command, env, ready, ready_within, memory_limit, .. } = app(None) else { unreachable!() };
    let plan = TargetPlan::Command { command, env, url: fixed.clone(), ready, ready_within, memory_limit };
    assert!(error(plan).await.contains("something already answers"));
    drop(occupied);
    let text = error(TargetPlan::Url { url: fixed.clone(), pid: None }).await;
    assert!(text.starts_with(&format!("the app under test does not answer at {fixed}: ")), "{text}");
    assert!(text.contains("refused") && text.contains("--target"), "{text}");
    let text = error(TargetPlan::Url { url: fixed, pid: Some(u32::MAX >> 2) }).await;
    assert!(text.starts_with("there is no process"), "{text}");
}

#[tokio::test]
async fn an_app_elsewhere_is_watched_and_left_alone() {
    let stage = Stage::new();
    let theirs = stage.start(&app(None)).await.unwrap();
    let pid = theirs.pid().unwrap();
    let mut own = Stage::new();
    let plan = TargetPlan::Url { url: format!("{}/", theirs.base_url()), pid: Some(pid) };
    let ours = own.start(&plan).await.unwrap();
    assert_eq!((ours.base_url(), ours.pid()), (theirs.base_url(), Some(pid)));
    ours.stop().await;
    assert!(alive(pid));
    let ours = own.start(&plan).await.unwrap();
    ours.begin(RunClock::start());
    ask(&theirs, "exit/0").await;
    let end = own.end().await;
    assert_eq!(end, TargetChange::Ended { code: None, signal: None, oom_killed: false, at_limit: false });
    theirs.stop().await;
}

#[tokio::test]
async fn a_foreign_app_in_a_limited_group_is_pressed_there_and_its_kill_is_seen() {
    let stage = Stage::new();
    let Some((theirs, group)) = limited(&stage, 96).await else { return };
    let mut own = Stage::new();
    let plan = TargetPlan::Url { url: theirs.base_url().to_owned(), pid: theirs.pid() };
    let ours = own.start(&plan).await.unwrap();
    assert_eq!(ours.group(), Some(&group));
    ours.begin(RunClock::start());
    ask(&theirs, "grow/200").await;
    assert!(matches!(own.end().await, TargetChange::Ended { oom_killed: true, .. }));
    theirs.stop().await;
}

fn small_ballast(mib: u64) -> Ballast {
    let span = |ms| Span(Duration::from_millis(ms));
    Ballast { size: ByteSize::mib(mib), from: Offset::ZERO, ramp: span(1000), hold: span(700) }
}

async fn press(stage: &mut Stage, plan: Ballast, place: Place) -> (Result<(), BallastError>, Vec<u64>, Vec<String>) {
    while stage.events.try_recv().is_ok() {}
    let firedrill = &firedrill();
    let clock = RunClock::start();
    let outcome = ballast(plan, place, firedrill, None, clock, stage.sink.clone(), CancellationToken::new()).await;
    let (mut marks, mut warnings) = (Vec::new(), Vec::new());
    while let Ok(event) = stage.events.try_recv() {
        match event {
            RunEvent::Pressure(mark) => marks.push(mark.held),
            RunEvent::Warning { message, .. } => warnings.push(message),
            _ => {}
        }
    }
    (outcome, marks, warnings)
}

#[tokio::test]
async fn a_ballast_fills_the_group_and_gives_it_back() {
    let mut stage = Stage::new();
    let Some((target, group)) = limited(&stage, 256).await else { return };
    let usage = || -> u64 { std::fs::read_to_string(group.usage_file()).unwrap().trim().parse().unwrap() };
    let before = usage();
    let (outcome, marks, warnings) = press(&mut stage, small_ballast(100), Place::Group(group.clone())).await;
    outcome.unwrap();
    assert_eq!(warnings, Vec::<String>::new());
    assert!(marks.contains(&(100 << 20)) && marks.last() == Some(&0), "{marks:?}");
    assert!(marks[..marks.len() - 1].is_sorted(), "{marks:?}");
    let after = usage();
    assert!(after < before + (8 << 20), "{before} before, {after} after");
    assert!(target.pid().is_some_and(alive));
    // The kernel's own record of the most, where it keeps one.
    let peak = ["memory.max_usage_in_bytes", "memory.peak"]
        .iter()
        .find_map(|file| std::fs::read_to_string(group.dir.join(file)).ok()?.trim().parse::<u64>().ok());
    assert!(peak.is_none_or(|peak| peak >= before + (100 << 20)), "{before} before, {peak:?} at most");
    target.stop().await;
    assert!(!group.dir.exists());
}

#[tokio::test]
async fn the_kernel_kills_the_app_and_not_its_ballast() {
    let mut stage = Stage::new();
    let Some((target, group)) = limited(&stage, 128).await else { return };
    target.begin(RunClock::start());
    ask(&target, "grow/60").await;
    let firedrill = &firedrill();
    let stop = CancellationToken::new();
    let run = ballast(
        small_ballast(110),
        Place::Group(group),
        firedrill,
        None,
        RunClock::start(),
        stage.sink.clone(),
        stop.clone(),
    );
    let (outcome, end) = tokio::join!(run, async {
        let end = stage.end().await;
        stop.cancel();
        end
    });
    outcome.unwrap();
    assert!(matches!(end, TargetChange::Ended { oom_killed: true, at_limit: true, .. }), "{end:?}");
    target.stop().await;
}

#[tokio::test]
async fn a_ballast_that_endangers_is_refused() {
    let mut stage = Stage::new();
    let group = MemoryGroup {
        kind: firedrill::model::memory_group::GroupKind::V1,
        dir: stage.dir.path().to_owned(),
        limit: Some(1 << 50),
    };
    let huge = Ballast { size: ByteSize(1 << 45), ..small_ballast(1) };
    let (outcome, marks, _) = press(&mut stage, huge, Place::Group(group.clone())).await;
    assert!(matches!(outcome, Err(BallastError::EndangersMachine { .. })) && marks.is_empty());
    let tight = MemoryGroup { limit: Some(64 << 20), ..group.clone() };
    let (outcome, _, _) = press(&mut stage, small_ballast(64), Place::Group(tight)).await;
    assert!(matches!(outcome, Err(BallastError::LeavesNothing { .. })));
    // Where there is nothing to press on, one line says so and the run goes on.
    let (outcome, marks, warnings) = press(&mut stage, small_ballast(1), Place::Nowhere("no pid".into())).await;
    assert!(outcome.is_ok() && marks.is_empty() && warnings == ["no ballast: no pid"]);
    let (outcome, _, warnings) = press(&mut stage, small_ballast(1), Place::Rlimit { pid: std::process::id() }).await;
    assert!(outcome.is_ok() && warnings.len() == 1 && warnings[0].contains("no memory limit"), "{warnings:?}");
    let (outcome, _, warnings) = press(&mut stage, small_ballast(1), Place::Group(group)).await;
    // A folder that is no group takes any write, so here the ballast simply runs beside it.
    assert!(outcome.is_ok() && warnings.is_empty(), "{warnings:?}");
}

#[tokio::test]
async fn a_process_own_limit_is_lowered_and_restored() {
    let mut stage = Stage::new();
    let mut child = Command::new("sh").args(["-c", "ulimit -d 500000; exec sleep 60"]).spawn().unwrap();
    let pid = child.id();
    let soft = || {
        let text = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with("Max data size")).unwrap_or_default().to_owned();
        line.split_ascii_whitespace().nth(3).and_then(|soft| soft.parse::<u64>().ok())
    };
    eventually("the limit is set", || soft() == Some(512_000_000)).await;
    let lowest = std::cell::Cell::new(u64::MAX);
    let (outcome, marks, warnings) = {
        let pressing = press(&mut stage, small_ballast(100), Place::Rlimit { pid });
        tokio::pin!(pressing);
        loop {
            tokio::select! {
                done = &mut pressing => break done,
                () = sleep(Duration::from_millis(20)) => lowest.set(lowest.get().min(soft().unwrap_or(u64::MAX))),
            }
        }
    };
    assert!(outcome.is_ok() && warnings.is_empty(), "{warnings:?}");
    assert!(marks.contains(&(100 << 20)) && marks.last() == Some(&0), "{marks:?}");
    assert_eq!(lowest.get(), 512_000_000 - (100 << 20));
    assert_eq!(soft(), Some(512_000_000));
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Not a test of its own: what [`without_rights_firedrill_enforces_the_limit_itself`] runs as another user.
#[tokio::test]
#[ignore = "run by another test"]
async fn without_rights() {
    let mut stage = Stage::new();
    let target = stage.start(&app(Some(ByteSize::mib(128)))).await.unwrap();
    println!("\n{}", target.means().join("\n"));
    assert_eq!((target.group(), target.limit()), (None, Some(ByteSize::mib(128))));
    target.begin(RunClock::start());
    let reserve = target.reserve().expect("an enforced limit can be reserved");
    ask(&target, "grow/60").await;
    let (outcome, marks, warnings) = press(&mut stage, small_ballast(20), Place::find(None, Some(reserve), None)).await;
    assert!(outcome.is_ok() && warnings.is_empty() && marks.contains(&(20 << 20)), "{warnings:?} {marks:?}");
    assert!(target.pid().is_some_and(alive));
    ask(&target, "grow/60").await;
    let end = stage.end().await;
    assert_eq!(end, TargetChange::Ended { code: None, signal: Some(9), oom_killed: false, at_limit: true });
    assert!(target.lost().await.contains("by firedrill for exceeding its memory limit"));
    target.stop().await;
}

#[tokio::test]
async fn without_rights_firedrill_enforces_the_limit_itself() {
    let root = rustix::process::geteuid().is_root();
    // The build may lie where only its owner may go, such as below /root: the other user gets copies.
    let open = tempfile::tempdir().unwrap();
    std::fs::set_permissions(open.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let (exe, copy) = (open.path().join("test"), open.path().join("firedrill"));
    std::fs::copy(std::env::current_exe().unwrap(), &exe).unwrap();
    std::fs::copy(env!("CARGO_BIN_EXE_firedrill"), &copy).unwrap();
    let mut command = if root {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&exe).current_dir(open.path());
        command
    } else {
        Command::new(&exe)
    };
    let output = command.env(COPY, &copy).args(["--exact", "without_rights", "--ignored", "--nocapture"]).output();
    let Ok(output) = output else {
        println!("skipped: setpriv is not here, so no other user can be tried");
        return;
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("by firedrill's own watch"), "{text}");
}
