//! The verdict says what is true of the app.

use crate::support::{Firedrill, breached, criterion};
use std::collections::BTreeMap;

#[test]
fn a_broken_agent_is_named_although_every_status_is_200() {
    let firedrill = Firedrill::new();
    let run = firedrill.quick(&["--faults", "none", "--duration", "15s", "--defect", "broken-agent=nutrition"]);
    assert_eq!(run.code, 10, "{}\n{}", run.stdout, run.stderr);
    let record = run.record();
    let key_agent = criterion(&record, "P1-key-agent");
    assert_eq!(key_agent["state"], "breached");
    let finding = &key_agent["findings"][0];
    assert_eq!(finding["subject"], "nutrition");
    assert_eq!(finding["origin"], "spontaneous", "no fault was on");
    assert!(record["verdict"]["sentence"].as_str().unwrap().contains("nutrition"), "{}", record["verdict"]["sentence"]);
    assert!(!breached(&record).contains(&"P0-agents-down".to_owned()), "the other agents work");
    assert!(run.stdout.contains(record["verdict"]["sentence"].as_str().unwrap()), "the terminal says the same words");
}

#[test]
fn with_openai_down_the_agents_are_broken_behind_status_200() {
    let firedrill = Firedrill::new();
    let profile = firedrill.write(
        "down.toml",
        r#"
name = "down"
describe = "OpenAI answers every request with an error, for the whole run."

[[fault]]
upstream = "openai"
inject.abort = { error = "server_error" }
"#,
    );
    let run = firedrill.quick(&["--faults", &profile, "--duration", "20s"]);
    let record = run.record();
    let breached = breached(&record);
    assert!(breached.contains(&"P0-agents-down".to_owned()), "{breached:?}\n{}", run.stdout);
    assert!(breached.contains(&"P1-key-agent".to_owned()), "{breached:?}");
    let finding = criterion(&record, "P1-key-agent")["findings"][0].clone();
    assert!(finding["origin"]["induced"][0].as_str().unwrap().contains("down"), "{finding}");
    // The generators answered 200 all the same: by status alone there was nothing to see.
    let honesty = &record["verdict"]["honesty"];
    let (steps, plain) = (honesty["steps"].as_u64().unwrap(), honesty["plain_ok"].as_u64().unwrap());
    assert!(plain * 100 >= steps * 95, "{honesty}");
    assert_eq!(run.code, 10);
}

#[test]
fn a_well_behaved_app_under_clean_load_has_nothing_at_p0_or_p1() {
    let firedrill = Firedrill::new();
    let run = firedrill.run(&[
        "run",
        "weekly-load",
        "--duration",
        "15s",
        "--set",
        "load.closed.ramp-up=5s",
        "--set",
        "target.reference.resilient=true",
    ]);
    run.assert_go();
}

#[test]
fn the_same_seed_gives_the_same_fault_decisions() {
    let decisions = || {
        let firedrill = Firedrill::new();
        let profile = firedrill.write(
            "flaky.toml",
            r#"
name = "flaky"
describe = "A share of calls is slowed or refused."

[[fault]]
upstream = "openai"
when = { share = "40%" }
inject.latency = { mean = "30ms", jitter = "10ms", shape = "lognormal" }

[[fault]]
upstream = "supabase"
when = { share = "20%" }
inject.abort = { error = "57014" }
"#,
        );
        let run = firedrill.quick(&["--faults", &profile, "--duration", "6s", "--seed", "42"]);
        let mut by_rule: BTreeMap<u64, BTreeMap<u64, String>> = BTreeMap::new();
        for event in run.events().iter().filter(|e| e["event"] == "fault_fired") {
            by_rule
                .entry(event["rule"].as_u64().unwrap())
                .or_default()
                .insert(event["n"].as_u64().unwrap(), event["action"].to_string());
        }
        by_rule
    };
    let (one, two) = (decisions(), decisions());
    assert_eq!(one.len(), 2, "both rules fired");
    for (rule, first) in &one {
        let second = &two[rule];
        // How many requests there are depends on timing; what is decided for the n-th never does.
        let common = first.keys().max().unwrap().min(second.keys().max().unwrap());
        assert!(*common > 20, "too few decisions to compare: {common}");
        let upto = |all: &BTreeMap<u64, String>| -> Vec<(u64, String)> {
            all.range(..=*common).map(|(n, action)| (*n, action.clone())).collect()
        };
        assert_eq!(upto(first), upto(second), "rule {rule}");
    }
}
