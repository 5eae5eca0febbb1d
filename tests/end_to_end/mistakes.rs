//! What cannot be done is said in words that help, with the exit code that fits, and leaves nothing behind.

use crate::support::{Finished, Firedrill, wait_for_load};
use std::net::TcpListener;

/// What went wrong, up to the first cause.
fn error_of(run: &Finished) -> &str {
    run.stderr.lines().find(|line| line.starts_with("error: ")).unwrap_or_else(|| panic!("{}", run.stderr))
}

#[test]
fn a_file_that_is_no_text_is_a_bad_file() {
    let firedrill = Firedrill::new();
    std::fs::write(firedrill.home().join("bin.toml"), [0x7f, b'E', 0xff]).unwrap();
    for args in [["run", "bin.toml"], ["validate", "bin.toml"]] {
        let run = firedrill.run(&args);
        assert_eq!((run.code, error_of(&run)), (78, "error: cannot read bin.toml: it is not UTF-8 text (byte 2)"));
    }
    let run = firedrill.run(&["run", "smoke", "--playbook", "bin.toml"]);
    assert_eq!(run.code, 78, "{}", run.stderr);
    assert_eq!(firedrill.run(&["run", "gone.toml"]).code, 64, "a name that no file has is a slip of the command line");
}

#[test]
fn a_directory_is_called_one() {
    let firedrill = Firedrill::new();
    std::fs::create_dir(firedrill.home().join("dir.toml")).unwrap();
    for args in [["run", "dir.toml"], ["run", "dir"], ["run", "./dir"], ["validate", "dir.toml"]] {
        let run = firedrill.run(&args);
        assert_eq!(run.code, 64);
        assert!(error_of(&run).ends_with("dir.toml: it is a directory"), "{args:?}: {}", run.stderr);
    }
}

#[test]
fn a_file_in_place_of_the_reports_folder_is_named_with_the_remedy() {
    let firedrill = Firedrill::new();
    firedrill.write("plain", "");
    let run = firedrill.run(&["run", "smoke", "--out", "plain"]);
    assert_eq!(
        (run.code, error_of(&run)),
        (
            64,
            "error: cannot make the run's folder in plain: plain is a file, not a folder; name another with `--out`, \
             or move the file away"
        )
    );
}

#[test]
fn a_taken_address_is_said_once_with_what_to_do() {
    let firedrill = Firedrill::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let listen = format!("upstreams.openai.listen={address}");
    let run = firedrill.run(&["run", "smoke", "--set", &listen, "--set", "upstreams.openai.fixed=true"]);
    assert_eq!((run.code, error_of(&run)), (78, "error: cannot start the upstreams"), "{}", run.stderr);
    assert_eq!(run.stderr.matches("Address already in use").count(), 1, "{}", run.stderr);
    assert!(run.stderr.contains(&format!("cannot listen on {address}; stop what uses it")), "{}", run.stderr);
    assert!(run.dir.is_none(), "a run that never began leaves no folder");
}

#[test]
fn an_app_that_ends_at_once_is_told_with_its_last_words_and_no_file_that_is_gone() {
    let firedrill = Firedrill::new();
    let target = r#"target={ command = ["sh", "-c", "echo no database; exit 3"], url = "http://127.0.0.1:{port}", ready = "/" }"#;
    let run = firedrill.run(&["run", "smoke", "--set", target]);
    assert_eq!((run.code, error_of(&run)), (69, "error: cannot reach the app under test"), "{}", run.stderr);
    assert!(run.stderr.contains("exited with code 3") && run.stderr.contains("| no database"), "{}", run.stderr);
    assert!(run.dir.is_none() && !run.stderr.contains("target.log"), "{}", run.stderr);
}

#[test]
fn a_report_that_cannot_be_written_leaves_the_verdict_and_a_journal_to_make_it_from() {
    let firedrill = Firedrill::new();
    let mut child = firedrill
        .command(&["run", "quickstart", "--duration", "6s", "--set", "target.reference.speed=20"])
        .spawn()
        .unwrap();
    wait_for_load(&firedrill, &mut child);
    // No file can take the place of a folder; a full disk would need one of its own.
    let dir = firedrill.folder().unwrap();
    let obstacle = dir.join("run.json");
    std::fs::create_dir(&obstacle).unwrap();
    let run = firedrill.finished(child.wait_with_output().unwrap());
    assert_eq!((run.code, error_of(&run)), (70, "error: cannot write the report"), "{}", run.stderr);
    let verdict = run.stderr.lines().find_map(|line| line.strip_prefix("  verdict: ")).expect("the verdict");
    let remedy = run.stderr.lines().last().unwrap().split_once("then: firedrill ").expect("a remedy").1;
    std::fs::remove_dir(&obstacle).unwrap();
    let report = firedrill.run(&remedy.split(' ').collect::<Vec<_>>());
    assert_eq!(report.code, 0, "{}", report.stderr);
    assert_eq!(report.record()["verdict"]["sentence"], verdict);
}
