//! A file of database functions → [`FunctionPlan`]s.

use super::collector::Collector;
use super::document;
use super::find;
use super::functions_file::{FunctionFile, FunctionsFile, ManyFile, RaiseFile, ReturnsFile};
use crate::model::function::{ArgumentPlan, FunctionBody, FunctionPlan, ReturnsPlan};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use toml::Spanned;

/// How an argument is written, for those who got it wrong.
const ARGUMENT: &str = "write a name and a type, and a default if there is one: \"from date\", \"most int = 10\"";

/// The functions of a file that a scenario names, with all that is wrong with it.
pub(super) fn read(out: &mut Collector, written: &Spanned<String>, folder: Option<&Path>) -> Vec<FunctionPlan> {
    let beside = folder.map(|folder| folder.join(written.get_ref())).filter(|path| path.is_file());
    let path = beside.unwrap_or_else(|| PathBuf::from(written.get_ref()));
    let source = match find::read(&path) {
        Ok(source) => Arc::new(source),
        Err(error) => {
            out.error(written.span(), error.to_string())
                .help("its path counts from the scenario's folder, or from the working folder");
            return Vec::new();
        }
    };
    match document::read::<FunctionsFile>(&source) {
        Ok(file) => {
            let mut its = Collector::new(source);
            let functions = resolve(&mut its, &file);
            out.take_over(its.finish());
            functions
        }
        Err(diagnostic) => {
            out.take_over((vec![*diagnostic], Vec::new()));
            Vec::new()
        }
    }
}

/// The functions of a file.
pub(super) fn resolve(out: &mut Collector, file: &FunctionsFile) -> Vec<FunctionPlan> {
    if file.function.is_empty() {
        out.missing("the file has no function").help("add one: [[function]] with name, returns and what it gives");
    }
    file.function.iter().map(|written| function(out, written)).collect()
}

fn function(out: &mut Collector, written: &Spanned<FunctionFile>) -> FunctionPlan {
    let file = written.get_ref();
    let name = file.name.get_ref();
    if name.is_empty() || name.len() > 63 || name.contains('/') {
        out.error(file.name.span(), "this cannot be the name of a function").help("1 to 63 characters, without `/`");
    }
    let mut arguments: Vec<ArgumentPlan> = Vec::new();
    for text in &file.args {
        let Some(argument) = argument(text.get_ref()) else {
            out.error(text.span(), format!("`{}` is no argument", text.get_ref())).help(ARGUMENT);
            continue;
        };
        if arguments.iter().any(|other| other.name == argument.name) {
            out.error(text.span(), format!("there is an argument `{}` already", argument.name));
        }
        arguments.push(argument);
    }
    let volatile = file.volatility.as_ref().is_none_or(|written| match written.get_ref().as_str() {
        "volatile" => true,
        "stable" | "immutable" => false,
        other => {
            out.unknown(written.span(), "volatility", other, ["volatile", "stable", "immutable"]);
            true
        }
    });
    FunctionPlan {
        schema: file.schema.clone().unwrap_or_else(|| "public".to_owned()),
        name: name.clone(),
        arguments,
        returns: returns(out, &file.returns),
        volatile,
        body: body(out, file, written.span()),
    }
}

/// `name type` or `name type = default`; the default is JSON, or else a text.
fn argument(text: &str) -> Option<ArgumentPlan> {
    let (declared, default) = match text.split_once('=') {
        Some((declared, default)) => (declared, Some(default.trim())),
        None => (text, None),
    };
    let (name, kind) = declared.trim().split_once(' ')?;
    let kind = kind.trim();
    let plain = |c: char| c.is_alphanumeric() || c == '_';
    if kind.is_empty() || !name.chars().all(plain) || default == Some("") {
        return None;
    }
    let default = default.map(|text| serde_json::from_str(text).unwrap_or_else(|_| text.into()));
    Some(ArgumentPlan { name: name.to_owned(), kind: kind.to_owned(), default })
}

fn returns(out: &mut Collector, written: &Spanned<ReturnsFile>) -> ReturnsPlan {
    match written.get_ref() {
        ReturnsFile::One(kind) if kind == "void" => ReturnsPlan::Void,
        ReturnsFile::One(kind) => ReturnsPlan::Scalar(kind.clone()),
        ReturnsFile::Other(ManyFile::Values(kind)) => ReturnsPlan::Scalars(kind.clone()),
        ReturnsFile::Other(ManyFile::Row(table)) => ReturnsPlan::Row(table.clone()),
        ReturnsFile::Other(ManyFile::Rows(table)) => ReturnsPlan::Rows(table.clone()),
        ReturnsFile::Other(ManyFile::Table(columns)) => {
            let mut all = Vec::new();
            for column in columns {
                match column.trim().split_once(' ') {
                    Some((name, kind)) => all.push((name.to_owned(), kind.trim().to_owned())),
                    None => {
                        out.error(written.span(), format!("`{column}` is no column"))
                            .help("write a name and a type: \"total numeric\"");
                    }
                }
            }
            ReturnsPlan::Table(all)
        }
    }
}

fn body(out: &mut Collector, file: &FunctionFile, span: Range<usize>) -> FunctionBody {
    let query_only = [
        file.select.as_ref().map(|written| ("select", written.span())),
        file.rows.as_ref().map(|written| ("rows", written.span())),
        file.definer.as_ref().map(|written| ("definer", written.span())),
    ];
    if file.from.is_none() {
        for (key, span) in query_only.into_iter().flatten() {
            out.error(span, format!("`{key}` is about a query, which this function has not"))
                .help("name the table: from = \"books\"");
        }
    }
    let mut bodies = Vec::new();
    if let (Some(select), ReturnsFile::Other(ManyFile::Row(table) | ManyFile::Rows(table))) =
        (&file.select, file.returns.get_ref())
    {
        out.error(select.span(), format!("`select` has no effect: whole rows of `{table}` are returned"))
            .help("leave it away, or say which columns: returns = { table = [\"id bigint\", \"title text\"] }");
    }
    if let (Some(from), ReturnsFile::Other(ManyFile::Row(table) | ManyFile::Rows(table))) =
        (&file.from, file.returns.get_ref())
        && from.get_ref() != table
    {
        out.error(from.span(), format!("it returns rows of `{table}`, and cannot take them from `{}`", from.get_ref()))
            .help(format!("write from = \"{table}\", or name the columns: returns = {{ table = [\"name type\", …] }}"));
    }
    if let Some(json) = &file.json {
        bodies.push((json.span(), FunctionBody::Constant(json.get_ref().to_json())));
    }
    if let Some(template) = &file.template {
        bodies.push((template.span(), FunctionBody::Template(template.get_ref().clone())));
    }
    if let Some(from) = &file.from {
        let query = FunctionBody::Query {
            from: from.get_ref().clone(),
            select: file.select.as_ref().map(|written| written.get_ref().clone()),
            rows: file.rows.as_ref().map(|written| written.get_ref().clone()).unwrap_or_default(),
            definer: file.definer.as_ref().is_some_and(|written| *written.get_ref()),
        };
        bodies.push((from.span(), query));
    }
    if let Some(raised) = &file.raise {
        bodies.push((raised.span(), raise(out, raised.get_ref())));
    }
    let mut bodies = bodies.into_iter();
    let first = bodies.next();
    for (span, _) in bodies {
        out.error(span, "a function does one thing")
            .help("leave all but one of `json`, `template`, `from`, `raise` away");
    }
    let nothing = FunctionBody::Constant(serde_json::Value::Null);
    match first {
        Some((_, body)) => body,
        // A function that gives nothing needs no word on what.
        None if matches!(file.returns.get_ref(), ReturnsFile::One(kind) if kind == "void") => nothing,
        None => {
            out.error(span, format!("nothing is said of what `{}` gives", file.name.get_ref()))
                .help("add json = …, template = \"…\", from = \"a table\" or raise = { message = \"…\" }");
            nothing
        }
    }
}

fn raise(out: &mut Collector, file: &RaiseFile) -> FunctionBody {
    let code = file.code.as_ref().map_or("P0001", |written| written.get_ref().as_str());
    let plain = |c: char| c.is_ascii_digit() || c.is_ascii_uppercase();
    if let Some(written) = &file.code
        && (code.len() != 5 || !code.chars().all(plain))
    {
        out.error(written.span(), format!("`{code}` is no SQLSTATE"))
            .help("five digits and capital letters, such as \"P0001\"; \"PT404\" makes PostgREST answer 404");
    }
    if let Some(written) = &file.code
        && let Some(status) = code.strip_prefix("PT").and_then(|digits| digits.parse::<u16>().ok())
        && !(200..=599).contains(&status)
    {
        out.error(written.span(), format!("{status} is no status that an answer can end with"))
            .help("`PT` and a status from 200 to 599, such as \"PT404\"");
    }
    FunctionBody::Raise {
        code: code.to_owned(),
        message: file.message.clone(),
        details: file.details.clone(),
        hint: file.hint.clone(),
    }
}
