//! Feeders, journeys and endpoints.

use super::collector::Collector;
use super::env;
use super::resolve_target;
use super::scenario_file::{ConditionFile, ExpectFile, FeederFile, JourneyFile, StepFile};
use super::suggest;
use super::template::{self, Names};
use super::value::{Node, OneOrMany, Quantity, Table};
use crate::model::journey::{Condition, Journey, JsonCheck, Step, ThinkTime};
use crate::model::plan::{Endpoint, Feeder};
use crate::units::Span;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use toml::Spanned;

/// How long an answer may take where the step does not say: the playbook's `--max-time 30`.
const WITHIN: Span = Span::from_secs(30);
/// The one field of a generated row.
const GENERATED: &str = "id";

/// Where journeys take their data from.
pub(super) fn feeders(out: &mut Collector, written: &Table<Spanned<FeederFile>>) -> BTreeMap<String, Feeder> {
    let mut feeders = BTreeMap::new();
    for (name, file) in written {
        if !template::is_name(name.get_ref())
            || template::ALWAYS.contains(&name.get_ref().as_str())
            || name.get_ref() == "env"
        {
            out.error(name.span(), format!("data cannot be called `{}`", name.get_ref()))
                .help("choose a name of letters, digits, `-` and `_` other than `uuid`, `date`, `vu` and `env`");
        }
        let generate = &file.get_ref().generate;
        template::check_generator(out, generate);
        feeders.insert(name.get_ref().clone(), Feeder::Generate(generate.get_ref().clone()));
    }
    feeders
}

/// What users do, and the endpoints that they meet.
pub(super) fn journeys(
    out: &mut Collector,
    written: &[Spanned<JourneyFile>],
    feeders: &BTreeMap<String, Feeder>,
) -> (Vec<Journey>, Vec<Endpoint>) {
    if written.is_empty() {
        out.missing("the scenario has no journey")
            .help("add one: [[journey]] with a name, and in it [[journey.step]] with a name and a method");
    }
    let mut names: HashMap<&str, ()> = HashMap::new();
    let mut endpoints: Vec<Endpoint> = Vec::new();
    let mut journeys = Vec::new();
    for journey in written {
        let file = journey.get_ref();
        name(out, &file.name, "journey");
        if names.insert(file.name.get_ref(), ()).is_some() {
            out.error(file.name.span(), format!("two journeys are called `{}`", file.name.get_ref()))
                .help("give each journey a name of its own");
        }
        if file.step.is_empty() {
            out.error(file.name.span(), format!("journey `{}` has no step", file.name.get_ref()))
                .help("add one below it: [[journey.step]] with a name and a method, such as get = \"/\"");
        }
        let weight = file.weight.as_ref().map_or(1, |weight| out.number(weight, "`weight`", 1, 10_000));
        let mut known =
            Names { feeders: feeders.keys().map(|name| (name.clone(), vec![GENERATED])).collect(), ..Names::default() };
        let mut steps = Vec::new();
        for (index, step) in file.step.iter().enumerate() {
            known.saved_later = file.step[index..]
                .iter()
                .flat_map(|later| later.get_ref().save.keys().map(|name| name.get_ref().clone()))
                .collect();
            let resolved = self::step(out, step, &known);
            endpoint(out, step, &resolved, &mut endpoints);
            known.saved.extend(resolved.save.keys().cloned());
            steps.push(resolved);
        }
        journeys.push(Journey { name: file.name.get_ref().clone(), weight, steps });
    }
    (journeys, endpoints)
}

pub(super) fn name(out: &mut Collector, written: &Spanned<String>, what: &str) {
    let text = written.get_ref();
    if text.trim().is_empty() || text.chars().count() > 100 || text.chars().any(char::is_control) {
        out.error(written.span(), format!("this cannot be the name of a {what}"))
            .help("a name is one line with something in it, up to 100 characters");
    }
}

/// Adds the step's endpoint, or reports how it differs from an earlier step of the same name.
fn endpoint(out: &mut Collector, written: &Spanned<StepFile>, step: &Step, endpoints: &mut Vec<Endpoint>) {
    let span = written.get_ref().name.span();
    let Some(known) = endpoints.iter().find(|endpoint| endpoint.name == step.name) else {
        endpoints.push(Endpoint {
            name: step.name.clone(),
            agent: step.agent.clone(),
            method: step.method.clone(),
            path: step.path.clone(),
        });
        return;
    };
    if known.agent != step.agent {
        let agent = |agent: &Option<String>| agent.as_ref().map_or("no agent".to_owned(), |agent| format!("`{agent}`"));
        out.error(span, format!("steps `{}` exercise different agents", step.name))
            .label(format!("{} here, {} before", agent(&step.agent), agent(&known.agent)))
            .help("steps of one name are one endpoint in the report; name one of them differently");
    } else if known.method != step.method || query_free(&known.path) != query_free(&step.path) {
        out.warn(
            span,
            format!(
                "steps `{}` are reported as one endpoint, but one is {} {} and one is {} {}",
                step.name, known.method, known.path, step.method, step.path
            ),
        );
    }
}

fn query_free(path: &str) -> &str {
    path.split('?').next().unwrap_or(path)
}

fn step(out: &mut Collector, written: &Spanned<StepFile>, known: &Names) -> Step {
    let file = written.get_ref();
    name(out, &file.name, "step");
    if let Some(agent) = &file.agent {
        name(out, agent, "agent");
    }
    let (method, path) = method(out, file, known);
    for (name, value) in &file.headers {
        resolve_target::header_name(out, name);
        if env::mentions(value.get_ref()) {
            out.error(value.span(), "a step's headers cannot use the environment")
                .help("`${env.NAME}` works in [headers], which go out with every step and are kept secret");
        } else {
            template::check(out, value.get_ref(), &value.span(), known);
        }
        if value.get_ref().chars().any(char::is_control) {
            out.error(value.span(), "this cannot be the value of a header").help("a header is one line of text");
        }
    }
    if let Some(json) = &file.json {
        templates(out, json, known);
        if method == "GET" || method == "HEAD" {
            out.error(json.span(), format!("a {method} has no body"))
                .help("leave `json` away, or use post, put, patch or delete");
        }
    }
    let (expect, deadline) = expect(out, &file.expect);
    if method == "HEAD" && (!expect.json.is_empty() || expect.contains.is_some()) {
        out.error(file.name.span(), "the answer to a HEAD has no body to look at")
            .help("expect a status only, or use get");
    }
    Step {
        name: file.name.get_ref().clone(),
        agent: file.agent.as_ref().map(|agent| agent.get_ref().clone()),
        method: method.to_owned(),
        path,
        headers: file.headers.iter().map(|(k, v)| (k.get_ref().clone(), v.get_ref().clone())).collect(),
        body: file.json.as_ref().map(|json| json.get_ref().to_json()),
        expect,
        degraded: file.degraded.as_ref().map(|rule| degraded(out, rule)),
        deadline,
        save: save(out, file, known),
        think: file.think.as_ref().map_or_else(ThinkTime::default, |think| self::think(out, think)),
    }
}

fn method(out: &mut Collector, file: &StepFile, known: &Names) -> (&'static str, String) {
    let all = [
        ("GET", &file.get),
        ("POST", &file.post),
        ("PUT", &file.put),
        ("PATCH", &file.patch),
        ("DELETE", &file.delete),
        ("HEAD", &file.head),
    ];
    let given: Vec<_> = all.iter().filter_map(|(method, path)| path.as_ref().map(|path| (*method, path))).collect();
    match given.as_slice() {
        [(method, path)] => {
            template::check(out, path.get_ref(), &path.span(), known);
            (method, resolve_target::path(out, path))
        }
        [] => {
            out.error(file.name.span(), format!("step `{}` has no method", file.name.get_ref()))
                .help("add one of get, post, put, patch, delete and head with a path, such as get = \"/api/health\"");
            ("GET", "/".to_owned())
        }
        [_, (_, second), ..] => {
            let keys: Vec<String> = given.iter().map(|(method, _)| method.to_lowercase()).collect();
            out.error(
                second.span(),
                format!("step `{}` has more than one method: {}", file.name.get_ref(), keys.join(", ")),
            )
            .help("a step is one request; write a step for each");
            ("GET", "/".to_owned())
        }
    }
}

/// Checks the templates inside a body.
fn templates(out: &mut Collector, node: &Spanned<Node>, known: &Names) {
    match node.get_ref() {
        Node::Text(text) => template::check(out, text, &node.span(), known),
        Node::List(all) => all.iter().for_each(|one| templates(out, one, known)),
        Node::Table(all) => all.iter().for_each(|(_, one)| templates(out, one, known)),
        Node::Integer(_) | Node::Float(_) | Node::Bool(_) => {}
    }
}

fn expect(out: &mut Collector, file: &ExpectFile) -> (Condition, Span) {
    let deadline = out.positive(file.within.as_ref(), "`within`", WITHIN);
    let condition = Condition {
        status: statuses(out, file.status.as_ref()),
        json: checks(out, &file.json),
        contains: file.contains.clone(),
    };
    (condition, deadline)
}

fn degraded(out: &mut Collector, written: &Spanned<ConditionFile>) -> Condition {
    let file = written.get_ref();
    if file.status.is_none() && file.json.is_empty() && file.contains.is_none() {
        out.error(written.span(), "this would call every answer degraded")
            .help("say what marks a fallback: json = { \"/status\" = \"degraded\" }, a status, or contains = \"…\"");
    }
    Condition {
        status: statuses(out, file.status.as_ref()),
        json: checks(out, &file.json),
        contains: file.contains.clone(),
    }
}

pub(super) fn statuses(out: &mut Collector, written: Option<&Spanned<OneOrMany<i64>>>) -> Vec<u16> {
    let Some(written) = written else { return vec![] };
    let all = match written.get_ref() {
        OneOrMany::One(one) => std::slice::from_ref(one),
        OneOrMany::Many(all) => all.as_slice(),
    };
    if all.is_empty() {
        out.error(written.span(), "no status would do").help("name those that do, or leave `status` away: any 2xx");
    }
    all.iter().map(|one| out.number(&Spanned::new(written.span(), *one), "a status", 100, 599)).collect()
}

pub(super) fn checks(out: &mut Collector, written: &Table<Spanned<Node>>) -> BTreeMap<String, JsonCheck> {
    written
        .iter()
        .map(|(place, check)| {
            pointer(out, place.get_ref(), place.span());
            (place.get_ref().clone(), json_check(out, check))
        })
        .collect()
}

/// Reports what is no JSON pointer (RFC 6901).
pub(super) fn pointer(out: &mut Collector, text: &str, span: Range<usize>) {
    if !text.is_empty() && !text.starts_with('/') {
        let guess = text.trim_start_matches(['$', '.']).replace(['.', '['], "/").replace(']', "");
        out.error(span, format!("`{text}` is not a place in a JSON body"))
            .help(format!("a JSON pointer starts with `/` at the top: \"/{guess}\""));
    } else if text.match_indices('~').any(|(at, _)| !text[at + 1..].starts_with(['0', '1'])) {
        out.error(span, format!("`{text}` is not a place in a JSON body"))
            .help("in a JSON pointer, `~0` stands for `~` and `~1` for `/`");
    }
}

const CHECKS: [&str; 6] = ["equals", "not", "exists", "one-of", "not-empty", "contains"];

fn json_check(out: &mut Collector, written: &Spanned<Node>) -> JsonCheck {
    let Node::Table(table) = written.get_ref() else { return JsonCheck::Equals(written.get_ref().to_json()) };
    let [(kind, value)] = table.as_slice() else {
        let title = if table.is_empty() { "an empty check" } else { "more than one check in one place" };
        out.error(written.span(), title)
            .help(format!("write a plain value, or a table with exactly one of {}", suggest::list(CHECKS, "and")));
        return JsonCheck::Exists(true);
    };
    let wrong = |out: &mut Collector, wanted: &str| {
        out.error(value.span(), format!("`{kind}` takes {wanted}, not {}", value.get_ref().kind()));
        JsonCheck::Exists(true)
    };
    match (kind.as_str(), value.get_ref()) {
        ("equals", other) => JsonCheck::Equals(other.to_json()),
        ("not", other) => JsonCheck::Not(other.to_json()),
        ("exists", Node::Bool(yes)) => JsonCheck::Exists(*yes),
        ("exists", _) => wrong(out, "true or false"),
        ("not-empty", Node::Bool(yes)) => JsonCheck::NotEmpty(*yes),
        ("not-empty", _) => wrong(out, "true or false"),
        ("contains", Node::Text(text)) => JsonCheck::Contains(text.clone()),
        ("contains", _) => wrong(out, "a text"),
        ("one-of", Node::List(all)) if !all.is_empty() => {
            JsonCheck::OneOf(all.iter().map(|one| one.get_ref().to_json()).collect::<Vec<Value>>())
        }
        ("one-of", _) => wrong(out, "a list with something in it"),
        (kind, _) => {
            out.unknown(written.span(), "check", kind, CHECKS);
            JsonCheck::Exists(true)
        }
    }
}

fn save(out: &mut Collector, file: &StepFile, known: &Names) -> BTreeMap<String, String> {
    file.save
        .iter()
        .map(|(name, place)| {
            let text = name.get_ref();
            if !template::is_name(text) || template::ALWAYS.contains(&text.as_str()) || known.feeders.contains_key(text)
            {
                out.error(name.span(), format!("a value cannot be saved as `{text}`")).help(
                    "choose a name of letters, digits, `-` and `_` that is no data and none of `uuid`, `date` and `vu`",
                );
            }
            pointer(out, place.get_ref(), place.span());
            (text.clone(), place.get_ref().clone())
        })
        .collect()
}

fn think(out: &mut Collector, written: &Spanned<Quantity>) -> ThinkTime {
    let text = &written.get_ref().0;
    let Some((low, high)) = text.split_once("..") else {
        let both = out.quantity(written, Span::default());
        return ThinkTime { min: both, max: both };
    };
    let part = |part: &str| Spanned::new(written.span(), Quantity(part.trim().to_owned()));
    let min = out.quantity(&part(low), Span::default());
    let max = out.quantity(&part(high.trim_start_matches('=')), min);
    if max < min {
        out.error(written.span(), format!("a pause from {min} up to {max}"))
            .help("write the shorter one first: \"1s..3s\"");
        return ThinkTime { min: max, max: min };
    }
    ThinkTime { min, max }
}
