//! Errors to words and exit codes.

use super::exit::Exit;
use super::out;
use crate::config::ConfigError;
use crate::run::RunError;
use std::error::Error;

/// Says what is wrong with a file.
pub(super) fn config(error: &ConfigError) -> Exit {
    out::stderr(&error.render(out::stderr_color()));
    if error.is_usage() { Exit::Usage } else { Exit::BadFile }
}

/// Says why a run could not be made.
pub(super) fn run(error: &RunError) -> Exit {
    out::stderr(&chain(error));
    match error {
        RunError::Target(_) => Exit::Unreachable,
        // The address is what the scenario says; another one, or ending the other process, is the remedy.
        RunError::Upstream(_) => Exit::BadFile,
        RunError::Unreadable { .. } => Exit::BadFile,
        RunError::InterruptedEarly(signal) => Exit::Signal(*signal),
        RunError::Folder { .. } | RunError::Journal { .. } | RunError::Load(_) | RunError::Report(_) => Exit::Failure,
    }
}

/// An error and its causes, a line each.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = format!("error: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str("\n  because: ");
        text.push_str(&cause.to_string().replace('\n', "\n           "));
        source = cause.source();
    }
    text
}
