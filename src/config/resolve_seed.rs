//! What a database begins with: `upstreams.supabase.seed`, one file or several.

use super::builtin;
use super::collector::Collector;
use super::value::OneOrMany;
use crate::model::upstream::{SeedFile, SeedFormat};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::Spanned;

/// Seeds are test data; this keeps a wrong path from filling the memory.
const MAX_SEED: u64 = 64 << 20;

/// What a seed is, for those who got it wrong.
const WHAT: &str = "a seed is one file or a list of them: `.sql` (tables, rows), `.json` ({ \"profiles\": [ { \"id\": \
                    \"…\" } ] }), `.csv` (named after its table)";

/// What a database begins with: its files, and the rows of Auth's tables, which are no tables of the database.
#[derive(Debug, Default)]
pub(super) struct Seed {
    pub(super) files: Vec<SeedFile>,
    pub(super) auth: BTreeMap<String, Vec<Value>>,
}

/// Reads the files of a seed.
pub(super) fn seed(out: &mut Collector, written: &Spanned<OneOrMany<String>>, folder: Option<&Path>) -> Seed {
    let span = written.span();
    let names = match written.get_ref() {
        OneOrMany::One(name) => std::slice::from_ref(name),
        OneOrMany::Many(names) => names.as_slice(),
    };
    let mut seed = Seed::default();
    for name in names {
        if let Some(file) = read(out, name, &span, folder) {
            if file.format == SeedFormat::Json {
                users(out, &file, span.clone(), &mut seed.auth);
            }
            seed.files.push(file);
        }
    }
    seed
}

fn read(out: &mut Collector, written: &str, span: &Range<usize>, folder: Option<&Path>) -> Option<SeedFile> {
    let extension =
        Path::new(written).extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase);
    let format = match extension.as_deref() {
        Some("sql") => SeedFormat::Sql,
        Some("json") => SeedFormat::Json,
        Some("csv") => SeedFormat::Csv,
        _ => {
            out.error(span.clone(), format!("`{written}` is no seed")).help(WHAT);
            return None;
        }
    };
    let beside = folder.map(|folder| folder.join(written)).filter(|path| path.is_file());
    let path = beside.unwrap_or_else(|| PathBuf::from(written));
    if !path.is_file()
        && let Some(text) = builtin::text(&builtin::SEEDS, written)
    {
        return Some(SeedFile { name: written.to_owned(), format, text: text.to_owned() });
    }
    let mut text = String::new();
    let read = std::fs::File::open(&path).and_then(|file| file.take(MAX_SEED + 1).read_to_string(&mut text));
    let title = match read {
        Err(error) => format!("cannot read `{written}`: {error}"),
        Ok(length) if length as u64 > MAX_SEED => format!("`{written}` is larger than 64 MiB"),
        Ok(_) => return Some(SeedFile { name: written.to_owned(), format, text }),
    };
    out.error(span.clone(), title)
        .help(WHAT)
        .help("its path counts from the scenario's folder, or from the working folder");
    None
}

/// Checks the shape of a JSON file, and takes the rows of Auth's tables from it.
fn users(out: &mut Collector, file: &SeedFile, span: Range<usize>, auth: &mut BTreeMap<String, Vec<Value>>) {
    match serde_json::from_str::<BTreeMap<String, Vec<Value>>>(&file.text) {
        Ok(tables) => auth.extend(tables.into_iter().filter(|(name, _)| name.starts_with("auth."))),
        Err(error) => {
            out.error(span, format!("`{}` is not a seed: {error}", file.name)).help(WHAT);
        }
    }
}
