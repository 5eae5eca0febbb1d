//! When a fault strikes: which requests it may hit ([`FaultMatch`]), when it is on ([`FaultWindow`]), and how it goes
//! on in that time ([`Course`]).

use super::FaultRule;
use crate::units::{Offset, Span};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// Which requests a fault may hit, and how it goes on within its window. Every part that is given must hold. In
/// patterns, `*` stands for any run of characters.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FaultMatch {
    /// The method, in capitals.
    pub method: Option<String>,
    /// The path: a pattern.
    pub path: Option<String>,
    /// The provider's service (`auth`, `rest`, …), by [`crate::model::upstream::Services`].
    #[serde(default)]
    pub service: Option<String>,
    /// Headers: name → a pattern that one of its values fits.
    pub header: BTreeMap<String, String>,
    /// Parameters of the query: name → a pattern that one of its values fits, once decoded.
    #[serde(default)]
    pub query: BTreeMap<String, String>,
    /// Places in a JSON body (JSON pointers, RFC 6901) → what must stand there.
    #[serde(default)]
    pub body: BTreeMap<String, BodyTest>,
    /// The model that is asked: a pattern for `/model` of the body, or for the name in `/v1/models/NAME`.
    #[serde(default)]
    pub model: Option<String>,
    /// The table of a PostgREST request: a pattern for the part of the path behind `/rest/v1/`. A function
    /// (`/rest/v1/rpc/NAME`) is no table, nor is one that is only embedded in a `select`.
    #[serde(default)]
    pub table: Option<String>,
    /// The user that the request names: a pattern. Where users are looked for is said at
    /// [`crate::fault::users_of`].
    #[serde(default)]
    pub user: Option<String>,
    /// Only first tries, or only retries, as official clients mark them.
    #[serde(default)]
    pub tries: Option<Tries>,
    /// Every n-th matching request, counted from 1 over the fault's window.
    pub nth: Option<u64>,
    /// Only the first requests.
    #[serde(default)]
    pub first: Option<First>,
    /// Only requests that ask for the fault themselves; they say how strong it is, and what the rule injects is only
    /// an example.
    #[serde(default)]
    pub asked: Option<AskedFor>,
    /// How the fault goes on within its window.
    #[serde(default)]
    pub course: Course,
}

impl FaultMatch {
    /// Whether a request's body has to be looked at. Such a rule decides once the body is whole, behind all rules
    /// that need only the head; see [`crate::fault::Engine`].
    #[must_use]
    pub fn looks_at_body(&self) -> bool {
        let keyed = self.first.as_ref().and_then(|first| first.per.as_ref());
        !self.body.is_empty()
            || self.model.is_some()
            || self.user.is_some()
            || matches!(keyed, Some(Key::User | Key::Model))
    }
}

/// A fault that requests ask for by the headers of Envoy's fault filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AskedFor {
    /// `x-envoy-fault-delay-request`: milliseconds.
    Delay,
    /// `x-envoy-fault-abort-request`: a status.
    Abort,
    /// `x-envoy-fault-throughput-response`: KiB a second.
    Throughput,
}

/// What must stand at a place of a JSON body.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BodyTest {
    /// A text that fits this pattern.
    Text(String),
    /// This number; 1 and 1.0 are the same.
    Number(f64),
    /// True or false.
    Bool(bool),
    /// Anything, `null` too (`true`), or nothing (`false`).
    Exists(bool),
}

/// First tries or retries, by `x-stainless-retry-count` (OpenAI's clients, WIRE-openai §1) or `x-retry-count`
/// (Supabase's). A request without either is a first try.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tries {
    /// Only first tries: what proves that an app retries at all.
    First,
    /// Only retries.
    Retries,
}

/// The first so many requests, of all or of each key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct First {
    /// How many.
    pub count: u64,
    /// Of what; `None` is of all requests.
    pub per: Option<Key>,
}

/// What requests are told apart by. A request without such a key is not hit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Key {
    /// The first user that it names, by [`crate::fault::users_of`].
    User,
    /// The connection that it came on. With HTTP/2, all its streams are one connection.
    Connection,
    /// Its method and path.
    Path,
    /// Its table, as in [`FaultMatch::table`].
    Table,
    /// Its model, as in [`FaultMatch::model`].
    Model,
    /// The value of this header.
    Header(String),
}

/// The time in which a fault is on, on the run's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultWindow {
    /// When it opens.
    pub from: Offset,
    /// When it closes; `None` is the end of the run.
    pub until: Option<Offset>,
}

impl FaultWindow {
    /// Whether the fault is on at `at` (from inclusive, until exclusive).
    #[must_use]
    pub fn contains(&self, at: Offset) -> bool {
        at >= self.from && self.until.is_none_or(|until| at < until)
    }
}

/// How a fault goes on within its window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Course {
    /// The time over which it grows, evenly, from nothing at the window's beginning.
    pub ramp_up: Span,
    /// The time over which it fades, evenly, to nothing at the window's end.
    pub ramp_down: Span,
    /// What grows and fades.
    pub ramps: Ramped,
    /// On and off in turns, beginning with on.
    pub cycle: Option<DutyCycle>,
    /// Over for good once it has hit so many requests.
    pub hits: Option<u64>,
    /// Over for good once it has hit a request and then none that it could hit has come for so long: the app holds
    /// back, as with an open circuit breaker.
    pub quiet: Option<Span>,
}

/// What a ramp changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ramped {
    /// The share of requests that are hit.
    #[default]
    Share,
    /// The length of a delay.
    Delay,
}

/// On and off in turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DutyCycle {
    /// How long it is on; above zero.
    pub on: Span,
    /// How long it is off then; above zero.
    pub off: Span,
}

impl DutyCycle {
    /// Whether it is on so long after it began.
    #[must_use]
    pub fn is_on(&self, since: Duration) -> bool {
        let period = self.on.get().as_micros() + self.off.get().as_micros();
        // A period of nothing is in no file; it must not divide by zero in a plan that was made by hand.
        since.as_micros().checked_rem(period).is_none_or(|phase| phase < self.on.get().as_micros())
    }
}

impl FaultRule {
    /// Whether the fault is on at this moment: within its window, and not in the off part of its cycle.
    #[must_use]
    pub fn is_on(&self, at: Offset) -> bool {
        let cycle = self.when.course.cycle;
        self.window.contains(at) && cycle.is_none_or(|cycle| cycle.is_on(at.since(self.window.from)))
    }

    /// How strong the fault is at a moment of its window, by its ramps: from 0 to 1.
    #[must_use]
    pub fn strength(&self, at: Offset) -> f64 {
        let Course { ramp_up, ramp_down, .. } = self.when.course;
        let part = |of: Duration, whole: Span| {
            if whole.get().is_zero() { 1.0 } else { (of.as_secs_f64() / whole.get().as_secs_f64()).min(1.0) }
        };
        let up = part(at.since(self.window.from), ramp_up);
        let down = self.window.until.map_or(1.0, |until| part(until.since(at), ramp_down));
        up.min(down)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fault::Injection;
    use crate::units::Share;
    use proptest::prelude::*;

    fn rule(from: u64, lasts: u64, course: Course) -> FaultRule {
        FaultRule {
            name: "r".into(),
            upstream: "u".into(),
            when: FaultMatch { course, ..FaultMatch::default() },
            share: Share::ALL,
            window: FaultWindow { from: Offset::from_micros(from), until: Some(Offset::from_micros(from + lasts)) },
            inject: Injection::ResetPeer {},
        }
    }

    fn micros(n: u64) -> Span {
        Span(Duration::from_micros(n))
    }

    proptest! {
        #[test]
        fn a_cycle_is_on_for_its_part_of_every_period(from in 0..9_u64, on in 1..20_u64, off in 1..20_u64, turns in 1..9_u64) {
            let course = Course { cycle: Some(DutyCycle { on: micros(on), off: micros(off) }), ..Course::default() };
            let rule = rule(from, turns * (on + off), course);
            let lit: Vec<bool> = (0..turns * (on + off)).map(|at| rule.is_on(Offset::from_micros(from + at))).collect();
            for turn in lit.chunks((on + off) as usize) {
                prop_assert!(turn[..on as usize].iter().all(|on| *on) && turn[on as usize..].iter().all(|on| !on));
            }
            prop_assert!(!rule.is_on(Offset::from_micros(from + turns * (on + off))), "closed behind its window");
        }

        #[test]
        fn ramps_rise_stay_and_fall(up in 0..50_u64, flat in 1..50_u64, down in 0..50_u64, from in 0..9_u64) {
            let course = Course { ramp_up: micros(up), ramp_down: micros(down), ..Course::default() };
            let rule = rule(from, up + flat + down, course);
            let strength = |at: u64| rule.strength(Offset::from_micros(from + at));
            for at in 0..up + flat + down {
                let expected = if at < up {
                    at as f64 / up as f64
                } else if at <= up + flat {
                    1.0
                } else {
                    (up + flat + down - at) as f64 / down as f64
                };
                prop_assert!((strength(at) - expected).abs() < 1e-9, "{at}: {} and not {expected}", strength(at));
            }
        }
    }

    #[test]
    fn a_plan_of_an_earlier_version_can_be_read() {
        let old = r#"{"method":"POST","path":null,"header":{},"nth":null}"#;
        let read: FaultMatch = serde_json::from_str(old).unwrap();
        assert_eq!(read, FaultMatch { method: Some("POST".into()), ..FaultMatch::default() });
    }
}
