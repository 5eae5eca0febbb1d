//! What the app talks to: [`UpstreamPlan`].

use super::collector::{Collector, texts};
use super::delay_file::DelayFile;
use super::env;
use super::request::{Listen, World};
use super::resolve_content;
use super::resolve_delay::delay;
use super::resolve_functions;
use super::resolve_limits;
use super::resolve_pace;
use super::resolve_seed;
use super::resolve_source;
use super::resolve_supabase;
use super::resolve_target::expand;
use super::resolve_tcp;
use super::scenario_file::{SupabaseFile, TargetFile, UpstreamFile, UpstreamsFile, WrittenSource};
use super::supabase_file::ServicesFile;
use super::template;
use crate::model::fault::Delay;
use crate::model::plan::TargetPlan;
use crate::model::secret::Secret;
use crate::model::source::ReplayElse;
use crate::model::upstream::{OpenaiPlan, SupabasePlan, UpstreamKind, UpstreamPlan};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::Path;
use toml::Spanned;

/// What the app talks to. An app by URL reaches its upstreams at the addresses written in the file. An app that
/// firedrill starts is told the addresses, so they are free ports, unless the file says `fixed = true`: two runs on
/// one machine must not collide.
pub(super) fn upstreams(
    out: &mut Collector,
    written: Option<&Spanned<UpstreamsFile>>,
    target: &TargetPlan,
    folder: Option<&Path>,
    allow_hosts: &[String],
    world: &World<'_>,
) -> Vec<UpstreamPlan> {
    let by_url = matches!(target, TargetPlan::Url { .. }) && world.mocks.is_none();
    let place = match (target, world.mocks) {
        (TargetPlan::Url { .. }, None) => Place::Needed,
        (TargetPlan::Url { .. }, _) | (_, Some(Listen::AsWritten)) => Place::AsWritten,
        _ => Place::Free,
    };
    let Some(written) = written else {
        return if by_url {
            vec![]
        } else {
            let openai = UpstreamKind::Openai(OpenaiPlan::default());
            let supabase = UpstreamKind::Supabase(SupabasePlan::default());
            vec![UpstreamPlan::new("openai", openai), UpstreamPlan::new("supabase", supabase)]
        };
    };
    let file = written.get_ref();
    let context = resolve_source::Context { folder, allow_hosts };
    let mut taken = HashMap::new();
    let mut all = Vec::new();
    if let Some(openai) = &file.openai {
        let files =
            texts(out, openai.get_ref().content.as_ref(), "name a file, or several: content = [\"answers.toml\"]");
        let content = files.iter().filter_map(|file| resolve_content::read(out, file, folder, world)).collect();
        let keys = texts(out, openai.get_ref().keys.as_ref(), "write a key, or several: keys = [\"sk-test-1\"]");
        let keys = keys.iter().filter_map(|key| api_key(out, world, key)).collect();
        without_effect(out, "openai", openai.get_ref(), &openai.get_ref().answering());
        let plan = OpenaiPlan { content, keys, ..openai_plan(out, openai.get_ref()) };
        let at =
            Address { listen: openai.get_ref().listen.as_ref(), fixed: openai.get_ref().fixed, span: openai.span() };
        let listen = address(out, "openai", &at, place, &mut taken);
        all.push(UpstreamPlan {
            name: "openai".to_owned(),
            kind: UpstreamKind::Openai(plan),
            listen,
            tls: openai.get_ref().tls,
            source: resolve_source::source(out, "openai", openai.get_ref(), &context),
        });
    }
    if let Some(supabase) = &file.supabase {
        let span = supabase.span();
        let supabase: &SupabaseFile = supabase.get_ref();
        without_effect(out, "supabase", supabase, &supabase.answering());
        let latency = latency(out, supabase.latency.as_ref());
        let seed = supabase.seed.as_ref().map(|seed| resolve_seed::seed(out, seed, folder)).unwrap_or_default();
        let mut plan = SupabasePlan { seed: seed.auth, seed_files: seed.files, latency, ..SupabasePlan::default() };
        plan.functions =
            supabase.functions.as_ref().map(|f| resolve_functions::read(out, f, folder)).unwrap_or_default();
        plan.max_rows = supabase.max_rows.as_ref().map(|rows| out.number(rows, "`max-rows`", 1, 1_000_000));
        plan.aggregates = supabase.aggregates;
        let services = ServicesFile {
            keys: supabase.keys.as_ref(),
            jwt_secret: supabase.jwt_secret.as_ref(),
            auth: supabase.auth.as_ref().map(Spanned::get_ref),
            buckets: &supabase.buckets,
            edge_functions: &supabase.edge_functions,
        };
        resolve_supabase::services(out, world, &services, folder, &mut plan);
        let at = Address { listen: supabase.listen.as_ref(), fixed: supabase.fixed, span };
        let listen = address(out, "supabase", &at, place, &mut taken);
        all.push(UpstreamPlan {
            name: "supabase".to_owned(),
            kind: UpstreamKind::Supabase(plan),
            listen,
            tls: supabase.tls,
            source: resolve_source::source(out, "supabase", supabase, &context),
        });
    }
    for (name, stub) in &file.stub {
        if !is_free_name(name.get_ref()) {
            out.error(name.span(), format!("a stub cannot be called `{}`", name.get_ref()))
                .help("choose a name of letters, digits, `-` and `_` other than `openai` and `supabase`");
        }
        let answer = stub.get_ref().answer.as_ref().map_or(200, |status| out.number(status, "`answer`", 200, 599));
        let answering = [("answer", stub.get_ref().answer.as_ref().map(Spanned::span))];
        without_effect(out, name.get_ref(), stub.get_ref(), &answering);
        let at = Address { listen: stub.get_ref().listen.as_ref(), fixed: stub.get_ref().fixed, span: stub.span() };
        let listen = address(out, name.get_ref(), &at, place, &mut taken);
        let kind = UpstreamKind::Stub { answer };
        let source = resolve_source::source(out, name.get_ref(), stub.get_ref(), &context);
        all.push(UpstreamPlan { name: name.get_ref().clone(), kind, listen, tls: stub.get_ref().tls, source });
    }
    for (name, tcp) in &file.tcp {
        if all.iter().any(|known| known.name == *name.get_ref()) || !is_free_name(name.get_ref()) {
            out.error(name.span(), format!("a server cannot be called `{}`", name.get_ref()))
                .help("choose a name of letters, digits, `-` and `_` that no other upstream has");
        }
        let at = Address { listen: tcp.get_ref().listen.as_ref(), fixed: tcp.get_ref().fixed, span: tcp.span() };
        let listen = address(out, name.get_ref(), &at, place, &mut taken);
        let kind = UpstreamKind::Tcp(resolve_tcp::tcp(out, world, tcp, allow_hosts));
        all.push(UpstreamPlan { listen, ..UpstreamPlan::new(name.get_ref().clone(), kind) });
    }
    all
}

/// Warns of what is said of the mock's answers where it never answers.
fn without_effect(
    out: &mut Collector,
    name: &str,
    file: &impl WrittenSource,
    answering: &[(&'static str, Option<Range<usize>>)],
) {
    let keys = file.source();
    let why = if keys.pass_through.is_some() {
        "passes through to the real service"
    } else if keys.replay.is_some() && keys.replay_else.is_none_or(|written| *written.get_ref() == ReplayElse::Error) {
        "answers from its recording alone (replay-else = \"mock\" would let the mock answer the rest)"
    } else {
        return;
    };
    for (key, span) in answering {
        if let Some(span) = span {
            out.warn(span.clone(), format!("`{key}` has no effect: `{name}` {why}"));
        }
    }
}

/// Whether an upstream of one's own may have this name.
fn is_free_name(name: &str) -> bool {
    !["openai", "supabase"].contains(&name) && template::is_name(name)
}

fn latency(out: &mut Collector, written: Option<&Spanned<DelayFile>>) -> Delay {
    written.map_or(Delay::NONE, |written| delay(out, written.get_ref(), written.span()))
}

fn openai_plan(out: &mut Collector, file: &UpstreamFile) -> OpenaiPlan {
    if let (Some(latency), Some(_)) = (&file.latency, &file.pace) {
        out.error(latency.span(), "`latency` and `pace` both say how long an answer takes")
            .help("`pace` is by tokens, `latency` one delay per answer: leave one of them away");
    }
    OpenaiPlan {
        latency: latency(out, file.latency.as_ref()),
        pace: file.pace.as_ref().map(|pace| Box::new(resolve_pace::pace(out, pace))),
        limits: file.limits.as_ref().map(|limits| resolve_limits::limits(out, limits.get_ref())).unwrap_or_default(),
        ..OpenaiPlan::default()
    }
}

/// A key as a header can carry it.
fn api_key(out: &mut Collector, world: &World<'_>, written: &Spanned<String>) -> Option<Secret> {
    let key = expand(out, world, written);
    if !key.is_empty() && key.chars().all(|c| c.is_ascii_graphic()) {
        return Some(Secret::new(key));
    }
    if key.is_empty() && env::mentions(written.get_ref()) {
        // That the variable is missing was said, or does not matter here.
        return None;
    }
    // What was read from the environment is never shown.
    out.error(written.span(), "this is no key: clients could not send it")
        .help("write letters, digits and signs without blanks, such as \"sk-test-1\", or \"${env.NAME}\"");
    None
}

/// Where an upstream listens.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Where the file says, which it must.
    Needed,
    /// Where the file says, if it does.
    AsWritten,
    /// On a free port, unless the file fixes it.
    Free,
}

struct Address<'a> {
    listen: Option<&'a Spanned<String>>,
    fixed: bool,
    span: std::ops::Range<usize>,
}

fn address(
    out: &mut Collector,
    name: &str,
    at: &Address<'_>,
    place: Place,
    taken: &mut HashMap<SocketAddr, String>,
) -> Option<SocketAddr> {
    let Some(written) = at.listen else {
        if place == Place::Needed || at.fixed {
            let why = if place == Place::Needed {
                "an app that runs elsewhere must know where"
            } else {
                "`fixed` needs an address"
            };
            out.error(at.span.clone(), format!("`{name}` has no address to listen on"))
                .label(why)
                .help("give it one and point the app there: listen = \"127.0.0.1:9101\"");
        }
        return None;
    };
    let listen: SocketAddr = match written.get_ref().replace("localhost:", "127.0.0.1:").parse() {
        Ok(listen) => listen,
        Err(_) => {
            out.error(written.span(), format!("`{}` is not an address to listen on", written.get_ref()))
                .help("write an IP address and a port, such as \"127.0.0.1:9101\"");
            return None;
        }
    };
    if listen.port() == 0 {
        out.error(written.span(), "port 0 is no fixed address")
            .help("leave `listen` away and a free port is chosen, or write a port from 1 to 65535");
        return None;
    }
    if !listen.ip().is_loopback() {
        out.warn(written.span(), format!("`{name}` listens on {listen}: other machines can reach it"));
    }
    if let Some(other) = taken.insert(listen, name.to_owned()) {
        out.error(written.span(), format!("`{name}` listens where `{other}` does"))
            .help("give each upstream a port of its own");
    }
    (place != Place::Free || at.fixed).then_some(listen)
}

/// Reports values of a command's environment that name an upstream which is not there (`{openai.url}`).
pub(super) fn check_names(out: &mut Collector, target: &TargetFile, upstreams: &[UpstreamPlan]) {
    for value in target.env.values() {
        for (name, place) in template::placeholders(out, value) {
            if let Some(upstream) = name.strip_suffix(".url")
                && !upstreams.iter().any(|known| known.name == upstream)
            {
                out.unknown(place, "upstream", upstream, upstreams.iter().map(|known| known.name.as_str()));
            }
        }
    }
}
