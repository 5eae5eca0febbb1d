//! [`edges`]: when faults go on and off by plan, for whoever marks them on the timeline.

use crate::model::fault::FaultRule;
use crate::units::Offset;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

/// A cycle shorter than this has no edges of its own: the timeline's grain is a second.
const SHORTEST_CYCLE: Duration = Duration::from_secs(1);

/// A moment at which a fault goes on or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// When.
    pub at: Offset,
    /// The rule's index.
    pub rule: usize,
    /// Whether it opens (else it closes).
    pub opens: bool,
}

/// All edges of the rules in order of time; at the same moment, closings come before openings. A fault that is never
/// on has no edges; one without an end has no closing edge, or with a cycle never a last one. Cycles shorter than a
/// second count as on throughout. What requests ask for themselves has no plan, hence no edges. A fault that ends by itself ([`super::Engine::take_ended`]) does so between them.
pub fn edges(rules: &[FaultRule]) -> impl Iterator<Item = Edge> + '_ {
    let mut next: BinaryHeap<_> =
        rules.iter().enumerate().filter_map(|(index, rule)| first(index, rule)).map(sorted).collect();
    std::iter::from_fn(move || {
        let Reverse((at, opens, rule)) = next.pop()?;
        let edge = Edge { at, rule, opens };
        next.extend(rules.get(rule).and_then(|own| after(own, edge)).map(sorted));
        Some(edge)
    })
}

fn sorted(edge: Edge) -> Reverse<(Offset, bool, usize)> {
    Reverse((edge.at, edge.opens, edge.rule))
}

fn first(index: usize, rule: &FaultRule) -> Option<Edge> {
    let open = rule.window.until.is_none_or(|until| rule.window.from < until);
    (open && rule.when.asked.is_none()).then_some(Edge { at: rule.window.from, rule: index, opens: true })
}

/// The edge of the same rule that follows this one.
fn after(rule: &FaultRule, edge: Edge) -> Option<Edge> {
    let until = rule.window.until;
    let cycle = rule.when.course.cycle.filter(|cycle| cycle.on.get() + cycle.off.get() >= SHORTEST_CYCLE);
    let at = match (edge.opens, cycle) {
        (true, None) => until?,
        (true, Some(cycle)) => {
            let off = edge.at.plus(cycle.on.get());
            until.map_or(off, |until| until.min(off))
        }
        (false, None) => return None,
        (false, Some(cycle)) => {
            let on = edge.at.plus(cycle.off.get());
            if until.is_some_and(|until| on >= until) {
                return None;
            }
            on
        }
    };
    // Time saturates at its far end.
    (at > edge.at).then_some(Edge { at, rule: edge.rule, opens: !edge.opens })
}
