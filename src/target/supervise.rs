//! [`Supervisor`]: firedrill's side of the guardian. It starts the guardian, turns its reports into events, and
//! cleans up in its place should it be killed.

use super::descent::{send, send_group};
use super::guard::GuardArgs;
use super::limit;
use super::protocol::{Order, Report};
use crate::model::event::{EventSink, RunEvent};
use crate::model::memory_group::MemoryGroup;
use crate::model::reading::{TargetChange, TargetEvent};
use crate::units::{ByteSize, RunClock};
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// How long the guardian may take to end everything, beyond the app's own grace.
const CLEARING: Duration = Duration::from_secs(6);

/// What is known of the app.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    /// How its memory is limited; known once the guardian runs.
    pub limits: Option<Limits>,
    /// Its pid, once started; kept after its end.
    pub pid: Option<u32>,
    /// Where it said that it listens.
    pub listening: Option<String>,
    /// Why it could not be started.
    pub failed: Option<String>,
    /// How it ended.
    pub ended: Option<String>,
    /// Nothing of it is left, nor of its guardian.
    pub gone: bool,
}

/// How the app's memory is limited.
#[derive(Clone, Debug)]
pub(super) struct Limits {
    pub group: Option<MemoryGroup>,
    pub limit: Option<u64>,
    /// The guardian enforces the limit, so a part of it can be reserved.
    pub watched: bool,
    pub means: String,
}

enum Control {
    Order(Order),
    Begin(RunClock),
}

/// A running guardian. Dropping it without [`Supervisor::stop`] closes the guardian's stdin, which ends the app too.
pub(super) struct Supervisor {
    controls: mpsc::UnboundedSender<Control>,
    state: watch::Receiver<State>,
    guardian: Option<u32>,
    task: JoinHandle<()>,
}

impl Supervisor {
    /// Starts `firedrill __guard`; `env` is the app's, on top of ours.
    pub(super) fn spawn(
        firedrill: &Path,
        args: &GuardArgs,
        env: &BTreeMap<String, String>,
        redact: Vec<String>,
        events: EventSink,
    ) -> io::Result<Self> {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(&args.log)?;
        let mut guardian = Command::new(firedrill)
            .arg("__guard")
            .args(args.to_args())
            .envs(env)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            // Ctrl-C goes to the terminal's process group; the guardian must outlive us by a moment.
            .process_group(0)
            .spawn()?;
        let (Some(stdin), Some(stdout)) = (guardian.stdin.take(), guardian.stdout.take()) else {
            return Err(io::Error::other("the guardian has no pipes"));
        };
        let (controls, inbox) = mpsc::unbounded_channel();
        // Cannot fail: the receiver is in scope.
        let _ = controls.send(Control::Order(Order::Start { redact }));
        let (publish, state) = watch::channel(State::default());
        let pid = guardian.id();
        let attendant = Attendant {
            guardian,
            stdin,
            reports: BufReader::new(stdout).lines(),
            publish,
            events,
            clock: None,
            stopping: false,
        };
        Ok(Self { controls, state, guardian: pid, task: tokio::spawn(attendant.attend(inbox)) })
    }

    /// What is known of the app now.
    pub(super) fn state(&self) -> State {
        self.state.borrow().clone()
    }

    /// Waits until `ready` holds, or everything is over.
    pub(super) async fn wait_for(&self, mut ready: impl FnMut(&State) -> bool) -> State {
        let mut state = self.state.clone();
        match state.wait_for(|state| ready(state) || state.gone).await {
            Ok(state) => state.clone(),
            // The attendant is gone, which only happens after it said so or with the runtime.
            Err(_) => State { gone: true, ..self.state() },
        }
    }

    /// Events are emitted from now on.
    pub(super) fn begin(&self, clock: RunClock) {
        let _ = self.controls.send(Control::Begin(clock));
    }

    /// A way to take bytes of the watched limit away from the app.
    pub(super) fn reserve(&self) -> impl Fn(u64) -> io::Result<()> + Send + Sync + 'static {
        // Weak, so that whoever keeps it does not keep the app.
        let controls = self.controls.downgrade();
        move |bytes| {
            let sent = controls.upgrade().map(|c| c.send(Control::Order(Order::Reserve { bytes })));
            match sent {
                Some(Ok(())) => Ok(()),
                _ => Err(io::Error::new(io::ErrorKind::NotConnected, "the app is gone")),
            }
        }
    }

    /// Ends the app: SIGTERM, `grace`, SIGKILL; returns when nothing of it is left.
    pub(super) async fn stop(self, grace: Duration) {
        let grace_ms = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
        let _ = self.controls.send(Control::Order(Order::Stop { grace_ms }));
        if timeout(grace + CLEARING, self.wait_for(|state| state.gone)).await.is_err()
            && let Some(guardian) = self.guardian
        {
            // It hangs, and its end makes the attendant clean up in its place.
            send(guardian, Signal::KILL);
            let _ = timeout(CLEARING, self.wait_for(|state| state.gone)).await;
        }
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The task that talks with the guardian.
struct Attendant {
    guardian: Child,
    stdin: ChildStdin,
    reports: Lines<BufReader<ChildStdout>>,
    publish: watch::Sender<State>,
    events: EventSink,
    clock: Option<RunClock>,
    stopping: bool,
}

impl Attendant {
    async fn attend(mut self, mut inbox: mpsc::UnboundedReceiver<Control>) {
        let (mut over, mut tidy) = (None, false);
        loop {
            tokio::select! {
                report = self.reports.next_line() => match report {
                    Ok(Some(line)) => match serde_json::from_str(&line) {
                        Ok(Report::Gone) => {
                            tidy = true;
                            break;
                        }
                        Ok(report) => over = self.hear(report).or(over),
                        Err(_) => self.warn(format!("firedrill's guardian said something unknown: {line:.200}")),
                    },
                    Ok(None) | Err(_) => break,
                },
                Some(control) = inbox.recv() => match control {
                    Control::Order(order) => self.order(&order).await,
                    Control::Begin(clock) => self.begin(clock, over.clone()),
                },
            }
        }
        let _ = self.guardian.wait().await;
        if !tidy {
            self.bury().await;
        }
        self.publish.send_modify(|state| state.gone = true);
        // The app's end is still owed to a run that begins only now.
        while let Some(Control::Begin(clock)) = inbox.recv().await {
            self.begin(clock, over.clone());
        }
    }

    fn begin(&mut self, clock: RunClock, over: Option<TargetChange>) {
        let pid = self.publish.borrow().pid;
        if self.clock.replace(clock).is_none()
            && let Some(pid) = pid
        {
            self.emit(TargetChange::Started { pid });
            if let Some(ended) = over {
                self.emit(ended);
            }
        }
    }

    async fn order(&mut self, order: &Order) {
        self.stopping |= matches!(order, Order::Stop { .. });
        if let Ok(mut line) = serde_json::to_vec(order) {
            line.push(b'\n');
            // If the guardian is gone, its stdout says so.
            let _ = self.stdin.write_all(&line).await;
        }
    }

    /// Takes a report in; gives back the app's end if it is one.
    fn hear(&self, report: Report) -> Option<TargetChange> {
        match report {
            Report::Limited { group, limit, watched, means } => {
                self.publish.send_modify(|state| state.limits = Some(Limits { group, limit, watched, means }));
            }
            Report::Started { pid } => {
                self.publish.send_modify(|state| state.pid = Some(pid));
                self.emit(TargetChange::Started { pid });
            }
            Report::Failed { why } => self.publish.send_modify(|state| state.failed = Some(why)),
            Report::Announced { listening } => self.publish.send_modify(|state| state.listening = Some(listening)),
            Report::PartKilled => {
                self.warn(
                    "the kernel killed one of the app's processes for lack of memory; its main process lives on"
                        .to_owned(),
                );
                // The judge must see it, and the app is there all the same.
                let pid = self.publish.borrow().pid;
                self.emit(TargetChange::Ended { code: None, signal: Some(9), oom_killed: true, at_limit: true });
                if let Some(pid) = pid {
                    self.emit(TargetChange::Started { pid });
                }
            }
            Report::Ended { code, signal, oom_killed, at_limit, by_watcher } => {
                let (pid, limit) = {
                    let state = self.publish.borrow();
                    (state.pid.unwrap_or(0), state.limits.as_ref().and_then(|limits| limits.limit))
                };
                let reason = describe_end(pid, code, signal, oom_killed, by_watcher, limit);
                let change = TargetChange::Ended { code, signal, oom_killed, at_limit };
                if !self.stopping {
                    if by_watcher {
                        self.warn(reason.clone());
                    }
                    self.emit(change.clone());
                }
                self.publish.send_modify(|state| state.ended = Some(reason));
                return Some(change);
            }
            Report::Gone => {}
        }
        None
    }

    /// Does the guardian's last duties if it was killed before it could.
    async fn bury(&mut self) {
        let state = self.publish.borrow().clone();
        if state.ended.is_none() && !self.stopping && state.failed.is_none() {
            let reason = "firedrill's guardian process ended unexpectedly, and the app with it".to_owned();
            if state.pid.is_some() {
                self.warn(reason.clone());
                self.emit(TargetChange::Ended { code: None, signal: Some(9), oom_killed: false, at_limit: false });
            }
            self.publish.send_modify(|state| state.ended = Some(reason));
        }
        let Some(group) = state.limits.and_then(|limits| limits.group) else {
            if let Some(pid) = state.pid {
                send_group(pid, Signal::KILL);
            }
            return;
        };
        for _ in 0..200 {
            if !group.dir.exists() {
                return;
            }
            for pid in limit::members(&group) {
                send(pid, Signal::KILL);
            }
            limit::remove(&group, Duration::ZERO);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn emit(&self, what: TargetChange) {
        if let Some(clock) = self.clock {
            self.events.emit(RunEvent::Target(TargetEvent { at: clock.now(), what }));
        }
    }

    fn warn(&self, message: String) {
        if let Some(clock) = self.clock {
            self.events.emit(RunEvent::Warning { at: clock.now(), message });
        }
    }
}

/// How the app ended, in a sentence's middle.
fn describe_end(
    pid: u32,
    code: Option<i32>,
    signal: Option<i32>,
    oom_killed: bool,
    by_watcher: bool,
    limit: Option<u64>,
) -> String {
    let limit = limit.map_or(String::new(), |bytes| format!(" (its limit is {})", ByteSize(bytes)));
    match (code, signal) {
        _ if by_watcher => format!("the app (pid {pid}) was killed by firedrill for exceeding its memory limit{limit}"),
        _ if oom_killed => format!("the app (pid {pid}) was killed by the kernel for lack of memory{limit}"),
        (Some(code), _) => format!("the app (pid {pid}) exited with code {code}"),
        (_, Some(signal)) => format!("the app (pid {pid}) was ended by signal {signal}{}", signal_name(signal)),
        (None, None) => format!("the app (pid {pid}) ended"),
    }
}

fn signal_name(signal: i32) -> &'static str {
    match signal {
        2 => " (SIGINT)",
        4 => " (SIGILL)",
        6 => " (SIGABRT)",
        7 => " (SIGBUS)",
        8 => " (SIGFPE)",
        9 => " (SIGKILL)",
        11 => " (SIGSEGV)",
        15 => " (SIGTERM)",
        _ => "",
    }
}
