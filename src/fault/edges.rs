//! [`edges`]: when fault windows open and close, for whoever marks them on the timeline.

use crate::model::fault::FaultRule;
use crate::units::Offset;

/// A moment at which a rule's window opens or closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// When.
    pub at: Offset,
    /// The rule's index.
    pub rule: usize,
    /// Whether it opens (else it closes).
    pub opens: bool,
}

/// All edges of the rules' windows in order of time; at the same moment, closings come before openings. A window
/// that is never open has no edges; one without an end has no closing edge.
#[must_use]
pub fn edges(rules: &[FaultRule]) -> Vec<Edge> {
    let mut edges: Vec<Edge> = rules
        .iter()
        .enumerate()
        .filter(|(_, rule)| rule.window.until.is_none_or(|until| rule.window.from < until))
        .flat_map(|(index, rule)| {
            let opening = Edge { at: rule.window.from, rule: index, opens: true };
            let closing = rule.window.until.map(|at| Edge { at, rule: index, opens: false });
            std::iter::once(opening).chain(closing)
        })
        .collect();
    edges.sort_by_key(|edge| (edge.at, edge.opens, edge.rule));
    edges
}
