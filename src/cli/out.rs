//! The two streams. A closed pipe (`firedrill … | head`) is no error of ours.

use std::io::{IsTerminal as _, Write as _};

/// Writes data, with a line end.
pub(super) fn stdout(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{}", text.trim_end_matches('\n'));
}

/// Writes a message, with a line end.
pub(super) fn stderr(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{}", text.trim_end_matches('\n'));
}

/// Whether stdout takes colour.
pub(super) fn stdout_color() -> bool {
    std::io::stdout().is_terminal() && color_wanted()
}

/// Whether stderr takes colour.
pub(super) fn stderr_color() -> bool {
    std::io::stderr().is_terminal() && color_wanted()
}

/// Whether a live view can be drawn on stderr.
pub(super) fn stderr_is_terminal() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// `NO_COLOR` (no-color.org): any non-empty value means no.
fn color_wanted() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
