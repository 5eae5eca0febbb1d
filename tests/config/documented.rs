//! What docs/scenarios.md shows works as it stands there.

use super::*;

/// The blocks of TOML in a page.
fn blocks(page: &str) -> Vec<&str> {
    page.split("\n```toml\n").skip(1).filter_map(|rest| rest.split_once("\n```").map(|(block, _)| block)).collect()
}

#[test]
fn every_example_of_a_scenario_is_valid() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/scenarios.md")).unwrap();
    let all = blocks(&page);
    let (whole, added) = all.split_first().unwrap();
    assert!(added.len() >= 8, "{}", added.len());
    let folder = tempfile::tempdir().unwrap();
    for block in std::iter::once(&"").chain(added) {
        let text = format!("{whole}\n\n{block}\n\n[upstreams]\nopenai = {{ listen = \"127.0.0.1:9101\" }}\n");
        let path = write(folder.path(), "scenarios/documented.toml", &text);
        let valid = validate(&path, &no_env, &provider_errors, &check_template);
        let valid = valid.unwrap_or_else(|error| panic!("{}\n{block}", error.render(false)));
        assert_eq!(valid.kind, FileKind::Scenario);
        // That a variable is not set here is no news.
        let doubts: Vec<_> = valid.warnings.iter().filter(|warning| !warning.contains("is not set")).collect();
        assert!(doubts.is_empty(), "{doubts:?}\n{block}");
    }
}
