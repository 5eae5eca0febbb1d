//! `firedrill __ballast`: the process that holds the memory. It lives in the app's group, follows its parent's
//! commands, and ends (giving everything back) when its stdin does.

use procfs::process::{LimitValue, Process};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use std::ffi::OsString;
use std::fs;
use std::io::{self, BufRead as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;

/// Memory is taken and given back in pieces of this size.
const PIECE: u64 = 1 << 20;

/// Arguments of the ballast's process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BallastArgs {
    /// The most that it may ever hold, bytes.
    pub size: u64,
    /// The `cgroup.procs` of the group to enter and fill.
    pub join: Option<PathBuf>,
    /// Instead of holding memory: the process whose own limits are lowered.
    pub lower: Option<u32>,
}

impl BallastArgs {
    /// The command line after `firedrill __ballast`.
    #[must_use]
    pub fn to_args(&self) -> Vec<OsString> {
        let mut args: Vec<OsString> = vec!["--size".into(), self.size.to_string().into()];
        if let Some(join) = &self.join {
            args.extend(["--join".into(), join.clone().into_os_string()]);
        }
        if let Some(pid) = self.lower {
            args.extend(["--lower".into(), pid.to_string().into()]);
        }
        args
    }

    /// Reads what [`Self::to_args`] wrote; the error is a fragment for a log.
    pub fn from_args(args: impl IntoIterator<Item = OsString>) -> Result<Self, String> {
        let mut args = args.into_iter();
        let (mut size, mut join, mut lower) = (None, None, None);
        while let Some(flag) = args.next() {
            let value = args.next().ok_or("a value is missing")?;
            match flag.to_str() {
                Some("--size") => size = value.to_str().and_then(|v| v.parse().ok()),
                Some("--join") => join = Some(value.into()),
                Some("--lower") => lower = Some(value.to_str().and_then(|v| v.parse().ok()).ok_or("no pid")?),
                _ => return Err(format!("unknown argument {}", flag.display())),
            }
        }
        Ok(Self { size: size.ok_or("`--size` is missing")?, join, lower })
    }
}

/// Holds memory as told on stdin (`hold BYTES`, answered by `held BYTES`) until stdin ends.
#[must_use]
pub fn child_main(args: &BallastArgs) -> u8 {
    let lever = match Lever::set_up(args) {
        Ok(lever) => lever,
        Err(why) => {
            say(&format!("refused {why}"));
            return 0;
        }
    };
    say("ready");
    let (send, targets) = mpsc::channel::<u64>();
    let undo = lever.undo();
    // Touching memory happens beside the reading: at a full group's limit the kernel may hold a toucher up for as
    // long as it likes, and the end of stdin must end us all the same.
    thread::spawn(move || {
        let mut lever = lever;
        for bytes in targets {
            match lever.hold(bytes) {
                Ok(held) => say(&format!("held {held}")),
                Err(why) => say(&format!("refused {why}")),
            }
        }
    });
    for line in io::stdin().lock().lines() {
        let Some(bytes) = line.ok().and_then(|line| line.strip_prefix("hold ")?.parse::<u64>().ok()) else { break };
        let _ = send.send(bytes.min(args.size));
    }
    if let Some(undo) = undo {
        let _ = undo.apply(0);
    }
    0
}

fn say(line: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// How the app is pressed.
enum Lever {
    Memory(Vec<Vec<u8>>),
    Limits(Limits),
}

impl Lever {
    fn set_up(args: &BallastArgs) -> Result<Self, String> {
        if let Some(pid) = args.lower {
            return Limits::of(pid).map(Self::Limits);
        }
        if let Some(join) = &args.join {
            fs::write(join, "0").map_err(|e| format!("the app's memory group cannot be entered: {}", e.kind()))?;
            stand_aside(join);
        }
        Ok(Self::Memory(Vec::new()))
    }

    fn hold(&mut self, bytes: u64) -> Result<u64, String> {
        match self {
            Self::Memory(pieces) => {
                let wanted = bytes / PIECE;
                while (pieces.len() as u64) > wanted {
                    pieces.pop();
                }
                while (pieces.len() as u64) < wanted {
                    // Not zeroes: those would be pages that exist only by name.
                    pieces.push(vec![0xb5; PIECE as usize]);
                }
                Ok(wanted * PIECE)
            }
            Self::Limits(limits) => limits.apply(bytes).map(|()| bytes),
        }
    }

    fn undo(&self) -> Option<Limits> {
        match self {
            Self::Memory(_) => None,
            Self::Limits(limits) => Some(limits.clone()),
        }
    }
}

/// At the limit it is the app that shall be killed, as it would by its own growth, and not its ballast. Protecting
/// ourselves needs rights; making the others likelier does not.
fn stand_aside(procs: &Path) {
    if fs::write("/proc/self/oom_score_adj", "-1000").is_ok() {
        return;
    }
    let me = std::process::id().to_string();
    for pid in fs::read_to_string(procs).unwrap_or_default().lines().filter(|pid| *pid != me) {
        let _ = fs::write(format!("/proc/{pid}/oom_score_adj"), "1000");
    }
}

/// A process's own limits as they were found.
#[derive(Clone)]
struct Limits {
    pid: Pid,
    found: Vec<(Resource, u64, Option<u64>)>,
}

impl Limits {
    fn of(pid: u32) -> Result<Self, String> {
        let raw = i32::try_from(pid).map_err(|_| "no such process".to_owned())?;
        let limits = Process::new(raw).and_then(|p| p.limits()).map_err(|e| format!("pid {pid}: {e}"))?;
        let finite = |resource, limit: procfs::process::Limit| match (limit.soft_limit, limit.hard_limit) {
            (LimitValue::Value(soft), LimitValue::Value(hard)) => Some((resource, soft, Some(hard))),
            (LimitValue::Value(soft), LimitValue::Unlimited) => Some((resource, soft, None)),
            (LimitValue::Unlimited, _) => None,
        };
        let found: Vec<_> =
            [finite(Resource::Data, limits.max_data_size), finite(Resource::As, limits.max_address_space)]
                .into_iter()
                .flatten()
                .collect();
        if found.is_empty() {
            return Err("the app has no memory limit that a ballast could press on (no limited control group, no \
                        RLIMIT_DATA, no RLIMIT_AS)"
                .to_owned());
        }
        Ok(Self { pid: Pid::from_raw(raw).ok_or("no such process")?, found })
    }

    fn apply(&self, bytes: u64) -> Result<(), String> {
        for (resource, soft, hard) in &self.found {
            let lowered = Rlimit { current: Some(soft.saturating_sub(bytes)), maximum: *hard };
            prlimit(Some(self.pid), *resource, lowered)
                .map_err(|e| format!("the app's own limits cannot be changed: {}", io::Error::from(e).kind()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_survive() {
        let args = BallastArgs { size: 200 << 20, join: Some("/g/cgroup.procs".into()), lower: Some(7) };
        assert_eq!(BallastArgs::from_args(args.to_args()), Ok(args));
        assert!(BallastArgs::from_args(["--size".into()]).is_err());
        assert!(BallastArgs::from_args([]).is_err());
    }
}
