//! [`Engine`]: counts the requests that reach each rule, and composes the rules' decisions.

use super::decide::{decision, is_terminal};
use super::matching::{FaultQuery, matches};
use crate::model::fault::{FaultDecision, FaultRule};
use crate::units::{Offset, Seed};
use std::sync::atomic::{AtomicU64, Ordering};

/// Decides what happens to each request.
///
/// Its only state is a counter per rule. A rule counts the requests that reach it: they match, its window is open,
/// and no earlier rule has ended the request. So what a rule did over a run is always a beginning of one fixed
/// sequence, however requests interleaved; only how far it got depends on the traffic.
#[derive(Debug)]
pub struct Engine {
    rules: Vec<FaultRule>,
    counters: Vec<AtomicU64>,
    seed: Seed,
}

impl Engine {
    /// An engine for these rules; every rule's counter starts at zero.
    #[must_use]
    pub fn new(rules: Vec<FaultRule>, seed: Seed) -> Self {
        let counters = rules.iter().map(|_| AtomicU64::new(0)).collect();
        Self { rules, counters, seed }
    }

    /// Every decision for one request, in rule order. Delays add up; the first abort, reset or hang ends the list;
    /// what hits a body (cuts, stalls, ends, errors inside it) hits that of whatever answer is given.
    #[must_use]
    pub fn decide(&self, at: Offset, query: &FaultQuery<'_>) -> Vec<FaultDecision> {
        let mut decisions = Vec::new();
        for (index, (rule, counter)) in self.rules.iter().zip(&self.counters).enumerate() {
            if !rule.window.contains(at) || !matches(rule, query) {
                continue;
            }
            let n = counter.fetch_add(1, Ordering::Relaxed) + 1;
            if let Some(decision) = decision(index, rule, self.seed, n) {
                let ends = is_terminal(&decision.action);
                decisions.push(decision);
                if ends {
                    break;
                }
            }
        }
        decisions
    }

    /// The rules, in the order in which they apply.
    #[must_use]
    pub fn rules(&self) -> &[FaultRule] {
        &self.rules
    }
}
