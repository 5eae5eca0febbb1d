//! `firedrill run`.

use super::args::RunArgs;
use super::exit::Exit;
use super::{again, out, progress, render_error, signals};
use crate::config::{self, Loaded, Overrides, Request};
use crate::model::plan::{Plan, TargetPlan};
use crate::model::run_record::{EndReason, RunRecord};
use crate::model::source::SourcePlan;
use crate::model::upstream::{UpstreamKind, UpstreamPlan};
use crate::report;
use crate::run::{self, RunInput, RunOutput};
use crate::upstream;
use serde_json::json;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use url::{Host, Url};

/// The scenario that runs when none is named.
const QUICKSTART: &str = "quickstart";

/// Runs a scenario.
pub(super) fn execute(args: &RunArgs) -> Exit {
    let Loaded { plan, playbook, warnings } = match load(args) {
        Ok(loaded) => loaded,
        Err(error) => return render_error::config(&error),
    };
    if let Some(host) = unconfirmed_host(&plan, &args.i_may_test) {
        return not_confirmed(&host);
    }
    let firedrill = match std::env::current_exe() {
        Ok(path) => path,
        Err(error) => return failure("find firedrill's own executable", &error),
    };
    let input = RunInput {
        again: again::command(args, plan.seed),
        plan,
        playbook,
        out: args.out.clone().unwrap_or_else(|| PathBuf::from("reports")),
        firedrill,
        no_proxy: std::env::var("NO_PROXY")
            .or_else(|_| std::env::var("no_proxy"))
            .ok()
            .filter(|hosts| !hosts.is_empty()),
        warnings,
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failure("start the runtime", &error),
    };
    let result = runtime.block_on(async {
        let mut signals = signals::listen().map_err(|error| failure("listen for signals", &error))?;
        let mut view = progress::view(&input.plan, args.quiet);
        let outcome = run::run(input, &mut signals, &mut *view).await;
        drop(view);
        outcome.map_err(|error| render_error::run(&error))
    });
    // Tasks that the run left to the runtime (idle connections) must not hold the process.
    runtime.shutdown_background();
    match result {
        Ok(output) => conclude(args, &output),
        Err(exit) => exit,
    }
}

fn load(args: &RunArgs) -> Result<Loaded, config::ConfigError> {
    config::load(&Request {
        scenario: config::find(args.scenario.as_deref().unwrap_or(QUICKSTART))?,
        overrides: Overrides {
            target_url: args.target.clone(),
            target_pid: args.pid,
            users: args.users,
            duration: args.duration,
            faults: args.faults.clone(),
            seed: args.seed,
            set: edits(args),
            playbook: args.playbook.clone(),
            fail_on: args.fail_on,
        },
        env: &|name| std::env::var(name).ok(),
        provider_errors: &upstream::known_errors,
        check_template: &upstream::check_template,
    })
}

/// `--set`, and `--defect` as the edit that it stands for.
fn edits(args: &RunArgs) -> Vec<(String, String)> {
    let mut edits = args.set.clone();
    if !args.defect.is_empty() {
        // A JSON list of texts is a TOML list of texts.
        edits.push(("target.reference.defects".to_owned(), json!(args.defect).to_string()));
    }
    edits
}

/// Says the verdict and gives the exit code.
fn conclude(args: &RunArgs, output: &RunOutput) -> Exit {
    let RunOutput { record, dir, left, undo } = output;
    let page = dir.join("report.html");
    if args.json {
        out::stdout(&verdict_json(record, &page));
    } else {
        out::stdout(&report::terminal(record, &page, out::stdout_color()));
    }
    if args.open
        && let Err(error) = std::process::Command::new("xdg-open").arg(&page).spawn()
    {
        out::stderr(&format!("warning: the report could not be opened: {error}"));
    }
    if !left.is_empty() {
        let left = render_error::left(left, undo.as_deref());
        out::stderr(&format!("error: something of this run may still be in place{left}"));
        return Exit::MayBeLeft;
    }
    match record.end {
        EndReason::Interrupted(signal) => Exit::Signal(signal),
        EndReason::Completed | EndReason::TargetLost(_) | EndReason::Killed => record.verdict.decision.into(),
    }
}

/// The verdict as one JSON object, the same words as everywhere.
pub(super) fn verdict_json(record: &RunRecord, page: &Path) -> String {
    let verdict = &record.verdict;
    json!({
        "decision": verdict.decision,
        "worst": verdict.worst,
        "sentence": verdict.sentence,
        "run": record.header.run,
        "report": page,
        "criteria": verdict.criteria.iter().map(|c| json!({ "id": c.id, "state": c.state, "findings": c.findings })).collect::<Vec<_>>(),
        "trust": verdict.trust,
        "honesty": verdict.honesty,
    })
    .to_string()
}

/// The first host of the plan, of the app or of a service that its calls pass through to, that is not this machine and
/// that nobody has confirmed.
fn unconfirmed_host(plan: &Plan, confirmed: &[String]) -> Option<String> {
    let target = match &plan.target {
        TargetPlan::Url { url, .. } | TargetPlan::Command { url, .. } => Some(url),
        TargetPlan::Reference { .. } => None,
    };
    target.and_then(|url| unconfirmed(url, confirmed)).or_else(|| unconfirmed_service(&plan.upstreams, confirmed))
}

/// The first host of a service that calls pass through to, that is not this machine and that nobody has confirmed.
pub(super) fn unconfirmed_service(upstreams: &[UpstreamPlan], confirmed: &[String]) -> Option<String> {
    upstreams.iter().find_map(|upstream| match (&upstream.kind, &upstream.source) {
        // Of a scheme whose hosts are understood; nobody goes there by HTTP.
        (UpstreamKind::Tcp(tcp), _) => unconfirmed(&format!("http://{}", tcp.to), confirmed),
        (_, SourcePlan::PassThrough { url, .. }) => unconfirmed(url, confirmed),
        (_, SourcePlan::Mock | SourcePlan::Replay(_)) => None,
    })
}

fn unconfirmed(url: &str, confirmed: &[String]) -> Option<String> {
    let url = Url::parse(&url.replace("{port}", "1")).ok()?;
    let local = match url.host()? {
        Host::Ipv4(ip) => IpAddr::from(ip).is_loopback(),
        Host::Ipv6(ip) => IpAddr::from(ip).is_loopback(),
        Host::Domain(name) => name == "localhost" || name.ends_with(".localhost"),
    };
    let host = url.host_str()?.to_owned();
    (!local && !confirmed.contains(&host)).then_some(host)
}

/// Says that a host needs a word.
pub(super) fn not_confirmed(host: &str) -> Exit {
    out::stderr(&format!(
        "error: {host} is not this machine, and you have not confirmed that you may test it\n  \
         add --i-may-test {host} if it is yours to test"
    ));
    Exit::Usage
}

fn failure(what: &str, error: &dyn std::error::Error) -> Exit {
    out::stderr(&format!("error: cannot {what}\n  because: {error}"));
    Exit::Failure
}
