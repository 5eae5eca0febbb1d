//! A line every ten seconds, for logs and pipes; changes of faults at once.

use super::status::Status;
use crate::cli::out;
use crate::model::event::RunEvent;
use crate::model::plan::Plan;
use crate::run::Observer;

/// Seconds between lines.
const EVERY: u64 = 10;

/// Writes lines.
pub(super) struct Lines {
    status: Status,
    names: Vec<String>,
}

impl Lines {
    pub(super) fn new(plan: &Plan) -> Self {
        Self { status: Status::new(plan), names: plan.faults.iter().map(|fault| fault.name.clone()).collect() }
    }

    fn fault(&self, rule: usize) -> &str {
        self.names.get(rule).map_or("?", String::as_str)
    }
}

impl Observer for Lines {
    fn event(&mut self, event: &RunEvent) {
        let second = self.status.update(event);
        match event {
            RunEvent::FaultOpened { at, rule } => out::stderr(&format!("{at} fault {} is on", self.fault(*rule))),
            RunEvent::FaultClosed { at, rule } => out::stderr(&format!("{at} fault {} is off", self.fault(*rule))),
            RunEvent::Warning { at, message } => out::stderr(&format!("{at} warning: {message}")),
            _ if second && self.status.now.is_multiple_of(EVERY) => {
                out::stderr(&format!("{} {}", self.status.clock(), self.status.line()));
            }
            _ => {}
        }
    }

    fn stage(&mut self, what: &str) {
        out::stderr(what);
    }
}
