//! Reading files as people do: the shipped ones must work, bad ones must be explained, and nothing may panic.

use firedrill::config::{
    FileKind, Loaded, Overrides, Request, ScenarioRef, builtin_fault_profiles, builtin_playbooks, builtin_scenarios,
    find, load, validate,
};
use firedrill::model::journey::{Condition, JsonCheck};
use firedrill::model::plan::{LoadPlan, Plan, TargetPlan, UpstreamKind};
use firedrill::model::playbook::Measure;
use firedrill::model::verdict::Severity;
use firedrill::units::{ByteSize, Offset, Seed, Span};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

type Env = fn(&str) -> Option<String>;

fn no_env(_: &str) -> Option<String> {
    None
}

fn provider_errors(kind: &UpstreamKind) -> &'static [&'static str] {
    match kind {
        UpstreamKind::Openai { .. } => &["rate_limit", "insufficient_quota", "overloaded", "server_error"],
        UpstreamKind::Supabase { .. } => &["57014", "53300", "42501", "upstream_connect_error"],
        UpstreamKind::Stub { .. } => &[],
    }
}

fn load_with(scenario: ScenarioRef, overrides: Overrides, env: Env) -> Result<Loaded, String> {
    let request = Request { scenario, overrides, env: &env, provider_errors: &provider_errors };
    load(&request).map_err(|error| error.render(false))
}

fn built_in(name: &str, overrides: Overrides) -> Result<Loaded, String> {
    load_with(ScenarioRef::BuiltIn(name.to_owned()), overrides, no_env)
}

fn set(pairs: &[(&str, &str)]) -> Overrides {
    Overrides { set: pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(), ..Overrides::default() }
}

// --- shipped files -------------------------------------------------------------------------------------------------

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
        let loaded = built_in("weekly-load", overrides).unwrap_or_else(|error| panic!("{name}:\n{error}"));
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
            let valid =
                validate(&path, &no_env, &provider_errors).unwrap_or_else(|error| panic!("{}", error.render(false)));
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

/// What an answer is to a step, by the table of the load stage: `degraded` first, then status, then content.
fn class(plan: &Plan, endpoint: &str, status: u16, body: &Value) -> &'static str {
    let step = plan
        .journeys
        .iter()
        .flat_map(|journey| &journey.steps)
        .find(|step| step.name == endpoint)
        .expect("the scenario has this endpoint");
    let status_holds = |rule: &Condition| {
        if rule.status.is_empty() { (200..300).contains(&status) } else { rule.status.contains(&status) }
    };
    let content_holds = |rule: &Condition| {
        rule.json.iter().all(|(place, check)| {
            let found = body.pointer(place).filter(|value| !value.is_null());
            match check {
                JsonCheck::Equals(wanted) => found == Some(wanted),
                JsonCheck::Not(unwanted) => found != Some(unwanted),
                JsonCheck::Exists(wanted) => found.is_some() == *wanted,
                JsonCheck::OneOf(all) => found.is_some_and(|value| all.contains(value)),
                JsonCheck::NotEmpty(wanted) => {
                    let filled = match found {
                        Some(Value::String(text)) => !text.is_empty(),
                        Some(Value::Array(all)) => !all.is_empty(),
                        Some(Value::Object(all)) => !all.is_empty(),
                        _ => false,
                    };
                    filled == *wanted
                }
                JsonCheck::Contains(part) => found.and_then(Value::as_str).is_some_and(|text| text.contains(part)),
            }
        })
    };
    match (&step.degraded, status_holds(&step.expect), content_holds(&step.expect)) {
        (Some(rule), _, _) if status_holds(rule) && content_holds(rule) => "degraded",
        (_, false, _) => "failed",
        (_, true, true) => "ok",
        (_, true, false) => "masked",
    }
}

#[rstest::rstest]
// A real plan.
#[case("routine", 200, json!({"status": "success", "routine_plan": {"content": "{}", "model_used": "gpt-4o", "analysis_id": "a"}}), "ok")]
// OpenAI down, as observed on HolisticOS: an error and no content.
#[case("routine", 200, json!({"status": "success", "routine_plan": {"error": "503", "model_used": "gpt-4o - fallback", "analysis_id": "a"}}), "masked")]
// The behaviour step raised.
#[case("routine", 200, json!({"status": "error", "routine_plan": {}, "generation_metadata": {"error": "x"}}), "masked")]
// A well-behaved app with OpenAI down.
#[case("routine", 200, json!({"status": "degraded", "fallback": true, "routine_plan": {"content": "{}", "model_used": "template", "analysis_id": "a"}}), "degraded")]
#[case("routine", 200, json!({"status": "degraded", "fallback": true, "routine_plan": {}}), "masked")]
#[case("routine", 429, json!({"detail": "Duplicate routine request detected."}), "failed")]
#[case("routine", 401, json!({"detail": "User not authenticated"}), "failed")]
#[case("routine", 503, json!({"status": "degraded"}), "failed")]
#[case("nutrition", 200, json!({"status": "success", "nutrition_plan": {"content": "# Day", "model_used": "gpt-4o", "plan_type": "comprehensive_nutrition"}}), "ok")]
#[case("nutrition", 200, json!({"status": "success", "nutrition_plan": {"content": "Temporarily unavailable.", "model_used": "fallback", "plan_type": "fallback_nutrition", "error": "503"}}), "degraded")]
#[case("nutrition", 200, json!({"status": "degraded", "fallback": true, "nutrition_plan": {"content": "# Standard", "model_used": "template", "plan_type": "comprehensive_nutrition"}}), "degraded")]
#[case("nutrition", 200, json!({"status": "success", "nutrition_plan": {"model_used": "fallback"}}), "masked")]
#[case("nutrition", 200, json!({"status": "error", "nutrition_plan": {}}), "masked")]
#[case("behavior", 200, json!({"status": "success", "analysis_type": "cached_fallback", "behavior_analysis": {"habit_analysis": {}, "analysis_metadata": {"analysis_type": "ai_powered_behavior"}}}), "ok")]
// The neutral skeleton: it looks like an analysis and is none.
#[case("behavior", 200, json!({"status": "success", "analysis_type": "cached_fallback", "behavior_analysis": {"habit_analysis": {}, "analysis_metadata": {"analysis_type": "error", "error": "503"}}}), "masked")]
// Supabase failing, or behaviour asked after a plan.
#[case("behavior", 200, json!({"status": "error", "analysis_type": "none", "behavior_analysis": {}, "metadata": {"error": "x"}}), "masked")]
#[case("behavior", 200, json!({"status": "degraded", "fallback": true, "behavior_analysis": {"analysis_metadata": {"analysis_type": "error"}}}), "degraded")]
#[case("circadian", 200, json!({"status": "success", "analysis_type": "cached", "circadian_analysis": {"energy_timeline": [1], "analysis_metadata": {"analysis_type": "ai_powered_circadian"}}}), "ok")]
#[case("circadian", 200, json!({"status": "success", "analysis_type": "cached", "circadian_analysis": {"energy_timeline": [1], "analysis_metadata": {"analysis_type": "error"}}}), "masked")]
#[case("circadian", 200, json!({"status": "success", "analysis_type": "skipped", "circadian_analysis": {}}), "masked")]
#[case("circadian", 200, json!({"status": "degraded", "fallback": true, "circadian_analysis": {"energy_timeline": [1]}}), "degraded")]
#[case("journal-write", 200, json!({"success": true, "message": "saved", "journal_id": "j"}), "ok")]
#[case("journal", 200, json!({"id": "j", "profile_id": "u", "journal_date": "2026-11-23"}), "ok")]
#[case("journal", 200, json!(null), "masked")]
#[case("journal", 500, json!({"detail": "Failed to get journal: …"}), "failed")]
#[case("tasks", 200, json!({"date": "2026-11-23", "plan_info": {}, "time_blocks": []}), "ok")]
#[case("calendar", 200, json!({"success": true, "plan_items": [{"id": "i"}]}), "ok")]
#[case("calendar", 500, json!({"detail": "x"}), "failed")]
fn answers_of_holisticos_are_classed_by_what_they_are_worth(
    #[case] endpoint: &str,
    #[case] status: u16,
    #[case] body: Value,
    #[case] expected: &str,
) {
    for name in builtin_scenarios() {
        let plan = built_in(name, Overrides::default()).unwrap().plan;
        assert_eq!(class(&plan, endpoint, status, &body), expected, "{name}: {body}");
    }
}

#[rstest::rstest]
// The one generator of HolisticOS that says so when OpenAI fails.
#[case("insights", 500, json!({"detail": "Failed to generate insights: 503"}), "failed")]
#[case("insights", 200, json!({"success": true, "insights": [], "source": "generated", "count": 0}), "ok")]
#[case("insights", 200, json!({"success": true, "insights": [{}], "source": "fallback", "status": "degraded", "fallback": true}), "degraded")]
// Supabase refused to store the plan, and HolisticOS says "success".
#[case("routine", 200, json!({"status": "success", "routine_plan": {"content": "{}", "analysis_id": null}}), "masked")]
// No plan items where a routine has just been made.
#[case("calendar", 200, json!({"success": true, "plan_items": [], "total_items": 0}), "masked")]
#[case("task-checkin", 500, json!({"detail": "Failed to process task check-in: 404: Plan item not found"}), "failed")]
#[case("task-checkin", 200, json!({"success": true, "task_checkin_id": "t"}), "ok")]
fn the_larger_scenarios_look_closer(
    #[case] endpoint: &str,
    #[case] status: u16,
    #[case] body: Value,
    #[case] expected: &str,
) {
    for name in ["weekly-load", "smoke"] {
        let plan = built_in(name, Overrides::default()).unwrap().plan;
        assert_eq!(class(&plan, endpoint, status, &body), expected, "{name}: {body}");
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

// --- the command line ----------------------------------------------------------------------------------------------

#[test]
fn options_override_the_file() {
    let overrides = Overrides {
        users: Some(7),
        duration: Some("90s".parse().unwrap()),
        seed: Some(u64::MAX),
        fail_on: Some(Severity::P0),
        faults: Some("none".to_owned()),
        ..set(&[
            ("load.closed.users", "3"),
            ("journey.look-at-the-day.weight", "9"),
            ("journey.0.step.routine.expect.within", "20s"),
            ("target.reference.defects", "[\"slow-endpoint=2s\"]"),
            ("describe", "a text, not TOML"),
        ])
    };
    let plan = built_in("quickstart", overrides).unwrap().plan;
    let LoadPlan::Closed { users, hold, .. } = plan.load;
    assert_eq!((users, hold), (7, Span::from_secs(90)));
    assert_eq!(plan.seed, Seed(u64::MAX));
    assert_eq!(plan.gate.fail_on, Severity::P0);
    assert_eq!((plan.faults.len(), plan.fault_profile), (0, None));
    assert_eq!(plan.journeys[4].weight, 9);
    assert_eq!(plan.journeys[0].steps[0].deadline, Span::from_secs(20));
    assert_eq!(plan.describe, "a text, not TOML");
    assert!(matches!(&plan.target, TargetPlan::Reference { defects, .. } if defects == &["slow-endpoint=2s"]));
}

#[test]
fn shipped_scenarios_run_on_any_target() {
    for name in builtin_scenarios() {
        let own = built_in(name, Overrides::default()).unwrap().plan;
        assert!(own.upstreams.iter().all(|upstream| upstream.listen.is_none()), "an app of ours gets free ports");

        let overrides = Overrides {
            target_url: Some("http://localhost:8001/".to_owned()),
            target_pid: Some(4711),
            ..Overrides::default()
        };
        let theirs = built_in(name, overrides).unwrap();
        assert_eq!(theirs.plan.target, TargetPlan::Url { url: "http://localhost:8001".to_owned(), pid: Some(4711) });
        let ports: Vec<u16> = theirs.plan.upstreams.iter().map(|upstream| upstream.listen.unwrap().port()).collect();
        assert_eq!(ports, [9101, 9102, 9103]);
        assert_eq!(theirs.warnings, Vec::<String>::new());

        let lost = set(&[("target", "{ command = \"app\", env = { AI = \"{opnai.url}\", JSON = \"{}\" } }")]);
        let error = built_in(name, lost).unwrap_err();
        assert!(error.contains("there is no upstream `opnai`") && error.contains("did you mean `openai`?"), "{error}");

        let command = set(&[("target", "{ command = \"app --port {port}\", env = { MODE = \"test\" } }")]);
        let command = built_in(name, command).unwrap().plan;
        let TargetPlan::Command { command, url, ready, .. } = command.target else { panic!("{name}") };
        assert_eq!(
            (command, url, ready),
            (
                vec!["app".to_owned(), "--port".to_owned(), "{port}".to_owned()],
                "http://127.0.0.1:{port}".to_owned(),
                "/".to_owned()
            )
        );
    }
}

#[test]
fn mistakes_in_options_point_at_the_option() {
    let many =
        Overrides { users: Some(0), target_pid: Some(5), ..set(&[("load.closed.hold", "10"), ("gate.fail-on", "P7")]) };
    let target = Overrides { target_url: Some("https://app.example.com".to_owned()), ..Overrides::default() };
    let faults = Overrides { faults: Some("brownout".to_owned()), ..Overrides::default() };
    let playbook = Overrides { playbook: Some("holisticus".into()), ..Overrides::default() };
    let explained = [
        many,
        set(&[("load.closed.usres", "5")]),
        set(&[("journey.nothing.weight", "5")]),
        set(&[("name.first", "5")]),
        set(&[("load..users", "5")]),
        set(&[("load.closed.users", "[1, 2")]),
        target,
        faults,
        playbook,
    ]
    .map(|overrides| built_in("smoke", overrides).unwrap_err());
    let mut all = explained.join("\n----------\n\n");
    all += "\n----------\n\n";
    all += &find("weekly-laod").unwrap_err().render(false);
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("bad_config");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!("options", all));
    assert!(find("weekly-laod").unwrap_err().is_usage());
}

#[test]
fn a_shortened_run_says_which_faults_never_fire() {
    let overrides = Overrides {
        duration: Some(Span::from_secs(60)),
        faults: Some("openai-brownout".to_owned()),
        ..Overrides::default()
    };
    let warnings = built_in("weekly-load", overrides).unwrap().warnings;
    insta::assert_snapshot!(warnings.join("\n"), @r"
    fault-profiles/openai-brownout.toml:26: fault `openai-rate-limit` never fires: it begins at 2:00, the load ends at 1:30
    fault-profiles/openai-brownout.toml:34: fault `openai-sluggish` never fires: it begins at 2:00, the load ends at 1:30
    ");
}

// --- the environment ------------------------------------------------------------------------------------------------

#[test]
fn secrets_come_from_the_environment_and_never_show() {
    let env: Env = |name| (name == "API_KEY").then(|| "s3cret-value".to_owned());
    let loaded = load_with(ScenarioRef::BuiltIn("smoke".to_owned()), Overrides::default(), env).unwrap();
    assert_eq!(loaded.plan.headers["X-API-Key"].expose(), "s3cret-value");
    assert!(!format!("{:?}", loaded.plan).contains("s3cret-value"));

    let broken: Env = |_| Some("s3cret\nvalue".to_owned());
    let error = load_with(ScenarioRef::BuiltIn("smoke".to_owned()), Overrides::default(), broken).unwrap_err();
    assert!(error.contains("cannot be sent as a header"), "{error}");
    assert!(!error.contains("s3cret"), "{error}");

    let typed = set(&[("headers.X-API-Key", "s3cret\nvalue"), ("journey.0.step.root.headers.X-A", "s3cret\nvalue")]);
    let error = load_with(ScenarioRef::BuiltIn("smoke".to_owned()), typed, env).unwrap_err();
    assert!(error.contains("--set headers.X-API-Key=***") && !error.contains("s3cret"), "{error}");

    let host: Env = |_| Some("https://s3cret.example.com".to_owned());
    let overrides = set(&[("target", "{ url = \"${env.T}\" }")]);
    let error = load_with(ScenarioRef::BuiltIn("smoke".to_owned()), overrides, host).unwrap_err();
    assert!(error.contains("is not this machine") && !error.contains("s3cret"), "{error}");
}

// --- files of one's own ---------------------------------------------------------------------------------------------

const SMALL: &str = r#"
[load.closed]
users = 1
hold = "1s"

[data.user]
generate = "u{n}"

[[journey]]
name = "j"

  [[journey.step]]
  name = "s"
  delete = "/u/{user.id}/{{plain}}"
  headers = { X-Trace = "{uuid}" }
  json = { n = 1, f = 1.5, ok = true, at = 2026-11-23, list = ["{date}", { vu = "{vu}" }] }
  think = "2s"

    [journey.step.expect]
    status = [200, 204]
    contains = "done"
    json = { "/a" = 1, "/b" = { not = ["x", "y"] }, "/c" = { exists = false }, "/d" = { one-of = [1, "1"] }, "/e" = { not-empty = true }, "/f" = { contains = "z" }, "/g" = ["x"], "/h" = { equals = { k = "v" } } }
"#;

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().expect("a file has a folder")).expect("a temporary folder can be written");
    std::fs::write(&path, text).expect("a temporary folder can be written");
    path
}

#[test]
fn a_small_file_means_what_its_defaults_say() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "mine.toml", SMALL);
    let loaded = load_with(ScenarioRef::File(path), Overrides::default(), no_env).unwrap();
    assert_eq!(loaded.warnings, Vec::<String>::new());
    let plan = loaded.plan;
    assert_eq!((plan.name.as_str(), plan.seed), ("mine", Seed(1)));
    assert!(
        matches!(&plan.target, TargetPlan::Reference { resilient: false, speed, memory_limit: None, .. } if *speed == 1.0)
    );
    assert_eq!(
        plan.upstreams.iter().map(|upstream| upstream.name.as_str()).collect::<Vec<_>>(),
        ["openai", "supabase"]
    );
    assert_eq!(plan.probes.memory_every, Span::from_secs(1));
    assert!(plan.probes.health.is_none() && plan.faults.is_empty() && plan.ballast.is_none());
    assert_eq!(
        (plan.gate.fail_on, plan.gate.while_faulted, plan.gate.recovery),
        (Severity::P1, Severity::P2, Span::from_secs(30))
    );
    let step = &plan.journeys[0].steps[0];
    assert_eq!(
        (step.method.as_str(), step.deadline, step.think.min, step.think.max),
        ("DELETE", Span::from_secs(30), Span::from_secs(2), Span::from_secs(2))
    );
    let body =
        serde_json::json!({"n": 1, "f": 1.5, "ok": true, "at": "2026-11-23", "list": ["{date}", {"vu": "{vu}"}]});
    assert_eq!(step.body, Some(body));
    assert_eq!(step.expect.status, [200, 204]);
    let check = |place: &str| &step.expect.json[place];
    assert_eq!(check("/a"), &JsonCheck::Equals(1.into()));
    assert_eq!(check("/b"), &JsonCheck::Not(serde_json::json!(["x", "y"])));
    assert_eq!(check("/c"), &JsonCheck::Exists(false));
    assert_eq!(check("/d"), &JsonCheck::OneOf(vec![1.into(), "1".into()]));
    assert_eq!(check("/e"), &JsonCheck::NotEmpty(true));
    assert_eq!(check("/f"), &JsonCheck::Contains("z".to_owned()));
    assert_eq!(check("/g"), &JsonCheck::Equals(serde_json::json!(["x"])));
    assert_eq!(check("/h"), &JsonCheck::Equals(serde_json::json!({"k": "v"})));
}

#[test]
fn profiles_and_seeds_are_looked_for_beside_the_scenario() {
    let folder = tempfile::tempdir().unwrap();
    let profile = "[[fault]]\nupstream = \"openai\"\ninject.reset_peer = {}\n";
    write(folder.path(), "fault-profiles/mine.toml", profile);
    write(folder.path(), "scenarios/near.toml", &profile.replace("openai", "supabase"));
    write(folder.path(), "scenarios/seed.json", r#"{"profiles": [{"id": "p"}]}"#);
    let text = format!(
        "faults.profile = \"mine\"\nupstreams = {{ openai = {{}}, supabase = {{ seed = \"seed.json\" }} }}\n{SMALL}"
    );
    let path = write(folder.path(), "scenarios/s.toml", &text);
    let plan = load_with(ScenarioRef::File(path.clone()), Overrides::default(), no_env).unwrap().plan;
    assert_eq!((plan.fault_profile.as_deref(), plan.faults[0].name.as_str()), (Some("mine"), "mine-1"));
    assert_eq!((plan.faults[0].window.from, plan.faults[0].window.until), (Offset::ZERO, None));
    let UpstreamKind::Supabase { seed, .. } = &plan.upstreams[1].kind else { panic!("no supabase") };
    assert_eq!(seed["profiles"][0]["id"], "p");
    let overrides = Overrides { faults: Some("near.toml".to_owned()), ..Overrides::default() };
    let plan = load_with(ScenarioRef::File(path), overrides, no_env).unwrap().plan;
    assert_eq!(plan.faults[0].upstream, "supabase");
}

#[test]
fn files_that_are_none_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let error = |path: PathBuf| {
        let text = load_with(ScenarioRef::File(path), Overrides::default(), no_env).unwrap_err();
        text.replace(&folder.path().display().to_string(), "[DIR]")
    };
    insta::assert_snapshot!(error(folder.path().join("gone.toml")), @"error: cannot read [DIR]/gone.toml: No such file or directory (os error 2)");
    insta::assert_snapshot!(error(folder.path().to_owned()), @"error: cannot read [DIR]: Is a directory (os error 21)");
    let binary = folder.path().join("b.toml");
    std::fs::write(&binary, [b'a', 0xff]).unwrap();
    insta::assert_snapshot!(error(binary), @"error: cannot read [DIR]/b.toml: it is not UTF-8 text (byte 1)");
    let unknown = write(folder.path(), "what.toml", "a = 1\n");
    let text = validate(&unknown, &no_env, &provider_errors).unwrap_err().render(false);
    assert!(text.contains("cannot tell what kind of file this is"), "{text}");
}

#[test]
fn checking_a_file_needs_no_environment() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "s.toml", &format!("headers = {{ X-Key = \"${{env.KEY}}\" }}\n{SMALL}"));
    let valid = validate(&path, &no_env, &provider_errors).unwrap();
    assert_eq!(valid.kind, FileKind::Scenario);
    assert!(valid.warnings[0].ends_with("s.toml:1: the environment variable `KEY` is not set"), "{:?}", valid.warnings);
    assert!(load_with(ScenarioRef::File(path), Overrides::default(), no_env).is_err());
}

#[test]
fn an_allowed_host_may_be_a_target() {
    let overrides = set(&[
        ("allow-hosts", "[\"staging.example.com\"]"),
        ("target", "{ url = \"https://staging.example.com/app/\" }"),
    ]);
    let plan = built_in("smoke", overrides).unwrap().plan;
    assert_eq!(plan.target, TargetPlan::Url { url: "https://staging.example.com/app".to_owned(), pid: None });
    assert_eq!(plan.allow_hosts, ["staging.example.com"]);
}

#[test]
fn a_fixed_address_holds_for_an_app_of_ours_too() {
    let plan = built_in("smoke", set(&[("upstreams.openai.fixed", "true")])).unwrap().plan;
    assert_eq!(plan.upstreams[0].listen.unwrap().port(), 9101);
    assert_eq!(plan.upstreams[1].listen, None);
}

// --- bad files -------------------------------------------------------------------------------------------------------

/// Every file of `tests/bad_config` is explained; the explanation is kept beside it, verbatim.
#[test]
fn bad_files_are_explained() {
    let mut paths: Vec<PathBuf> = std::fs::read_dir("tests/bad_config")
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
        .collect();
    paths.sort();
    assert!(paths.len() >= 20, "{} bad files", paths.len());
    let env: Env = |name| (name == "BROKEN").then(|| "never\nshown".to_owned());
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("bad_config");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        for path in paths {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let text = path.display().to_string();
            let (scenario, overrides) = if name.starts_with("profile-") {
                (ScenarioRef::BuiltIn("smoke".to_owned()), Overrides { faults: Some(text), ..Overrides::default() })
            } else if name.starts_with("playbook-") {
                (ScenarioRef::BuiltIn("smoke".to_owned()), Overrides { playbook: Some(path), ..Overrides::default() })
            } else {
                (ScenarioRef::File(path), Overrides::default())
            };
            let explained = load_with(scenario, overrides, env).expect_err(&name);
            assert!(!explained.contains("shown"), "a value of the environment was printed");
            insta::assert_snapshot!(name, explained);
        }
    });
}

// --- nothing panics --------------------------------------------------------------------------------------------------

/// A text that is nearly a scenario: lines of the shipped files, shuffled, with noise.
fn nearly_a_file() -> impl Strategy<Value = String> {
    let text = ["scenarios/weekly-load.toml", "fault-profiles/network-flaky.toml", "playbooks/holisticos.toml"]
        .map(|path| std::fs::read_to_string(path).expect("a shipped file can be read"))
        .concat();
    let lines: Vec<String> =
        text.lines().filter(|line| !line.trim_start().starts_with('#')).map(str::to_owned).collect();
    let line =
        prop_oneof![8 => proptest::sample::select(lines), 1 => "\\PC{0,40}", 1 => Just("[[journey]]".to_owned())];
    proptest::collection::vec(line, 0..40).prop_map(|lines| lines.join("\n"))
}

#[test]
fn hostile_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let deep = 100_000;
    let deep_key = "a.".repeat(deep) + "a";
    assert!(built_in("smoke", set(&[(&deep_key, "1")])).is_err());
    for (name, text) in [
        ("lists", format!("a = {}", "[".repeat(deep))),
        ("closed-lists", format!("a = {}{}", "[".repeat(deep), "]".repeat(deep))),
        ("tables", format!("a = {}", "{a=".repeat(deep))),
        ("dots", format!("{}a = 1", "a.".repeat(deep))),
        ("header", format!("[{}a]\nb = 1", "a.".repeat(deep))),
        ("body", format!("{SMALL}\n[journey.step.json]\n{}a = 1", "a.".repeat(deep))),
        ("large", "# nothing\n".repeat(500_000)),
    ] {
        let path = write(folder.path(), &format!("{name}.toml"), &text);
        assert!(validate(&path, &no_env, &provider_errors).is_err(), "{name}");
        assert!(load_with(ScenarioRef::File(path), Overrides::default(), no_env).is_err(), "{name}");
    }
}

#[test]
fn line_ends_and_marks_of_other_systems_do_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    let text = format!("\u{feff}{SMALL}").replace('\n', "\r\n");
    let path = write(folder.path(), "windows.toml", &text);
    assert_eq!(load_with(ScenarioRef::File(path), Overrides::default(), no_env).unwrap().plan.journeys.len(), 1);
    let wrong = write(folder.path(), "wrong.toml", &text.replace("users = 1", "usres = 1"));
    let explained = load_with(ScenarioRef::File(wrong), Overrides::default(), no_env).unwrap_err();
    assert!(explained.contains("wrong.toml:3:1") && explained.contains("^^^^^ did you mean"), "{explained}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_it_panic(text in prop_oneof!["\\PC{0,200}", nearly_a_file()], key in "[a-z.]{0,12}", value in "\\PC{0,12}") {
        let folder = tempfile::tempdir().unwrap();
        let path = write(folder.path(), "f.toml", &text);
        let _ = validate(&path, &no_env, &provider_errors).map_err(|error| error.render(true));
        let _ = load_with(ScenarioRef::File(path.clone()), set(&[(&key, &value)]), no_env);
        let as_profile = Overrides { faults: Some(path.display().to_string()), ..Overrides::default() };
        let _ = built_in("smoke", as_profile);
        let as_playbook = Overrides { playbook: Some(path), ..Overrides::default() };
        let _ = built_in("smoke", as_playbook);
    }

    #[test]
    fn any_damage_to_a_shipped_scenario_is_explained_or_harmless(at in 0_usize..9000, length in 0_usize..20, noise in "\\PC{0,6}") {
        let mut text = std::fs::read_to_string("scenarios/quickstart.toml").unwrap();
        let start = (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap();
        let end = (0..=(start + length).min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap().max(start);
        text.replace_range(start..end, &noise);
        let folder = tempfile::tempdir().unwrap();
        let path = write(folder.path(), "q.toml", &text);
        if let Err(explained) = load_with(ScenarioRef::File(path), Overrides::default(), no_env) {
            prop_assert!(explained.contains("error"), "{}", explained);
        }
    }

    #[test]
    fn users_and_durations_of_the_command_line_arrive(users in 1_u32..100_000, secs in 1_u64..1_000_000) {
        let overrides = Overrides { users: Some(users), duration: Some(Span::from_secs(secs)), ..Overrides::default() };
        let LoadPlan::Closed { users: got, hold, .. } = built_in("smoke", overrides).unwrap().plan.load;
        prop_assert_eq!((got, hold), (users, Span::from_secs(secs)));
    }
}
