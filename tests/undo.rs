//! Never left behind: undo journals, killed processes, and what becomes of what they had done.
#![expect(clippy::unwrap_used, reason = "a test may fail where it stands; helpers are tests too")]

use firedrill::undo::{
    self, Action, BeginError, Lease, LoweredLimit, MARK, Mode, Opening, Owner, ReadError, Settled, UndoError,
    UndoJournal,
};
use firedrill::units::Seed;
use firedrill::upstream::{Control, ControlPlan};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;
use uuid::Uuid;

/// Tells this test binary, started by itself, to play a drill that will be killed.
const ROLE: &str = "FIREDRILL_TEST_DRILL";

struct Reports(TempDir);

impl Reports {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn out(&self) -> &Path {
        self.0.path()
    }

    /// An opening for a run with a folder of its own.
    fn opening(&self, run: &str) -> Opening {
        opening(self.out(), run)
    }

    fn open(&self) -> Vec<PathBuf> {
        undo::find(self.out())
    }
}

fn opening(out: &Path, run: &str) -> Opening {
    let folder = out.join(run);
    std::fs::create_dir_all(&folder).unwrap();
    Opening {
        journal: Uuid::new_v4(),
        run: run.to_owned(),
        owner: Owner::this(),
        firedrill: "0".to_owned(),
        shares: None,
        folder,
    }
}

async fn begin(reports: &Reports, run: &str) -> UndoJournal {
    undo::begin(reports.out(), "test", reports.opening(run)).await.unwrap().0
}

fn toxics(api: &str, name: &str) -> Action {
    Action::Control {
        api: api.to_owned(),
        toxics: BTreeMap::from([("db".to_owned(), vec![name.to_owned()])]),
        disabled: Vec::new(),
    }
}

async fn control() -> (Control, String) {
    let plan = ControlPlan { listen: "127.0.0.1:0".parse().unwrap(), allow_remote: false, token: None, seed: Seed(3) };
    let control = Control::start(plan).await.unwrap();
    let api = format!("http://{}", control.address());
    let body = json!({"name": "db", "upstream": "127.0.0.1:9"});
    assert!(
        reqwest::Client::new().post(format!("{api}/proxies")).json(&body).send().await.unwrap().status().is_success()
    );
    (control, api)
}

async fn put_on(api: &str, name: &str, lease: Option<&str>) {
    let mut toxic = json!({"name": name, "type": "latency", "attributes": {"latency": 500}});
    if let Some(lease) = lease {
        toxic["lease"] = lease.into();
    }
    let answer = reqwest::Client::new().post(format!("{api}/proxies/db/toxics")).json(&toxic).send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.status());
}

async fn on(api: &str) -> Vec<String> {
    let answer = reqwest::get(format!("{api}/proxies/db/toxics")).await.unwrap();
    let all: Vec<Value> = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    all.iter().map(|toxic| toxic["name"].as_str().unwrap().to_owned()).collect()
}

fn alive(pid: u32) -> bool {
    Owner::of(pid).is_some()
}

/// The text of a journal with a few lines of every kind that a run writes.
async fn some_text() -> Vec<u8> {
    let reports = Reports::new();
    let mut journal = begin(&reports, "one").await;
    let first = journal.acting(toxics("http://127.0.0.1:1", "slow"), Some(Lease::of(Duration::from_secs(9)))).unwrap();
    journal.acted(first, "it is on".to_owned()).unwrap();
    journal.renewed(first, Lease::of(Duration::from_secs(60))).unwrap();
    let second = journal.acting(toxics("http://127.0.0.1:1", "other"), None).unwrap();
    journal.undone(second, "it was never on".to_owned()).unwrap();
    journal.note("a \"note\"\nof two lines".to_owned(), None).unwrap();
    std::fs::read(journal.path()).unwrap()
}

#[tokio::test]
async fn a_journal_is_readable_to_its_last_complete_line_wherever_it_was_cut() {
    let text = some_text().await;
    let whole = undo::verify(&text).unwrap();
    assert_eq!((whole.lines, whole.open.len(), whole.torn_at, whole.closed), (7, 1, None, false));
    assert_eq!(whole.open[0].lease.as_ref().unwrap().ms, 60_000, "the renewed lease");
    for cut in 0..text.len() {
        let lines = text[..cut].iter().filter(|byte| **byte == b'\n').count() as u64;
        match undo::verify(&text[..cut]) {
            Ok(reading) => {
                assert_eq!(reading.lines, lines, "cut at {cut}");
                assert_eq!(reading.torn_at.is_some(), text[cut - 1] != b'\n', "cut at {cut}");
                // What was announced and not undone is open, whatever was lost behind it.
                assert_eq!(reading.open.len(), [0, 1, 1, 1, 2, 1, 1][lines as usize - 1], "cut at {cut}");
            }
            Err(error) => assert!(lines == 0 && matches!(error, ReadError::Unbegun), "cut at {cut}: {error}"),
        }
    }
}

#[tokio::test]
async fn a_line_that_was_changed_taken_out_or_moved_is_noticed() {
    let text = some_text().await;
    let lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
    let broken = |lines: &[&[u8]], at: u64| {
        let error = undo::verify(&lines.concat()).unwrap_err();
        assert!(matches!(&error, ReadError::Broken { line, .. } if *line == at), "{error}, expected in line {at}");
    };
    for out in 1..lines.len() - 1 {
        broken(&[&lines[..out], &lines[out + 1..]].concat(), out as u64 + 1);
        let changed = String::from_utf8(lines[out].to_vec()).unwrap().replacen("test", "best", 1);
        let mut with = lines.clone();
        with[out] = changed.as_bytes();
        // The line itself still reads; the one behind it tells.
        broken(&with, out as u64 + 2);
        with[out] = b"{}\n";
        broken(&with, out as u64 + 1);
    }
    let mut swapped = lines.clone();
    swapped.swap(2, 3);
    broken(&swapped, 3);
    broken(&lines[1..], 1);
}

proptest! {
    #[test]
    fn whatever_a_file_holds_reading_it_never_panics(text in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = undo::verify(&text);
    }
}

/// The part of a drill that gets killed: plays when it is started by the tests below, and is nothing otherwise.
#[tokio::test]
async fn a_drill_that_is_killed() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let role: Value = serde_json::from_str(&role).unwrap();
    let (stage, api) = (role["stage"].as_str().unwrap(), role["api"].as_str().unwrap());
    let out = Path::new(role["out"].as_str().unwrap());
    let say = |what: &str| {
        let mut out = std::io::stderr();
        writeln!(out, "reached {what}").unwrap();
    };
    let (mut journal, _) = undo::begin(out, "drill", opening(out, "drill")).await.unwrap();
    if stage == "begun" {
        say("begun");
        std::future::pending::<()>().await;
    }
    let id = journal.acting(toxics(api, "slow"), Some(Lease::of(Duration::from_secs(600)))).unwrap();
    if stage == "announced" {
        say("announced");
        std::future::pending::<()>().await;
    }
    put_on(api, "slow", Some("600s")).await;
    if stage == "on" {
        say("on");
        std::future::pending::<()>().await;
    }
    journal.acted(id, "it is on".to_owned()).unwrap();
    if stage == "torn" {
        // As a kill in the middle of a write leaves it.
        let mut file = std::fs::File::options().append(true).open(journal.path()).unwrap();
        file.write_all(b"{\"sequence\":3,\"wall\":\"2026-").unwrap();
    }
    say(stage);
    std::future::pending::<()>().await;
}

/// Starts the drill and waits until it is where it shall be killed.
fn drill(out: &Path, api: &str, stage: &str) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_drill_that_is_killed", "--nocapture"])
        .env(ROLE, json!({"stage": stage, "api": api, "out": out}).to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let reached = lines.map_while(Result::ok).any(|line| line == format!("reached {stage}"));
    assert!(reached, "the drill ended before it was {stage}");
    child
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_drill_is_undone_from_its_journal_at_whatever_moment_it_was_killed() {
    for (stage, lines, was_on) in
        [("begun", 1, false), ("announced", 2, false), ("on", 2, true), ("acted", 3, true), ("torn", 3, true)]
    {
        let (control, api) = control().await;
        put_on(&api, "not-ours", None).await;
        let reports = Reports::new();
        let mut child = drill(reports.out(), &api, stage);
        // While it lives, nobody takes anything away from it.
        let path = reports.open().pop().unwrap();
        assert!(matches!(undo::undo(&path, None).await, Err(UndoError::Kept { .. })), "{stage}");
        child.kill().unwrap();
        child.wait().unwrap();

        let reading = undo::read(&path).unwrap();
        assert_eq!((reading.lines, reading.torn_at.is_some()), (lines, stage == "torn"), "{stage}");
        assert!(!reading.opening.owner.lives(), "{stage}");
        let begun = undo::begin(reports.out(), "test", reports.opening("next")).await;
        if was_on {
            let Err(BeginError::MayBeLeft { journal, what }) = begun else { panic!("{stage}: began") };
            assert_eq!(journal, path);
            assert!(what.len() == 1 && what[0].contains("toxic db/slow is on"), "{stage}: {what:?}");
            let undone = undo::undo(&path, None).await.unwrap();
            assert_eq!(undone.left, Vec::<String>::new(), "{stage}");
            assert!(undone.undone[0].contains("none of it on"), "{stage}: {undone:?}");
            assert_eq!(undone.journal, Some(reports.out().join("drill/undo.jsonl")));
            let kept = undo::read(&undone.journal.unwrap()).unwrap();
            assert!(kept.closed && kept.open.is_empty() && kept.torn_at.is_none(), "{stage}: {kept:?}");
        } else {
            // Nothing is on: looking is enough, and the next run begins.
            let (journal, found) = begun.unwrap_or_else(|error| panic!("{stage}: {error}"));
            assert_eq!(found.len(), usize::from(stage == "announced"), "{stage}: {found:?}");
            drop(journal);
        }
        assert_eq!(on(&api).await, ["not-ours"], "{stage}: only what is ours is taken off");
        assert!(!path.exists(), "{stage}");
        control.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_that_others_are_at_is_waited_for_a_moment_once_its_writer_is_dead() {
    let (control, api) = control().await;
    let reports = Reports::new();
    let mut child = drill(reports.out(), &api, "on");
    let path = reports.open().pop().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let other = std::fs::File::options().append(true).open(&path).unwrap();
    other.lock().unwrap();
    assert!(matches!(undo::undo(&path, None).await, Err(UndoError::Kept { .. })), "it waits for ever");
    let undoing = undo::undo(&path, None);
    tokio::pin!(undoing);
    assert!(futures_util::poll!(&mut undoing).is_pending(), "it is not waited for");
    drop(other);
    assert_eq!(undoing.await.unwrap().left, Vec::<String>::new());
    control.shutdown().await;
}

#[tokio::test]
async fn a_control_api_that_cannot_be_asked_proves_nothing_before_the_lease_is_over() {
    let reports = Reports::new();
    // A port that nobody listens on.
    let api = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    for (run, lease, clean) in
        [("none", None, false), ("long", Some(Duration::from_secs(600)), false), ("over", Some(Duration::ZERO), true)]
    {
        let mut journal = begin(&reports, run).await;
        journal.acting(toxics(&api, "slow"), lease.map(Lease::of)).unwrap();
        let path = journal.path().to_owned();
        drop(journal);
        let undone = undo::undo(&path, None).await.unwrap();
        assert_eq!(undone.left.is_empty(), clean, "{run}: {undone:?}");
        assert!(undone.left.iter().chain(&undone.undone).all(|text| text.contains("cannot be asked")), "{undone:?}");
        // So that the next one can begin.
        let _ = std::fs::remove_file(&path);
    }
}

#[tokio::test]
async fn an_answer_that_is_none_proves_nothing() {
    let (control, api) = control().await;
    let reports = Reports::new();
    let journal = begin(&reports, "one").await;
    let open = |api: &str| undo::Open { id: 0, action: toxics(api, "slow"), lease: None };
    let settled = undo::settle(journal.opening(), &open(&format!("{api}/nowhere")), Mode::Clear, None).await;
    assert!(matches!(&settled, Settled::Left(why) if why.contains("404")), "{settled:?}");
    let settled = undo::settle(journal.opening(), &open(&api), Mode::Clear, None).await;
    assert!(matches!(settled, Settled::Gone(_)), "{settled:?}");
    control.shutdown().await;
}

#[tokio::test]
async fn a_proxy_that_was_switched_off_is_switched_on_again() {
    let (control, api) = control().await;
    let reports = Reports::new();
    let mut journal = begin(&reports, "one").await;
    let action = Action::Control { api: api.clone(), toxics: BTreeMap::new(), disabled: vec!["db".to_owned()] };
    journal.acting(action, None).unwrap();
    let client = reqwest::Client::new();
    client.post(format!("{api}/proxies/db")).json(&json!({"enabled": false})).send().await.unwrap();
    let undone = undo::close(journal, None).await.unwrap();
    assert!(undone.left.is_empty(), "{undone:?}");
    let state: Value = client.get(format!("{api}/proxies/db")).send().await.unwrap().json().await.unwrap();
    assert_eq!(state["enabled"], true);
    control.shutdown().await;
}

#[tokio::test]
async fn processes_that_bear_the_journals_name_are_ended_and_no_others() {
    let reports = Reports::new();
    let mut journal = begin(&reports, "one").await;
    let name = journal.opening().journal;
    journal.acting(Action::App { what: "sh".to_owned(), groups: String::new() }, None).unwrap();
    let path = journal.path().to_owned();
    drop(journal);
    // Its parent is gone and its session is its own: only its environment says whose it is.
    let start = |mark: String| {
        let script = "setsid sleep 300 >/dev/null 2>&1 & echo $!";
        let output = Command::new("sh").args(["-c", script]).env(MARK, mark).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().parse::<u32>().unwrap()
    };
    let (ours, stranger) = (start(name.to_string()), start(Uuid::new_v4().to_string()));
    assert!(alive(ours) && alive(stranger));
    let begun = undo::begin(reports.out(), "test", reports.opening("next")).await;
    assert!(
        matches!(&begun, Err(BeginError::MayBeLeft { what, .. }) if what[0].contains(&format!("process {ours}"))),
        "{begun:?}"
    );
    let undone = undo::undo(&path, None).await.unwrap();
    assert!(undone.left.is_empty() && undone.undone[0].contains(&ours.to_string()), "{undone:?}");
    assert!(!alive(ours) && alive(stranger));
    Command::new("kill").args(["-9", &stranger.to_string()]).status().unwrap();
}

#[tokio::test]
async fn limits_that_were_lowered_are_given_back_to_the_same_process() {
    let reports = Reports::new();
    let mut app = Command::new("sh").args(["-c", "ulimit -d 500000; exec sleep 300"]).spawn().unwrap();
    let owner = Owner::of(app.id()).unwrap();
    // The shell needs a moment to set its limit.
    let found = (0..200)
        .find_map(|_| {
            let found = LoweredLimit::of(owner.pid);
            if found.is_empty() {
                std::thread::sleep(Duration::from_millis(10));
            }
            (!found.is_empty()).then_some(found)
        })
        .unwrap();
    assert_eq!((found[0].resource.as_str(), found[0].soft), ("data", 500_000 * 1024));
    let lower = || {
        let status = Command::new("prlimit").args(["--pid", &owner.pid.to_string(), "--data=1000000:"]).status();
        status.unwrap().success()
    };
    for (run, is_it) in [("same", true), ("reused", false)] {
        let mut journal = begin(&reports, run).await;
        let process = Owner { started: owner.started + u64::from(!is_it), ..owner.clone() };
        let action = Action::Ballast { bytes: 1 << 20, process: Some(process), limits: found.clone() };
        journal.acting(action, None).unwrap();
        assert!(lower());
        let undone = undo::close(journal, None).await.unwrap();
        assert!(undone.left.is_empty(), "{run}: {undone:?}");
        let now = LoweredLimit::of(owner.pid)[0].soft;
        assert_eq!(now, if is_it { found[0].soft } else { 1_000_000 }, "{run}: a pid that was used again is not ours");
    }
    app.kill().unwrap();
    app.wait().unwrap();
}

#[tokio::test]
async fn two_runs_on_one_folder_do_not_confuse_each_other() {
    let reports = Reports::new();
    let shared = |run: &str, app: Option<&str>| Opening { shares: app.map(str::to_owned), ..reports.opening(run) };
    let begin = async |run: &str, app: Option<&str>| undo::begin(reports.out(), "test", shared(run, app)).await;
    let (first, _) = begin("first", Some("http://127.0.0.1:8001")).await.unwrap();
    let (second, found) = begin("second", Some("http://127.0.0.1:8002")).await.unwrap();
    assert!(found.is_empty());
    let (third, _) = begin("third", None).await.unwrap();
    let refused = begin("fourth", Some("http://127.0.0.1:8001")).await;
    let Err(BeginError::Running { journal, pid, .. }) = refused else { panic!("began: {refused:?}") };
    assert_eq!((journal, pid), (first.path().to_owned(), std::process::id()));
    assert_eq!(reports.open().len(), 3);
    for journal in [first, second, third] {
        assert!(undo::close(journal, None).await.unwrap().journal.is_none_or(|path| path.exists()));
    }
    assert!(reports.open().is_empty() && !reports.out().join(".firedrill").exists());
    // All at once: each gets a journal of its own.
    let many = (0..20).map(|n| {
        let opening = reports.opening(&format!("many-{n}"));
        let out = reports.out().to_owned();
        tokio::spawn(async move { undo::begin(&out, "test", opening).await.unwrap().0 })
    });
    let mut journals = Vec::new();
    for task in many.collect::<Vec<_>>() {
        journals.push(task.await.unwrap());
    }
    assert_eq!(reports.open().len(), 20);
    for journal in journals {
        undo::close(journal, None).await.unwrap();
    }
    assert!(reports.open().is_empty());
}

#[tokio::test]
async fn what_cannot_be_relied_upon_stops_the_next_run_and_undo_says_so() {
    let reports = Reports::new();
    let journal = begin(&reports, "one").await;
    let path = journal.path().to_owned();
    drop(journal);
    let mut text = std::fs::read(&path).unwrap();
    text.extend_from_slice(b"{}\n");
    std::fs::write(&path, text).unwrap();
    assert!(matches!(undo::undo(&path, None).await, Err(UndoError::Read(ReadError::Broken { line: 2, .. }))));
    let begun = undo::begin(reports.out(), "test", reports.opening("next")).await;
    assert!(matches!(&begun, Err(BeginError::MayBeLeft { what, .. }) if what[0].contains("line 2")), "{begun:?}");
    // One that was killed before its first line was whole had done nothing.
    std::fs::write(&path, b"{\"sequence\":0").unwrap();
    begin(&reports, "next").await;
}
