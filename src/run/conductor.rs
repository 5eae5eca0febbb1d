//! One run from its plan to its report.

use super::dispatch::{Dispatcher, Observer};
use super::folder::{self, Journal};
use super::{RunError, actions, fold, machine};
use crate::fault::{Engine, edges};
use crate::load::{self, LoadContext};
use crate::model::event::{EventSink, RunEvent};
use crate::model::plan::{Ballast, Plan, TargetPlan};
use crate::model::playbook::Playbook;
use crate::model::run_record::{EndReason, RunHeader, RunRecord, SCHEMA};
use crate::model::timeline::Timeline;
use crate::model::upstream::{UpstreamKind, UpstreamPlan};
use crate::pressure::{self, Place};
use crate::probe::{self, ProbeContext};
use crate::record::Recorder;
use crate::report;
use crate::target::{Target, TargetContext};
use crate::undo::{self, UndoJournal};
use crate::units::RunClock;
use crate::upstream::{self, Upstreams};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::error::Error as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::mpsc::Receiver;
use tokio::task::JoinSet;
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;
use url::Url;

/// The file of a run's folder with the certificate of its test CA, where upstreams are served over TLS.
const CA_FILE: &str = "ca.pem";

/// What a run needs.
pub struct RunInput {
    /// What to do.
    pub plan: Plan,
    /// What to judge it by.
    pub playbook: Playbook,
    /// Where the run's folder goes.
    pub out: PathBuf,
    /// firedrill's own executable, for the processes that it starts.
    pub firedrill: PathBuf,
    /// The command line that would run it again.
    pub again: String,
    /// `NO_PROXY` as firedrill found it, for the app that it starts.
    pub no_proxy: Option<String>,
    /// What the reader of the plan was warned of.
    pub warnings: Vec<String>,
}

/// What a run left.
pub struct RunOutput {
    /// All about it.
    pub record: RunRecord,
    /// Its folder.
    pub dir: PathBuf,
    /// What of it may still be in place, and why; nothing, if all is well.
    pub left: Vec<String>,
    /// Its undo journal, if it did anything that had to be undone.
    pub undo: Option<PathBuf>,
}

/// Runs a plan, judges it and writes its report.
///
/// `signals` carries signal numbers; the first ends the run within about a second, with a report of what was
/// measured. Whatever happens, everything that was started is ended before this returns, and that is made sure of; should
/// firedrill itself be killed, the guardian of the app and the death of the process do it, and the undo journal tells the
/// next run what to look for.
pub async fn run(
    input: RunInput,
    signals: &mut Receiver<i32>,
    observer: &mut dyn Observer,
) -> Result<RunOutput, RunError> {
    let (dir, run_id) = folder::create(&input.out, &input.plan.name, Timestamp::now())?;
    let opening = actions::opening(&input.plan, &run_id, &dir);
    let (mut journal, found) = match undo::begin(&input.out, "run", opening).await {
        Ok(begun) => begun,
        Err(error) => {
            folder::remove_unless_begun(&dir);
            return Err(error.into());
        }
    };
    let mut input = input;
    input.warnings.extend(found.into_iter().map(|found| format!("an earlier run was killed; of it, {found}")));
    let path = journal.path().to_owned();
    let result = run_in(&dir, run_id, input, &mut journal, signals, observer).await;
    if result.is_err() {
        // Where nothing was measured, a folder would only look like a run.
        folder::remove_unless_begun(&dir);
    }
    observer.stage("making sure that nothing is left behind");
    let undone = undo::close(journal, None).await.unwrap_or_else(|error| undo::Undone {
        left: vec![format!("what the undo journal lists, for it cannot be written: {error}")],
        journal: Some(path),
        ..undo::Undone::default()
    });
    match result {
        Ok(record) => Ok(RunOutput { record, dir, left: undone.left, undo: undone.journal }),
        Err(error) if undone.left.is_empty() => Err(error),
        Err(error) => Err(RunError::Left { failure: Box::new(error), journal: undone.journal, what: undone.left }),
    }
}

async fn run_in(
    dir: &Path,
    run_id: String,
    input: RunInput,
    journal: &mut UndoJournal,
    signals: &mut Receiver<i32>,
    observer: &mut dyn Observer,
) -> Result<RunRecord, RunError> {
    let RunInput { plan, playbook, firedrill, again, no_proxy, warnings, .. } = input;
    let plan = Arc::new(plan);
    let (sink, events) = EventSink::channel();

    let engine = Arc::new(Engine::new(plan.faults.clone(), plan.seed));
    let upstreams =
        Upstreams::start_with(&plan.upstreams, Arc::clone(&engine), plan.seed, sink.clone(), plan.control.as_ref())
            .await?;
    observer.stage(&stage_of(&plan.target));
    let app = actions::starting(journal, &plan.target)?;
    let group_run = actions::group_run(journal);
    let context = TargetContext {
        plan: &plan.target,
        environment: environment(&upstreams, dir, no_proxy, journal)?,
        upstream_urls: urls(&plan, &upstreams),
        firedrill: &firedrill,
        run_id: &group_run,
        log: &dir.join("target.log"),
        events: sink.clone(),
        ready_headers: &plan.headers,
    };
    let target = tokio::select! {
        started = Target::start(context) => started?,
        Some(signal) = signals.recv() => return Err(RunError::InterruptedEarly(signal)),
    };

    actions::started(journal, app, &target)?;
    let place = Place::find(target.group(), target.reserve(), target.pid());
    if let Some(ballast) = plan.ballast {
        actions::pressing(journal, &plan, ballast, &place)?;
    }
    actions::faults(journal, &plan, &upstreams)?;
    let mut means = upstream_means(&plan, &upstreams);
    means.extend(target.means());
    let clock = RunClock::start();
    let header = RunHeader {
        schema: SCHEMA,
        firedrill: env!("CARGO_PKG_VERSION").to_owned(),
        run: run_id.clone(),
        started_at: clock.started_at(),
        again,
        machine: machine::describe(),
        plan: Plan::clone(&plan),
        means,
    };
    let mut dispatcher = Dispatcher { journal: Journal::create(dir)?, timeline: Timeline::default(), observer, events };
    dispatcher.take(RunEvent::Started { header: Box::new(header.clone()), playbook: Box::new(playbook.clone()) })?;
    for message in warnings {
        dispatcher.take(RunEvent::Warning { at: clock.now(), message })?;
    }
    upstreams.begin(clock);
    target.begin(clock);

    let (stop_load, stop_rest) = (CancellationToken::new(), CancellationToken::new());
    let recorder = Recorder::new(plan.endpoints.len(), plan.journeys.len(), clock, sink.clone());
    let mut beside = JoinSet::new();
    beside.spawn(recorder.clone().roll(stop_rest.clone()));
    beside.spawn(mark_faults(engine, clock, sink.clone(), stop_rest.clone()));
    beside.spawn(probe::run(ProbeContext {
        plan: Arc::clone(&plan),
        base_url: target.base_url().to_owned(),
        pid: target.pid(),
        group: target.group().cloned(),
        limit: target.limit(),
        clock,
        events: sink.clone(),
        stop: stop_rest.clone(),
    }));
    if let Some(ballast) = plan.ballast {
        let mark = (undo::MARK, journal.opening().journal.to_string());
        beside.spawn(press(ballast, place, firedrill, mark, clock, sink.clone(), stop_rest.clone()));
    }
    let load = load::run(LoadContext {
        plan: Arc::clone(&plan),
        base_url: target.base_url().to_owned(),
        run_id,
        clock,
        recorder,
        stop: stop_load.clone(),
    });

    let outcome = dispatcher.until_load_ends(load, target.lost(), signals, &stop_load).await;
    let ended = clock.now();
    stop_rest.cancel();
    while beside.join_next().await.is_some() {}
    // The upstreams go before the app, so that work that the app has left over ends at once instead of hanging.
    upstreams.shutdown().await;
    target.stop().await;
    let reason = outcome?;
    finish(dispatcher, dir, header, ended, reason, playbook)
}

/// Closes the journal, judges, and writes the report.
fn finish(
    mut dispatcher: Dispatcher<'_>,
    dir: &Path,
    header: RunHeader,
    ended: crate::units::Offset,
    reason: EndReason,
    playbook: Playbook,
) -> Result<RunRecord, RunError> {
    dispatcher.observer.stage("judging and writing the report");
    let kept = dispatcher
        .drain()
        .and_then(|()| dispatcher.take(RunEvent::Ended { at: ended, reason: reason.clone() }))
        .and_then(|()| dispatcher.journal.flush());
    let mut timeline = dispatcher.timeline;
    if let Err(error) = kept {
        // All was measured and is in memory: that its copy on disk lacks the end is no reason to lose the verdict.
        let why = error.source().map(|source| format!(": {source}")).unwrap_or_default();
        timeline.warnings.push(format!("{ended} the end of the journal is missing: cannot {error}{why}"));
    }
    fold::finish(&mut timeline);
    let record = folder::judged(header, ended, reason, timeline, playbook);
    match report::write_run(dir, &record) {
        Ok(()) => Ok(record),
        Err(source) => Err(RunError::Report { dir: dir.to_owned(), verdict: record.verdict.sentence, source }),
    }
}

/// What is going on until the app under test is there.
fn stage_of(target: &TargetPlan) -> String {
    match target {
        TargetPlan::Url { url, .. } => format!("reaching the app at {}", shown(url)),
        TargetPlan::Command { .. } | TargetPlan::Reference { .. } => "starting the app under test".to_owned(),
    }
}

/// A URL without what it may hold besides an address: credentials, a query.
fn shown(url: &str) -> String {
    match Url::parse(url) {
        Ok(url) if url.has_host() => {
            format!("{}{}", url.origin().ascii_serialization(), url.path().trim_end_matches('/'))
        }
        _ => "its URL".to_owned(),
    }
}

/// Puts on the timeline when faults go on and off by plan, as it comes; those that ended by themselves stay off.
async fn mark_faults(engine: Arc<Engine>, clock: RunClock, events: EventSink, stop: CancellationToken) {
    for edge in edges(engine.rules()) {
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep_until(clock.instant(edge.at)) => {}
        }
        let (at, rule) = (edge.at, edge.rule);
        if engine.has_ended(rule) {
            continue;
        }
        events.emit(if edge.opens { RunEvent::FaultOpened { at, rule } } else { RunEvent::FaultClosed { at, rule } });
    }
}

/// Carries the ballast out; a ballast that must not be is a warning, and the run goes on without it.
async fn press(
    ballast: Ballast,
    place: Place,
    firedrill: PathBuf,
    mark: (&'static str, String),
    clock: RunClock,
    events: EventSink,
    stop: CancellationToken,
) {
    if let Err(error) = pressure::ballast(ballast, place, &firedrill, Some(mark), clock, events.clone(), stop).await {
        events.emit(RunEvent::Warning { at: clock.now(), message: format!("no ballast: {error}") });
    }
}

/// The upstreams' addresses for the app's environment, and what makes it trust them. The app inherits a proxy where
/// there is one, and must not look for our upstreams behind it.
fn environment(
    upstreams: &Upstreams,
    dir: &Path,
    no_proxy: Option<String>,
    journal: &UndoJournal,
) -> Result<BTreeMap<String, String>, RunError> {
    let mut environment = upstreams.environment();
    // By this, whatever the app starts can be found, also once its parents are gone.
    environment.insert(undo::MARK.to_owned(), journal.opening().journal.to_string());
    if let Some(certificate) = upstreams.ca() {
        let path = dir.join(CA_FILE);
        // Absolute, for the app may run in another folder.
        let written = std::fs::write(&path, certificate).and_then(|()| std::path::absolute(&path));
        environment.extend(upstream::trust(&written.map_err(|source| RunError::Ca { path, source })?));
    }
    let hosts: Vec<String> = no_proxy.into_iter().chain(["127.0.0.1,localhost,::1".to_owned()]).collect();
    for name in ["NO_PROXY", "no_proxy"] {
        environment.insert(name.to_owned(), hosts.join(","));
    }
    Ok(environment)
}

fn urls(plan: &Plan, upstreams: &Upstreams) -> BTreeMap<String, String> {
    plan.upstreams.iter().filter_map(|upstream| Some((upstream.name.clone(), upstreams.url(&upstream.name)?))).collect()
}

fn upstream_means(plan: &Plan, upstreams: &Upstreams) -> Vec<String> {
    let means = |upstream: &UpstreamPlan| {
        let name = &upstream.name;
        Some(match &upstream.kind {
            // Its URL may hold a password.
            UpstreamKind::Tcp(tcp) => format!("{name} is {} behind our proxy at {}", tcp.to, upstreams.address(name)?),
            _ => format!("{name} is our mock at {}", upstreams.url(name)?),
        })
    };
    let control = upstreams.control().map(|address| format!("faults could be changed by hand at http://{address}"));
    plan.upstreams.iter().filter_map(means).chain(control).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_elsewhere_is_reached_and_its_secrets_are_not_shown() {
        let stage = |url: &str| stage_of(&TargetPlan::Url { url: url.to_owned(), pid: None });
        assert_eq!(stage("http://127.0.0.1:8001/"), "reaching the app at http://127.0.0.1:8001");
        assert_eq!(stage("https://me:s3cret@[::1]:9/app?k=s3cret"), "reaching the app at https://[::1]:9/app");
        assert_eq!(stage("me:s3cret@host"), "reaching the app at its URL");
    }
}
