//! Files that people write themselves.

use super::*;

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
    let UpstreamKind::Supabase(SupabasePlan { seed_files, .. }) = &plan.upstreams[1].kind else {
        panic!("no supabase")
    };
    let names: Vec<&str> = seed_files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, ["seed.json"]);
    assert!(seed_files[0].text.contains("profiles"));
    let overrides = Overrides { faults: Some("near.toml".to_owned()), ..Overrides::default() };
    let plan = load_with(ScenarioRef::File(path), overrides, no_env).unwrap().plan;
    assert_eq!(plan.faults[0].upstream, "supabase");
}

#[test]
fn files_that_are_none_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let shown = |error: &ConfigError| {
        let text = error.render(false).replace(&folder.path().display().to_string(), "[DIR]");
        format!("{}: {}", if error.is_usage() { "usage" } else { "file" }, text.trim_end())
    };
    let error = |path: PathBuf| {
        let scenario = ScenarioRef::File(path);
        let request = Request {
            scenario,
            overrides: Overrides::default(),
            env: &no_env,
            provider_errors: &provider_errors,
            check_template: &check_template,
        };
        shown(&load(&request).unwrap_err())
    };
    insta::assert_snapshot!(error(folder.path().join("gone.toml")), @"usage: error: cannot read [DIR]/gone.toml: No such file or directory (os error 2)");
    insta::assert_snapshot!(error(folder.path().to_owned()), @"usage: error: cannot read [DIR]: it is a directory");
    let binary = folder.path().join("b.toml");
    std::fs::write(&binary, [b'a', 0xff]).unwrap();
    insta::assert_snapshot!(error(binary), @"file: error: cannot read [DIR]/b.toml: it is not UTF-8 text (byte 1)");
    let large = folder.path().join("large.toml");
    std::fs::File::create(&large).unwrap().set_len((4 << 20) + 1).unwrap();
    insta::assert_snapshot!(error(large), @"file: error: cannot read [DIR]/large.toml: it is larger than 4 MiB, which no file of this kind is");
    let named = |name: &str| {
        std::fs::create_dir_all(folder.path().join("dir.toml")).unwrap();
        shown(&find(&format!("{}/{name}", folder.path().display())).unwrap_err())
    };
    insta::assert_snapshot!(named("dir.toml"), @r"
    usage: error: cannot read [DIR]/dir.toml: it is a directory
     |
     = help: give the path of a scenario file
    ");
    assert_eq!(named("dir"), named("dir.toml"));
    let unknown = write(folder.path(), "what.toml", "a = 1\n");
    let text = validate(&unknown, &no_env, &provider_errors, &check_template).unwrap_err().render(false);
    assert!(text.contains("cannot tell what kind of file this is"), "{text}");
}

#[test]
fn checking_a_file_needs_no_environment() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "s.toml", &format!("headers = {{ X-Key = \"${{env.KEY}}\" }}\n{SMALL}"));
    let valid = validate(&path, &no_env, &provider_errors, &check_template).unwrap();
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
