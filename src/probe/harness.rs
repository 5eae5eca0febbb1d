//! firedrill watches itself: a harness that lags measures itself and calls it the app.

use super::beat::Beat;
use crate::model::event::{EventSink, RunEvent};
use crate::model::reading::HarnessReading;
use crate::units::{Offset, RunClock, Span};
use procfs::process::Process;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// How often the timer is tried.
const TICK: Duration = Duration::from_millis(10);

/// Emits a [`HarnessReading`] every second until stopped.
pub async fn run(clock: RunClock, events: EventSink, stop: CancellationToken) {
    let Ok(me) = Process::myself() else { return };
    let before = cpu_seconds(&me).unwrap_or(0.0);
    let mut beat = Beat::new(clock, Offset::from_secs(1), Duration::from_secs(1));
    loop {
        let mut worst = Duration::ZERO;
        tokio::select! {
            biased;
            // First, so that after a standstill the lateness is noted before the second is closed.
            () = worst_lateness(&mut worst) => {}
            beat = beat.wait(&stop) => if beat.is_none() { return },
        }
        let statm = me.statm().map_or(0, |statm| statm.resident);
        events.emit(RunEvent::Harness(HarnessReading {
            at: clock.now(),
            lateness: Span(worst),
            cpu_seconds: cpu_seconds(&me).map_or(0.0, |cpu| cpu - before),
            rss: statm * rustix::param::page_size() as u64,
            fds: me.fd_count().ok().and_then(|n| u32::try_from(n).ok()).unwrap_or(0),
        }));
    }
}

/// Tries the timer again and again, keeping the worst; never ends.
async fn worst_lateness(worst: &mut Duration) {
    loop {
        let due = Instant::now() + TICK;
        sleep_until(due).await;
        *worst = (*worst).max(due.elapsed());
    }
}

/// Processor time of this process, user and system, all threads.
fn cpu_seconds(me: &Process) -> Option<f64> {
    let stat = me.stat().ok()?;
    Some((stat.utime + stat.stime) as f64 / procfs::ticks_per_second() as f64)
}
