//! [`TargetError`]: why there is no app to test, and what to do about it.

use std::io;
use std::path::PathBuf;

/// Why there is no app to test.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// Nothing answers at the given URL.
    #[error(
        "the app under test does not answer at {url}: {why}; start it there, or name the right address with \
         `target.url` in the scenario or `--target`"
    )]
    Unreachable {
        /// The address that was asked.
        url: String,
        /// The innermost reason.
        why: String,
    },
    /// The given process does not exist.
    #[error("there is no process {pid} (`target.pid`); name the app's running process, or leave `pid` out")]
    NoProcess {
        /// The pid as given.
        pid: u32,
    },
    /// A command target without a command.
    #[error("the target's command is empty; write the program and its arguments")]
    NoCommand,
    /// The child could not be started.
    #[error("the app under test could not be started: {why}")]
    Start {
        /// What went wrong.
        why: String,
    },
    /// Something else already answers where the child shall listen.
    #[error(
        "something already answers at {url}, so the app could not be told from it; end that process, or use `{{port}}` in \
         the command and the url"
    )]
    Occupied {
        /// The address.
        url: String,
    },
    /// The child ended before it was ready.
    #[error("the app under test ended before it was ready: {reason}{}", tail_text(.tail))]
    Died {
        /// How it ended.
        reason: String,
        /// The last lines of its output.
        tail: Vec<String>,
        /// Where all of its output is.
        log: PathBuf,
    },
    /// The child was not ready in time.
    #[error("the app under test was not ready within {within}: {url} — {why}{}", tail_text(.tail))]
    NotReady {
        /// The address that was asked.
        url: String,
        /// How long it had.
        within: String,
        /// What the last try gave.
        why: String,
        /// The last lines of its output.
        tail: Vec<String>,
        /// Where all of its output is.
        log: PathBuf,
    },
    /// A file or a port of ours could not be had.
    #[error("{what}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
}

/// The last lines of the app's output, as the end of an error. Not where the rest is: the log of an app that never got
/// ready goes with the folder of the run that never began.
fn tail_text(tail: &[String]) -> String {
    if tail.is_empty() {
        return "; it wrote nothing".to_owned();
    }
    let mut text = "; its last output:".to_owned();
    for line in tail {
        text.push_str("\n  | ");
        text.push_str(line);
    }
    text
}
