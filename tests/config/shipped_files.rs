//! The files that ship must work, and keep the promises of their comments.

use super::*;
use firedrill::upstream::known_errors;
use std::collections::BTreeSet;

/// As a run loads it: with the errors that there really are.
fn for_real(name: &str, overrides: Overrides) -> Result<Loaded, String> {
    let request = Request {
        scenario: ScenarioRef::BuiltIn(name.to_owned()),
        overrides,
        env: &no_env,
        provider_errors: &known_errors,
        check_template: &check_template,
    };
    load(&request).map_err(|error| error.render(false))
}

#[test]
fn every_shipped_scenario_resolves_without_a_warning() {
    for name in builtin_scenarios() {
        let loaded = built_in(name, Overrides::default()).unwrap_or_else(|error| panic!("{name}:\n{error}"));
        assert_eq!(loaded.warnings, Vec::<String>::new(), "{name}");
        assert_eq!(loaded.plan.name, name);
        assert_eq!(loaded.plan.source, "built-in");
        assert!(!loaded.plan.describe.is_empty(), "{name}");
    }
}

#[test]
fn every_shipped_profile_fits_the_weekly_load() {
    for name in builtin_fault_profiles() {
        let overrides = Overrides { faults: Some(name.to_owned()), ..Overrides::default() };
        let loaded = for_real("weekly-load", overrides).unwrap_or_else(|error| panic!("{name}:\n{error}"));
        assert_eq!(loaded.warnings, Vec::<String>::new(), "{name}");
        assert_eq!(loaded.plan.fault_profile.as_deref(), Some(name));
        assert!(!loaded.plan.faults.is_empty());
        for fault in &loaded.plan.faults {
            assert!(
                fault.window.until.is_some_and(|until| until < loaded.plan.load_end()),
                "{} leaves no recovery",
                fault.name
            );
        }
    }
}

#[test]
fn shipped_files_are_valid_by_themselves_and_found_by_name() {
    let kinds = [
        (FileKind::Scenario, "scenarios"),
        (FileKind::FaultProfile, "fault-profiles"),
        (FileKind::Playbook, "playbooks"),
    ];
    let mut seen = 0;
    for (kind, folder) in kinds {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let valid = validate(&path, &no_env, &known_errors, &check_template)
                .unwrap_or_else(|error| panic!("{}", error.render(false)));
            assert_eq!(valid.kind, kind, "{}", path.display());
            assert_eq!(valid.warnings, Vec::<String>::new(), "{}", path.display());
            seen += 1;
        }
    }
    assert_eq!(seen, builtin_scenarios().count() + builtin_fault_profiles().count() + builtin_playbooks().count());
    let file = ScenarioRef::File("scenarios/weekly-load.toml".into());
    for name in ["weekly-load", "weekly-load.toml", "scenarios/weekly-load", "scenarios/weekly-load.toml"] {
        assert_eq!(find(name).unwrap(), file, "{name}");
    }
}

#[test]
fn the_file_and_the_built_in_are_the_same() {
    for name in builtin_scenarios() {
        let file = load_with(find(name).unwrap(), Overrides::default(), no_env).unwrap();
        let mut inside = built_in(name, Overrides::default()).unwrap();
        assert_eq!(file.plan.source, format!("scenarios/{name}.toml"));
        inside.plan.source.clone_from(&file.plan.source);
        assert_eq!(file.plan, inside.plan);
        assert_eq!(file.playbook, inside.playbook);
    }
}

#[test]
fn the_quickstart_keeps_its_promises() {
    let plan = built_in("quickstart", Overrides::default()).unwrap().plan;
    let LoadPlan::Closed { users, graceful_stop, .. } = plan.load;
    assert!(plan.load_end().plus(graceful_stop.get()) < Offset::from_secs(60), "it ends within a minute");
    assert!((10..=20).contains(&users));
    assert_eq!(plan.agents(), ["routine", "nutrition", "behavior", "circadian"]);
    let fault = &plan.faults[0];
    assert!(fault.window.from >= Offset::from_secs(12), "a baseline comes first");
    assert!(fault.window.until.unwrap() <= Offset::from_secs(36), "and a recovery last");
    assert!(plan.ballast.is_some());
    assert!(plan.journeys.iter().any(|journey| journey.steps.iter().all(|step| step.agent.is_none())));
    for step in plan.journeys.iter().flat_map(|journey| &journey.steps) {
        assert!(step.deadline <= Span::from_secs(12), "{}", step.name);
        assert!(step.agent.is_none() || step.degraded.is_some(), "{} has no rule for fallbacks", step.name);
    }
    assert_eq!(plan.headers["X-API-Key"].expose(), "firedrill-reference-key");
}

#[test]
fn journeys_avoid_what_holisticos_makes_of_repeated_calls() {
    for name in builtin_scenarios() {
        let plan = built_in(name, Overrides::default()).unwrap().plan;
        for journey in &plan.journeys {
            let for_user = |agents: &[&str]| {
                let hits = |step: &&firedrill::model::journey::Step| {
                    step.path.contains("{user.id}")
                        && step.expect.status == [200]
                        && step.agent.as_deref().is_some_and(|agent| agents.contains(&agent))
                };
                journey.steps.iter().filter(hits).count()
            };
            assert!(for_user(&["routine", "circadian"]) <= 1, "{name}/{}: the second one waits for 30 s", journey.name);
            let first = |agent: &str| journey.steps.iter().position(|step| step.agent.as_deref() == Some(agent));
            if let Some(behavior) = first("behavior") {
                for plan in ["routine", "nutrition"].into_iter().filter_map(first) {
                    assert!(behavior < plan, "{name}/{}: behaviour after a plan always fails", journey.name);
                }
            }
        }
    }
}

#[test]
fn the_playbook_has_all_23_criteria_and_says_why_some_are_not_measured() {
    let playbook = built_in("smoke", Overrides::default()).unwrap().playbook;
    let ids: Vec<&str> = playbook.criteria.iter().map(|criterion| criterion.id.as_str()).collect();
    assert_eq!(
        ids,
        [
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
            "P2-agent-delay",
            "P3-format",
            "P3-docs",
            "P3-enhancement",
            "P3-logging",
            "P3-optimise",
        ]
    );
    let measured = playbook.criteria.iter().filter(|c| !matches!(c.measure, Measure::NotMeasured { .. })).count();
    assert_eq!(measured, 11);
    let memory = playbook.criteria.iter().find(|criterion| criterion.id == "P1-memory").unwrap();
    assert_eq!(memory.measure, Measure::MemorySustained { above: ByteSize::mib(450), sustained: Span::from_secs(60) });
    for criterion in &playbook.criteria {
        assert!(criterion.id.starts_with(&criterion.severity.to_string()));
        assert!(!criterion.says.is_empty() && !criterion.section.is_empty());
    }
}

#[test]
fn a_plan_survives_its_record() {
    let overrides = Overrides { faults: Some("network-flaky".to_owned()), ..Overrides::default() };
    let plan = built_in("weekly-load", overrides).unwrap().plan;
    let json = serde_json::to_string(&plan).unwrap();
    assert!(!json.contains("firedrill-reference-key"), "a key reached the record");
    let mut back: firedrill::model::plan::Plan = serde_json::from_str(&json).unwrap();
    back.headers.clone_from(&plan.headers);
    assert_eq!(back, plan);
}

/// What a shipped profile says of itself.
fn facts(name: &str) -> toml::Table {
    let text = std::fs::read_to_string(format!("fault-profiles/{name}.toml")).expect("a shipped file can be read");
    text.parse().expect("a shipped file is TOML")
}

#[test]
fn every_shipped_profile_says_what_to_expect_and_the_documentation_says_the_same() {
    let mut table = String::new();
    for name in builtin_fault_profiles() {
        let facts = facts(name);
        let text = |key: &str| facts[key].as_str().unwrap_or_else(|| panic!("{name} has no `{key}`")).to_owned();
        assert_eq!(text("name"), name);
        let worst = text("worst");
        assert!(worst == "none" || worst.parse::<Severity>().is_ok(), "{name}");
        let items: Vec<&str> =
            facts["playbook"].as_array().unwrap().iter().map(|item| item.as_str().unwrap()).collect();
        assert!(!items.is_empty(), "{name}");
        let (breaks, expect) = (text("describe"), text("expect"));
        let items = items.join("; ");
        table += &format!("| [{name}](../fault-profiles/{name}.toml) | {items} | {breaks} | {expect} | {worst} |\n");
    }
    let documentation = std::fs::read_to_string("docs/fault-profiles.md").unwrap();
    let rows: String =
        documentation.lines().filter(|line| line.starts_with("| [")).map(|line| format!("{line}\n")).collect();
    assert_eq!(rows, table, "docs/fault-profiles.md has a row for each profile, made of its keys");
}

/// A head that says what to watch, and the scenario that the times are made for.
#[test]
fn shipped_profiles_are_read_before_they_are_used() {
    for name in builtin_fault_profiles() {
        let text = std::fs::read_to_string(format!("fault-profiles/{name}.toml")).unwrap();
        let head: Vec<&str> = text.lines().take_while(|line| line.starts_with('#')).collect();
        assert!(head.len() >= 4, "{name} says too little");
        let made_for = builtin_scenarios().find(|scenario| {
            text.contains(&format!("Made for the {scenario}")) || text.contains(&format!("Made for {scenario}"))
        });
        assert!(made_for.is_some(), "{name} does not say for which scenario it is made");
        for line in text.lines() {
            assert!(line.chars().count() <= 200, "{name}: {line}");
        }
    }
}

#[test]
fn what_is_included_keeps_its_names_and_gets_the_times_that_are_asked_for() {
    let overrides = Overrides { faults: Some("complete-breakdown".to_owned()), ..Overrides::default() };
    let plan = for_real("weekly-load", overrides).unwrap().plan;
    let times: Vec<_> = plan
        .faults
        .iter()
        .map(|fault| (fault.name.as_str(), fault.window.from.second(), fault.window.until.unwrap().second()))
        .collect();
    assert_eq!(
        times,
        [
            ("openai-down", 60, 140),
            ("supabase-slow", 60, 90),
            ("supabase-down", 90, 150),
            ("health-data-down", 60, 180)
        ]
    );
    assert_eq!(plan.fault_profile.as_deref(), Some("complete-breakdown"));
}

#[test]
fn several_profiles_are_one_plan() {
    let overrides = Overrides { faults: Some("openai-quota, supabase-slow".to_owned()), ..Overrides::default() };
    let loaded = for_real("weekly-load", overrides).unwrap();
    assert_eq!(loaded.plan.fault_profile.as_deref(), Some("openai-quota + supabase-slow"));
    let names: BTreeSet<&str> = loaded.plan.faults.iter().map(|fault| fault.name.as_str()).collect();
    assert_eq!(names, BTreeSet::from(["openai-no-credit", "supabase-lags"]));
    // Two profiles may hide each other's faults; that is said, not refused.
    let overrides = Overrides { faults: Some("openai-quota,openai-malformed".to_owned()), ..Overrides::default() };
    let loaded = for_real("weekly-load", overrides).unwrap();
    assert_eq!(loaded.warnings, Vec::<String>::new(), "they last longer than what hides them");
    let overrides = Overrides { faults: Some("openai-quota,openai-first-try".to_owned()), ..Overrides::default() };
    let loaded = for_real("weekly-load", overrides).unwrap();
    let hidden = "fault `openai-first-try-fails` never strikes: `openai-no-credit` comes first and ends every request \
                  that it could hit";
    assert_eq!(loaded.warnings, [hidden]);
}

#[test]
fn requests_may_ask_for_faults_where_the_scenario_allows_it() {
    let plain = for_real("smoke", Overrides::default()).unwrap().plan;
    assert!(plain.faults.iter().all(|fault| fault.when.asked.is_none()));
    let allowed = for_real("smoke", set(&[("upstreams.openai.envoy-fault-headers", "true")])).unwrap().plan;
    let names: Vec<&str> = allowed.faults.iter().take(3).map(|fault| fault.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "openai/x-envoy-fault-delay-request",
            "openai/x-envoy-fault-abort-request",
            "openai/x-envoy-fault-throughput-response"
        ]
    );
    assert_eq!(allowed.faults.len(), plain.faults.len() + 3);
}
