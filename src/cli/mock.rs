//! `firedrill mock`: only the mocks and their faults, for developing by hand.

use super::args::MockArgs;
use super::exit::Exit;
use super::run::{not_confirmed, unconfirmed_service};
use super::{again, out, render_error, signals};
use crate::config::{self, ConfigError, Listen, Mocks, MocksRequest};
use crate::fault::{Engine, edges};
use crate::model::event::{EventSink, RunEvent};
use crate::model::fault::FaultRule;
use crate::model::timeline::UpstreamInterval;
use crate::model::upstream::{UpstreamKind, UpstreamPlan};
use crate::units::{Offset, RunClock};
use crate::upstream::{self, UpstreamError, Upstreams};
use serde_json::json;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{ErrorKind, IsTerminal as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;
use tokio::process::{Child, Command};
use tokio::sync::mpsc::{Receiver, UnboundedReceiver};

/// OpenAI's port without a word on it, the same as in the shipped scenarios.
const OPENAI_PORT: u16 = 9101;
/// Supabase's.
const SUPABASE_PORT: u16 = 9102;

/// Serves until Ctrl-C or SIGTERM, or until the command has ended.
pub(super) fn execute(args: &MockArgs) -> Exit {
    let mut mocks = match load(args) {
        Ok(mocks) => mocks,
        Err(error) => return render_error::config(&error),
    };
    if let Err(message) = place(&mut mocks.upstreams, args) {
        out::stderr(&format!("error: {message}"));
        return Exit::Usage;
    }
    if let Some(host) = unconfirmed_service(&mocks.upstreams, &args.i_may_test) {
        return not_confirmed(&host);
    }
    if !args.quiet {
        mocks.warnings.iter().for_each(|warning| out::stderr(warning));
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            out::stderr(&render_error::chain(&error));
            return Exit::Failure;
        }
    };
    let exit = runtime.block_on(serve(args, mocks));
    runtime.shutdown_background();
    exit
}

fn load(args: &MockArgs) -> Result<Mocks, ConfigError> {
    config::mocks(&MocksRequest {
        scenario: args.scenario.as_deref().map(config::find).transpose()?,
        faults: args.faults.clone(),
        seed: args.seed,
        seed_file: args.seed_file.clone(),
        listen: if args.command.is_empty() { Listen::AsWritten } else { Listen::Free },
        control: args.control,
        control_token: args.control_token.clone(),
        env: &|name| std::env::var(name).ok(),
        provider_errors: &upstream::known_errors,
        check_template: &upstream::check_template,
    })
}

/// Gives every upstream its address. A command is told where they are, so they are free ports, and two commands do
/// not collide; people want to know the addresses beforehand.
fn place(upstreams: &mut [UpstreamPlan], args: &MockArgs) -> Result<(), String> {
    for (option, address) in [("openai", args.openai), ("supabase", args.supabase)] {
        let Some(address) = address else { continue };
        let Some(upstream) = upstreams.iter_mut().find(|upstream| upstream.name == option) else {
            return Err(format!("--{option} {address}: the scenario has no upstream `{option}`"));
        };
        upstream.listen = Some(address);
    }
    if !args.command.is_empty() {
        return Ok(());
    }
    let mut taken: Vec<u16> = upstreams.iter().filter_map(|upstream| Some(upstream.listen?.port())).collect();
    taken.extend([OPENAI_PORT, SUPABASE_PORT]);
    for upstream in upstreams.iter_mut().filter(|upstream| upstream.listen.is_none()) {
        let port = match upstream.kind {
            UpstreamKind::Openai(_) => OPENAI_PORT,
            UpstreamKind::Supabase(_) => SUPABASE_PORT,
            UpstreamKind::Stub { .. } | UpstreamKind::Tcp(_) => {
                (SUPABASE_PORT..).find(|port| !taken.contains(port)).unwrap_or_default()
            }
        };
        taken.push(port);
        upstream.listen = Some(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    }
    Ok(())
}

async fn serve(args: &MockArgs, mocks: Mocks) -> Exit {
    let mut signals = match signals::listen() {
        Ok(signals) => signals,
        Err(error) => {
            out::stderr(&format!("error: cannot listen for signals\n  because: {error}"));
            return Exit::Failure;
        }
    };
    let (sink, events) = EventSink::channel();
    let engine = Arc::new(Engine::new(mocks.faults.clone(), mocks.seed));
    let upstreams =
        match Upstreams::start_with(&mocks.upstreams, Arc::clone(&engine), mocks.seed, sink, mocks.control.as_ref())
            .await
        {
            Ok(upstreams) => upstreams,
            Err(error) => return cannot_start(&error),
        };
    let certificate = match Certificate::write(&upstreams) {
        Ok(certificate) => certificate,
        Err(error) => {
            out::stderr(&format!("error: cannot write the test CA's certificate\n  because: {error}"));
            return Exit::Failure;
        }
    };
    let mut environment = upstreams.environment();
    environment.extend(certificate.iter().flat_map(|certificate| upstream::trust(&certificate.file)));
    let clock = RunClock::start();
    upstreams.begin(clock);
    let names = mocks.upstreams.iter().map(|upstream| upstream.name.clone()).collect();
    let shown = tokio::spawn(show(events, names, Arc::clone(&engine), args.quiet));
    if !args.quiet {
        tokio::spawn(tell_faults(engine, clock));
    }
    let exit = if args.command.is_empty() {
        announce(args.json, &environment);
        if !args.quiet {
            let where_to = mocks.upstreams.iter().filter_map(|upstream| place_of(upstream, &upstreams));
            let control = upstreams.control().map(|address| format!("the control API at http://{address}"));
            let all: Vec<String> = where_to.chain(control).collect();
            out::stderr(&format!("serving {}; Ctrl-C ends it", all.join(" and ")));
        }
        signals.recv().await;
        Exit::Go
    } else {
        run(&args.command, environment, &mut signals).await
    };
    upstreams.shutdown().await;
    // The sinks are gone with the upstreams, so this ends.
    let _ = shown.await;
    exit
}

/// Where an upstream is, without what its URL may hold besides.
fn place_of(upstream: &UpstreamPlan, upstreams: &Upstreams) -> Option<String> {
    match &upstream.kind {
        UpstreamKind::Tcp(tcp) => Some(format!("{} for {}", upstreams.address(&upstream.name)?, tcp.to)),
        _ => upstreams.url(&upstream.name),
    }
}

/// What to export, as data.
fn announce(as_json: bool, environment: &BTreeMap<String, String>) {
    if as_json {
        out::stdout(&json!({ "environment": environment }).to_string());
    } else {
        let lines = environment.iter().map(|(name, value)| format!("export {name}={}", again::quoted(value)));
        out::stdout(&lines.collect::<Vec<_>>().join("\n"));
    }
}

fn cannot_start(error: &UpstreamError) -> Exit {
    match error {
        UpstreamError::Bind { upstream, address, source } => {
            let option = if ["openai", "supabase"].contains(&upstream.as_str()) {
                format!("choose another address with --{upstream} 127.0.0.1:PORT")
            } else {
                "give it another `listen` in the scenario".to_owned()
            };
            let remedy = match source.kind() {
                ErrorKind::AddrInUse => format!("stop what uses it (`ss -ltnp` names it), or {option}"),
                _ => option,
            };
            out::stderr(&format!(
                "error: cannot listen on {address} for `{upstream}`\n  because: {source}\n  {remedy}"
            ));
            Exit::Unreachable
        }
        UpstreamError::Seed { .. } | UpstreamError::Source { .. } => {
            out::stderr(&render_error::chain(error));
            Exit::BadFile
        }
        UpstreamError::Tls { .. } | UpstreamError::Control(_) => {
            out::stderr(&render_error::chain(error));
            Exit::Failure
        }
    }
}

/// The test CA's certificate in a file, where an upstream needs one; removed when dropped.
struct Certificate {
    file: PathBuf,
    /// Ours alone: what others may have planted in the system's folder for such files is never written to.
    folder: PathBuf,
}

impl Certificate {
    fn write(upstreams: &Upstreams) -> std::io::Result<Option<Self>> {
        let Some(pem) = upstreams.ca() else { return Ok(None) };
        let folder = private_folder()?;
        let file = folder.join("ca.pem");
        let written = Self { file, folder };
        std::fs::File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&written.file)?
            .write_all(pem.as_bytes())?;
        Ok(Some(written))
    }
}

impl Drop for Certificate {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.file);
        let _ = std::fs::remove_dir(&self.folder);
    }
}

/// A new folder that nobody else can look or write into.
fn private_folder() -> std::io::Result<PathBuf> {
    let mut builder = std::fs::DirBuilder::new();
    builder.mode(0o700);
    let mut number = 0_u32;
    loop {
        let folder = std::env::temp_dir().join(format!("firedrill-mock-{}-{number}", std::process::id()));
        match builder.create(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == ErrorKind::AlreadyExists && number < 1_000 => number += 1,
            Err(error) => return Err(error),
        }
    }
}

/// Runs a command that is told where the upstreams are, and ends as it does.
async fn run(command: &[OsString], environment: BTreeMap<String, String>, signals: &mut Receiver<i32>) -> Exit {
    let Some((program, arguments)) = command.split_first() else { return Exit::Usage };
    let mut child = Command::new(program);
    child.args(arguments).envs(environment).kill_on_drop(true);
    // A proxy of the machine must not stand between the command and our upstreams.
    for name in ["NO_PROXY", "no_proxy"] {
        let hosts = std::env::var(name).ok().filter(|hosts| !hosts.is_empty());
        let hosts: Vec<String> = hosts.into_iter().chain(["127.0.0.1,localhost,::1".to_owned()]).collect();
        child.env(name, hosts.join(","));
    }
    let mut child = match child.spawn() {
        Ok(child) => child,
        Err(error) => {
            out::stderr(&format!("error: cannot run `{}`\n  because: {error}", program.display()));
            return Exit::Usage;
        }
    };
    loop {
        tokio::select! {
            ended = child.wait() => return ended.map_or(Exit::Failure, exit_of),
            Some(signal) = signals.recv() => pass_on(signal, &child),
        }
    }
}

/// Passes a signal on to the command, which has had a Ctrl-C of the terminal itself.
fn pass_on(signal: i32, child: &Child) {
    use rustix::process::{Pid, Signal, kill_process};
    let signal = match signal {
        2 if std::io::stdin().is_terminal() => return,
        2 => Signal::INT,
        1 => Signal::HUP,
        _ => Signal::TERM,
    };
    let pid = child.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
    if let Some(pid) = pid {
        let _ = kill_process(pid, signal);
    }
}

fn exit_of(status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Program(u8::try_from(code).unwrap_or(u8::MAX)),
        (None, Some(signal)) => Exit::Signal(signal),
        (None, None) => Exit::Failure,
    }
}

/// Shows each second with calls on a terminal, and every warning.
async fn show(mut events: UnboundedReceiver<RunEvent>, names: Vec<String>, engine: Arc<Engine>, quiet: bool) {
    let live = !quiet && out::stderr_is_terminal();
    while let Some(event) = events.recv().await {
        match event {
            RunEvent::Upstream(second) if live => {
                let name = names.get(usize::from(second.upstream)).map_or("?", String::as_str);
                out::stderr(&line(name, &second));
            }
            // By plan they are told as the plan's times come; these are those that no plan knows.
            RunEvent::FaultOpened { at, rule } if !quiet => tell_fault(engine.rules(), at, rule, true),
            RunEvent::FaultClosed { at, rule } if !quiet => tell_fault(engine.rules(), at, rule, false),
            RunEvent::Warning { at, message } if !quiet => out::stderr(&format!("{at} warning: {message}")),
            _ => {}
        }
    }
}

/// One second of one upstream.
fn line(name: &str, second: &UpstreamInterval) -> String {
    let statuses: Vec<String> = second
        .statuses
        .iter()
        .map(|(status, count)| match status {
            0 => format!("{count} broken off"),
            status => format!("{count} × {status}"),
        })
        .collect();
    let mut parts = vec![format!("{:>5} s  {name}: {} calls", second.second, second.calls)];
    parts.extend((!statuses.is_empty()).then(|| statuses.join(", ")));
    parts.extend((second.retries > 0).then(|| format!("{} retries", second.retries)));
    parts.extend((second.faulted > 0).then(|| format!("{} hit by faults", second.faulted)));
    parts.join(" · ")
}

/// Says that a fault is on, or off again.
fn tell_fault(rules: &[FaultRule], at: Offset, rule: usize, is_on: bool) {
    let name = rules.get(rule).map_or("?", |rule| rule.name.as_str());
    out::stderr(&format!("{at} fault {name} is {}", if is_on { "on" } else { "off" }));
}

/// Says when faults go on and off by plan.
async fn tell_faults(engine: Arc<Engine>, clock: RunClock) {
    let rules = engine.rules();
    for edge in edges(rules) {
        tokio::time::sleep_until(clock.instant(edge.at)).await;
        if engine.has_ended(edge.rule) {
            continue;
        }
        tell_fault(rules, edge.at, edge.rule, edge.opens);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_in_words() {
        let mut second = UpstreamInterval { second: 12, calls: 5, ..UpstreamInterval::default() };
        assert_eq!(line("openai", &second), "   12 s  openai: 5 calls");
        second.statuses = BTreeMap::from([(0, 1), (200, 3), (429, 1)]);
        (second.retries, second.faulted) = (2, 1);
        assert_eq!(
            line("openai", &second),
            "   12 s  openai: 5 calls · 1 broken off, 3 × 200, 1 × 429 · 2 retries · 1 hit by faults"
        );
    }
}
