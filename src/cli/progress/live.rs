//! A live view on a terminal, redrawn once a second.

use super::status::Status;
use crate::model::event::RunEvent;
use crate::model::plan::Plan;
use crate::run::Observer;
use indicatif::{ProgressBar, ProgressStyle};

/// Draws on stderr; cleared when dropped, so that the verdict stands alone.
pub(super) struct Live {
    status: Status,
    bar: ProgressBar,
}

impl Live {
    pub(super) fn new(plan: &Plan) -> Self {
        let status = Status::new(plan);
        let bar = ProgressBar::new(status.length().max(1));
        // The template is a constant of ours; were it ever wrong, the default style still shows the bar.
        if let Ok(style) = ProgressStyle::with_template("{prefix} {bar:40.cyan/dim}\n{wide_msg}") {
            bar.set_style(style.progress_chars("━━─"));
        }
        Self { status, bar }
    }
}

impl Observer for Live {
    fn event(&mut self, event: &RunEvent) {
        if self.status.update(event) {
            self.bar.set_position(self.status.now.min(self.status.length()));
            self.bar.set_prefix(self.status.clock());
            self.bar.set_message(self.status.line());
        }
        if let RunEvent::Warning { at, message } = event {
            self.bar.println(format!("{at} warning: {message}"));
        }
    }

    fn stage(&mut self, what: &str) {
        self.bar.set_message(what.to_owned());
        self.bar.tick();
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
