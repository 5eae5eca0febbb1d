//! `firedrill __exec`: the last step before the app. It enters the memory group, asks to die with its guardian and
//! becomes the app. It is a program of its own because doing this between fork and exec needs unsafe code.

use super::protocol::CANNOT_START;
use rustix::process::{Signal, getppid, set_parent_process_death_signal};
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

/// Arguments of the exec stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecArgs {
    /// The guardian's pid; if the parent is another one by now, the guardian is dead and nothing is started.
    pub parent: u32,
    /// The `cgroup.procs` of the group to enter.
    pub join: Option<PathBuf>,
    /// Program and arguments.
    pub command: Vec<OsString>,
}

impl ExecArgs {
    /// The command line after `firedrill __exec`.
    #[must_use]
    pub fn to_args(&self) -> Vec<OsString> {
        let mut args = vec!["--parent".into(), self.parent.to_string().into()];
        if let Some(join) = &self.join {
            args.extend(["--join".into(), join.clone().into_os_string()]);
        }
        args.push("--".into());
        args.extend(self.command.iter().cloned());
        args
    }

    /// Reads what [`Self::to_args`] wrote; the error is a fragment for a log.
    pub fn from_args(args: impl IntoIterator<Item = OsString>) -> Result<Self, String> {
        let mut args = args.into_iter();
        let (mut parent, mut join) = (None, None);
        loop {
            let flag = args.next().ok_or("`--` is missing")?;
            match flag.to_str() {
                Some("--") => break,
                Some("--parent") => parent = args.next().and_then(|v| v.to_str()?.parse().ok()),
                Some("--join") => join = args.next().map(PathBuf::from),
                _ => return Err(format!("unknown argument {}", flag.display())),
            }
        }
        let command: Vec<OsString> = args.collect();
        if command.is_empty() {
            return Err("the command is missing".to_owned());
        }
        Ok(Self { parent: parent.ok_or("`--parent` is missing")?, join, command })
    }
}

/// Becomes the app; returns only if that failed, with an exit code as shells use them (126, 127).
#[must_use]
pub fn main(args: &ExecArgs) -> u8 {
    let program = args.command.first().map(|p| p.display().to_string()).unwrap_or_default();
    let (code, why) = match become_app(args) {
        Ok(never) => match never {},
        Err(Refusal::Place(why)) => (126, why),
        Err(Refusal::Exec(error)) => (if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 }, reason(&error)),
    };
    // Whoever reads the app's output is told; there is nobody else to tell.
    let _ = writeln!(io::stderr(), "{CANNOT_START}`{program}`: {why}");
    code
}

enum Refusal {
    Place(String),
    Exec(io::Error),
}

fn become_app(args: &ExecArgs) -> Result<std::convert::Infallible, Refusal> {
    let refuse = |what: &str, error: &dyn std::fmt::Display| Refusal::Place(format!("{what}: {error}"));
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(|e| refuse("it cannot be tied to its guardian", &e))?;
    // The signal is only sent for deaths from now on; a guardian that died before is recognised by its absence.
    let parent = getppid().map(|pid| pid.as_raw_nonzero().get());
    if parent.and_then(|pid| u32::try_from(pid).ok()) != Some(args.parent) {
        return Err(Refusal::Place("its guardian is gone".to_owned()));
    }
    if let Some(join) = &args.join {
        std::fs::write(join, "0").map_err(|e| refuse("it cannot enter its memory group", &e))?;
    }
    spare_nobody();
    let (program, rest) = args.command.split_first().ok_or_else(|| Refusal::Place("no command".to_owned()))?;
    Err(Refusal::Exec(Command::new(program).args(rest).exec()))
}

/// An app that inherited protection from the out-of-memory killer would hang at its limit instead of being killed,
/// which no real instance does. Giving protection up needs no rights.
fn spare_nobody() {
    let own = "/proc/self/oom_score_adj";
    let protected = std::fs::read_to_string(own).is_ok_and(|text| text.trim().parse::<i32>().is_ok_and(|adj| adj < 0));
    if protected {
        let _ = std::fs::write(own, "0");
    }
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such program".to_owned(),
        io::ErrorKind::PermissionDenied => "it may not be executed".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_survive() {
        let args = ExecArgs {
            parent: 7,
            join: Some("/sys/fs/cgroup/x/cgroup.procs".into()),
            command: ["python3", "--", "--join", "x"].map(Into::into).to_vec(),
        };
        assert_eq!(ExecArgs::from_args(args.to_args()), Ok(args));
        assert!(ExecArgs::from_args(["--parent".into(), "1".into(), "--".into()]).is_err());
        assert!(ExecArgs::from_args(["--what".into()]).is_err());
    }
}
