//! [`Engine`]: puts every request before the rules, and composes their decisions.

use super::counting::{Counting, KEYS};
use super::decide::is_terminal;
use super::matching::{head_matches, key_of, rest_matches};
use super::query::FaultQuery;
use crate::model::fault::{FaultDecision, FaultRule};
use crate::units::{Offset, Seed};
use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64;

/// Decides what happens to each request.
///
/// # Order
///
/// Rules apply in the order of the plan, but those that look at bodies come behind all that do not: a request's head
/// is decided on when it comes ([`Engine::decide`]), its body once it is whole ([`Engine::decide_on_body`]). Delays
/// add up. The first decision that leaves no answer of the upstream's own (an abort, a reset, a hang) ends the list.
/// What hits a body hits that of whatever answer is given.
///
/// # What is repeatable
///
/// A rule counts the requests that reach it: they match, it is on, and no earlier decision has ended them. `n` is a
/// request's place in that count: of its arrival for a rule that looks at heads only, of the end of its body for one
/// that looks at bodies. What a rule does to its `n`-th request is a pure function of the seed, the rule, `n`, and,
/// on a ramp, of when the request came. So what a rule did over a run is always a beginning of one fixed sequence,
/// whatever connections and threads did; only how far it got depends on the traffic. Which request is the `n`-th
/// depends on the order in which they come, as does what a rule that counts by key or waits for quiet passes over.
#[derive(Debug)]
pub struct Engine {
    rules: Vec<FaultRule>,
    counting: Vec<Counting>,
    /// The rules that may end by themselves.
    limited: Vec<usize>,
    by_body: bool,
    seed: Seed,
}

impl Engine {
    /// An engine for these rules; every rule's counter starts at zero.
    #[must_use]
    pub fn new(rules: Vec<FaultRule>, seed: Seed) -> Self {
        let counting: Vec<_> = rules.iter().map(Counting::new).collect();
        let is_limited = |index: &usize| !matches!(counting.get(*index), None | Some(Counting::Plain(_)));
        let limited = (0..rules.len()).filter(is_limited).collect();
        let by_body = rules.iter().any(|rule| rule.when.looks_at_body());
        Self { rules, counting, limited, by_body, seed }
    }

    /// What the rules that need no body decide for a request that comes at this moment, in their order.
    #[must_use]
    pub fn decide(&self, at: Offset, query: &FaultQuery<'_>) -> Vec<FaultDecision> {
        self.decisions(at, query, |rule| !rule.when.looks_at_body() && head_matches(rule, query), None)
    }

    /// Whether a rule wants to look at the body of this request, which came at this moment.
    #[must_use]
    pub fn wants_body(&self, at: Offset, query: &FaultQuery<'_>) -> bool {
        self.by_body
            && self.rules.iter().any(|rule| rule.when.looks_at_body() && rule.is_on(at) && head_matches(rule, query))
    }

    /// What the rules that look at bodies decide for a request that came at this moment and whose body is there now;
    /// `None` is a body that is no JSON. Not to be asked for a request that [`Engine::decide`] has ended.
    #[must_use]
    pub fn decide_on_body(&self, at: Offset, query: &FaultQuery<'_>, body: Option<&Value>) -> Vec<FaultDecision> {
        let fits = |rule: &FaultRule| {
            rule.when.looks_at_body() && head_matches(rule, query) && rest_matches(rule, query, body)
        };
        self.decisions(at, query, fits, body)
    }

    fn decisions(
        &self,
        at: Offset,
        query: &FaultQuery<'_>,
        fits: impl Fn(&FaultRule) -> bool,
        body: Option<&Value>,
    ) -> Vec<FaultDecision> {
        let mut decisions = Vec::new();
        for (index, (rule, counting)) in self.rules.iter().zip(&self.counting).enumerate() {
            if !rule.is_on(at) || !fits(rule) {
                continue;
            }
            let key = || {
                let key = rule.when.first.as_ref().and_then(|first| first.per.as_ref())?;
                key_of(key, query, body).map(|key| xxh3_64(key.as_bytes()))
            };
            let decision = match rule.when.asked {
                Some(_) => counting.decide_asked(index, rule, self.seed, at, query.headers),
                None => counting.decide(index, rule, self.seed, at, key),
            };
            if let Some(decision) = decision {
                let ends = is_terminal(&decision.action);
                decisions.push(decision);
                if ends {
                    break;
                }
            }
        }
        decisions
    }

    /// When the fault of a decision went on, if no plan says so: requests asked for it. Said once each time that it
    /// does; [`Engine::take_ended`] says when it is over.
    #[must_use]
    pub fn take_opened(&self, decision: &FaultDecision) -> Option<Offset> {
        self.counting.get(decision.rule).and_then(Counting::take_opened)
    }

    /// The rules that ended by themselves since this was last asked, with the moments: their last hit may have come
    /// until then, or nothing came any more.
    #[must_use]
    pub fn take_ended(&self, now: Offset) -> Vec<(usize, Offset)> {
        let ended = |index: &usize| {
            let (rule, counting) = (self.rules.get(*index)?, self.counting.get(*index)?);
            Some((*index, counting.take_end(rule, now)?))
        };
        self.limited.iter().filter_map(ended).collect()
    }

    /// Whether a rule has ended by itself, before its window does.
    #[must_use]
    pub fn has_ended(&self, rule: usize) -> bool {
        self.counting.get(rule).is_some_and(Counting::has_ended)
    }

    /// What a reader of the run must know about how rules were carried out, each said once.
    #[must_use]
    pub fn take_warnings(&self) -> Vec<String> {
        let full = |index: &usize| {
            let (rule, counting) = (self.rules.get(*index)?, self.counting.get(*index)?);
            counting.take_full().then(|| {
                format!("fault `{}` can tell {KEYS} apart and met more: the further ones were not hit", rule.name)
            })
        };
        self.limited.iter().filter_map(full).collect()
    }

    /// The rules, in the order in which they apply.
    #[must_use]
    pub fn rules(&self) -> &[FaultRule] {
        &self.rules
    }
}
