//! Helper processes of ours: the app's guardian, the stage that limits and becomes the app, and the ballast.

use super::args::HiddenArgs;
use super::exit::Exit;
use super::out;
use crate::pressure::ballast::{BallastArgs, child_main};
use crate::target::exec::{self, ExecArgs};
use crate::target::guard::{self, GuardArgs};

/// The app's parent: ends it when firedrill is gone.
pub(super) fn guard(args: &HiddenArgs) -> Exit {
    match GuardArgs::from_args(args.args.clone()) {
        Ok(args) => Exit::Program(guard::main(&args)),
        Err(error) => refuse(&error),
    }
}

/// Joins the memory group, sets limits, and becomes the app.
pub(super) fn exec(args: &HiddenArgs) -> Exit {
    match ExecArgs::from_args(args.args.clone()) {
        Ok(args) => Exit::Program(exec::main(&args)),
        Err(error) => refuse(&error),
    }
}

/// Holds memory inside the app's group.
pub(super) fn ballast(args: &HiddenArgs) -> Exit {
    match BallastArgs::from_args(args.args.clone()) {
        Ok(args) => Exit::Program(child_main(&args)),
        Err(error) => refuse(&error),
    }
}

fn refuse(error: &dyn std::fmt::Display) -> Exit {
    out::stderr(&format!("error: {error}"));
    Exit::Usage
}
