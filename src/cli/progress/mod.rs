//! A run as it happens: a live view on a terminal, a line every ten seconds elsewhere, or nothing.

mod lines;
mod live;
mod status;

use super::out;
use crate::model::event::RunEvent;
use crate::model::plan::Plan;
use crate::run::Observer;

/// The view that fits where stderr goes.
pub(super) fn view(plan: &Plan, quiet: bool) -> Box<dyn Observer> {
    if quiet {
        Box::new(Silent)
    } else if out::stderr_is_terminal() {
        Box::new(live::Live::new(plan))
    } else {
        Box::new(lines::Lines::new(plan))
    }
}

/// Says nothing.
struct Silent;

impl Observer for Silent {
    fn event(&mut self, _: &RunEvent) {}
    fn stage(&mut self, _: &str) {}
}
