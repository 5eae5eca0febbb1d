//! What a run does to the world, said in its undo journal before it is done.

use super::RunError;
use crate::model::plan::{Ballast, Plan, TargetPlan};
use crate::pressure::Place;
use crate::target::Target;
use crate::undo::{Action, Lease, LoweredLimit, Opening, Owner, UndoJournal};
use crate::units::Offset;
use crate::upstream::Upstreams;
use std::io;
use std::path::Path;
use std::time::Duration;
use url::Url;
use uuid::Uuid;

/// How long after its planned end a run may take to end everything.
const ENDING: Duration = Duration::from_secs(60);

/// The first line of a run's journal.
pub(super) fn opening(plan: &Plan, run: &str, dir: &Path) -> Opening {
    let shares = match &plan.target {
        // Without what it may hold besides an address.
        TargetPlan::Url { url, .. } => {
            Some(Url::parse(url).map_or_else(|_| String::new(), |url| url.origin().ascii_serialization()))
        }
        TargetPlan::Command { .. } | TargetPlan::Reference { .. } => None,
    };
    Opening {
        journal: Uuid::new_v4(),
        run: run.to_owned(),
        owner: Owner::this(),
        firedrill: env!("CARGO_PKG_VERSION").to_owned(),
        shares,
        folder: std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned()),
    }
}

/// The app is about to be started, if firedrill starts it. Returns the action's number.
pub(super) fn starting(journal: &mut UndoJournal, target: &TargetPlan) -> Result<Option<u64>, RunError> {
    let what = match target {
        TargetPlan::Url { .. } => return Ok(None),
        TargetPlan::Reference { .. } => "the reference app".to_owned(),
        TargetPlan::Command { command, .. } => command.first().cloned().unwrap_or_default(),
    };
    let action = Action::App { what, groups: crate::target::group_prefix(&group_run(journal)) };
    let written = journal.acting(action, None);
    written.map(Some).map_err(|source| fail(journal, source))
}

/// The run's name in the names of its memory groups. Run ids of two reports folders can be the same, and undoing the
/// one must not touch the other's groups; so they bear the journal's name.
pub(super) fn group_run(journal: &UndoJournal) -> String {
    journal.opening().journal.simple().to_string()
}

/// The app runs.
pub(super) fn started(journal: &mut UndoJournal, app: Option<u64>, target: &Target) -> Result<(), RunError> {
    let Some(id) = app else { return Ok(()) };
    let pid = target.pid().map_or_else(|| "an unknown pid".to_owned(), |pid| format!("pid {pid}"));
    let group = target.group().map(|group| format!(", memory group {}", group.dir.display())).unwrap_or_default();
    let written = journal.acted(id, format!("it runs with {pid}{group}"));
    written.map_err(|source| fail(journal, source))
}

/// Memory will be pressed.
pub(super) fn pressing(
    journal: &mut UndoJournal,
    plan: &Plan,
    ballast: Ballast,
    place: &Place,
) -> Result<(), RunError> {
    let (process, limits) = match place {
        Place::Rlimit { pid } => (Owner::of(*pid), LoweredLimit::of(*pid)),
        Place::Group(_) => (None, Vec::new()),
        // Both live in the guardian of the app, or nowhere.
        Place::Reserve(_) | Place::Nowhere(_) => return Ok(()),
    };
    let until = ballast.from.plus(ballast.ramp.get() + ballast.hold.get()).min(end(plan));
    let action = Action::Ballast { bytes: ballast.size.get(), process, limits };
    let written = journal.acting(action, Some(Lease::of(until.as_duration() + ENDING)));
    written.map(drop).map_err(|source| fail(journal, source))
}

/// The plan's faults will come on from now on, each in its window.
pub(super) fn faults(journal: &mut UndoJournal, plan: &Plan, upstreams: &Upstreams) -> Result<(), RunError> {
    for rule in &plan.faults {
        let until = rule.window.until.unwrap_or_else(|| end(plan)).min(end(plan));
        let action = Action::Fault {
            name: rule.name.clone(),
            kind: rule.inject.kind().to_owned(),
            upstream: rule.upstream.clone(),
            address: upstreams.address(&rule.upstream),
            from_ms: millis(rule.window.from),
            until_ms: rule.window.until.map(millis),
        };
        let written = journal.acting(action, Some(Lease::of(until.as_duration())));
        written.map_err(|source| fail(journal, source))?;
    }
    Ok(())
}

/// When the run ends at the latest, by plan.
fn end(plan: &Plan) -> Offset {
    let crate::model::plan::LoadPlan::Closed { graceful_stop, .. } = plan.load;
    plan.load_end().plus(graceful_stop.get() + ENDING)
}

fn millis(at: Offset) -> u64 {
    at.as_micros() / 1000
}

fn fail(journal: &UndoJournal, source: io::Error) -> RunError {
    RunError::Undo { path: journal.path().to_owned(), source }
}
