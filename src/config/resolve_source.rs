//! Where an upstream's answers come from: [`SourcePlan`].

use super::collector::Collector;
use super::scenario_file::{SourceKeys, WrittenSource};
use crate::model::source::{RecordPlan, ReplayElse, ReplayPlan, SourcePlan};
use crate::units::ByteSize;
use std::path::{Path, PathBuf};
use toml::Spanned;
use url::{Host, Url};

/// As much as a recording may hold to be replayed.
const MOST_RECORDED: ByteSize = ByteSize::mib(256);
/// Slower or faster than this is a slip of the keyboard.
const SPEEDS: std::ops::RangeInclusive<f64> = 0.001..=1000.0;

/// What the keys are read with.
pub(super) struct Context<'a> {
    /// The scenario's folder.
    pub(super) folder: Option<&'a Path>,
    /// The hosts that may be reached.
    pub(super) allow_hosts: &'a [String],
}

/// Where the answers of an upstream come from.
pub(super) fn source(
    out: &mut Collector,
    name: &str,
    written: &impl WrittenSource,
    context: &Context<'_>,
) -> SourcePlan {
    let keys = written.source();
    lonely(out, &keys);
    match (keys.pass_through, keys.replay) {
        (Some(_), Some(replay)) => {
            out.error(replay.span(), format!("`{name}` cannot both pass through and replay"))
                .help("leave `replay` away to record, `pass-through` to replay");
            SourcePlan::Mock
        }
        (Some(url), None) => SourcePlan::PassThrough {
            url: provider(out, url, context.allow_hosts),
            record: keys.record.map(|file| record(out, file, &keys, context)),
        },
        (None, Some(file)) => SourcePlan::Replay(replay(out, file, &keys, context)),
        (None, None) => SourcePlan::Mock,
    }
}

/// Reports keys that say more about something that is not there.
fn lonely(out: &mut Collector, keys: &SourceKeys<'_>) {
    if let (Some(record), None) = (keys.record, keys.pass_through) {
        out.error(record.span(), "only what passes through can be recorded")
            .help("say where to: pass-through = \"https://api.openai.com\"");
    }
    if keys.record.is_none() {
        let spans = keys.record_strip.iter().map(Spanned::span).chain(keys.record_limit.map(Spanned::span));
        for span in spans {
            out.error(span, "nothing is recorded here").help("name a file: record = \"recordings/openai.jsonl\"");
        }
    }
    if keys.replay.is_none() {
        let spans = [keys.replay_speed.map(Spanned::span), keys.replay_else.map(Spanned::span)];
        for span in spans.into_iter().flatten() {
            out.error(span, "nothing is replayed here").help("name a file: replay = \"recordings/openai.jsonl\"");
        }
    }
}

/// The address of the real service.
fn provider(out: &mut Collector, written: &Spanned<String>, allow_hosts: &[String]) -> String {
    const EXAMPLE: &str = "write scheme and host alone, such as \"https://api.openai.com\"";
    let text = written.get_ref();
    let url = match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => url,
        Ok(url) => {
            out.error(written.span(), format!("a service cannot be reached by `{}:`", url.scheme())).help(EXAMPLE);
            return text.clone();
        }
        Err(error) => {
            out.error(written.span(), format!("the service's address is not a URL: {error}")).help(EXAMPLE);
            return text.clone();
        }
    };
    if !url.username().is_empty() || url.password().is_some() {
        out.error(written.span(), "the service's address holds a user name or password")
            .help("the app's own headers are passed through, its key among them");
    } else if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        out.error(written.span(), "the service's address holds more than a host")
            .label("the app's own path is appended")
            .help(EXAMPLE);
    }
    let (loopback, host) = match url.host() {
        Some(Host::Ipv4(ip)) => (ip.is_loopback(), ip.to_string()),
        Some(Host::Ipv6(ip)) => (ip.is_loopback(), ip.to_string()),
        Some(Host::Domain(name)) => (name == "localhost" || name.ends_with(".localhost"), name.to_owned()),
        None => (false, String::new()),
    };
    if !loopback && !allow_hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(&host)) {
        out.error(written.span(), format!("`{host}` is not this machine, and the scenario does not allow it"))
            .label("the app's calls would go there, and cost what they cost")
            .help(format!("if you mean to use it, name it at the top of the scenario: allow-hosts = [\"{host}\"]"));
    }
    text.trim_end_matches('/').to_owned()
}

fn record(out: &mut Collector, written: &Spanned<String>, keys: &SourceKeys<'_>, context: &Context<'_>) -> RecordPlan {
    let limit = out.quantity_or(keys.record_limit, MOST_RECORDED);
    if let Some(span) = keys.record_limit.map(Spanned::span)
        && (limit.get() == 0 || limit > MOST_RECORDED)
    {
        out.error(span, format!("a recording cannot be limited to {limit}"))
            .help(format!("write a size above zero and up to {MOST_RECORDED}, which is what can be replayed"));
    }
    for expression in keys.record_strip {
        if let Err(error) = regex::RegexBuilder::new(expression.get_ref()).size_limit(1 << 20).build() {
            let error = error.to_string();
            let why = error.lines().last().unwrap_or("").trim().trim_start_matches("error: ");
            out.error(expression.span(), format!("this is no regular expression: {why}"))
                .help("what it finds in requests and answers is not kept: record-strip = ['cus_\\w+']");
        }
    }
    // A recording is made beside the scenario, as other files that a scenario names lie there.
    let file = context.folder.map_or_else(|| PathBuf::from(written.get_ref()), |folder| folder.join(written.get_ref()));
    if file.exists() {
        out.error(written.span(), format!("`{}` is there already", file.display()))
            .label("a recording is never overwritten")
            .help("move it away, name another file, or replay it: replay = \"…\"");
    }
    RecordPlan { file, strip: keys.record_strip.iter().map(|one| one.get_ref().clone()).collect(), limit }
}

fn replay(out: &mut Collector, written: &Spanned<String>, keys: &SourceKeys<'_>, context: &Context<'_>) -> ReplayPlan {
    let beside = context.folder.map(|folder| folder.join(written.get_ref())).filter(|path| path.is_file());
    let file = beside.unwrap_or_else(|| written.get_ref().into());
    match std::fs::metadata(&file) {
        Ok(found) if found.is_file() => {}
        found => {
            let why = found.map_or_else(|error| error.to_string(), |_| "it is no file".to_owned());
            out.error(written.span(), format!("cannot read `{}`: {why}", written.get_ref()))
                .help("make a recording first: pass-through = \"https://…\" with record = \"…\"")
                .help("its path counts from the scenario's folder, or from the working folder");
        }
    }
    let mut speed = 1.0;
    if let Some(written) = keys.replay_speed {
        speed = *written.get_ref();
        if !SPEEDS.contains(&speed) {
            out.error(written.span(), format!("`replay-speed` cannot be {speed}"))
                .help("2.0 is twice as fast as it was recorded; write a number from 0.001 to 1000");
            speed = 1.0;
        }
    }
    let otherwise = keys.replay_else.map_or_else(ReplayElse::default, |written| *written.get_ref());
    ReplayPlan { file, speed, otherwise }
}
