//! The one loop of a run: what happens outside becomes events in the journal and on the timeline.

use super::folder::Journal;
use super::{RunError, fold};
use crate::load::{LoadError, LoadSummary};
use crate::model::event::RunEvent;
use crate::model::run_record::EndReason;
use crate::model::timeline::Timeline;
use std::future::Future;
use std::time::Duration;
use tokio::sync::mpsc::{Receiver, UnboundedReceiver};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;

/// Sees every event as it happens: the live view, `--json`, or nothing.
pub trait Observer: Send {
    /// One event, after it was written to the journal.
    fn event(&mut self, event: &RunEvent);
    /// Something that is going on before or after the load, such as "starting the reference app".
    fn stage(&mut self, what: &str);
}

/// How long a run goes on after its target has gone for good: long enough for probes to see it.
const LOST_TARGET_GRACE: Duration = Duration::from_secs(3);

/// Receives all events of a run.
pub(super) struct Dispatcher<'a> {
    pub(super) journal: Journal,
    pub(super) timeline: Timeline,
    pub(super) observer: &'a mut dyn Observer,
    pub(super) events: UnboundedReceiver<RunEvent>,
}

/// What the loop waits for.
enum Happening {
    Event(RunEvent),
    Signal(i32),
    TargetLost(String),
    GiveUp,
    Flush,
    LoadEnded(Result<LoadSummary, LoadError>),
}

impl Dispatcher<'_> {
    /// Takes one event in, also when the journal cannot: the verdict of a run that ends on a full disk stands.
    pub(super) fn take(&mut self, event: RunEvent) -> Result<(), RunError> {
        let kept = self.journal.append(&event);
        self.observer.event(&event);
        fold::apply(&mut self.timeline, event);
        kept
    }

    /// Runs until the load has ended, however it ends; `stop` is what ends it early.
    pub(super) async fn until_load_ends(
        &mut self,
        load: impl Future<Output = Result<LoadSummary, LoadError>>,
        target_lost: impl Future<Output = String>,
        signals: &mut Receiver<i32>,
        stop: &CancellationToken,
    ) -> Result<EndReason, RunError> {
        tokio::pin!(load, target_lost);
        let mut reason = EndReason::Completed;
        let mut give_up_at: Option<Instant> = None;
        let mut failure = None;
        let mut flush = interval(Duration::from_secs(1));
        flush.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let happening = tokio::select! {
                Some(event) = self.events.recv() => Happening::Event(event),
                Some(signal) = signals.recv() => Happening::Signal(signal),
                why = &mut target_lost, if give_up_at.is_none() => Happening::TargetLost(why),
                () = sleep_until(give_up_at.unwrap_or_else(Instant::now)), if give_up_at.is_some() && !stop.is_cancelled() => Happening::GiveUp,
                _ = flush.tick() => Happening::Flush,
                result = &mut load => Happening::LoadEnded(result),
            };
            let handled = match happening {
                Happening::Event(event) => self.take(event),
                Happening::Flush => self.journal.flush(),
                Happening::Signal(signal) => {
                    // The first signal names the end; a target that dies of the same Ctrl-C is no finding.
                    if reason == EndReason::Completed {
                        reason = EndReason::Interrupted(signal);
                    }
                    stop.cancel();
                    Ok(())
                }
                Happening::TargetLost(why) => {
                    if reason == EndReason::Completed {
                        reason = EndReason::TargetLost(why);
                    }
                    give_up_at = Some(Instant::now() + LOST_TARGET_GRACE);
                    Ok(())
                }
                Happening::GiveUp => {
                    stop.cancel();
                    Ok(())
                }
                Happening::LoadEnded(result) => {
                    return match failure {
                        Some(failure) => Err(failure),
                        // What the load counted is on the timeline already.
                        None => result.map(|_| reason).map_err(RunError::from),
                    };
                }
            };
            if let Err(error) = handled {
                // The journal is lost (a full disk, say): nothing more can be kept, so end in order and say so.
                stop.cancel();
                failure.get_or_insert(error);
            }
        }
    }

    /// Takes in what is still queued, without waiting for more.
    pub(super) fn drain(&mut self) -> Result<(), RunError> {
        let mut kept = Ok(());
        while let Ok(event) = self.events.try_recv() {
            kept = kept.and(self.take(event));
        }
        kept.and_then(|()| self.journal.flush())
    }
}
