//! However a run ends, it keeps what it measured and leaves nothing behind.

use crate::support::{Firedrill, alive, descendants, events, wait_for, wait_for_load};
use rustix::process::{Pid, Signal, kill_process};
use std::process::Child;
use std::time::{Duration, SystemTime};

fn start(firedrill: &Firedrill) -> Child {
    firedrill
        .command(&["run", "quickstart", "--duration", "60s", "--set", "target.reference.speed=20"])
        .spawn()
        .expect("firedrill starts")
}

fn signal(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a pid fits")).expect("a pid is not zero");
    kill_process(pid, signal).expect("the child is there");
}

fn interrupted_by(which: Signal, code: i32) {
    let firedrill = Firedrill::new();
    let mut child = start(&firedrill);
    wait_for_load(&firedrill, &mut child);
    let family = descendants(child.id());
    assert!(!family.is_empty(), "the reference app is a child");
    let began = SystemTime::now();
    signal(&child, which);
    let output = child.wait_with_output().expect("firedrill ends");
    let took = began.elapsed().unwrap_or_default();
    let run = firedrill.finished(output);
    assert_eq!(run.code, code, "{}", run.stderr);
    // The product's promise is 2 s; a debug build on a busy machine gets some slack, a hang gets none.
    assert!(took < Duration::from_secs(6), "took {took:?}");
    let record = run.record();
    assert!(record["end"]["interrupted"].is_number(), "{}", record["end"]);
    assert!(!record["timeline"]["intervals"].as_array().unwrap().is_empty(), "what was measured is kept");
    assert!(run.dir.unwrap().join("report.html").exists());
    for pid in family {
        assert!(!alive(pid), "process {pid} is left");
    }
}

#[test]
fn ctrl_c_reports_what_was_measured_and_leaves_no_process() {
    interrupted_by(Signal::INT, 130);
}

#[test]
fn sigterm_does_the_same_with_its_own_code() {
    interrupted_by(Signal::TERM, 143);
}

#[test]
fn kill_9_leaves_no_child_and_a_journal_that_can_be_reported() {
    let firedrill = Firedrill::new();
    let mut child = start(&firedrill);
    wait_for_load(&firedrill, &mut child);
    let family = descendants(child.id());
    signal(&child, Signal::KILL);
    child.wait().expect("firedrill is gone");
    for pid in family {
        wait_for("the app to be gone", Duration::from_secs(5), || !alive(pid));
    }
    let dir = firedrill.folder().expect("the run's folder");
    assert!(!dir.join("run.json").exists());
    assert!(events(&dir).len() > 3);
    let report = firedrill.run(&["report", dir.to_str().unwrap()]);
    assert_eq!(report.code, 0, "{}", report.stderr);
    let record = report.record();
    assert_eq!(record["end"], "killed");
    assert_ne!(record["verdict"]["decision"], "go", "half a run is no go");
}
