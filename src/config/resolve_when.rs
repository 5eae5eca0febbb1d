//! Which requests a fault hits: [`WhenFile`] → [`FaultMatch`].

use super::collector::Collector;
use super::resolve_journeys::pointer;
use super::value::{Node, Table};
use super::when_file::WhenFile;
use crate::model::fault::{BodyTest, FaultMatch, First, Key, Tries};
use crate::model::upstream::UpstreamKind;
use crate::units::Share;
use std::collections::BTreeMap;
use toml::Spanned;

const METHODS: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
/// What requests can be told apart by, beside a header.
const KEYS: [&str; 5] = ["user", "connection", "path", "table", "model"];

/// Which requests a fault may hit. Its course is left to [`super::resolve_course`].
pub(super) fn matcher(out: &mut Collector, when: &WhenFile, kind: Option<&UpstreamKind>) -> FaultMatch {
    let method = when.method.as_ref().map(|method| {
        let upper = method.get_ref().to_uppercase();
        if !METHODS.contains(&upper.as_str()) {
            out.unknown(method.span(), "method", method.get_ref(), METHODS);
        }
        upper
    });
    if let Some(path) = &when.path
        && !path.get_ref().starts_with(['/', '*'])
    {
        out.error(path.span(), "a path starts with `/`")
            .help(format!("write \"/{0}\", or \"*{0}\" for any beginning", path.get_ref()));
    }
    if let Some(path) = &when.path
        && path.get_ref().contains('?')
    {
        out.error(path.span(), "a path has no query").help("match it with query = { name = \"value\" }");
    }
    if let (Some(service), Some(kind)) = (&when.service, kind)
        && !kind.services().names().any(|known| known == service.get_ref())
    {
        out.unknown(service.span(), "service", service.get_ref(), kind.services().names());
    }
    belongs(out, when.model.as_ref(), kind, "model", "OpenAI", |kind| matches!(kind, UpstreamKind::Openai(_)));
    belongs(out, when.table.as_ref(), kind, "table", "Supabase", |kind| matches!(kind, UpstreamKind::Supabase(_)));
    let tries = when.tries.as_ref().and_then(|tries| match tries.get_ref().as_str() {
        "first" => Some(Tries::First),
        "retries" => Some(Tries::Retries),
        typed => {
            out.unknown(tries.span(), "kind of try", typed, ["first", "retries"]);
            None
        }
    });
    let header = texts(&when.header);
    for name in when.header.keys().filter(|name| http::HeaderName::from_bytes(name.get_ref().as_bytes()).is_err()) {
        out.error(name.span(), format!("`{}` cannot be the name of a header", name.get_ref()));
    }
    clashes(out, when);
    FaultMatch {
        method,
        service: plain(when.service.as_ref()),
        path: plain(when.path.as_ref()),
        header,
        query: texts(&when.query),
        body: body(out, &when.body),
        model: plain(when.model.as_ref()),
        table: plain(when.table.as_ref()),
        user: plain(when.user.as_ref()),
        tries,
        nth: when.nth.as_ref().map(|nth| out.number(nth, "`nth`", 1, u64::from(u32::MAX))),
        first: first(out, when),
        asked: None,
        course: Default::default(),
    }
}

/// How many of them it hits.
pub(super) fn share(out: &mut Collector, when: &WhenFile) -> Share {
    let share = out.quantity_or(when.share.as_ref(), Share::ALL);
    if let Some(written) = &when.share
        && share.fraction() == 0.0
    {
        out.warn(written.span(), "a share of 0% hits nothing");
    }
    share
}

fn plain(written: Option<&Spanned<String>>) -> Option<String> {
    written.map(|text| text.get_ref().clone())
}

fn texts(written: &Table<Spanned<String>>) -> BTreeMap<String, String> {
    written.iter().map(|(name, value)| (name.get_ref().clone(), value.get_ref().clone())).collect()
}

/// Notes a condition that no request to this upstream can ever meet.
fn belongs(
    out: &mut Collector,
    written: Option<&Spanned<String>>,
    kind: Option<&UpstreamKind>,
    what: &str,
    whose: &str,
    is_its: impl Fn(&UpstreamKind) -> bool,
) {
    if let (Some(written), Some(kind)) = (written, kind)
        && !is_its(kind)
    {
        out.error(written.span(), format!("only requests to {whose} have a `{what}`"))
            .help("match by `path`, `query` or `body` instead");
    }
}

fn body(out: &mut Collector, written: &Table<Spanned<Node>>) -> BTreeMap<String, BodyTest> {
    let mut all = BTreeMap::new();
    for (place, value) in written {
        pointer(out, place.get_ref(), place.span());
        let test = match value.get_ref() {
            Node::Text(pattern) => Some(BodyTest::Text(pattern.clone())),
            Node::Bool(yes) => Some(BodyTest::Bool(*yes)),
            #[expect(clippy::cast_precision_loss, reason = "JSON numbers of requests are small")]
            Node::Integer(number) => Some(BodyTest::Number(*number as f64)),
            Node::Float(number) => Some(BodyTest::Number(*number)),
            Node::Table(table) => match table.as_slice() {
                [(name, exists)] if name == "exists" => match exists.get_ref() {
                    Node::Bool(exists) => Some(BodyTest::Exists(*exists)),
                    _ => None,
                },
                _ => None,
            },
            Node::List(_) => None,
        };
        match test {
            Some(test) => drop(all.insert(place.get_ref().clone(), test)),
            None => {
                out.error(value.span(), "this cannot be compared with a place of the body")
                    .help("write a text (`*` is any run of characters), a number, true or false, or { exists = true }");
            }
        }
    }
    all
}

fn first(out: &mut Collector, when: &WhenFile) -> Option<First> {
    let per = when.per.as_ref().and_then(|per| key(out, per));
    if let (None, Some(per)) = (&when.first, &when.per) {
        out.error(per.span(), "`per` says of what, but not how many").help("add first = 1, or another number");
    }
    let count = when.first.as_ref().map(|first| out.number(first, "`first`", 1, u64::from(u32::MAX)))?;
    Some(First { count, per })
}

fn key(out: &mut Collector, written: &Spanned<Node>) -> Option<Key> {
    match written.get_ref() {
        Node::Text(name) => match name.as_str() {
            "user" => Some(Key::User),
            "connection" => Some(Key::Connection),
            "path" => Some(Key::Path),
            "table" => Some(Key::Table),
            "model" => Some(Key::Model),
            typed => {
                out.unknown(written.span(), "key of requests", typed, KEYS);
                None
            }
        },
        Node::Table(table) => match table.as_slice() {
            [(name, header)] if name == "header" => match header.get_ref() {
                Node::Text(name) if http::HeaderName::from_bytes(name.as_bytes()).is_ok() => {
                    Some(Key::Header(name.clone()))
                }
                _ => {
                    out.error(header.span(), "this cannot be the name of a header");
                    None
                }
            },
            _ => {
                not_a_key(out, written);
                None
            }
        },
        _ => {
            not_a_key(out, written);
            None
        }
    }
}

fn not_a_key(out: &mut Collector, written: &Spanned<Node>) {
    out.error(written.span(), "requests cannot be told apart by this")
        .help("write \"user\", \"connection\", \"path\", \"table\", \"model\", or { header = \"NAME\" }");
}

/// Notes ways to choose requests that say different things about the same one: what they mean together would be a
/// guess.
fn clashes(out: &mut Collector, when: &WhenFile) {
    let share = when.share.as_ref().map(Spanned::span);
    let nth = when.nth.as_ref().map(Spanned::span);
    let first = when.first.as_ref().map(Spanned::span);
    let pairs = [
        ("nth", nth.is_some(), "share", share.clone()),
        ("first", first.is_some(), "share", share),
        ("nth", nth.is_some(), "first", first),
    ];
    for (one, has_one, other, place) in pairs {
        if let Some(place) = place.filter(|_| has_one) {
            out.error(place, format!("`{one}` and `{other}` together do not say which requests are hit")).help(
                "`share` chooses by chance, `nth` by number, `first` by being early: keep one; to stop after so many \
                 hits, write until = { hits = 20 }",
            );
        }
    }
}
