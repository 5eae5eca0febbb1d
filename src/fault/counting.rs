//! [`Counting`]: numbers the requests that reach one rule, and knows when the rule is over.

use super::asked::{asked, share};
use super::decide::decision_at;
use crate::model::fault::{FaultAction, FaultDecision, FaultRule};
use crate::units::{Offset, Seed};
use http::HeaderMap;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How many keys (users, connections, …) one rule can tell apart; requests of further ones pass.
pub(super) const KEYS: usize = 1 << 16;

/// The counter of one rule, and what else it has to remember.
#[derive(Debug)]
pub(super) enum Counting {
    /// A rule whose decisions need nothing but the request's number.
    Plain(AtomicU64),
    /// A rule that ends by itself, or counts by key: number and decision are one step.
    Limited(Mutex<Limited>),
    /// A rule for requests that ask for the fault themselves.
    Asked(Mutex<Asked>),
}

/// What a rule remembers that requests ask for: it is on from a hit until there was none for [`ASKED_LASTS`].
#[derive(Debug, Default)]
pub(super) struct Asked {
    n: u64,
    on: bool,
    /// When it went on, until that is told.
    opened: Option<Offset>,
    /// When the last fault that was asked for is over.
    over: Offset,
}

/// What a limited rule remembers.
#[derive(Debug, Default)]
pub(super) struct Limited {
    n: u64,
    hits: u64,
    /// Of each key, by its hash, how many requests came; never more than were asked for.
    keys: HashMap<u64, u64>,
    full: bool,
    told_full: bool,
    /// When the last request reached the rule.
    last: Offset,
    end: Option<End>,
    told_end: bool,
}

/// How long after it a fault that was asked for still explains what the app does: the timeline's grain.
const ASKED_LASTS: Duration = Duration::from_secs(1);

/// How a rule ended.
#[derive(Clone, Copy, Debug)]
enum End {
    /// With its last hit.
    Spent,
    /// At this moment, when the app had been quiet for long enough.
    Quiet(Offset),
}

impl Counting {
    pub(super) fn new(rule: &FaultRule) -> Self {
        let course = rule.when.course;
        if rule.when.asked.is_some() {
            Self::Asked(Mutex::default())
        } else if rule.when.first.is_some() || course.hits.is_some() || course.quiet.is_some() {
            Self::Limited(Mutex::default())
        } else {
            Self::Plain(AtomicU64::new(0))
        }
    }

    /// Numbers a request that asks for the fault itself, and decides.
    pub(super) fn decide_asked(
        &self,
        index: usize,
        rule: &FaultRule,
        seed: Seed,
        at: Offset,
        headers: &HeaderMap,
    ) -> Option<FaultDecision> {
        let (Self::Asked(state), Some(what)) = (self, rule.when.asked) else { return None };
        let action = asked(what, headers)?;
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        state.n += 1;
        if seed.derive(&rule.name).unit(&[state.n]) >= share(what, headers) {
            return None;
        }
        let lasts = match &action {
            FaultAction::Delay(delay) => delay.get(),
            _ => Duration::ZERO,
        };
        state.over = state.over.max(at.plus(lasts));
        if !state.on {
            state.on = true;
            state.opened = Some(at);
        }
        Some(FaultDecision { rule: index, n: state.n, action })
    }

    /// When a fault that was asked for went on, the first time that this is asked after it did.
    pub(super) fn take_opened(&self) -> Option<Offset> {
        let Self::Asked(state) = self else { return None };
        state.lock().unwrap_or_else(PoisonError::into_inner).opened.take()
    }

    /// Numbers a request that reached the rule at this moment, and decides. `key` is the hash of what the rule counts
    /// by; a request without any is not counted.
    pub(super) fn decide(
        &self,
        index: usize,
        rule: &FaultRule,
        seed: Seed,
        at: Offset,
        key: impl FnOnce() -> Option<u64>,
    ) -> Option<FaultDecision> {
        match self {
            Self::Plain(counter) => {
                let n = counter.fetch_add(1, Ordering::Relaxed) + 1;
                decision_at(index, rule, seed, n, rule.strength(at))
            }
            Self::Asked(_) => None,
            Self::Limited(limited) => {
                // Of a request whose rule counts by key, the key is found before others have to wait.
                let key = match rule.when.first.as_ref() {
                    Some(first) if first.per.is_some() => Some(key()?),
                    _ => None,
                };
                let mut limited = limited.lock().unwrap_or_else(PoisonError::into_inner);
                limited.decide(index, rule, seed, at, key)
            }
        }
    }

    /// When the rule ended, the first time that this is asked after it did.
    pub(super) fn take_end(&self, rule: &FaultRule, now: Offset) -> Option<Offset> {
        let limited = match self {
            Self::Plain(_) => return None,
            Self::Asked(state) => return state.lock().unwrap_or_else(PoisonError::into_inner).take_over(now),
            Self::Limited(limited) => limited,
        };
        let mut limited = limited.lock().unwrap_or_else(PoisonError::into_inner);
        limited.end_if_quiet(rule, now);
        let end = limited.end.filter(|_| !limited.told_end)?;
        limited.told_end = true;
        Some(match end {
            // What its last hit did to the request may have come a little later.
            End::Spent => now,
            End::Quiet(at) => at,
        })
    }

    /// Whether the rule is over for good.
    pub(super) fn has_ended(&self) -> bool {
        match self {
            Self::Plain(_) | Self::Asked(_) => false,
            Self::Limited(limited) => limited.lock().unwrap_or_else(PoisonError::into_inner).end.is_some(),
        }
    }

    /// Whether more keys came than can be told apart, the first time that this is asked after they did.
    pub(super) fn take_full(&self) -> bool {
        let Self::Limited(limited) = self else { return false };
        let mut limited = limited.lock().unwrap_or_else(PoisonError::into_inner);
        let full = limited.full && !limited.told_full;
        limited.told_full |= full;
        full
    }
}

impl Asked {
    fn take_over(&mut self, now: Offset) -> Option<Offset> {
        let over = self.over.plus(ASKED_LASTS);
        let is_over = self.on && self.opened.is_none() && now >= over;
        self.on &= !is_over;
        is_over.then_some(over)
    }
}

impl Limited {
    fn decide(
        &mut self,
        index: usize,
        rule: &FaultRule,
        seed: Seed,
        at: Offset,
        key: Option<u64>,
    ) -> Option<FaultDecision> {
        self.end_if_quiet(rule, at);
        if self.end.is_some() {
            return None;
        }
        self.last = self.last.max(at);
        if let Some(first) = &rule.when.first {
            let room = self.keys.len() < KEYS;
            match key {
                None if self.n >= first.count => return None,
                None => {}
                Some(key) => match self.keys.get_mut(&key) {
                    Some(count) if *count >= first.count => return None,
                    Some(count) => *count += 1,
                    None if room => drop(self.keys.insert(key, 1)),
                    None => {
                        self.full = true;
                        return None;
                    }
                },
            }
        }
        self.n += 1;
        let decision = decision_at(index, rule, seed, self.n, rule.strength(at));
        self.hits += u64::from(decision.is_some());
        let spent = rule.when.course.hits.is_some_and(|most| self.hits >= most);
        let over = rule.when.first.as_ref().is_some_and(|first| first.per.is_none() && self.n >= first.count);
        if spent || over {
            self.end = Some(End::Spent);
            self.keys = HashMap::new();
        }
        decision
    }

    fn end_if_quiet(&mut self, rule: &FaultRule, now: Offset) {
        if let Some(quiet) = rule.when.course.quiet
            && self.end.is_none()
            && self.hits > 0
            && now.since(self.last) >= quiet.get()
        {
            self.end = Some(End::Quiet(self.last.plus(quiet.get())));
            self.keys = HashMap::new();
        }
    }
}
