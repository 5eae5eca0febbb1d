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
                let checked = upstream::check(&valid.upstreams).map_err(|error| error.to_string());
                let checked = checked.and_then(|mut warnings| {
                    warnings.extend(upstream::check_functions(&valid.functions)?);
                    Ok(warnings)
                });
                let more = match checked {
                    Ok(more) => more,
                    Err(error) => {
                        out::stderr(&format!("error: {}: {error}", path.display()));
                        exit = Exit::BadFile;
                        continue;
                    }
                };
                out::stdout(&format!("{}: a valid {}", path.display(), valid.kind));
                valid.warnings.iter().for_each(|warning| out::stderr(warning));
                more.iter().for_each(|warning| out::stderr(&format!("warning: {warning}")));
            }
            Err(error) => exit = render_error::config(&error),
        }
    }
    exit
}
