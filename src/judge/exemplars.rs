//! Which offending requests belong to a finding.

use super::segments::Stretch;
use super::words;
use crate::model::sample::Class;
use crate::model::timeline::{Exemplar, Timeline};

/// How many are attached to one finding.
const MOST: usize = 5;

/// Indices of the first exemplars within these seconds that `belongs` accepts.
pub(super) fn within(timeline: &Timeline, window: Stretch, belongs: impl Fn(&Exemplar) -> bool) -> Vec<usize> {
    let (from, to) = (words::moment(window.from), words::moment(window.to));
    (0..)
        .zip(&timeline.exemplars)
        .filter(|(_, exemplar)| exemplar.at >= from && exemplar.at < to && belongs(exemplar))
        .map(|(index, _)| index)
        .take(MOST)
        .collect()
}

/// Whether it is an error of its endpoint.
pub(super) fn is_error(exemplar: &Exemplar) -> bool {
    matches!(exemplar.outcome.class(), Some(Class::Failed | Class::Masked))
}

/// Whether it counts against the agent that it exercised.
pub(super) fn is_not_ok(exemplar: &Exemplar) -> bool {
    exemplar.outcome.class().is_some_and(|class| class != Class::Ok)
}
