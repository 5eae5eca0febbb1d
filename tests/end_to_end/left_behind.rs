//! A run that is killed leaves nothing behind that the next run, or `firedrill undo`, does not find.

use crate::support::{Firedrill, descendants, wait_for};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::path::PathBuf;
use std::process::Child;
use std::time::Duration;

fn start(firedrill: &Firedrill) -> Child {
    firedrill
        .command(&["run", "quickstart", "--duration", "60s", "--set", "target.reference.speed=20", "--quiet"])
        .spawn()
        .expect("firedrill starts")
}

fn kill(pid: u32) {
    let pid = Pid::from_raw(i32::try_from(pid).expect("a pid fits")).expect("a pid is not zero");
    // It may be gone already, which is what is wanted.
    let _ = kill_process(pid, Signal::KILL);
}

/// The open undo journals.
fn journals(firedrill: &Firedrill) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(firedrill.out().join(".firedrill"));
    entries.into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

fn lines(path: &PathBuf) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Living processes that bear a journal's name.
fn marked(journal: &str) -> Vec<i32> {
    let mark = format!("FIREDRILL_JOURNAL={journal}\0");
    let bears = |pid: i32| {
        std::fs::read(format!("/proc/{pid}/environ"))
            .is_ok_and(|environment| environment.windows(mark.len()).any(|window| window == mark.as_bytes()))
    };
    let all = procfs::process::all_processes().into_iter().flatten().flatten();
    all.map(|process| process.pid).filter(|pid| bears(*pid)).collect()
}

/// Kills a run once its undo journal has so many lines, with its guardian if told to; the journal and its name.
fn killed_at(firedrill: &Firedrill, so_many: usize, with_guardian: bool) -> (PathBuf, String) {
    let mut child = start(firedrill);
    wait_for("the undo journal", Duration::from_secs(60), || {
        assert!(child.try_wait().expect("a child").is_none(), "firedrill ended before it was killed");
        journals(firedrill).first().is_some_and(|journal| lines(journal).len() >= so_many)
    });
    let journal = journals(firedrill).remove(0);
    let name = lines(&journal)[0]["journal"].as_str().expect("the journal's name").to_owned();
    if with_guardian {
        // Stopped first, so that neither outlives the other.
        let family = descendants(child.id());
        kill(child.id());
        family.first().into_iter().for_each(|guardian| kill(*guardian));
    } else {
        kill(child.id());
    }
    child.wait().expect("firedrill is gone");
    (journal, name)
}

#[test]
fn a_run_killed_at_any_moment_is_undone_from_its_journal() {
    let firedrill = Firedrill::new();
    for (so_many, with_guardian) in [(1, false), (2, false), (3, false), (4, false), (4, true)] {
        let (journal, name) = killed_at(&firedrill, so_many, with_guardian);
        let told = firedrill.run(&["undo", "--dry-run"]);
        assert!(told.code == 0 && told.stdout.contains("is gone"), "{}{}", told.stdout, told.stderr);
        assert!(journal.exists(), "a dry run changes nothing");
        let undone = firedrill.run(&["undo", "--json"]);
        assert_eq!(undone.code, 0, "{}{}", undone.stdout, undone.stderr);
        let result: Value = serde_json::from_str(&undone.stdout).expect("JSON");
        assert_eq!(result["clean"], true, "{result}");
        let open = lines(&journal).len();
        assert_eq!(open, 0, "the journal is closed and put away");
        assert_eq!(marked(&name), Vec::<i32>::new(), "at {so_many} lines, with the guardian: {with_guardian}");
        if so_many >= 4 {
            // Every fault of the plan was on disk before any came on.
            let kept = result["journals"][0]["journal"].as_str().expect("where it is now");
            let kept = lines(&PathBuf::from(kept));
            assert!(kept.iter().any(|line| line["action"]["action"] == "fault"), "{kept:?}");
            assert_eq!(kept.last().expect("a line")["event"], "closed");
        }
    }
    let again = firedrill.run(&["undo"]);
    assert!(again.code == 0 && again.stdout.contains("nothing is left"), "{}", again.stdout);
}

#[test]
fn the_next_run_looks_after_a_killed_one_and_begins() {
    let firedrill = Firedrill::new();
    let (journal, name) = killed_at(&firedrill, 4, false);
    let next = firedrill.quick(&["--duration", "2s", "--faults", "none"]);
    assert!([0, 11].contains(&next.code), "{}\n{}", next.code, next.stderr);
    assert!(!journal.exists() && marked(&name).is_empty());
    let warnings = next.record()["timeline"]["warnings"].to_string();
    assert!(warnings.contains("an earlier run was killed"), "{warnings}");
    // Its own journal is closed and beside its report.
    let own = lines(&next.dir.expect("a folder").join("undo.jsonl"));
    assert_eq!(own.last().expect("a line")["event"], "closed");
}

#[test]
fn a_run_refuses_to_begin_while_something_may_be_left() {
    let firedrill = Firedrill::new();
    let (journal, _) = killed_at(&firedrill, 1, false);
    // As if that run had put a toxic on somewhere that cannot be asked any more.
    let text = std::fs::read(&journal).expect("the journal");
    let (first, _) = text.split_at(text.iter().position(|byte| *byte == b'\n').expect("a line") + 1);
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, first.strip_suffix(b"\n").expect("a line"));
    let previous: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let acting = serde_json::json!({
        "sequence": 1, "wall": "2026-01-01T00:00:00Z", "monotonic_ms": 1, "actor": "drill", "event": "acting", "id": 0,
        "action": {"action": "control", "api": "http://127.0.0.1:1", "toxics": {"db": ["slow"]}, "disabled": []},
        "lease": null, "previous": previous,
    });
    std::fs::write(&journal, [first, acting.to_string().as_bytes(), b"\n"].concat()).expect("the journal");

    let refused = firedrill.quick(&["--duration", "2s"]);
    assert_eq!(refused.code, 21, "{}", refused.stderr);
    let said = refused.stderr.replace(&*journal.display().to_string(), "[JOURNAL]");
    assert!(said.contains("something of an earlier run may still be in place"), "{said}");
    assert!(said.contains("toxic") || said.contains("db/slow"), "{said}");
    assert!(said.contains("firedrill undo --journal"), "{said}");
    let folders = std::fs::read_dir(firedrill.out()).expect("the reports folder").count();
    assert_eq!(folders, 2, "no folder is made for a run that was refused");
    let undone = firedrill.run(&["undo"]);
    assert_eq!(undone.code, 21, "{}", undone.stdout);
    assert!(undone.stdout.contains("left: db/slow") && journal.exists(), "{}", undone.stdout);
}
