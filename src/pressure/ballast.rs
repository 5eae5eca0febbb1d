//! The ballast: memory that grows inside the app's limit, is held for a while and released.

pub use super::ballast_child::{BallastArgs, child_main};
use super::place::Place;
use crate::model::event::{EventSink, RunEvent};
use crate::model::memory_group::Reserve;
use crate::model::plan::Ballast;
use crate::model::reading::PressureMark;
use crate::units::{ByteSize, RunClock};
use procfs::Current as _;
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::{sleep_until, timeout};
use tokio_util::sync::CancellationToken;

/// The time between two steps of the ramp.
const STEP: Duration = Duration::from_millis(250);
/// How long a step may take before the ballast counts as stuck at the limit.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why there will be no ballast.
#[derive(Debug, thiserror::Error)]
pub enum BallastError {
    /// It would endanger the machine.
    #[error("a ballast of {size} is more than half of the memory that this machine has available ({available})")]
    EndangersMachine {
        /// As asked for.
        size: ByteSize,
        /// `MemAvailable`.
        available: ByteSize,
    },
    /// It alone would fill the app's limit.
    #[error("a ballast of {size} leaves nothing of the app's memory limit of {limit}")]
    LeavesNothing {
        /// As asked for.
        size: ByteSize,
        /// The limit of the app's group.
        limit: ByteSize,
    },
    /// Its process could not be started.
    #[error("the ballast's process could not be started")]
    Helper(#[source] io::Error),
}

/// Carries out a ballast, from its start (it may be called before) to its release or until `stop`.
///
/// Every step is a [`PressureMark`]. A reason why it cannot press, or no further, is a warning event and no error:
/// the run is still worth something. `mark` is a variable that the ballast's process bears in its environment, by which
/// it can be found. An error means that the plan itself is unacceptable; it comes at once.
pub async fn ballast(
    plan: Ballast,
    place: Place,
    firedrill: &Path,
    mark: Option<(&'static str, String)>,
    clock: RunClock,
    events: EventSink,
    stop: CancellationToken,
) -> Result<(), BallastError> {
    check(&plan, &place)?;
    let journal = Journal { clock, events };
    if let Place::Nowhere(why) = &place {
        journal.warn(format!("no ballast: {why}"));
        return Ok(());
    }
    tokio::select! {
        () = stop.cancelled() => return Ok(()),
        () = sleep_until(clock.instant(plan.from)) => {}
    }
    let mut holder = Holder::open(plan.size.get(), place, firedrill, mark).map_err(BallastError::Helper)?;
    let outcome = tokio::select! {
        () = stop.cancelled() => Ok(()),
        outcome = press(&plan, &mut holder, &journal) => outcome,
    };
    if let Err(why) = outcome {
        journal.warn(format!("the ballast: {why}"));
    }
    holder.release().await;
    journal.mark(0);
    Ok(())
}

fn check(plan: &Ballast, place: &Place) -> Result<(), BallastError> {
    let Place::Group(group) = place else { return Ok(()) };
    if let Some(limit) = group.limit.filter(|limit| plan.size.get() >= *limit) {
        return Err(BallastError::LeavesNothing { size: plan.size, limit: ByteSize(limit) });
    }
    let available = procfs::Meminfo::current().ok().and_then(|info| info.mem_available);
    match available.filter(|available| plan.size.get() > available / 2) {
        Some(available) => Err(BallastError::EndangersMachine { size: plan.size, available: ByteSize(available) }),
        None => Ok(()),
    }
}

/// Ramp and hold. The steps are at absolute times, so a slow one does not delay the rest.
async fn press(plan: &Ballast, holder: &mut Holder, journal: &Journal) -> Result<(), String> {
    let (from, ramp) = (plan.from, plan.ramp.get());
    let full = from.plus(ramp);
    let mut next = from;
    loop {
        let now = journal.clock.now();
        let share = if now >= full { 1.0 } else { now.since(from).as_secs_f64() / ramp.as_secs_f64() };
        let wanted = (plan.size.get() as f64 * share) as u64;
        match timeout(PATIENCE, holder.hold(wanted)).await {
            Ok(held) => journal.mark(held?),
            Err(_) => {
                journal.warn(
                    "the ballast grows no further: the kernel finds it no more memory in the app's group".to_owned(),
                );
                break;
            }
        }
        if share >= 1.0 {
            break;
        }
        while next <= now {
            next = next.plus(STEP);
        }
        sleep_until(journal.clock.instant(next.min(full))).await;
    }
    tokio::select! {
        () = sleep_until(journal.clock.instant(full.plus(plan.hold.get()))) => Ok(()),
        why = holder.lost() => Err(why),
    }
}

struct Journal {
    clock: RunClock,
    events: EventSink,
}

impl Journal {
    fn mark(&self, held: u64) {
        self.events.emit(RunEvent::Pressure(PressureMark { at: self.clock.now(), held }));
    }

    fn warn(&self, message: String) {
        self.events.emit(RunEvent::Warning { at: self.clock.now(), message });
    }
}

/// What holds the ballast.
enum Holder {
    Helper(Box<Helper>),
    Reserve(Reserve),
}

struct Helper {
    process: Child,
    /// Its end is the helper's end.
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Holder {
    fn open(size: u64, place: Place, firedrill: &Path, mark: Option<(&'static str, String)>) -> io::Result<Self> {
        let args = match place {
            Place::Reserve(reserve) => return Ok(Self::Reserve(reserve)),
            Place::Group(group) => BallastArgs { size, join: Some(group.procs_file()), lower: None },
            Place::Rlimit { pid } => BallastArgs { size, join: None, lower: Some(pid) },
            Place::Nowhere(why) => return Err(io::Error::other(why)),
        };
        let mut process = Command::new(firedrill)
            .arg("__ballast")
            .args(args.to_args())
            .envs(mark)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // Ctrl-C is for us to handle.
            .process_group(0)
            .spawn()?;
        match (process.stdin.take(), process.stdout.take()) {
            (Some(orders), Some(out)) => {
                Ok(Self::Helper(Box::new(Helper { process, orders, answers: BufReader::new(out).lines() })))
            }
            _ => Err(io::Error::other("it has no pipes")),
        }
    }

    /// Holds so much from now on; gives back what is really held.
    async fn hold(&mut self, bytes: u64) -> Result<u64, String> {
        match self {
            Self::Reserve(reserve) => reserve(bytes).map(|()| bytes).map_err(|e| e.to_string()),
            Self::Helper(helper) => {
                // A helper that refused is gone by now, but its reason is still to be read.
                let _ = helper.orders.write_all(format!("hold {bytes}\n").as_bytes()).await;
                loop {
                    let line = helper.answers.next_line().await.ok().flatten().ok_or_else(ended)?;
                    match line.split_once(' ') {
                        Some(("held", held)) => return held.parse().map_err(|_| ended()),
                        Some(("refused", why)) => return Err(why.to_owned()),
                        _ => {}
                    }
                }
            }
        }
    }

    /// Resolves when what holds the ballast is lost.
    async fn lost(&mut self) -> String {
        match self {
            Self::Reserve(_) => std::future::pending().await,
            Self::Helper(helper) => {
                // It says nothing unasked, except for an answer that came too late.
                while let Ok(Some(_)) = helper.answers.next_line().await {}
                ended()
            }
        }
    }

    /// Gives everything back.
    async fn release(self) {
        match self {
            Self::Reserve(reserve) => {
                let _ = reserve(0);
            }
            Self::Helper(helper) => {
                let Helper { mut process, orders, answers } = *helper;
                drop(orders);
                if timeout(Duration::from_secs(2), process.wait()).await.is_err() {
                    let _ = process.kill().await;
                }
                drop(answers);
            }
        }
    }
}

fn ended() -> String {
    "its process ended before its time (it does when the app ends, and its memory group with it)".to_owned()
}
