//! [`ConnectionRules`]: which connections faults on connections touch.

use crate::model::fault::{ConnectionFault, FaultRule, Injection, Ramped};
use crate::units::{Offset, Seed};

/// The rules on one upstream's connections, each with its index in the plan.
#[derive(Clone, Debug)]
pub struct ConnectionRules {
    rules: Vec<(usize, FaultRule)>,
    seed: Seed,
}

impl ConnectionRules {
    /// Those of the plan's rules that act on the connections of this upstream, and that `kind` wants.
    #[must_use]
    pub fn of(rules: &[FaultRule], upstream: &str, seed: Seed, kind: impl Fn(&ConnectionFault) -> bool) -> Self {
        let wanted = |rule: &FaultRule| match &rule.inject {
            Injection::Connection(fault) => rule.upstream == upstream && kind(fault),
            _ => false,
        };
        let rules = rules.iter().enumerate().filter(|(_, rule)| wanted(rule));
        Self { rules: rules.map(|(index, rule)| (index, rule.clone())).collect(), seed }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// All of them, with what each does.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &FaultRule, &ConnectionFault)> {
        self.rules.iter().filter_map(|(index, rule)| match &rule.inject {
            Injection::Connection(fault) => Some((*index, rule, fault)),
            _ => None,
        })
    }

    /// What a rule draws its decisions from. The same as for requests: it is decided per number, from 1.
    #[must_use]
    pub fn seed(&self, rule: &FaultRule) -> Seed {
        self.seed.derive(&rule.name)
    }

    /// The rules that are on and touch the `n`-th connection (from 1), in the order of the plan.
    pub fn touching(&self, at: Offset, n: u64) -> impl Iterator<Item = (usize, &FaultRule, &ConnectionFault)> {
        self.iter().filter(move |(_, rule, _)| {
            rule.is_on(at)
                && rule.when.nth.is_none_or(|nth| n.is_multiple_of(nth.max(1)))
                && self.seed(rule).unit(&[n]) < share_at(rule, at)
        })
    }
}

/// The share of connections that a rule touches at a moment, as a fraction.
#[must_use]
pub fn share_at(rule: &FaultRule, at: Offset) -> f64 {
    let strength = if rule.when.course.ramps == Ramped::Share { rule.strength(at) } else { 1.0 };
    rule.share.fraction() * strength
}
