//! Helper processes of ours: the app's guardian, the stage that limits and becomes the app, and the ballast.

use super::args::HiddenArgs;
use super::exit::Exit;
use super::out;
use crate::pressure::ballast;
use crate::target::guard;

/// The app's parent: ends it when firedrill is gone.
pub(super) fn guard(args: &HiddenArgs) -> Exit {
    match guard::GuardArgs::from_args(&args.args) {
        Ok(args) => Exit::Helper(guard::main(&args)),
        Err(error) => refuse(&error),
    }
}

/// Joins the memory group, sets limits, and becomes the app.
pub(super) fn exec(args: &HiddenArgs) -> Exit {
    match guard::ExecArgs::from_args(&args.args) {
        Ok(args) => Exit::Helper(guard::exec_main(&args)),
        Err(error) => refuse(&error),
    }
}

/// Holds memory inside the app's group.
pub(super) fn ballast(args: &HiddenArgs) -> Exit {
    match ballast::BallastArgs::from_args(&args.args) {
        Ok(args) => Exit::Helper(ballast::child_main(&args)),
        Err(error) => refuse(&error),
    }
}

fn refuse(error: &dyn std::fmt::Display) -> Exit {
    out::stderr(&format!("error: {error}"));
    Exit::Usage
}
