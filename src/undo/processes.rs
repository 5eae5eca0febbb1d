//! Processes that a journal's owner started: found by the journal's name in their environment, whatever became of
//! their parents.

use super::line::Owner;
use super::moment::Moment;
use memchr::memmem;
use procfs::process::Process;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::net::SocketAddr;
use uuid::Uuid;

/// The variable that every process that we start bears, with the journal's name.
pub const MARK: &str = "FIREDRILL_JOURNAL";

impl Owner {
    /// This process.
    #[must_use]
    pub fn this() -> Self {
        Self::of(std::process::id()).unwrap_or(Self { pid: std::process::id(), started: 0, boot: Moment::now().boot })
    }

    /// A living process; `None` if there is none of that pid.
    #[must_use]
    pub fn of(pid: u32) -> Option<Self> {
        Some(Self { pid, started: started(pid)?, boot: Moment::now().boot })
    }

    /// Whether it still lives.
    #[must_use]
    pub fn lives(&self) -> bool {
        Moment::now().boot == self.boot && started(self.pid) == Some(self.started)
    }
}

/// When a living process started, in ticks since the boot; a zombie lives no more.
fn started(pid: u32) -> Option<u64> {
    let stat = Process::new(i32::try_from(pid).ok()?).and_then(|process| process.stat()).ok()?;
    (!matches!(stat.state, 'Z' | 'X')).then_some(stat.starttime)
}

/// Living processes that bear a journal's name. Those of other users cannot be read, and are none of ours.
pub(super) fn marked(journal: Uuid) -> Vec<u32> {
    let mark = format!("{MARK}={journal}\0");
    let finder = memmem::Finder::new(mark.as_bytes());
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let bears = finder.find_iter(&environment).any(|at| at == 0 || environment.get(at - 1) == Some(&0));
        if bears && started(pid).is_some() {
            found.push(pid);
        }
    }
    found
}

/// Kills a process; one that is gone already is fine.
pub(super) fn kill(pid: u32) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, Signal::KILL);
    }
}

/// Whether this process listens on an address.
pub(super) fn we_listen_on(address: SocketAddr) -> bool {
    let Ok(process) = Process::myself() else { return false };
    let listening = |entries: Result<Vec<procfs::net::TcpNetEntry>, procfs::ProcError>| -> Vec<u64> {
        entries
            .unwrap_or_default()
            .into_iter()
            .filter(|entry| entry.state == procfs::net::TcpState::Listen && entry.local_address == address)
            .map(|entry| entry.inode)
            .collect()
    };
    let sockets = if address.is_ipv4() { listening(procfs::net::tcp()) } else { listening(procfs::net::tcp6()) };
    if sockets.is_empty() {
        return false;
    }
    process
        .fd()
        .into_iter()
        .flatten()
        .flatten()
        .any(|fd| matches!(fd.target, procfs::process::FDTarget::Socket(inode) if sockets.contains(&inode)))
}
