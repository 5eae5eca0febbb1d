//! `firedrill __guard`: the guardian, a process between firedrill and the app. It is the app's parent and adopts
//! whatever descends from it; when firedrill is gone, however that came about, the guardian's stdin ends, and it
//! kills all of them and removes the memory group.

use super::applog;
use super::descent::{descendants, send, send_group};
use super::exec::ExecArgs;
use super::limit;
use super::protocol::{Order, Report};
use super::watch::{Call, Watch};
use crate::model::memory_group::MemoryGroup;
use rustix::process::{Signal, WaitOptions, getpid, set_child_subreaper, wait};
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;
use tokio::time::Instant;

/// Arguments of the guardian.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuardArgs {
    /// The run's id, for the group's name.
    pub run_id: String,
    /// The memory limit of the app, bytes.
    pub memory_limit: Option<u64>,
    /// Where the app's output goes.
    pub log: PathBuf,
    /// How much of it is kept, bytes.
    pub log_limit: u64,
    /// Whether the app says in a line of JSON where it listens.
    pub announce: bool,
    /// Program and arguments of the app.
    pub command: Vec<OsString>,
}

impl GuardArgs {
    /// The command line after `firedrill __guard`.
    #[must_use]
    pub fn to_args(&self) -> Vec<OsString> {
        let mut args: Vec<OsString> = vec!["--run".into(), self.run_id.clone().into()];
        if let Some(limit) = self.memory_limit {
            args.extend(["--memory-limit".into(), limit.to_string().into()]);
        }
        args.extend(["--log".into(), self.log.clone().into_os_string()]);
        args.extend(["--log-limit".into(), self.log_limit.to_string().into()]);
        if self.announce {
            args.push("--announce".into());
        }
        args.push("--".into());
        args.extend(self.command.iter().cloned());
        args
    }

    /// Reads what [`Self::to_args`] wrote; the error is a fragment for a log.
    pub fn from_args(args: impl IntoIterator<Item = OsString>) -> Result<Self, String> {
        let mut args = args.into_iter();
        let (mut run_id, mut memory_limit, mut log, mut log_limit, mut announce) = (None, None, None, None, false);
        loop {
            let flag = args.next().ok_or("`--` is missing")?;
            match flag.to_str() {
                Some("--") => break,
                Some("--announce") => announce = true,
                Some("--run") => run_id = args.next().and_then(|v| v.into_string().ok()),
                Some("--memory-limit") => memory_limit = args.next().and_then(|v| v.to_str()?.parse().ok()),
                Some("--log") => log = args.next().map(PathBuf::from),
                Some("--log-limit") => log_limit = args.next().and_then(|v| v.to_str()?.parse().ok()),
                _ => return Err(format!("unknown argument {}", flag.display())),
            }
        }
        Ok(Self {
            run_id: run_id.ok_or("`--run` is missing")?,
            memory_limit,
            log: log.ok_or("`--log` is missing")?,
            log_limit: log_limit.ok_or("`--log-limit` is missing")?,
            announce,
            command: args.collect(),
        })
    }
}

/// What wakes the guardian.
enum Happening {
    /// firedrill wants something.
    Order(Order),
    /// firedrill is gone.
    Abandoned,
    /// The app's main process ended.
    Ended { code: Option<i32>, signal: Option<i32> },
    /// No descendant is left.
    Childless,
    /// The app said where it listens.
    Listening(String),
}

/// Guards one app until it, or firedrill, is gone. Returns the process's exit code.
#[must_use]
pub fn main(args: &GuardArgs) -> u8 {
    // Descendants whose parents end become ours, so none can slip away by forking twice.
    let adopting = set_child_subreaper(Some(getpid()));
    let mut orders = io::BufReader::new(io::stdin());
    let Some(Order::Start { redact }) = next_order(&mut orders) else { return 0 };
    let mut watch = Watch::establish(args.memory_limit, &limit::group_name(&args.run_id, std::process::id()));
    report(&Report::Limited {
        group: watch.own().cloned(),
        limit: watch.limit(),
        watched: watch.enforces(),
        means: watch.means().to_owned(),
    });
    let (happen, happenings) = mpsc::channel();
    let started = adopting.map_err(io::Error::from).and_then(|()| launch(args, watch.own(), redact, &happen));
    match started {
        Ok(app) => {
            report(&Report::Started { pid: app.pid });
            spawn_order_reader(orders, happen);
            tend(&mut watch, app.pid, &happenings);
            clear(watch.own());
            let _ = app.output.join();
        }
        Err(error) => {
            report(&Report::Failed { why: error.to_string() });
            clear(watch.own());
        }
    }
    report(&Report::Gone);
    0
}

/// The running app.
struct App {
    pid: u32,
    output: thread::JoinHandle<()>,
}

fn launch(
    args: &GuardArgs,
    group: Option<&MemoryGroup>,
    redact: Vec<String>,
    happen: &Sender<Happening>,
) -> io::Result<App> {
    let mut log: File = OpenOptions::new().create(true).append(true).open(&args.log)?;
    let (output, into) = io::pipe()?;
    let exec = ExecArgs {
        parent: std::process::id(),
        join: group.map(MemoryGroup::procs_file),
        command: args.command.clone(),
    };
    // Our own executable by this path is right even if the file has been replaced or removed since.
    let mut command = Command::new("/proc/self/exe");
    command.arg("__exec").args(exec.to_args()).stdin(Stdio::null()).process_group(0);
    command.stdout(into.try_clone()?).stderr(into);
    // From the main thread, because the app's death signal is tied to the thread that forks it.
    let child = command.spawn()?;
    // It holds our copies of the pipe's writing end, and the pipe shall end with the app.
    drop(command);
    let pid = child.id();
    let (limit, mut announce, say) = (args.log_limit, args.announce, happen.clone());
    let output = thread::spawn(move || {
        applog::copy(output, &mut log, limit, &redact, |line| {
            if announce && let Some(listening) = listening(line) {
                announce = false;
                let _ = say.send(Happening::Listening(listening));
            }
        });
    });
    spawn_reaper(pid, happen.clone());
    Ok(App { pid, output })
}

/// The address in the app's announcement, `{"listening":"http://127.0.0.1:8001"}`.
fn listening(line: &[u8]) -> Option<String> {
    let value: serde_json::Value = serde_json::from_slice(line).ok()?;
    Some(value.get("listening")?.as_str()?.to_owned())
}

/// Reaps everything that ends below us: the app, and what we adopted.
fn spawn_reaper(app: u32, happen: Sender<Happening>) {
    thread::spawn(move || {
        loop {
            match wait(WaitOptions::empty()) {
                Ok(Some((pid, status))) if u32::try_from(pid.as_raw_pid()) == Ok(app) => {
                    let ended = Happening::Ended { code: status.exit_status(), signal: status.terminating_signal() };
                    let _ = happen.send(ended);
                }
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(_) => break,
            }
        }
        let _ = happen.send(Happening::Childless);
    });
}

fn spawn_order_reader(mut orders: io::BufReader<io::Stdin>, happen: Sender<Happening>) {
    thread::spawn(move || {
        while let Some(order) = next_order(&mut orders) {
            let _ = happen.send(Happening::Order(order));
        }
        let _ = happen.send(Happening::Abandoned);
    });
}

/// The next order; `None` when firedrill is gone, or says what we do not understand, which is no better.
fn next_order(orders: &mut io::BufReader<io::Stdin>) -> Option<Order> {
    let mut line = String::new();
    match orders.read_line(&mut line) {
        Ok(0) | Err(_) => None,
        Ok(_) => serde_json::from_str(&line).ok(),
    }
}

fn report(what: &Report) {
    if let Ok(mut line) = serde_json::to_vec(what) {
        line.push(b'\n');
        let mut out = io::stdout().lock();
        // If firedrill is gone, nobody listens, and stdin says so as well.
        let _ = out.write_all(&line).and_then(|()| out.flush());
    }
}

/// Stays with the app until it ended or shall end at once.
fn tend(watch: &mut Watch, app: u32, happenings: &mpsc::Receiver<Happening>) {
    let (mut looked, mut by_watcher) = (Instant::now(), false);
    // Set while the app is asked to end: when patience does.
    let mut patience: Option<Instant> = None;
    let mut ended = false;
    loop {
        if patience.is_some_and(|until| Instant::now() >= until) {
            return;
        }
        let pause = match patience {
            Some(_) => Duration::from_millis(20),
            None => watch.every().saturating_sub(looked.elapsed()),
        };
        match happenings.recv_timeout(pause) {
            Ok(Happening::Order(Order::Stop { grace_ms })) => {
                send_group(app, Signal::TERM);
                patience = Some(Instant::now() + Duration::from_millis(grace_ms));
            }
            Ok(Happening::Order(Order::Reserve { bytes })) => watch.reserve(bytes),
            Ok(Happening::Order(Order::Start { .. })) => {}
            Ok(Happening::Listening(listening)) => report(&Report::Announced { listening }),
            Ok(Happening::Ended { code, signal }) => {
                let (oom_killed, at_limit) = watch.verdict(code, signal);
                report(&Report::Ended { code, signal, oom_killed, at_limit: at_limit || by_watcher, by_watcher });
                ended = true;
                // While stopping, its workers get the rest of the time; otherwise the app is over.
                if patience.is_none() {
                    return;
                }
            }
            Ok(Happening::Childless | Happening::Abandoned) | Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {}
        }
        if !ended && looked.elapsed() >= watch.every() {
            looked = Instant::now();
            match watch.look() {
                Call::Nothing => {}
                Call::PartKilled => report(&Report::PartKilled),
                Call::Exceeded => {
                    by_watcher = true;
                    for pid in descendants(std::process::id()) {
                        send(pid, Signal::KILL);
                    }
                }
            }
        }
    }
}

/// Kills everything below us and in the group, until nothing is left, and removes the group.
fn clear(group: Option<&MemoryGroup>) {
    let me = std::process::id();
    // A process that forks faster than we kill is not known; one that the kernel cannot end for a while is.
    for _ in 0..1000 {
        let mut left = descendants(me);
        left.extend(group.map(limit::members).unwrap_or_default().into_iter().filter(|pid| *pid != me));
        if left.is_empty() {
            break;
        }
        for pid in left {
            send(pid, Signal::KILL);
        }
        thread::sleep(Duration::from_millis(5));
    }
    if let Some(group) = group {
        limit::remove(group, Duration::from_secs(2));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_survive() {
        let args = GuardArgs {
            run_id: "2026-run".into(),
            memory_limit: Some(512 << 20),
            log: "/tmp/app.log".into(),
            log_limit: 16 << 20,
            announce: true,
            command: ["sh", "-c", "--", "--announce"].map(Into::into).to_vec(),
        };
        assert_eq!(GuardArgs::from_args(args.to_args()), Ok(args.clone()));
        let plain = GuardArgs { memory_limit: None, announce: false, ..args };
        assert_eq!(GuardArgs::from_args(plain.to_args()), Ok(plain));
        assert!(GuardArgs::from_args(["--run".into()]).is_err());
    }

    #[test]
    fn only_an_announcement_announces() {
        assert_eq!(listening(b"{\"listening\":\"http://x\"}\n").as_deref(), Some("http://x"));
        assert_eq!(listening(b"INFO: listening on http://x\n"), None);
        assert_eq!(listening(b"{\"listening\":7}"), None);
    }
}
