//! A text and the command line's edits → a typed file with spans, or the first mistake.

use super::diagnostic::Diagnostic;
use super::source::Source;
use super::suggest;
use serde::de::DeserializeOwned;
use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

/// No key of a scenario lies deeper; each part is a call on the stack.
const MAX_DEPTH: usize = 32;

/// An edit that an option of the command line makes.
#[derive(Clone, Debug)]
pub(super) struct Edit {
    /// What was typed before the value, such as `--set load.closed.users=` or `--users `.
    pub(super) option: String,
    /// The key, dotted.
    pub(super) key: String,
    /// The value as typed; `None` removes the key.
    pub(super) value: Option<Value>,
}

/// An edit's value.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// Anything that TOML knows; a plain text where it is no TOML.
    Guess(String),
    /// A text, whatever it looks like.
    Text(String),
}

/// Reads a file that nothing edits.
pub(super) fn read<T: DeserializeOwned>(source: &Arc<Source>) -> Result<T, Box<Diagnostic>> {
    let root = DeTable::parse(source.text()).map_err(|error| explain(source, &error))?;
    typed(source, root.span(), DeValue::Table(root.into_inner()))
}

/// Reads a file with edits; the returned source holds both, so that spans point to either.
pub(super) fn read_edited<T: DeserializeOwned>(
    mut source: Source,
    edits: &[Edit],
) -> Result<(T, Arc<Source>), Box<Diagnostic>> {
    let mut placed = Vec::with_capacity(edits.len());
    for edit in edits {
        let value = match &edit.value {
            Some(Value::Guess(text) | Value::Text(text)) => text.as_str(),
            None => "",
        };
        // Of the same length, so that places stay right.
        let shown = if holds_secret(&edit.key) { "*".repeat(value.len()) } else { value.to_owned() };
        let base = source.append("command line", format!("{}{shown}", edit.option));
        // The base is behind the file's last byte and the option's name before the value: there is room for `k=`.
        let at = base + edit.option.len();
        placed.push((base, format!("{}k={value}", " ".repeat(at.saturating_sub(2)))));
    }
    let source = Arc::new(source);
    let root = DeTable::parse(source.text()).map_err(|error| explain(&source, &error))?;
    let span = root.span();
    let mut root = DeValue::Table(root.into_inner());
    for (edit, (base, padded)) in edits.iter().zip(&placed) {
        apply(&mut root, edit, *base, padded).map_err(|(span, title, help)| {
            let mut diagnostic = Diagnostic::at(source.clone(), span, title);
            if let Some(help) = help {
                diagnostic.help(help);
            }
            Box::new(diagnostic)
        })?;
    }
    typed(&source, span, root).map(|file| (file, source))
}

/// Whether a key's value may be a secret, which no message shows.
fn holds_secret(key: &str) -> bool {
    key.split('.').any(|part| matches!(part.trim(), "headers" | "env"))
}

/// The names of the top-level keys, as far as the text can be read.
pub(super) fn keys(text: &str) -> Vec<String> {
    let (table, _) = DeTable::parse_recoverable(text);
    table.get_ref().keys().map(|key| key.get_ref().to_string()).collect()
}

fn typed<T: DeserializeOwned>(
    source: &Arc<Source>,
    span: Range<usize>,
    root: DeValue<'_>,
) -> Result<T, Box<Diagnostic>> {
    T::deserialize(ValueDeserializer::from(Spanned::new(span, root))).map_err(|error| explain(source, &error))
}

/// Why an edit is impossible: where, what, and a remedy where there is one.
type Impossible = (Range<usize>, String, Option<String>);

fn apply<'i>(root: &mut DeValue<'i>, edit: &Edit, base: usize, padded: &'i str) -> Result<(), Impossible> {
    let at = base + edit.option.len();
    let key_at = base + edit.option.find(&edit.key).unwrap_or(0);
    let mut path = Vec::new();
    let mut offset = 0;
    for segment in edit.key.split('.') {
        let start = (key_at + offset).min(at);
        path.push((segment.trim().to_owned(), start..(start + segment.len()).min(at)));
        offset += segment.len() + 1;
    }
    if path.len() > MAX_DEPTH {
        return Err((key_at..at, format!("the key has more than {MAX_DEPTH} parts"), None));
    }
    let value = edit.value.as_ref().map(|value| match value {
        Value::Guess(text) => guess(padded, text, at),
        Value::Text(text) => Spanned::new(at..at + text.len(), DeValue::String(Cow::Owned(text.clone()))),
    });
    put(root, &path, value)
}

/// The value that a text is in TOML; else the text itself. `padded` is the text behind `k=` and as many spaces as
/// move its spans to where it stands, which spares any arithmetic on spans.
fn guess<'i>(padded: &'i str, text: &str, at: usize) -> Spanned<DeValue<'i>> {
    if let Ok(table) = DeTable::parse(padded) {
        let mut table = table.into_inner();
        // A value with a line break in it could bring further keys.
        if table.len() == 1
            && let Some(value) = table.remove("k")
        {
            return value;
        }
    }
    Spanned::new(at..at + text.len(), DeValue::String(Cow::Owned(text.to_owned())))
}

/// Puts a value at a path, making tables on the way.
fn put<'i>(
    node: &mut DeValue<'i>,
    path: &[(String, Range<usize>)],
    value: Option<Spanned<DeValue<'i>>>,
) -> Result<(), Impossible> {
    let Some(((name, span), rest)) = path.split_first() else { return Ok(()) };
    if name.is_empty() {
        return Err((span.clone(), "a part of the key is empty".to_owned(), None));
    }
    match node {
        DeValue::Table(table) => {
            if rest.is_empty() {
                // Removed first, because a map keeps the old key, and with it the place in the file.
                table.remove(name.as_str());
                if let Some(value) = value {
                    table.insert(Spanned::new(span.clone(), Cow::Owned(name.clone())), value);
                }
                return Ok(());
            }
            if !table.contains_key(name.as_str()) {
                if value.is_none() {
                    return Ok(());
                }
                let empty = Spanned::new(span.clone(), DeValue::Table(DeTable::new()));
                table.insert(Spanned::new(span.clone(), Cow::Owned(name.clone())), empty);
            }
            match table.get_mut(name.as_str()) {
                Some(next) => put(next.get_mut(), rest, value),
                None => Ok(()),
            }
        }
        DeValue::Array(list) => {
            let name_of = |item: &Spanned<DeValue<'_>>| {
                item.get_ref().get("name").and_then(|found| found.get_ref().as_str().map(str::to_owned))
            };
            let known: Vec<Option<String>> = list.iter().map(name_of).collect();
            let named = || known.iter().position(|known| known.as_ref() == Some(name));
            let index = name.parse::<usize>().ok().or_else(named);
            let Some(item) = index.and_then(|index| list.get_mut(index)) else {
                let names = suggest::list(known.iter().flatten().map(String::as_str), "and");
                let help = format!("use a number from 0, or a name; there is {names}");
                return Err((span.clone(), format!("the list has no item `{name}`"), Some(help)));
            };
            match (rest, value) {
                ([], Some(value)) => {
                    *item = value;
                    Ok(())
                }
                ([], None) => Ok(()),
                (rest, value) => put(item.get_mut(), rest, value),
            }
        }
        other => Err((span.clone(), format!("`{name}` would lie inside a {}", other.type_str()), None)),
    }
}

/// The TOML reader's error in our words, with valid choices and a guess.
fn explain(source: &Arc<Source>, error: &toml::de::Error) -> Box<Diagnostic> {
    let message = error.message();
    let span = error.span().unwrap_or(0..0);
    let words: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let choices = |valid: &[&str], diagnostic: &mut Diagnostic, typed: &str| {
        if let Some(guess) = suggest::nearest(typed, valid.iter().copied()) {
            diagnostic.label(format!("did you mean `{guess}`?"));
        }
        diagnostic.help(format!("valid here: {}", suggest::list(valid.iter().copied(), "and")));
    };
    if let (true, [typed, valid @ ..]) = (message.starts_with("unknown field"), words.as_slice()) {
        let mut diagnostic = Diagnostic::at(source.clone(), span, format!("unknown key `{typed}`"));
        choices(valid, &mut diagnostic, typed);
        return Box::new(diagnostic);
    }
    if let (true, [typed, valid @ ..]) = (message.starts_with("unknown variant"), words.as_slice()) {
        let mut diagnostic = Diagnostic::at(source.clone(), span, format!("there is no `{typed}` here"));
        choices(valid, &mut diagnostic, typed);
        return Box::new(diagnostic);
    }
    if message.starts_with("wanted exactly 1 element") {
        let mut diagnostic = Diagnostic::at(source.clone(), span, "exactly one of the kinds is needed here");
        diagnostic.help("write it as KIND = { … }, once; for two kinds, write two entries");
        return Box::new(diagnostic);
    }
    let title = match (message.strip_prefix("missing field "), message.strip_prefix("invalid type: ")) {
        (Some(field), _) => format!("the key {field} is missing"),
        (_, Some(rest)) => wrong_type(rest),
        _ => message.to_owned(),
    };
    Box::new(Diagnostic::at(source.clone(), span, title))
}

/// serde's words for types in those of the file.
fn wrong_type(rest: &str) -> String {
    let (found, expected) = rest.split_once(", expected ").unwrap_or((rest, "something else"));
    let found = found.replace("string ", "the text ").replace("map", "a table").replace("sequence", "a list");
    let found =
        found.replace("integer ", "the number ").replace("floating point ", "the number ").replace("boolean ", "");
    let expected = match expected {
        "i64" | "u64" => "a whole number",
        "f64" => "a number",
        "a string" => "a text",
        "a boolean" => "true or false",
        "a map" => "a table",
        "a sequence" => "a list",
        other if other.starts_with("struct ") || other.starts_with("enum ") => "a table",
        other => other,
    };
    format!("{found} stands where {expected} belongs")
}
