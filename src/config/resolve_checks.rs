//! Checks beyond the load → [`ChecksPlan`].

use super::checks_file::{
    AfterLoadFile, AlertsFile, CanariesFile, DatabaseFile, DurabilityFile, RequestFile, SecurityFile, TrafficFile,
};
use super::collector::Collector;
use super::request::World;
use super::resolve_gauges;
use super::resolve_journeys::{self, pointer};
use super::resolve_target;
use super::scenario_file::ScenarioFile;
use super::value::Node;
use crate::model::checks::{
    AfterLoad, AlertProbe, Canaries, CheckRequest, ChecksPlan, DatabaseProbe, DurabilityCheck, SecurityCheck, Traffic,
};
use crate::model::journey::Condition;
use crate::model::plan::{Feeder, TargetPlan};
use crate::model::upstream::{UpstreamKind, UpstreamPlan};
use crate::units::Span;
use std::collections::BTreeMap;
use toml::Spanned;

const EVERY: Span = Span::from_secs(30);
const WRITE_EVERY: Span = Span::from_secs(1);
const WITHIN: Span = Span::from_secs(30);
/// A canary shorter than this stands in ordinary text by chance.
const SHORTEST_CANARY: usize = 8;
/// More journeys in a day than all people of the world walk is a slip of the keyboard.
const MOST_A_DAY: f64 = 1e11;
/// What a check's texts may name.
const NAMES: [&str; 3] = ["row", "mark", "date"];

/// All checks of a scenario.
pub(super) fn checks(
    out: &mut Collector,
    file: &ScenarioFile,
    feeders: &BTreeMap<String, Feeder>,
    upstreams: &[UpstreamPlan],
    target: &TargetPlan,
    world: &World<'_>,
) -> ChecksPlan {
    ChecksPlan {
        traffic: file.traffic.as_ref().and_then(|written| traffic(out, written)),
        cost: file.probes.cost.as_ref().map(|cost| resolve_gauges::json_gauges(out, cost.get_ref())),
        after_load: file.memory.as_ref().and_then(|m| m.after_load.as_ref()).map(|a| after_load(out, a, target)),
        security: file.security.iter().map(|written| security(out, written.get_ref(), file)).collect(),
        canaries: file
            .canaries
            .as_ref()
            .map_or_else(Canaries::default, |written| canaries(out, written, feeders, world)),
        durability: file.durability.iter().map(|written| durability(out, written.get_ref())).collect(),
        database: file.probes.database.as_ref().map(|written| database(out, written.get_ref())),
        alerts: file.probes.alerts.as_ref().map(|written| alerts(out, written, upstreams)),
    }
}

fn traffic(out: &mut Collector, written: &Spanned<TrafficFile>) -> Option<Traffic> {
    let file = written.get_ref();
    let mut amount = |written: &Spanned<f64>| {
        let value = *written.get_ref();
        if !(value > 0.0 && value <= MOST_A_DAY) {
            out.error(written.span(), format!("{value} is no number to expect in a day"))
                .help("write a number above zero, such as 200");
        }
        value
    };
    match (&file.journeys_per_day, &file.users_per_day) {
        (Some(journeys), None) if file.journeys_per_user.is_none() => {
            Some(Traffic { journeys_per_day: amount(journeys), users_per_day: None })
        }
        (None, Some(users)) => {
            let users = amount(users);
            let each = file.journeys_per_user.as_ref().map_or(1.0, &mut amount);
            Some(Traffic { journeys_per_day: users * each, users_per_day: Some(users) })
        }
        _ => {
            out.error(written.span(), "a day's traffic is either journeys, or users and the journeys of each")
                .help("write journeys-per-day = 400, or users-per-day = 200 and journeys-per-user = 2");
            None
        }
    }
}

fn after_load(out: &mut Collector, written: &Spanned<AfterLoadFile>, target: &TargetPlan) -> AfterLoad {
    let file = written.get_ref();
    if matches!(target, TargetPlan::Url { pid: None, .. }) {
        out.warn(written.span(), "the app's memory is not seen without its process: `pid` of the target");
    }
    AfterLoad {
        quiet: out.positive(Some(&file.quiet), "`quiet`", EVERY),
        cleanup: file.cleanup.as_ref().map(|path| resolve_target::path(out, path)),
    }
}

/// Reports braces that are none of the placeholders of checks.
fn placeholders(out: &mut Collector, text: &str, span: std::ops::Range<usize>) {
    super::template::check_names(out, text, &span, &NAMES);
}

fn texts(out: &mut Collector, node: &Spanned<Node>) {
    match node.get_ref() {
        Node::Text(text) => placeholders(out, text, node.span()),
        Node::List(all) => all.iter().for_each(|one| texts(out, one)),
        Node::Table(all) => all.iter().for_each(|(_, one)| texts(out, one)),
        Node::Integer(_) | Node::Float(_) | Node::Bool(_) => {}
    }
}

fn request(out: &mut Collector, written: &Spanned<RequestFile>) -> CheckRequest {
    let file = written.get_ref();
    let all = [
        ("GET", &file.get),
        ("POST", &file.post),
        ("PUT", &file.put),
        ("PATCH", &file.patch),
        ("DELETE", &file.delete),
    ];
    let given: Vec<_> = all.iter().filter_map(|(method, path)| path.as_ref().map(|path| (*method, path))).collect();
    let (method, path) = match given.as_slice() {
        [(method, path)] => {
            placeholders(out, path.get_ref(), path.span());
            (*method, resolve_target::path(out, path))
        }
        _ => {
            out.error(written.span(), "a request has exactly one method")
                .help("write one of get, post, put, patch and delete with a path, such as get = \"/api/admin/users\"");
            ("GET", "/".to_owned())
        }
    };
    for (name, value) in &file.headers {
        resolve_target::header_name(out, name);
        placeholders(out, value.get_ref(), value.span());
        if value.get_ref().chars().any(char::is_control) {
            out.error(value.span(), "this cannot be the value of a header").help("a header is one line of text");
        }
    }
    if let Some(json) = &file.json {
        texts(out, json);
        if method == "GET" {
            out.error(json.span(), "a GET has no body").help("leave `json` away, or use post, put, patch or delete");
        }
    }
    CheckRequest {
        method: method.to_owned(),
        path,
        headers: file.headers.iter().map(|(k, v)| (k.get_ref().clone(), v.get_ref().clone())).collect(),
        body: file.json.as_ref().map(|json| json.get_ref().to_json()),
        deadline: out.positive(file.within.as_ref(), "`within`", WITHIN),
    }
}

fn security(out: &mut Collector, file: &SecurityFile, scenario: &ScenarioFile) -> SecurityCheck {
    resolve_journeys::name(out, &file.name, "security check");
    for header in &file.without {
        let known = scenario.headers.keys().any(|name| name.get_ref().eq_ignore_ascii_case(header.get_ref()));
        if !known {
            out.error(header.span(), format!("[headers] has no `{}` to go without", header.get_ref()))
                .help("only the run's own headers are left away; a check sends no others unless it says so");
        }
    }
    for text in &file.hides {
        placeholders(out, text.get_ref(), text.span());
        if text.get_ref().len() < 4 {
            out.error(text.span(), "so short a text stands in any answer by chance")
                .help("write four characters or more");
        }
    }
    let otherwise = if file.hides.is_empty() && file.foreign_origin.is_none() { vec![401, 403] } else { vec![] };
    let refuse = file.refuse.as_ref().map_or(otherwise, |refuse| resolve_journeys::statuses(out, Some(refuse)));
    if let Some(written) = &file.refuse
        && let Some(success) = refuse.iter().find(|status| (200..300).contains(*status))
    {
        out.error(written.span(), format!("{success} is no refusal")).help("a refusal is 401, 403, 404 and the like");
    }
    if let Some(origin) = &file.foreign_origin
        && !origin.get_ref().contains("://")
    {
        out.error(origin.span(), format!("`{}` is no origin", origin.get_ref()))
            .help("write a scheme and a host, such as \"https://elsewhere.example\"");
    }
    let plant = file.plant.as_ref().map(|plant| request(out, plant));
    SecurityCheck {
        name: file.name.get_ref().clone(),
        plant,
        request: request(out, &file.request),
        without: file.without.iter().map(|name| name.get_ref().clone()).collect(),
        refuse,
        hides: file.hides.iter().map(|text| text.get_ref().clone()).collect(),
        foreign_origin: file.foreign_origin.as_ref().map(|origin| origin.get_ref().clone()),
    }
}

fn canaries(
    out: &mut Collector,
    file: &CanariesFile,
    feeders: &BTreeMap<String, Feeder>,
    world: &World<'_>,
) -> Canaries {
    if let Some(others) = &file.others
        && !feeders.contains_key(others.get_ref())
    {
        out.unknown(others.span(), "data", others.get_ref(), feeders.keys().map(String::as_str));
    }
    let values = file
        .values
        .iter()
        .map(|(name, value)| {
            let secret = resolve_target::expand(out, world, value);
            if secret.len() < SHORTEST_CANARY && !secret.is_empty() {
                out.error(value.span(), format!("the canary `{}` is too short", name.get_ref()))
                    .help(format!("{SHORTEST_CANARY} characters or more; less stands in an answer by chance"));
            }
            (name.get_ref().clone(), crate::model::secret::Secret::new(secret))
        })
        .filter(|(_, secret)| secret.expose().len() >= SHORTEST_CANARY)
        .collect();
    Canaries { keys: file.keys.unwrap_or(true), others: file.others.as_ref().map(|o| o.get_ref().clone()), values }
}

fn durability(out: &mut Collector, file: &DurabilityFile) -> DurabilityCheck {
    resolve_journeys::name(out, &file.name, "durability check");
    let acknowledged = Condition {
        status: resolve_journeys::statuses(out, file.acknowledged.status.as_ref()),
        json: resolve_journeys::checks(out, &file.acknowledged.json),
        contains: file.acknowledged.contains.clone(),
    };
    let write = request(out, &file.write);
    let marked = |request: &CheckRequest, name: &str| {
        let name = format!("{{{name}}}");
        request.path.contains(&name) || request.body.as_ref().is_some_and(|body| body.to_string().contains(&name))
    };
    if !marked(&write, "mark") || !marked(&write, "row") {
        out.error(file.write.span(), "what is written could not be told from other rows")
            .help("put {row} where the row's key goes and {mark} into a text that is stored");
    }
    let read = request(out, &file.read);
    if !marked(&read, "row") {
        out.error(file.read.span(), "this reads the same for every row").help("put {row} where the row's key goes");
    }
    DurabilityCheck {
        name: file.name.get_ref().clone(),
        every: out.positive(file.every.as_ref(), "`every`", WRITE_EVERY),
        write,
        acknowledged,
        read,
        gone: file.gone.as_ref().map_or_else(|| vec![404, 410], |gone| resolve_journeys::statuses(out, Some(gone))),
        copies: file.copies.as_ref().map_or(1, |copies| out.number(copies, "`copies`", 1, 1000)),
    }
}

fn database(out: &mut Collector, file: &DatabaseFile) -> DatabaseProbe {
    pointer(out, file.status_at.get_ref(), file.status_at.span());
    if file.well.get_ref().is_empty() {
        out.error(file.well.span(), "no value would mean that the database is well").help("write well = [\"healthy\"]");
    }
    DatabaseProbe {
        path: resolve_target::path(out, &file.path),
        every: out.positive(file.every.as_ref(), "`every`", EVERY),
        status_at: file.status_at.get_ref().clone(),
        well: file.well.get_ref().clone(),
    }
}

fn alerts(out: &mut Collector, written: &Spanned<AlertsFile>, upstreams: &[UpstreamPlan]) -> AlertProbe {
    let file = written.get_ref();
    if file.path.is_none() && file.webhook.is_none() {
        out.error(written.span(), "alerts come from nowhere")
            .help("name the path of the app's alert history, or the stub upstream that its webhook goes to");
    }
    if let Some(webhook) = &file.webhook {
        let stubs = || upstreams.iter().filter(|u| matches!(u.kind, UpstreamKind::Stub { .. }));
        if !stubs().any(|stub| stub.name == *webhook.get_ref()) {
            out.unknown(webhook.span(), "stub upstream", webhook.get_ref(), stubs().map(|stub| stub.name.as_str()));
        }
    }
    let mut place = |written: &Option<Spanned<String>>, default: &str| {
        written.as_ref().map_or_else(
            || default.to_owned(),
            |written| {
                pointer(out, written.get_ref(), written.span());
                written.get_ref().clone()
            },
        )
    };
    let (list, severity) = (place(&file.list, "/alerts"), place(&file.severity, "/severity"));
    let (title, time) = (place(&file.title, "/title"), place(&file.time, "/timestamp"));
    AlertProbe {
        path: file.path.as_ref().map(|path| resolve_target::path(out, path)),
        every: out.positive(file.every.as_ref(), "`every`", EVERY),
        list,
        severity,
        title,
        time,
        ignore: file.ignore.clone().unwrap_or_else(|| vec!["info".to_owned()]),
        webhook: file.webhook.as_ref().map(|webhook| webhook.get_ref().clone()),
    }
}
