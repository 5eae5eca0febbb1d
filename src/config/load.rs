//! [`load`]: a scenario with everything that belongs to it; [`validate`]: one file by itself.

use super::builtin;
use super::collector::Collector;
use super::content_file::ContentRulesFile;
use super::control;
use super::diagnostic::{ConfigError, Diagnostic};
use super::document::{self, Edit, Value};
use super::envoy;
use super::find::{self, Found, PLAYBOOKS, SCENARIOS};
use super::functions_file::FunctionsFile;
use super::playbook_file::PlaybookFile;
use super::profiles::{self, Opened};
use super::request::{CheckTemplate, FileKind, Loaded, Overrides, Request, ScenarioRef, Validated, World};
use super::resolve_content;
use super::resolve_faults::Use;
use super::resolve_functions;
use super::resolve_playbook;
use super::resolve_scenario;
use super::scenario_file::ScenarioFile;
use super::source::Source;
use crate::model::plan::Plan;
use crate::model::playbook::{Measure, Playbook};
use crate::model::upstream::UpstreamKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What stands in a record for a file that ships inside the program.
const BUILT_IN: &str = "built-in";
const DEFAULT_PLAYBOOK: &str = "holisticos";

/// Loads a scenario, its fault profiles and the playbook, with the command line's overrides.
///
/// # Errors
///
/// All mistakes of all files at once; of a file that cannot be parsed, the first.
pub fn load(request: &Request<'_>) -> Result<Loaded, ConfigError> {
    let world = World {
        env: request.env,
        env_required: true,
        provider_errors: request.provider_errors,
        check_template: request.check_template,
        mocks: None,
    };
    let (source, stem, origin, folder) = open_scenario(&request.scenario)?;
    let (file, source) = document::read_edited::<ScenarioFile>(source, &edits(&request.overrides))?;

    let mut out = Collector::new(source);
    let mut plan = resolve_scenario::resolve(&mut out, &file, &stem, &origin, folder.as_deref(), &world);
    let opened = profiles::named(&mut out, &file, folder.as_deref())?;
    let (mut errors, mut warnings) = out.finish();
    let used = Use { upstreams: &plan.upstreams, load_end: plan.load_end() };
    let resolved = profiles::resolve(opened, Some(&used), &world);
    plan.fault_profile = resolved.name;
    plan.faults = envoy::rules(file.upstreams.as_ref().map(toml::Spanned::get_ref));
    plan.faults.extend(resolved.rules);
    if plan.control.is_some() {
        plan.faults.extend(control::rules(&plan.upstreams));
    }
    errors.extend(resolved.errors);
    warnings.extend(resolved.warnings);

    let playbook = match playbook(request.overrides.playbook.as_deref())? {
        Ok((playbook, more, also)) => {
            errors.extend(more);
            warnings.extend(also);
            Some(playbook)
        }
        Err(diagnostic) => {
            errors.push(*diagnostic);
            None
        }
    };
    match playbook {
        Some(playbook) if errors.is_empty() => {
            warnings.extend(unmeasurable(&plan, &playbook));
            Ok(Loaded { plan, playbook, warnings })
        }
        _ => Err(ConfigError::new(errors)),
    }
}

/// Checks one file by itself, whatever it is: told by its keys, else by its folder. What the upstreams of a scenario
/// begin with (seeds, recordings) is found, and read by them (`upstream::check`).
/// A variable of the environment that is not set is a warning here, for the file may be checked elsewhere than it runs.
///
/// # Errors
///
/// All mistakes of the file; of one that cannot be parsed, the first.
pub fn validate(
    path: &Path,
    env: &dyn Fn(&str) -> Option<String>,
    provider_errors: &dyn Fn(&UpstreamKind) -> &'static [&'static str],
    check_template: CheckTemplate<'_>,
) -> Result<Validated, ConfigError> {
    let world = World { env, env_required: false, provider_errors, check_template, mocks: None };
    let source = find::read(path)?;
    let kind = kind(&source, path)?;
    let stem = stem(path);
    let source = Arc::new(source);
    let mut out = Collector::new(source.clone());
    let (mut upstreams, mut functions) = (Vec::new(), Vec::new());
    match kind {
        FileKind::Scenario => {
            let file = document::read::<ScenarioFile>(&source)?;
            let folder = path.parent();
            upstreams = resolve_scenario::resolve(&mut out, &file, &stem, source.name(), folder, &world).upstreams;
            // The profile is looked for, not looked into: it has a check of its own.
            profiles::named(&mut out, &file, folder)?;
        }
        FileKind::FaultProfile => {
            let opened = Opened::file(path, Source::clone(&source));
            let resolved = profiles::resolve(vec![opened], None, &world);
            out.take_over((resolved.errors, resolved.warnings));
        }
        FileKind::Playbook => {
            let file = document::read::<PlaybookFile>(&source)?;
            resolve_playbook::resolve(&mut out, &file, &stem, source.name());
        }
        FileKind::Content => {
            let file = document::read::<ContentRulesFile>(&source)?;
            resolve_content::resolve(&mut out, &file, &stem, path.parent(), &world);
        }
        FileKind::Functions => {
            let file = document::read::<FunctionsFile>(&source)?;
            functions = resolve_functions::resolve(&mut out, &file);
        }
    }
    let (errors, warnings) = out.finish();
    if errors.is_empty() {
        Ok(Validated { kind, upstreams, functions, warnings })
    } else {
        Err(ConfigError::new(errors))
    }
}

/// Reads one playbook, by name or path, to judge an old run by.
///
/// # Errors
///
/// All mistakes of the file; of one that cannot be parsed, the first.
pub fn read_playbook(name: &Path) -> Result<Playbook, ConfigError> {
    match playbook(Some(name))? {
        Ok((playbook, errors, _)) if errors.is_empty() => Ok(playbook),
        Ok((_, errors, _)) => Err(ConfigError::new(errors)),
        Err(diagnostic) => Err(ConfigError::new(vec![*diagnostic])),
    }
}

fn kind(source: &Source, path: &Path) -> Result<FileKind, ConfigError> {
    let keys = document::keys(source.text());
    let has = |names: &[&str]| keys.iter().any(|key| names.contains(&key.as_str()));
    let folder = path.parent().and_then(Path::file_name).and_then(|name| name.to_str()).unwrap_or("");
    if has(&["journey", "load", "target", "upstreams"]) {
        Ok(FileKind::Scenario)
    } else if has(&["fault", "include"]) {
        Ok(FileKind::FaultProfile)
    } else if has(&["criterion", "readings"]) {
        Ok(FileKind::Playbook)
    } else if has(&["rule"]) {
        Ok(FileKind::Content)
    } else if has(&["function"]) {
        Ok(FileKind::Functions)
    } else {
        match folder {
            "scenarios" => Ok(FileKind::Scenario),
            "fault-profiles" => Ok(FileKind::FaultProfile),
            "playbooks" => Ok(FileKind::Playbook),
            "content" => Ok(FileKind::Content),
            _ => {
                let mut diagnostic =
                    Diagnostic::whole(Arc::new(source.clone()), "cannot tell what kind of file this is");
                diagnostic.help(
                    "a scenario has [[journey]], a fault profile [[fault]], a playbook [[criterion]], content rules [[rule]], database functions [[function]]",
                );
                Err(diagnostic.into())
            }
        }
    }
}

fn stem(path: &Path) -> String {
    path.file_stem().and_then(|stem| stem.to_str()).unwrap_or("unnamed").to_owned()
}

/// The scenario's text, the name it has without one of its own, what the record calls it, and its folder.
pub(super) fn open_scenario(scenario: &ScenarioRef) -> Result<(Source, String, String, Option<PathBuf>), ConfigError> {
    match scenario {
        ScenarioRef::File(path) => {
            let folder = path.parent().map(Path::to_owned);
            Ok((find::read(path)?, stem(path), path.display().to_string(), folder))
        }
        ScenarioRef::BuiltIn(name) => match builtin::text(&builtin::SCENARIOS, name) {
            Some(text) => {
                let source = Source::file(format!("{name}.toml (built-in)"), text.to_owned());
                Ok((source, name.clone(), BUILT_IN.to_owned(), None))
            }
            None => {
                let (title, guess, help) = SCENARIOS.not_found(name, &[]);
                let mut diagnostic = Diagnostic::usage(title);
                if let Some(guess) = guess {
                    diagnostic.help(guess);
                }
                diagnostic.help(help);
                Err(diagnostic.into())
            }
        },
    }
}

type Resolved<T> = (T, Vec<Diagnostic>, Vec<String>);

/// The playbook: outer error where there is none, inner error where it cannot be parsed.
fn playbook(wanted: Option<&Path>) -> Result<Result<Resolved<Playbook>, Box<Diagnostic>>, ConfigError> {
    let name = wanted.map_or(DEFAULT_PLAYBOOK.to_owned(), |path| path.display().to_string());
    // Without a wish it is the built-in one, not whatever lies in the working folder: a verdict must not depend on
    // where one stands.
    let found = match wanted {
        None => builtin::text(&builtin::PLAYBOOKS, DEFAULT_PLAYBOOK).map(|text| Found::BuiltIn(DEFAULT_PLAYBOOK, text)),
        Some(_) => PLAYBOOKS.find(&name, &[], true),
    };
    let (source, stem, origin) = match found {
        Some(Found::File(path)) => (find::read(&path)?, stem(&path), path.display().to_string()),
        Some(Found::BuiltIn(name, text)) => {
            (Source::file(format!("{name}.toml (built-in)"), text.to_owned()), name.to_owned(), BUILT_IN.to_owned())
        }
        None => {
            let (title, guess, help) = PLAYBOOKS.not_found(&name, &[]);
            let mut diagnostic = Diagnostic::usage(title);
            if let Some(guess) = guess {
                diagnostic.help(guess);
            }
            diagnostic.help(help);
            return Err(diagnostic.into());
        }
    };
    let source = Arc::new(source);
    let file = match document::read::<PlaybookFile>(&source) {
        Ok(file) => file,
        Err(diagnostic) => return Ok(Err(diagnostic)),
    };
    let mut out = Collector::new(source);
    let playbook = resolve_playbook::resolve(&mut out, &file, &stem, &origin);
    let (errors, warnings) = out.finish();
    Ok(Ok((playbook, errors, warnings)))
}

/// Agents that the playbook asks about by name and no step exercises: most likely a slip in one of the two.
fn unmeasurable(plan: &Plan, playbook: &Playbook) -> Vec<String> {
    let agents = plan.agents();
    if agents.is_empty() {
        return vec![];
    }
    playbook
        .criteria
        .iter()
        .filter_map(|criterion| match &criterion.measure {
            Measure::KeyAgent { agents: wanted, .. } => {
                let none = wanted.iter().all(|agent| !agents.contains(&agent.as_str()));
                none.then(|| format!("no step exercises the agents of {}: {}", criterion.id, wanted.join(", ")))
            }
            _ => None,
        })
        .collect()
}

/// The command line as edits of the scenario, so that a mistake in an option is shown at the option.
fn edits(overrides: &Overrides) -> Vec<Edit> {
    let mut edits: Vec<Edit> = overrides
        .set
        .iter()
        .map(|(key, value)| Edit {
            option: format!("--set {key}="),
            key: key.clone(),
            value: Some(Value::Guess(value.clone())),
        })
        .collect();
    let mut option = |option: &str, key: &str, value: Option<Value>| {
        edits.push(Edit { option: format!("{option} "), key: key.to_owned(), value });
    };
    if let Some(url) = &overrides.target_url {
        option("--target", "target", None);
        option("--target", "target.url", Some(Value::Text(url.clone())));
    }
    if let Some(pid) = overrides.target_pid {
        option("--pid", "target.pid", Some(Value::Guess(pid.to_string())));
    }
    if let Some(users) = overrides.users {
        option("--users", "load.closed.users", Some(Value::Guess(users.to_string())));
    }
    if let Some(duration) = overrides.duration {
        option("--duration", "load.closed.hold", Some(Value::Text(duration.to_string())));
    }
    if let Some(faults) = &overrides.faults {
        option("--faults", "faults", None);
        option("--faults", "faults.profile", Some(Value::Text(faults.clone())));
    }
    if let Some(seed) = overrides.seed {
        option("--seed", "seed", Some(Value::Guess(seed.to_string())));
    }
    if let Some(severity) = overrides.fail_on {
        option("--fail-on", "gate.fail-on", Some(Value::Text(severity.to_string())));
    }
    edits
}
