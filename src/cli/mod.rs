//! The command line: arguments, exit codes, messages. The only place that prints, exits or reads the environment.
//!
//! Data goes to stdout, everything else to stderr. `args` is what can be typed; a file per subcommand does it;
//! `progress` shows a run as it happens; `render_error` turns an error into words and an exit code.

mod again;
mod args;
mod exit;
mod hidden;
mod judge;
mod mock;
mod out;
mod progress;
mod render_error;
mod run;
mod signals;
mod target;
mod undo;
mod validate;

use args::{Cli, Command, RunArgs};
use clap::Parser as _;
use exit::Exit;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

/// Parses the command line, does what it says, and returns the exit code.
#[must_use]
pub fn main() -> ExitCode {
    let outcome = catch_unwind(AssertUnwindSafe(|| match Cli::try_parse() {
        Ok(cli) => dispatch(cli),
        Err(error) => usage(&error),
    }));
    // A panic has already printed itself; it is a failure of ours, and must not look like a verdict.
    outcome.unwrap_or(Exit::Failure).into()
}

fn dispatch(cli: Cli) -> Exit {
    match cli.command.unwrap_or_else(|| Command::Run(Box::<RunArgs>::default())) {
        Command::Run(args) => run::execute(&args),
        Command::Mock(args) => mock::execute(&args),
        Command::Target(args) => target::execute(&args),
        Command::Judge(args) => judge::execute(&args),
        Command::Report(args) => judge::render(&args),
        Command::Undo(args) => undo::execute(&args),
        Command::Validate(args) => validate::execute(&args),
        Command::Guard(args) => hidden::guard(&args),
        Command::Exec(args) => hidden::exec(&args),
        Command::Ballast(args) => hidden::ballast(&args),
    }
}

/// Help and version are answers; everything else that clap reports is a usage error.
fn usage(error: &clap::Error) -> Exit {
    if error.use_stderr() {
        out::stderr(&error.render().to_string());
        Exit::Usage
    } else {
        out::stdout(&error.render().to_string());
        Exit::Go
    }
}
