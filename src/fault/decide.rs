//! [`decision`]: what one rule does to its n-th request.

use super::delay::draw_delay;
use crate::model::fault::{FaultAction, FaultDecision, FaultRule, Injection, Ramped};
use crate::units::{Seed, Span};

/// What `rule` does at its full strength to the `n`-th request (from 1) that reached it inside its window; `None` lets
/// it pass.
///
/// A pure function: the draw is keyed by the rule's name and `n`, so neither other rules nor the order in which
/// threads ask can change it.
#[must_use]
pub fn decision(rule_index: usize, rule: &FaultRule, seed: Seed, n: u64) -> Option<FaultDecision> {
    decision_at(rule_index, rule, seed, n, 1.0)
}

/// As [`decision`], on a ramp at this strength (from 0 to 1): a smaller share is hit, or delays are shorter. What is
/// hit at some strength is hit at every greater one.
#[must_use]
pub fn decision_at(rule_index: usize, rule: &FaultRule, seed: Seed, n: u64, strength: f64) -> Option<FaultDecision> {
    let (of_share, of_delay) = match rule.when.course.ramps {
        Ramped::Share => (strength, 1.0),
        Ramped::Delay => (1.0, strength),
    };
    if rule.when.nth.is_some_and(|nth| !n.is_multiple_of(nth)) {
        return None;
    }
    let own = seed.derive(&rule.name);
    if own.unit(&[n]) >= rule.share.fraction() * of_share {
        return None;
    }
    let action = match &rule.inject {
        // A label of its own, so that who is hit says nothing about how long they wait.
        Injection::Latency(delay) => {
            FaultAction::Delay(Span(draw_delay(delay, own.derive("delay"), &[n]).mul_f64(of_delay)))
        }
        Injection::Abort(abort) => FaultAction::Abort(abort.clone()),
        Injection::ResetPeer {} => FaultAction::Reset,
        Injection::Timeout { after } => FaultAction::Hang(*after),
        Injection::LimitData { bytes } => FaultAction::Cut(*bytes),
        Injection::Stall { after, pause } => FaultAction::Stall { after: *after, pause: *pause },
        Injection::Truncate { after } => FaultAction::Truncate(*after),
        Injection::StreamError(error) => FaultAction::StreamError(error.clone()),
        Injection::BodyLatency(delay) => {
            FaultAction::DelayBody(Span(draw_delay(delay, own.derive("delay"), &[n]).mul_f64(of_delay)))
        }
        // Each event has a draw of its own, by its number; what they are drawn from is this request's alone.
        Injection::ChunkLatency(delay) => {
            FaultAction::HoldChunks { delay: delay.scaled(of_delay), draw: of_request(own, "chunks", n) }
        }
        Injection::ResetMidway { after } => FaultAction::ResetMidway(*after),
        Injection::Drip(drip) => FaultAction::Drip(*drip),
        Injection::SlowTokens(slow) => FaultAction::SlowTokens(*slow),
        Injection::Headers(headers) => FaultAction::Headers(headers.clone()),
        Injection::WrongContentType(wrong) => FaultAction::WrongContentType(wrong.clone()),
        Injection::WrongContentLength(wrong) => FaultAction::WrongContentLength(*wrong),
        Injection::HugeBody(huge) => FaultAction::HugeBody(*huge),
        Injection::Content(fault) => FaultAction::Content { fault: fault.clone(), draw: of_request(own, "content", n) },
        Injection::Data(fault) => FaultAction::Data(fault.clone()),
        // Decided by connection, not by request.
        Injection::Connection(_) => return None,
    };
    Some(FaultDecision { rule: rule_index, n, action })
}

/// What is random about the `n`-th request beyond whether it is hit.
fn of_request(own: Seed, label: &str, n: u64) -> Seed {
    Seed(own.derive(label).draw(&[n]))
}

/// Whether nothing can follow this action: the request gets no answer of the upstream's own.
pub(super) const fn is_terminal(action: &FaultAction) -> bool {
    matches!(action, FaultAction::Abort(_) | FaultAction::Reset | FaultAction::Hang(_))
}
