//! Options, and the environment.

use super::*;

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
    settings.set_snapshot_path("../bad_config");
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
    fault-profiles/openai-brownout.toml:29: fault `openai-rate-limit` never fires: it begins at 2:00, the load ends at 1:30
    fault-profiles/openai-brownout.toml:37: fault `openai-sluggish` never fires: it begins at 2:00, the load ends at 1:30
    ");
}

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
