//! Templates such as `/api/user/{user.id}/tasks?date={date}`: which placeholders exist, and whether a text uses only
//! those. Filling them in is the load stage's work.

use super::collector::Collector;
use super::suggest;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use toml::Spanned;

/// Placeholders that are always there: a fresh UUID, today's date, the virtual user's number.
pub(super) const ALWAYS: [&str; 3] = ["uuid", "date", "vu"];

/// What a template may name.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    /// Feeders and their fields.
    pub(super) feeders: BTreeMap<String, Vec<&'static str>>,
    /// Values saved by earlier steps of the journey.
    pub(super) saved: BTreeSet<String>,
    /// Values that later steps of the journey save: worth a better message.
    pub(super) saved_later: BTreeSet<String>,
}

/// A piece of a template that is no plain text.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece<'a> {
    /// `{name}`, with its position.
    Placeholder(&'a str, Range<usize>),
    /// A brace without its partner.
    Stray(char, usize),
}

/// The placeholders of a text; `{{` and `}}` stand for plain braces.
fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(offset) = text[at..].find(['{', '}']) {
        let brace = at + offset;
        let rest = &text[brace..];
        if rest.starts_with("{{") || rest.starts_with("}}") {
            at = brace + 2;
        } else if rest.starts_with('}') {
            found.push(Piece::Stray('}', brace));
            at = brace + 1;
        } else {
            match rest[1..].find(['{', '}']).filter(|end| rest[1 + end..].starts_with('}')) {
                Some(end) => {
                    found.push(Piece::Placeholder(&rest[1..=end], brace..brace + end + 2));
                    at = brace + end + 2;
                }
                None => {
                    found.push(Piece::Stray('{', brace));
                    at = brace + 1;
                }
            }
        }
    }
    found
}

/// Whether a text holds a placeholder.
pub(super) fn has_placeholder(text: &str) -> bool {
    pieces(text).iter().any(|piece| matches!(piece, Piece::Placeholder(..)))
}

/// The placeholders of a text with their places; what else the text holds is nobody's business here.
pub(super) fn placeholders(out: &Collector, written: &Spanned<String>) -> Vec<(String, Range<usize>)> {
    let (text, span) = (written.get_ref(), written.span());
    pieces(text)
        .into_iter()
        .filter_map(|piece| match piece {
            Piece::Placeholder(name, at) => Some((name.to_owned(), narrow(out, &span, text, at))),
            Piece::Stray(..) => None,
        })
        .collect()
}

/// Whether a name can be used for a feeder or a saved value.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

/// Reports everything that is wrong with a template.
pub(super) fn check(out: &mut Collector, text: &str, span: &Range<usize>, names: &Names) {
    for piece in pieces(text) {
        match piece {
            Piece::Stray(brace, at) => {
                let place = narrow(out, span, text, at..at + 1);
                out.error(place, format!("`{brace}` has no partner"))
                    .help(format!("write `{brace}{brace}` for a plain brace"));
            }
            Piece::Placeholder(name, at) => {
                let place = narrow(out, span, text, at);
                placeholder(out, name, place, names);
            }
        }
    }
}

/// The place inside a text, where the text stands in the file as it is (no escapes); else the place of the text.
pub(super) fn narrow(out: &Collector, span: &Range<usize>, text: &str, inside: Range<usize>) -> Range<usize> {
    let written = out.source().slice(span);
    let mut quote = written.find(|c| c != '"' && c != '\'').unwrap_or(0);
    // A line break right behind the marks of a text of several lines is none of the text.
    if quote >= 3 && !text.starts_with('\n') {
        let rest = &written[quote..];
        quote += if rest.starts_with("\r\n") { 2 } else { usize::from(rest.starts_with('\n')) };
    }
    let place = span.start + quote + inside.start..span.start + quote + inside.end;
    if text.get(inside) == Some(out.source().slice(&place)) { place } else { span.clone() }
}

fn placeholder(out: &mut Collector, name: &str, place: Range<usize>, names: &Names) {
    let (head, field) = match name.split_once('.') {
        Some((head, field)) => (head, Some(field)),
        None => (name, None),
    };
    match field {
        None if ALWAYS.contains(&name) || names.saved.contains(name) => {}
        None if names.saved_later.contains(name) => {
            out.error(place, format!("`{{{name}}}` is used before it is saved"))
                .help("a step can use what an earlier step of its journey saved; move the step, or the `save`");
        }
        None if names.feeders.contains_key(name) => {
            let fields = names.feeders[name].iter().map(|field| format!("{name}.{field}")).collect::<Vec<_>>();
            let fields = suggest::list(fields.iter().map(String::as_str), "or");
            out.error(place, format!("`{{{name}}}` is a whole row of data")).help(format!("name its field: {fields}"));
        }
        None => {
            let valid = names.saved.iter().map(String::as_str).chain(ALWAYS);
            let rows =
                names.feeders.iter().flat_map(|(feeder, fields)| fields.iter().map(move |f| format!("{feeder}.{f}")));
            let rows: Vec<String> = rows.collect();
            out.unknown(place, "placeholder", name, valid.chain(rows.iter().map(String::as_str)));
        }
        Some(_) if head == "env" => {
            out.error(place, "a step cannot use the environment")
                .help("`${env.NAME}` works in [headers] and in `target`, where its value is kept secret");
        }
        Some(field) => match names.feeders.get(head) {
            None if names.feeders.is_empty() => {
                out.error(place, format!("there is no data `{head}`")).help(format!(
                    "declare it: [data.{head}] with generate = \"load_{{run}}_{{n}}\" gives `{{{head}.id}}`"
                ));
            }
            None => out.unknown(place, "data", head, names.feeders.keys().map(String::as_str)),
            Some(fields) if fields.contains(&field) => {}
            Some(fields) => {
                let rows: Vec<String> = fields.iter().map(|field| format!("{head}.{field}")).collect();
                out.error(place, format!("`{head}` has no field `{field}`"))
                    .help(format!("it has {}", suggest::list(rows.iter().map(String::as_str), "and")));
            }
        },
    }
}

/// Reports what is wrong with a generator's pattern, which knows `{n}` and `{run}` alone.
pub(super) fn check_generator(out: &mut Collector, pattern: &Spanned<String>) {
    let (text, span) = (pattern.get_ref(), pattern.span());
    let mut counts = false;
    for piece in pieces(text) {
        match piece {
            Piece::Placeholder("n", _) => counts = true,
            Piece::Placeholder("run", _) => {}
            Piece::Placeholder(name, at) => {
                let place = narrow(out, &span, text, at);
                out.unknown(place, "placeholder", name, ["n", "run"]);
            }
            Piece::Stray(brace, at) => {
                let place = narrow(out, &span, text, at..at + 1);
                out.error(place, format!("`{brace}` has no partner"))
                    .help(format!("write `{brace}{brace}` for a plain brace"));
            }
        }
    }
    if !counts {
        out.error(span, "every row would be the same")
            .help("put `{n}`, the number of the row, into the pattern; `{run}` keeps runs apart from each other");
    }
}

/// Reports braces that stand for none of these names.
pub(super) fn check_names(out: &mut Collector, text: &str, span: &Range<usize>, names: &[&str]) {
    for piece in pieces(text) {
        match piece {
            Piece::Placeholder(name, _) if names.contains(&name) => {}
            Piece::Placeholder(name, at) => {
                let place = narrow(out, span, text, at);
                out.unknown(place, "placeholder", name, names.iter().copied());
            }
            Piece::Stray(brace, at) => {
                let place = narrow(out, span, text, at..at + 1);
                out.error(place, format!("`{brace}` has no partner"))
                    .help(format!("write `{brace}{brace}` for a plain brace"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn finds_placeholders_and_stray_braces() {
        assert_eq!(
            pieces("/{user.id}/{{x}}?d={date}}"),
            [Piece::Placeholder("user.id", 1..10), Piece::Placeholder("date", 19..25), Piece::Stray('}', 25),]
        );
        assert_eq!(pieces("{a{b}"), [Piece::Stray('{', 0), Piece::Placeholder("b", 2..5)]);
    }

    proptest! {
        #[test]
        fn never_panics_and_places_are_right(text in "[\\{\\}a.é\\PC]{0,30}") {
            for piece in pieces(&text) {
                if let Piece::Placeholder(name, at) = piece {
                    prop_assert_eq!(&text[at], format!("{{{name}}}"));
                }
            }
        }

        #[test]
        fn doubled_braces_are_plain(text in "\\PC{0,30}") {
            let escaped = text.replace('{', "{{").replace('}', "}}");
            prop_assert_eq!(pieces(&escaped), []);
        }
    }
}
