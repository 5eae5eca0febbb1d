//! `firedrill validate`.

use super::args::ValidateArgs;
use super::exit::Exit;
use super::{out, render_error};
use crate::config;
use crate::upstream;

/// Checks every file, and says of each what it is or what is wrong with it.
pub(super) fn execute(args: &ValidateArgs) -> Exit {
    let mut exit = Exit::Go;
    for path in &args.files {
        match config::validate(
            path,
            &|name| std::env::var(name).ok(),
            &upstream::known_errors,
            &upstream::check_template,
        ) {
            Ok(valid) => {
                out::stdout(&format!("{}: a valid {}", path.display(), valid.kind));
                for warning in &valid.warnings {
                    out::stderr(warning);
                }
            }
            Err(error) => exit = render_error::config(&error),
        }
    }
    exit
}
