//! From a name to a file: scenarios, fault profiles and playbooks by name or path, with a guess where there is none.
//! A file of the working folder wins over a built-in one of the same name, so that an edited copy is what runs.

use super::builtin::{self, BuiltIn};
use super::diagnostic::{ConfigError, Diagnostic};
use super::request::ScenarioRef;
use super::source::Source;
use super::suggest;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

/// Files of people are a few kilobytes; this keeps a wrong path from filling the memory.
const MAX_FILE: u64 = 4 << 20;
/// Why a directory is no file.
const IS_DIRECTORY: &str = "it is a directory";

/// Where a named file may lie.
pub(super) struct Shelf<'a> {
    /// What it is, for messages.
    pub(super) what: &'static str,
    /// The folder's name.
    pub(super) folder: &'static str,
    /// The built-in ones.
    pub(super) builtin: &'a [BuiltIn],
}

/// Scenarios.
pub(super) const SCENARIOS: Shelf<'static> =
    Shelf { what: "scenario", folder: "scenarios", builtin: &builtin::SCENARIOS };
/// Fault profiles.
pub(super) const FAULT_PROFILES: Shelf<'static> =
    Shelf { what: "fault profile", folder: "fault-profiles", builtin: &builtin::FAULT_PROFILES };
/// Playbooks.
pub(super) const PLAYBOOKS: Shelf<'static> =
    Shelf { what: "playbook", folder: "playbooks", builtin: &builtin::PLAYBOOKS };

/// What a name led to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A file.
    File(PathBuf),
    /// A built-in one.
    BuiltIn(&'static str, &'static str),
}

/// Finds a scenario by its name (`weekly-load`), its file's name (`weekly-load.toml`) or a path
/// (`scenarios/weekly-load.toml`).
///
/// # Errors
///
/// Where there is none, with the names there are and the likeliest one.
pub fn find(name: &str) -> Result<ScenarioRef, ConfigError> {
    match SCENARIOS.find(name, &[], true) {
        Some(Found::File(path)) => Ok(ScenarioRef::File(path)),
        Some(Found::BuiltIn(name, _)) => Ok(ScenarioRef::BuiltIn(name.to_owned())),
        None => {
            let (title, label, help) = SCENARIOS.not_found(name, &[]);
            let mut diagnostic = Diagnostic::usage(title);
            if let Some(label) = label {
                diagnostic.help(label);
            }
            diagnostic.help(help);
            Err(diagnostic.into())
        }
    }
}

impl Shelf<'_> {
    /// Finds a file by name or path; `beside` are further folders to look into. What a file says counts from the
    /// file's folder first, what the command line says (`typed`) from the working folder.
    pub(super) fn find(&self, name: &str, beside: &[PathBuf], typed: bool) -> Option<Found> {
        // A bare name that is a file without an ending would be a surprise (`smoke`, a folder's script): only a path
        // or an ending names such a file.
        if let Some(found) = self.candidates(name, beside, typed).into_iter().find(|candidate| candidate.is_file()) {
            return Some(Found::File(found));
        }
        let stem = name.strip_prefix("./").unwrap_or(name);
        let stem = stem.strip_prefix(self.folder).and_then(|rest| rest.strip_prefix('/')).unwrap_or(stem);
        let stem = stem.strip_suffix(".toml").unwrap_or(stem);
        self.builtin.iter().find(|(known, _)| *known == stem).map(|(name, text)| Found::BuiltIn(name, text))
    }

    /// Where a file of that name may lie, the likeliest first.
    fn candidates(&self, name: &str, beside: &[PathBuf], typed: bool) -> Vec<PathBuf> {
        let path = Path::new(name);
        let is_path = name.contains(['/', '\\']);
        let file = if name.ends_with(".toml") { name.to_owned() } else { format!("{name}.toml") };
        let in_folder = |folder: &PathBuf| [folder.join(name), folder.join(&file)];
        let mut candidates: Vec<PathBuf> = Vec::new();
        if is_path || path.is_absolute() {
            let here = [path.to_owned(), PathBuf::from(&file)];
            let there = beside.iter().flat_map(in_folder);
            if typed {
                candidates.extend(here.into_iter().chain(there));
            } else {
                candidates.extend(there.chain(here));
            }
        } else {
            let here = [PathBuf::from(&file), Path::new(self.folder).join(&file)];
            let there = beside.iter().map(|folder| folder.join(&file));
            if typed {
                candidates.extend(here.into_iter().chain(there));
            } else {
                candidates.extend(there.chain(here));
            }
        }
        candidates
    }

    /// The words for a name that leads nowhere: title, guess, remedy.
    pub(super) fn not_found(&self, name: &str, beside: &[PathBuf]) -> (String, Option<String>, String) {
        let candidates = std::iter::once(PathBuf::from(name)).chain(self.candidates(name, beside, true));
        if let Some(directory) = candidates.into_iter().find(|candidate| candidate.is_dir()) {
            let title = format!("cannot read {}: {IS_DIRECTORY}", directory.display());
            return (title, None, format!("give the path of a {} file", self.what));
        }
        let mut known: Vec<String> = self.builtin.iter().map(|(name, _)| (*name).to_owned()).collect();
        let folder = PathBuf::from(self.folder);
        // A scenario's own folder is looked into as well, but what lies there is mostly scenarios: no help to name them.
        let shelves = beside.iter().filter(|folder| folder.ends_with(self.folder));
        for folder in shelves.chain(std::iter::once(&folder)) {
            // A folder that cannot be read has no names to offer.
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten().take(1000) {
                let path = entry.path();
                if path.extension().is_some_and(|ending| ending == "toml")
                    && let Some(stem) = path.file_stem().and_then(|stem| stem.to_str())
                    && !known.iter().any(|one| one == stem)
                {
                    known.push(stem.to_owned());
                }
            }
        }
        known.sort();
        let stem = name.rsplit(['/', '\\']).next().unwrap_or(name);
        let stem = stem.strip_suffix(".toml").unwrap_or(stem);
        let guess =
            suggest::nearest(stem, known.iter().map(String::as_str)).map(|guess| format!("did you mean `{guess}`?"));
        let help =
            format!("choose {}, or give the path of a file", suggest::list(known.iter().map(String::as_str), "or"));
        (format!("there is no {} `{name}`", self.what), guess, help)
    }
}

/// Reads a file's text, with an error that names it. A file that cannot be had is a mistake of whoever named it; one
/// that is there and is no text is a mistake of the file.
pub(super) fn read(path: &Path) -> Result<Source, ConfigError> {
    let name = path.display().to_string();
    let title = |why: &str| format!("cannot read {name}: {why}");
    let unreadable = |error: std::io::Error| match error.kind() {
        ErrorKind::IsADirectory => Diagnostic::usage(title(IS_DIRECTORY)),
        _ => Diagnostic::usage(title(&error.to_string())),
    };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(Diagnostic::file(title("it is larger than 4 MiB, which no file of this kind is")).into());
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Diagnostic::file(title(&format!("it is not UTF-8 text (byte {at})")))
    })?;
    Ok(Source::file(name, text))
}
