//! The `firedrill` binary.

use firedrill::target::{exec, guard};
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    let code = match args.next().as_deref().and_then(|s| s.to_str()) {
        Some("__guard") => guard::GuardArgs::from_args(args).map_or(64, |args| guard::main(&args)),
        Some("__exec") => exec::ExecArgs::from_args(args).map_or(64, |args| exec::main(&args)),
        Some("__ballast") => firedrill::pressure::ballast::BallastArgs::from_args(args)
            .map_or(64, |args| firedrill::pressure::ballast::child_main(&args)),
        _ => 64,
    };
    ExitCode::from(code)
}
