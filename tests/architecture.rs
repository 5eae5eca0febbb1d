//! The direction of imports, kept: who may name whom, no cycles at any level, a doc at the top of every file, and
//! output, exit and environment only in `cli`.
//!
//! The sources are read as text. That is coarse, but it needs no compiler internals, and it errs on the strict side:
//! every `crate::a::b` and `super::b` outside comments counts as an edge.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// What everything may name.
const FOUNDATION: [&str; 3] = ["units", "stats", "model"];
/// What the foundation itself may name.
const FOUNDATION_EDGES: [(&str, &str); 2] = [("model", "units"), ("stats", "units")];
/// A stage names only the foundation, with these exceptions.
const EXCEPTIONS: [(&str, &str, &str); 3] = [
    ("load", "record", "samples go straight into the recorder's shards: a channel between them would cost a copy each"),
    ("upstream", "record", "which steps are under way is kept where they are recorded, and asked where calls come in"),
    ("upstream", "fault", "the mocks ask the engine about every request they serve"),
];
/// Those who know several stages.
const CONDUCTORS: [&str; 2] = ["run", "cli"];

/// Whose standard streams are a protocol with their parent process, not words for people.
const HELPER_PROCESSES: [&str; 3] = ["pressure/ballast_child", "target/exec", "target/guard"];

struct Source {
    /// `target/guard` for src/target/guard.rs, `target` for src/target/mod.rs.
    module: String,
    path: PathBuf,
    text: String,
    /// The text without comments, string contents and trailing test modules.
    code: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    files
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            let relative = path.strip_prefix(&root).unwrap().with_extension("");
            let module = relative.to_str().unwrap().trim_end_matches("/mod").to_owned();
            let code = strip(&text);
            Source { module, path, text, code }
        })
        .collect()
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// Drops comments and string contents, and everything from the first `#[cfg(test)]` on: tests may reach further.
fn strip(text: &str) -> String {
    let text = text.split("#[cfg(test)]").next().unwrap_or_default();
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if rest.starts_with("//") {
            rest = rest.find('\n').map_or("", |end| &rest[end..]);
        } else if c == '\'' && rest.get(1..3) == Some("\"'") {
            rest = &rest[3..];
        } else if c == '"' {
            code.push('"');
            let mut escaped = false;
            let end = rest[1..].find(|c: char| {
                let ends = c == '"' && !escaped;
                escaped = c == '\\' && !escaped;
                ends
            });
            rest = end.map_or("", |end| &rest[end + 2..]);
        } else {
            code.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    code
}

/// The module paths below `crate` that a file names, as `a/b/c`, made absolute, longest known module first.
fn edges(source: &Source, modules: &BTreeSet<String>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for path in paths(&source.code) {
        let mut segments: Vec<&str> = path.iter().map(String::as_str).collect();
        let mut base: Vec<String> = match segments.first() {
            Some(&"crate") => Vec::new(),
            Some(&"self") => source.module.split('/').map(str::to_owned).collect(),
            Some(&"super") => {
                let mut here: Vec<String> = source.module.split('/').map(str::to_owned).collect();
                here.pop();
                while segments.get(1) == Some(&"super") {
                    segments.remove(0);
                    here.pop();
                }
                here
            }
            _ => continue,
        };
        base.extend(segments[1..].iter().map(|s| (*s).to_owned()));
        while !base.is_empty() && !modules.contains(&base.join("/")) {
            base.pop();
        }
        let target = base.join("/");
        if !target.is_empty() && target != source.module {
            found.insert(target);
        }
    }
    found
}

/// Every path that begins with `crate`, `super` or `self`, with `use` groups unfolded.
fn paths(code: &str) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    for start in ["crate::", "super::", "self::"] {
        let mut from = 0;
        while let Some(at) = code[from..].find(start) {
            let begin = from + at;
            from = begin + start.len();
            let before = code[..begin].chars().next_back();
            // Part of a longer word or path (`super::super::`, `my_crate::`): counted where that begins.
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                continue;
            }
            unfold(&code[begin..], &mut Vec::new(), &mut all);
        }
    }
    all
}

fn unfold<'a>(mut rest: &'a str, prefix: &mut Vec<String>, all: &mut Vec<Vec<String>>) -> &'a str {
    let depth = prefix.len();
    loop {
        rest = rest.trim_start();
        if let Some(group) = rest.strip_prefix('{') {
            rest = group;
            loop {
                rest = unfold(rest, &mut prefix.clone(), all).trim_start();
                if let Some(next) = rest.strip_prefix(',') {
                    rest = next;
                } else {
                    break;
                }
            }
            prefix.truncate(depth);
            return rest.strip_prefix('}').unwrap_or(rest);
        }
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        if end > 0 {
            prefix.push(rest[..end].to_owned());
            rest = &rest[end..];
        }
        if let Some(next) = rest.strip_prefix("::") {
            rest = next;
        } else {
            all.push(prefix.clone());
            return rest;
        }
    }
}

fn top(module: &str) -> &str {
    module.split('/').next().unwrap_or(module)
}

fn allowed(from: &str, to: &str) -> bool {
    from == to
        || CONDUCTORS.contains(&from) && (to != "cli")
        || FOUNDATION_EDGES.contains(&(from, to))
        || !FOUNDATION.contains(&from) && FOUNDATION.contains(&to)
        || EXCEPTIONS.iter().any(|(stage, other, _)| (*stage, *other) == (from, to))
}

#[test]
fn stages_name_only_what_they_may() {
    let sources = sources();
    let modules: BTreeSet<String> = sources.iter().map(|s| s.module.clone()).collect();
    let mut wrong = Vec::new();
    for source in sources.iter().filter(|s| s.module != "lib" && s.module != "main") {
        for edge in edges(source, &modules) {
            if !allowed(top(&source.module), top(&edge)) {
                wrong.push(format!("{} names {edge}", source.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "forbidden imports:\n{}", wrong.join("\n"));
}

#[test]
fn there_is_no_cycle_between_modules_or_files() {
    let sources = sources();
    let modules: BTreeSet<String> = sources.iter().map(|s| s.module.clone()).collect();
    let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in &sources {
        let entry = graph.entry(source.module.clone()).or_default();
        for edge in edges(source, &modules) {
            // A folder's mod.rs declares and re-exports what is inside it; that is containment, not dependence.
            if !edge.starts_with(&format!("{}/", source.module)) {
                entry.insert(edge);
            }
        }
    }
    let mut done = BTreeSet::new();
    for start in graph.keys() {
        let mut trail = Vec::new();
        visit(start, &graph, &mut trail, &mut done);
    }
}

fn visit(at: &str, graph: &BTreeMap<String, BTreeSet<String>>, trail: &mut Vec<String>, done: &mut BTreeSet<String>) {
    if done.contains(at) {
        return;
    }
    if let Some(begin) = trail.iter().position(|module| module == at) {
        panic!("cycle: {} -> {at}", trail[begin..].join(" -> "));
    }
    trail.push(at.to_owned());
    for next in graph.get(at).into_iter().flatten() {
        visit(next, graph, trail, done);
    }
    trail.pop();
    done.insert(at.to_owned());
}

#[test]
fn every_file_says_what_it_is_for() {
    let bare: Vec<_> = sources().into_iter().filter(|s| !s.text.starts_with("//! ")).map(|s| s.path).collect();
    assert!(bare.is_empty(), "files without a leading `//!`: {bare:?}");
}

#[test]
fn only_the_command_line_prints_exits_or_reads_the_environment() {
    let words = [
        "println!",
        "print!",
        "eprintln!",
        "eprint!",
        "dbg!",
        "process::exit",
        "env::var",
        "env::args",
        "env::vars",
        "io::stdout",
        "io::stderr",
    ];
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|s| top(&s.module) != "cli") {
        let helper = HELPER_PROCESSES.contains(&source.module.as_str());
        for word in words.iter().filter(|word| !(helper && word.starts_with("io::"))) {
            let hit = source.code.match_indices(word).any(|(at, _)| {
                let before = source.code[..at].chars().next_back();
                !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
            });
            if hit {
                wrong.push(format!("{}: {word}", source.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "outside cli:\n{}", wrong.join("\n"));
}

#[test]
fn the_root_re_exports_nothing() {
    let lib = sources().into_iter().find(|s| s.module == "lib").unwrap();
    assert!(!lib.code.contains("use "), "a re-export at the root hides who depends on whom");
}

#[test]
fn the_checks_can_fail() {
    let modules: BTreeSet<String> =
        ["load", "load/journey", "judge", "model", "model/plan"].into_iter().map(str::to_owned).collect();
    let source = Source {
        module: "load/journey".into(),
        path: PathBuf::new(),
        text: String::new(),
        code: strip(
            "use crate::{judge::{judge, Input}, model::plan::Plan}; // crate::report\nlet s = \"crate::cli\"; super::x();",
        ),
    };
    let found = edges(&source, &modules);
    assert_eq!(found, ["judge", "load", "model/plan"].into_iter().map(str::to_owned).collect());
    assert!(!allowed("load", "judge") && allowed("load", "record") && !allowed("model", "judge"));
}
