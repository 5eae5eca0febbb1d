//! [`hidden`]: faults that cannot strike, because another one always comes first. What two faults mean together must be
//! clear; where one of them can mean nothing, it was not meant.

use crate::model::fault::{ConnectionFault, FaultMatch, FaultRule, FaultWindow, Injection, Ramped};
use crate::model::toxic::ToxicKind;
use crate::units::Share;
use std::collections::BTreeMap;

/// A fault that another one hides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hidden {
    /// The one that hides it.
    pub(super) by: usize,
    /// The one that is hidden.
    pub(super) rule: usize,
    /// How.
    pub(super) why: Why,
}

/// How a fault is hidden.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// The other one comes before it and ends every request that it could hit.
    Ended,
    /// It hits what comes over connections, and the other one leaves none.
    NoConnection,
    /// It hits answers, and the other one leaves none that it could hit.
    NoAnswer,
    /// It hits answers, and the other one leaves only its own error.
    ErrorOnly,
}

impl Why {
    /// Whether it can do nothing at all.
    pub(super) const fn is_mistake(self) -> bool {
        !matches!(self, Self::ErrorOnly)
    }

    /// The reason in words, behind the hidden one's name.
    pub(super) fn told(self, by: &str) -> String {
        match self {
            Self::Ended => format!("never strikes: `{by}` comes first and ends every request that it could hit"),
            Self::NoConnection => format!("never strikes: `{by}` leaves no connection over which it could"),
            Self::NoAnswer => format!("never strikes: `{by}` leaves no answer that it could hit"),
            Self::ErrorOnly => format!("only ever hits the error that `{by}` gives"),
        }
    }
}

/// The hidden faults among these, each once, by its first reason.
pub(super) fn hidden(rules: &[FaultRule]) -> Vec<Hidden> {
    let place = |index: usize| rules.get(index).map(|rule| (rule.when.looks_at_body(), index));
    let one = |rule: usize| {
        let own = rules.get(rule)?;
        rules.iter().enumerate().filter(|(by, _)| *by != rule).find_map(|(by, other)| {
            let ends = acts(&other.inject);
            if !matches!(ends, Acts::Answers | Acts::Silences | Acts::Severs)
                || !is_certain(other)
                || !covers(other, own)
            {
                return None;
            }
            let why = match acts(&own.inject) {
                Acts::Severs if ends != Acts::Severs || by > rule => return None,
                _ if ends == Acts::Severs => Why::NoConnection,
                Acts::OnConnection => return None,
                _ if place(by) < place(rule) => Why::Ended,
                Acts::OnContent => Why::NoAnswer,
                Acts::OnAnswer if ends == Acts::Silences => Why::NoAnswer,
                Acts::OnAnswer => Why::ErrorOnly,
                _ => return None,
            };
            Some(Hidden { by, rule, why })
        })
    };
    (0..rules.len()).filter_map(one).collect()
}

/// What a fault acts on, as far as it decides what can come before or behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Acts {
    /// It takes the place of an answer: an error of its own.
    Answers,
    /// It takes the place of an answer: nothing comes.
    Silences,
    /// On the answer of the service itself, and of no error.
    OnContent,
    /// On the headers or the body of whatever is answered.
    OnAnswer,
    /// On the time before.
    Before,
    /// On the connection, before anything is asked over it: nothing comes through.
    Severs,
    /// On the connection or its bytes, of which some come through.
    OnConnection,
}

const fn acts(inject: &Injection) -> Acts {
    match inject {
        Injection::Abort(_) => Acts::Answers,
        Injection::ResetPeer {} | Injection::Timeout { .. } => Acts::Silences,
        // What is wrong with an answer that is none, or with what it was made from, is nobody's to see.
        Injection::Content(_) | Injection::Data(_) | Injection::StreamError(_) | Injection::SlowTokens(_) => {
            Acts::OnContent
        }
        Injection::LimitData { .. }
        | Injection::Stall { .. }
        | Injection::Truncate { .. }
        | Injection::BodyLatency(_)
        | Injection::ChunkLatency(_)
        | Injection::ResetMidway { .. }
        | Injection::Drip(_)
        | Injection::Headers(_)
        | Injection::WrongContentType(_)
        | Injection::WrongContentLength(_)
        | Injection::HugeBody(_) => Acts::OnAnswer,
        Injection::Latency(_) => Acts::Before,
        Injection::Connection(fault) => on_connection(fault),
    }
}

const fn on_connection(fault: &ConnectionFault) -> Acts {
    match fault {
        ConnectionFault::Refuse { keep_open: false }
        | ConnectionFault::Toxic {
            kind: ToxicKind::ResetPeer { .. } | ToxicKind::Timeout { .. } | ToxicKind::Partition {},
            ..
        } => Acts::Severs,
        _ => Acts::OnConnection,
    }
}

/// Whether it hits every request that it may, whenever its window is open.
fn is_certain(rule: &FaultRule) -> bool {
    let FaultMatch { nth, first, course, .. } = &rule.when;
    let is_ramped = !(course.ramp_up.get().is_zero() && course.ramp_down.get().is_zero());
    rule.share == Share::ALL
        && nth.is_none_or(|nth| nth == 1)
        && first.is_none()
        && course.cycle.is_none()
        && course.hits.is_none()
        && course.quiet.is_none()
        && !(is_ramped && course.ramps == Ramped::Share)
}

/// Whether every request that `other` may hit is one that `rule` hits, too.
fn covers(rule: &FaultRule, other: &FaultRule) -> bool {
    // Named one by one, so that a new condition cannot be forgotten.
    let FaultMatch {
        method,
        path,
        service,
        header,
        query,
        body,
        model,
        table,
        user,
        tries,
        nth: _,
        first: _,
        asked,
        course: _,
    } = &rule.when;
    let when = &other.when;
    rule.upstream == other.upstream
        && spans(rule.window, other.window)
        && wider(method.as_ref(), when.method.as_ref())
        && fits(path.as_deref(), when.path.as_deref())
        && wider(service.as_ref(), when.service.as_ref())
        && all_in(header, &when.header)
        && all_in(query, &when.query)
        && all_in(body, &when.body)
        && fits(model.as_deref(), when.model.as_deref())
        && fits(table.as_deref(), when.table.as_deref())
        && fits(user.as_deref(), when.user.as_deref())
        && wider(tries.as_ref(), when.tries.as_ref())
        && wider(asked.as_ref(), when.asked.as_ref())
}

fn spans(window: FaultWindow, other: FaultWindow) -> bool {
    window.from <= other.from && window.until.is_none_or(|until| other.until.is_some_and(|others| others <= until))
}

fn wider<T: PartialEq>(condition: Option<&T>, other: Option<&T>) -> bool {
    condition.is_none_or(|condition| Some(condition) == other)
}

/// Whether a pattern lets through whatever the other one does: the same one, or a beginning with a star behind it.
fn fits(pattern: Option<&str>, other: Option<&str>) -> bool {
    let Some(pattern) = pattern else { return true };
    let Some(other) = other else { return pattern == "*" };
    let prefix = pattern.strip_suffix('*').filter(|prefix| !prefix.contains('*'));
    pattern == other || prefix.is_some_and(|prefix| other.starts_with(prefix))
}

fn all_in<T: PartialEq>(conditions: &BTreeMap<String, T>, others: &BTreeMap<String, T>) -> bool {
    conditions.iter().all(|(name, condition)| others.get(name) == Some(condition))
}
