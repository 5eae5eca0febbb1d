//! The verdict matrix: every criterion with a defect or fault that truly causes it, without one, and with one that nearly
//! does. The table that it holds is published as `docs/verdict-matrix.md`.

use crate::support::{Finished, Firedrill, criterion};
use std::fmt::Write as _;
use std::path::Path;

const SCENARIO: &str = include_str!("matrix/scenario.toml");
const PLAYBOOK: &str = include_str!("../../playbooks/holisticos.toml");
/// Set to publish the table after all of it has held.
const PUBLISH: &str = "FIREDRILL_WRITE_DOCS";

/// One run: what is wrong with the app, and what the verdict must say of it.
struct Case {
    /// What is true of it.
    truth: &'static str,
    defects: &'static [&'static str],
    /// `--set` of the scenario.
    set: &'static [&'static str],
    /// A fault profile.
    faults: &'static str,
    /// Criteria that must be breached, each because of the defect.
    breached: &'static [&'static str],
    /// Criteria that the defect nearly breaches, and that must be clear.
    near: &'static [&'static str],
}

const PLAIN: Case = Case { truth: "", defects: &[], set: &[], faults: "", breached: &[], near: &[] };

/// Criteria that must be clear in the run in which nothing is wrong.
const CLEAR: [&str; 18] = [
    "P0-outage",
    "P0-data-loss",
    "P0-security",
    "P0-error-rate",
    "P0-oom",
    "P0-agents-down",
    "P1-degraded-users",
    "P1-key-agent",
    "P1-cost",
    "P1-database",
    "P1-memory",
    "P1-agent",
    "P2-endpoint",
    "P2-degraded-users",
    "P2-alerts",
    "P2-slow",
    "P2-memory-cleanup",
    "P3-logging",
];

const CASES: [Case; 11] = [
    Case {
        truth: "every call to OpenAI is made 20 times; every request leaves 2 MiB behind; each fifth logs an error",
        defects: &["repeated-calls=20", "leak=2MiB", "log-errors=5"],
        breached: &["P1-cost", "P2-memory-cleanup", "P3-logging"],
        ..PLAIN
    },
    Case {
        truth: "calls are made twice; 2 MiB are left behind until a clean-up; no request is the 100,000th that logs an error",
        defects: &["repeated-calls=2", "hoard=2MiB", "log-errors=100000"],
        near: &["P1-cost", "P2-memory-cleanup", "P3-logging"],
        ..PLAIN
    },
    Case {
        truth: "a key is not asked for, the OpenAI key stands in answers, each third journal entry is lost",
        defects: &["open-door", "shows-key=tasks", "lost-writes=3"],
        breached: &["P0-security", "P0-data-loss"],
        ..PLAIN
    },
    Case {
        truth: "a journal shows what another user wrote",
        defects: &["mixed-up-users"],
        breached: &["P0-security"],
        ..PLAIN
    },
    Case {
        truth: "the key stands in answers that nobody asks for; no entry is the 100,000th that is lost",
        defects: &["shows-key=docs", "lost-writes=100000"],
        near: &["P0-security", "P0-data-loss"],
        ..PLAIN
    },
    Case {
        truth: "the app loses its database after 7 s",
        defects: &["database-gone=7s"],
        breached: &["P1-database", "P2-alerts", "P0-outage", "P0-error-rate"],
        ..PLAIN
    },
    Case {
        truth: "Supabase answers slowly; an agent that nobody asks is broken",
        defects: &["broken-agent=insights"],
        set: &["upstreams.supabase.latency.mean=100ms"],
        near: &["P1-database", "P0-outage", "P0-agents-down", "P1-key-agent"],
        ..PLAIN
    },
    Case {
        truth: "a fault of firedrill takes Supabase away for 5 s, and the app says so",
        faults: "name = \"away\"\n[[fault]]\nname = \"away\"\nupstream = \"supabase\"\nfrom = \"4s\"\nfor = \"5s\"\ninject.abort = { error = \"upstream_connect_error\" }\n",
        near: &["P1-database", "P0-data-loss"],
        ..PLAIN
    },
    Case {
        truth: "nutrition never makes a plan",
        defects: &["broken-agent=nutrition"],
        breached: &["P1-key-agent", "P1-agent", "P1-degraded-users"],
        near: &["P0-agents-down", "P0-error-rate"],
        ..PLAIN
    },
    Case {
        truth: "both agents of the scenario never make a plan",
        defects: &["broken-agent=nutrition", "broken-agent=routine"],
        breached: &["P0-agents-down", "P1-key-agent"],
        ..PLAIN
    },
    Case {
        truth: "tasks take 3 s longer; slow is 10 s",
        defects: &["slow-endpoint=tasks:3s"],
        near: &["P2-slow", "P2-endpoint", "P0-error-rate"],
        ..PLAIN
    },
];

/// Runs a case on the scenario, judged by the playbook with its times compressed.
fn run(firedrill: &Firedrill, case: &Case) -> Finished {
    let scenario = firedrill.write("matrix.toml", SCENARIO);
    // "Sustained" is 60 s there; a run of half a minute cannot show that.
    let playbook = firedrill.write("compressed.toml", &PLAYBOOK.replace("sustained = \"60s\"", "sustained = \"10s\""));
    let mut args = vec!["run", &scenario, "--playbook", &playbook];
    for defect in case.defects {
        args.extend(["--defect", defect]);
    }
    for set in case.set {
        args.extend(["--set", set]);
    }
    let profile = firedrill.write("profile.toml", case.faults);
    if !case.faults.is_empty() {
        args.extend(["--faults", &profile]);
    }
    firedrill.run(&args)
}

/// Why a run is not as its case says.
fn wrong(case: &Case, run: &Finished) -> Vec<String> {
    let record = run.record();
    let must = |id: &&str, wanted: &str| {
        let result = criterion(&record, id);
        (result["state"] != wanted)
            .then(|| format!("{}: {id} must be {wanted}: {} {}", case.truth, result["state"], result["findings"]))
    };
    let breached = case.breached.iter().filter_map(|id| must(id, "breached"));
    breached.chain(case.near.iter().filter_map(|id| must(id, "clear"))).collect()
}

#[test]
fn what_is_wrong_beyond_the_load_is_found_and_nothing_else() {
    let firedrill = Firedrill::new();
    let mut case = Case { near: &[], ..PLAIN };
    case.defects = &["lost-writes=3", "open-door", "leak=2MiB", "log-errors=5", "repeated-calls=20"];
    case.breached = &["P0-data-loss", "P0-security", "P1-cost", "P2-memory-cleanup", "P3-logging"];
    case.near = &["P0-error-rate", "P0-agents-down", "P1-key-agent", "P1-database", "P2-alerts"];
    let run = run(&firedrill, &case);
    assert_eq!(wrong(&case, &run), [""; 0], "{}", run.stdout);
    assert_eq!(run.code, 10);
}

#[test]
fn an_app_that_is_well_is_clear_of_all_that_is_measured() {
    let firedrill = Firedrill::new();
    let run = run(&firedrill, &Case { near: &CLEAR, ..PLAIN });
    assert_eq!(wrong(&Case { near: &CLEAR, ..PLAIN }, &run), [""; 0], "{}", run.stdout);
    run.assert_go();
    // Where nothing is wrong, no key of the run may stand in its record either.
    assert!(!run.record().to_string().contains("sk-firedrill-"), "a key reached the record");
}

#[test]
#[ignore = "eleven runs of half a minute each; CI runs it in a step of its own"]
fn every_verdict_is_true() {
    let firedrill = Firedrill::new();
    let mut failures = Vec::new();
    for case in &CASES {
        failures.extend(wrong(case, &run(&firedrill, case)));
    }
    assert_eq!(failures, [""; 0]);
    if std::env::var_os(PUBLISH).is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/verdict-matrix.md");
        std::fs::write(path, table()).unwrap();
    }
}

#[test]
#[ignore = "there is nothing published until the matrix has held as a whole; then this becomes a test like any other"]
fn the_published_matrix_is_this_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/verdict-matrix.md");
    let published = std::fs::read_to_string(path).unwrap();
    assert_eq!(published, table(), "run the ignored test with {PUBLISH}=1");
}

/// The table as Markdown.
fn table() -> String {
    let mut text = String::from(
        "# The verdict matrix\n\nEach row is a run of the reference app with defects (or a fault) that are known to be \
         there. Every verdict in it was\nheld against them by `cargo test --test end_to_end every_verdict_is_true -- --ignored`, \
         which writes this file\nwhen all of them are true and `FIREDRILL_WRITE_DOCS` is set.\n\n| what is true | must be breached | \
         nearly, and must be clear |\n|---|---|---|\n",
    );
    let _ = writeln!(text, "| nothing is wrong | – | {} |", CLEAR.join(", "));
    for case in &CASES {
        let list = |ids: &[&str]| if ids.is_empty() { "–".to_owned() } else { ids.join(", ") };
        let _ = writeln!(text, "| {} | {} | {} |", case.truth, list(case.breached), list(case.near));
    }
    let untested: Vec<&str> = PLAYBOOK
        .lines()
        .filter_map(|line| line.strip_prefix("id = \"")?.strip_suffix('"'))
        .filter(|id| !CASES.iter().any(|case| case.breached.contains(id)))
        .collect();
    let _ = writeln!(
        text,
        "\nNot breached by any run of this matrix (`tests/judge.rs` has them on synthetic timelines, or nothing measures them \
         yet):\n{}.",
        untested.join(", ")
    );
    text
}
