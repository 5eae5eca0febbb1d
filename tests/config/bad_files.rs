//! Bad files are explained, and nothing panics.

use super::*;

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
    settings.set_snapshot_path("../bad_config");
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
        assert!(validate(&path, &no_env, &provider_errors, &check_template).is_err(), "{name}");
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
        let _ = validate(&path, &no_env, &provider_errors, &check_template).map_err(|error| error.render(true));
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
