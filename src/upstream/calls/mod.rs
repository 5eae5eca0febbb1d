//! What befalls calls, and what their clients do next: [`Watch`] sees every call of an upstream come and end.
//!
//! `guard` is one call under way; `table` remembers what was lately asked for, to know a retry when it comes; `head`
//! reads what calls and answers say of themselves in their headers.
//!
//! The path of a call that goes well costs a hash of its body and two short looks into the table, and allocates nothing.
//! Only calls that fail, are hit by a fault or are retries become events.

mod guard;
mod head;
mod table;

pub use guard::{CallGuard, Hits};

use crate::model::calls::{CallNote, CallOutcome, CallSettled};
use crate::model::event::{EventSink, RunEvent};
use crate::record::StepsUnderWay;
use crate::units::{Offset, RunClock};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use table::{Settling, Table};

/// Watches the calls of one upstream.
#[derive(Debug)]
pub struct Watch {
    upstream: u16,
    events: EventSink,
    table: Mutex<Table>,
    /// Set once the upstream ends: clients that are cut off then have not hung up.
    closing: AtomicBool,
    /// What users are doing, where there are any.
    steps: OnceLock<Arc<StepsUnderWay>>,
}

impl Watch {
    /// Nothing seen yet, for the upstream of this index in the plan.
    pub fn new(upstream: u16, events: EventSink) -> Self {
        Self { upstream, events, table: Mutex::default(), closing: AtomicBool::new(false), steps: OnceLock::new() }
    }

    /// Calls are traced to these steps from now on.
    pub fn trace(&self, steps: Arc<StepsUnderWay>) {
        let _ = self.steps.set(steps);
    }

    /// The upstream ends now.
    pub fn close(&self) {
        self.closing.store(true, Ordering::Release);
    }

    /// Tells what became of logical calls whose clients have had the time for another try.
    pub fn settle(&self, clock: &RunClock) {
        let settled = self.table().settle(clock.now(), |step| self.is_over(step));
        self.tell(settled);
    }

    /// Tells what became of all others, as far as it can be told. For the very end.
    pub fn flush(&self, now: Offset) {
        let settled = self.table().flush(now, |step| self.is_over(step));
        self.tell(settled);
    }

    fn is_over(&self, step: u64) -> bool {
        self.steps.get().is_some_and(|steps| !steps.is_under_way(step))
    }

    fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, note: CallNote) {
        self.events.emit(RunEvent::Call(Box::new(note)));
    }

    fn tell(&self, settled: impl IntoIterator<Item = (Settling, CallOutcome)>) {
        for (settling, outcome) in settled {
            self.events.emit(RunEvent::CallSettled(CallSettled {
                at: settling.at,
                upstream: self.upstream,
                logical: settling.logical,
                tries: settling.tries,
                outcome,
                corrects: settling.corrects,
                inserting_tries: settling.inserting,
                inserted_again: settling.inserted_again,
                request: settling.request.into(),
            }));
        }
    }
}
