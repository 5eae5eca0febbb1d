//! [`Profiles`]: fault profiles with all that they include, as one list of rules.

use super::collector::Collector;
use super::diagnostic::{ConfigError, Diagnostic};
use super::document;
use super::fault_profile_file::FaultProfileFile;
use super::find::{self, FAULT_PROFILES, Found};
use super::overlap::{self, Hidden};
use super::request::World;
use super::resolve_course::Timing;
use super::resolve_faults::{self, Use};
use super::scenario_file::ScenarioFile;
use super::source::Source;
use super::value::{Node, OneOrMany};
use crate::model::fault::FaultRule;
use crate::model::verdict::Severity;
use crate::units::Span;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use toml::Spanned;

/// `--faults none`
const NO_FAULTS: &str = "none";
/// How deep profiles may include each other; who needs more has a circle that the names do not show.
const MAX_DEPTH: usize = 16;
/// Times may be changed by at most this factor, either way.
const MAX_SCALE: f64 = 1_000.0;
/// What a profile says where no severity at all is to be expected.
const NO_SEVERITY: &str = "none";

/// A profile that was found.
pub(super) struct Opened {
    source: Arc<Source>,
    /// Its file's name without its ending.
    stem: String,
    /// The folder that its own includes are looked for in first.
    folder: Option<PathBuf>,
    /// What tells it from all others.
    id: String,
}

impl Opened {
    fn found(found: Found) -> Result<Self, ConfigError> {
        Ok(match found {
            Found::File(path) => Self::file(&path, find::read(&path)?),
            Found::BuiltIn(name, text) => {
                let source = Source::file(format!("{name}.toml (built-in)"), text.to_owned());
                Self { id: source.name().to_owned(), source: Arc::new(source), stem: name.to_owned(), folder: None }
            }
        })
    }

    /// A file that was read.
    pub(super) fn file(path: &Path, source: Source) -> Self {
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or("unnamed").to_owned();
        let id = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()).display().to_string();
        Self { source: Arc::new(source), stem, folder: path.parent().map(Path::to_owned), id }
    }
}

/// The profiles that a scenario names, if it names some that exist.
pub(super) fn named(
    out: &mut Collector,
    file: &ScenarioFile,
    folder: Option<&Path>,
) -> Result<Vec<Opened>, ConfigError> {
    let Some(written) = file.faults.as_ref().and_then(|faults| faults.profile.as_ref()) else { return Ok(vec![]) };
    let typed = out.source().is_option(&written.span());
    let names: Vec<&str> = match written.get_ref() {
        // The command line has no lists.
        OneOrMany::One(names) if typed => names.split(',').map(str::trim).filter(|name| !name.is_empty()).collect(),
        OneOrMany::One(name) => vec![name],
        OneOrMany::Many(names) => names.iter().map(String::as_str).collect(),
    };
    if names == [NO_FAULTS] {
        return Ok(vec![]);
    }
    let beside: Vec<PathBuf> = match folder {
        Some(folder) => vec![folder.to_owned(), folder.join("../fault-profiles"), folder.join("fault-profiles")],
        None => vec![],
    };
    let mut opened: Vec<Opened> = Vec::new();
    for name in names {
        if name == NO_FAULTS {
            out.error(written.span(), "`none` is no fault profile among others").help("leave it or the others away");
            continue;
        }
        let Some(found) = FAULT_PROFILES.find(name, &beside, typed) else {
            not_found(out, written.span(), name, &beside);
            continue;
        };
        let profile = Opened::found(found)?;
        if opened.iter().any(|earlier| earlier.id == profile.id) {
            out.error(written.span(), format!("the profile `{name}` is named twice"));
        } else {
            opened.push(profile);
        }
    }
    Ok(opened)
}

fn not_found(out: &mut Collector, span: std::ops::Range<usize>, name: &str, beside: &[PathBuf]) {
    let (title, guess, help) = FAULT_PROFILES.not_found(name, beside);
    let diagnostic = out.error(span, title);
    if let Some(guess) = guess {
        diagnostic.label(guess);
    }
    diagnostic.help(help);
}

/// What profiles come to.
#[derive(Default)]
pub(super) struct Resolved {
    /// Their names; those that they include have no part in it.
    pub(super) name: Option<String>,
    /// All their rules, in the order in which they apply.
    pub(super) rules: Vec<FaultRule>,
    /// All mistakes.
    pub(super) errors: Vec<Diagnostic>,
    /// All that is allowed but probably not meant.
    pub(super) warnings: Vec<String>,
}

/// Resolves profiles, on the upstreams that they are used on if that is known. What a profile includes comes before
/// its own faults, in the order in which it is named.
pub(super) fn resolve(profiles: Vec<Opened>, used: Option<&Use<'_>>, world: &World<'_>) -> Resolved {
    let mut all = Profiles {
        used,
        world,
        chain: vec![],
        seen: BTreeMap::new(),
        names: BTreeMap::new(),
        out: Resolved::default(),
    };
    let mut names = Vec::new();
    for profile in profiles {
        names.extend(all.visit(profile, Timing::AS_WRITTEN));
    }
    let Resolved { rules, warnings, .. } = &mut all.out;
    for Hidden { by, rule, why } in overlap::hidden(rules) {
        // Those of one file were found when that file was read.
        let home = |index: usize| rules.get(index).and_then(|rule| all.names.get(&rule.name));
        if home(by) != home(rule)
            && let (Some(by), Some(rule)) = (rules.get(by), rules.get(rule))
        {
            warnings.push(format!("fault `{}` {}", rule.name, why.told(&by.name)));
        }
    }
    all.out.name = (!names.is_empty()).then(|| names.join(" + "));
    all.out
}

/// Profiles on their way to becoming rules.
struct Profiles<'a> {
    used: Option<&'a Use<'a>>,
    world: &'a World<'a>,
    /// The profiles that are being read, each included by the one before it: what tells them apart, and their names.
    chain: Vec<(String, String)>,
    /// Every profile that was read → by which file it was named.
    seen: BTreeMap<String, String>,
    /// Every fault's name → the file that it stands in.
    names: BTreeMap<String, String>,
    out: Resolved,
}

impl Profiles<'_> {
    /// Adds a profile's rules, and gives its name; `None` if it cannot be read.
    fn visit(&mut self, profile: Opened, timing: Timing) -> Option<String> {
        let by = self.chain.last().map_or_else(String::new, |(_, by)| by.clone());
        self.seen.insert(profile.id.clone(), by);
        let file = match document::read::<FaultProfileFile>(&profile.source) {
            Ok(file) => file,
            Err(diagnostic) => {
                self.out.errors.push(*diagnostic);
                return None;
            }
        };
        let mut out = Collector::new(profile.source.clone());
        let name = file.name.clone().unwrap_or_else(|| profile.stem.clone());
        facts(&mut out, &file);
        self.chain.push((profile.id.clone(), profile.stem.clone()));
        for include in &file.include {
            if let Some((inner, changed)) = self.included(&mut out, include, &profile) {
                self.visit(inner, timing.with(changed));
            }
        }
        self.chain.pop();
        let first = self.out.rules.len();
        let rules = resolve_faults::rules(&mut out, &file, &name, timing, self.used, self.world);
        for (rule, written) in rules.iter().zip(&file.fault) {
            let span = written.get_ref().name.as_ref().map_or_else(|| written.span(), Spanned::span);
            let home = profile.source.name().to_owned();
            if let Some(other) = self.names.insert(rule.name.clone(), home.clone()) {
                let error = out.error(span, format!("two faults are called `{}`", rule.name));
                if other == home {
                    error.help("give each fault a name of its own");
                } else {
                    error.help(format!(
                        "the other one is in {other}; its name decides a fault's draws, so each has its own"
                    ));
                }
            }
        }
        for Hidden { by, rule, why } in overlap::hidden(&rules) {
            if let (Some(by), Some(hidden), Some(written)) = (rules.get(by), rules.get(rule), file.fault.get(rule)) {
                let span = written.get_ref().inject.span();
                if why.is_mistake() {
                    out.error(span, format!("fault `{}` {}", hidden.name, why.told(&by.name))).help(
                        "give them different times, narrow one by `when`, give the first a `share`, or change their order",
                    );
                } else {
                    out.warn(span, format!("fault `{}` {}", hidden.name, why.told(&by.name)));
                }
            }
        }
        debug_assert_eq!(first, self.out.rules.len(), "what is included is added before");
        self.out.rules.extend(rules);
        let (errors, warnings) = out.finish();
        self.out.errors.extend(errors);
        self.out.warnings.extend(warnings);
        Some(name)
    }

    /// A profile that another one includes, and how its times are changed.
    fn included(&self, out: &mut Collector, written: &Spanned<Node>, by: &Opened) -> Option<(Opened, Timing)> {
        let (name, timing) = include(out, written)?;
        let span = written.span();
        let beside: Vec<PathBuf> = by.folder.clone().into_iter().collect();
        let Some(found) = FAULT_PROFILES.find(&name, &beside, false) else {
            not_found(out, span, &name, &beside);
            return None;
        };
        let inner = match Opened::found(found) {
            Ok(inner) => inner,
            Err(error) => {
                out.error(span, format!("the profile `{name}` cannot be read")).help(error.render(false));
                return None;
            }
        };
        if let Some(start) = self.chain.iter().position(|(id, _)| *id == inner.id) {
            let mut circle: Vec<&str> = self.chain.iter().skip(start).map(|(_, stem)| stem.as_str()).collect();
            circle.push(&inner.stem);
            out.error(span, "profiles include each other in a circle").label(circle.join(" → "));
            return None;
        }
        if let Some(earlier) = self.seen.get(&inner.id) {
            let error = out.error(span, format!("the profile `{name}` is in already"));
            if earlier.is_empty() {
                error.label("it is named beside this one");
            } else {
                error.label(format!("`{earlier}` includes it"));
            }
            error.help("its faults would be there twice; to have them at other times too, copy the file");
            return None;
        }
        if self.chain.len() >= MAX_DEPTH {
            out.error(span, format!("profiles include each other more than {MAX_DEPTH} deep"));
            return None;
        }
        Some((inner, timing))
    }
}

/// What is written in a list of includes.
fn include(out: &mut Collector, written: &Spanned<Node>) -> Option<(String, Timing)> {
    let table = match written.get_ref() {
        Node::Text(name) => return Some((name.clone(), Timing::AS_WRITTEN)),
        Node::Table(table) => table,
        other => {
            let title = format!("{} stands where a profile belongs", other.kind());
            out.error(written.span(), title)
                .help("write its name, or { profile = \"openai-outage\", shift = \"1m\", scale = 0.5 }");
            return None;
        }
    };
    let mut name = None;
    let mut timing = Timing::AS_WRITTEN;
    for (key, value) in table {
        match (key.as_str(), value.get_ref()) {
            ("profile", Node::Text(text)) => name = Some(text.clone()),
            ("shift", Node::Text(text)) => match text.parse::<Span>() {
                Ok(shift) => timing.shift = shift.get(),
                Err(error) => drop(out.error(value.span(), error.to_string())),
            },
            ("scale", Node::Integer(_) | Node::Float(_)) => {
                #[expect(clippy::cast_precision_loss, reason = "what is too large is refused either way")]
                let scale = match value.get_ref() {
                    Node::Float(scale) => *scale,
                    Node::Integer(scale) => *scale as f64,
                    _ => 1.0,
                };
                if (1.0 / MAX_SCALE..=MAX_SCALE).contains(&scale) {
                    timing.scale = scale;
                } else {
                    out.error(value.span(), format!("times cannot be changed by a factor of {scale}"))
                        .help("write a number from 0.001 to 1000: 0.5 is half as long");
                }
            }
            ("profile" | "shift" | "scale", other) => {
                let wanted = if key == "scale" { "a number" } else { "a text" };
                out.error(value.span(), format!("{} stands where {wanted} belongs", other.kind()));
            }
            (typed, _) => out.unknown(value.span(), "key", typed, ["profile", "shift", "scale"]),
        }
    }
    if name.is_none() {
        out.error(written.span(), "this does not say which profile").help("add profile = \"openai-outage\"");
    }
    Some((name?, timing))
}

/// Checks what a profile says of itself.
fn facts(out: &mut Collector, file: &FaultProfileFile) {
    if let Some(worst) = &file.worst
        && worst.get_ref() != NO_SEVERITY
        && worst.get_ref().parse::<Severity>().is_err()
    {
        out.unknown(worst.span(), "severity", worst.get_ref(), ["P0", "P1", "P2", "P3", NO_SEVERITY]);
    }
    if let Some(expect) = &file.expect
        && expect.get_ref().trim().is_empty()
    {
        out.error(expect.span(), "this expects nothing").help("say what a resilient app does meanwhile");
    }
    for item in file.playbook.iter().filter(|item| item.get_ref().trim().is_empty()) {
        out.error(item.span(), "this is no item of a playbook").help("name it in the playbook's own words");
    }
    if file.fault.is_empty() && file.include.is_empty() {
        out.missing("the profile has no fault").help("add one: [[fault]] with upstream, from, for and inject");
    }
}
