//! The verdict in one sentence.

use super::context::Context;
use super::gathered::{Found, Story};
use super::words;
use crate::model::verdict::{CriterionResult, Decision, Origin, Severity, State, Trust};

/// How long the sentence may get by naming further criteria.
const ROOM: usize = 210;

/// One criterion's result with its findings' stories.
pub(super) struct Told<'a> {
    pub result: &'a CriterionResult,
    /// How far from the cause its measure looks; see [`Measure::distance`](crate::model::playbook::Measure::distance).
    pub distance: u8,
    pub found: &'a [Found],
    /// The first suspicion that the gate would count.
    pub blocking: Option<&'a str>,
}

/// Words the verdict.
pub(super) fn word(ctx: &Context<'_>, decision: Decision, told: &[Told<'_>], trust: &Trust) -> String {
    match decision {
        Decision::NoGo => no_go(told),
        Decision::Inconclusive => inconclusive(ctx, told, trust),
        Decision::Go => go(ctx, told),
    }
}

fn no_go(told: &[Told<'_>]) -> String {
    let gated = || told.iter().flat_map(|t| t.found.iter().filter(|f| f.finding.gated).map(move |f| (t, f)));
    // Worst first; of one severity what no fault of ours explains; then what says most about the cause.
    let Some((lead, first)) =
        gated().min_by_key(|(t, f)| (t.result.severity, f.finding.origin != Origin::Spontaneous, t.distance))
    else {
        return "NO-GO".to_owned();
    };
    let alike: Vec<&Found> =
        lead.found.iter().filter(|f| f.finding.gated && f.finding.origin == first.finding.origin).collect();
    let what = merged(&alike).unwrap_or_else(|| match &first.story {
        Story::Said(said) => said.clone(),
        Story::Broken { .. } => first.finding.sentence.clone(),
    });
    let faulted = if first.finding.origin == Origin::Spontaneous { "" } else { " while faulted" };
    let when = match first.when.as_str() {
        "" => String::new(),
        when if when.starts_with('(') => format!(" {when}"),
        when => format!(", {when}"),
    };
    let mut text = format!("NO-GO: {}{faulted} — {what}{when}", lead.result.severity);
    let mut also: Vec<&str> = Vec::new();
    for (t, _) in gated() {
        if t.result.id != lead.result.id && !also.contains(&t.result.id.as_str()) {
            also.push(&t.result.id);
        }
    }
    if !also.is_empty() {
        let named = format!("; also {}", words::list(&also));
        if text.chars().count() + named.chars().count() <= ROOM {
            text.push_str(&named);
        } else {
            text.push_str(&format!("; and {} more at the gate", also.len()));
        }
    }
    text
}

/// Broken things of one criterion and cause, told together: `routine and nutrition succeeded in 0 of 41 tries`.
fn merged(alike: &[&Found]) -> Option<String> {
    let (mut subjects, mut ok, mut tries, mut plain) = (Vec::new(), 0_u64, 0_u64, 0_u64);
    for found in alike {
        let Story::Broken { subject, ok: o, tries: t, plain_ok } = &found.story else { return None };
        if !subjects.contains(subject) {
            subjects.push(subject.clone());
        }
        ok = ok.saturating_add(*o);
        tries = tries.saturating_add(*t);
        plain = plain.saturating_add(*plain_ok);
    }
    if subjects.is_empty() {
        return None;
    }
    let though = if plain > ok { format!(", though {} answered 2xx", words::count(plain)) } else { String::new() };
    let noun = if tries == 1 { "try" } else { "tries" };
    Some(format!(
        "{} succeeded in {} of {} {noun}{though}",
        words::list(&subjects),
        words::count(ok),
        words::count(tries)
    ))
}

fn inconclusive(ctx: &Context<'_>, told: &[Told<'_>], trust: &Trust) -> String {
    let why = if let Some(doubt) = trust.doubts.first() {
        doubt.clone()
    } else if let Some((id, why)) = told.iter().find_map(|t| t.blocking.map(|why| (&t.result.id, why))) {
        format!("{id} cannot be told — {why}")
    } else {
        format!("nothing {} could be measured in {}", at_gate(ctx.plan.gate.fail_on), steps(ctx))
    };
    format!("INCONCLUSIVE: {why}")
}

fn go(ctx: &Context<'_>, told: &[Told<'_>]) -> String {
    let measured = told.iter().filter(|t| matches!(t.result.state, State::Clear | State::Breached)).count();
    let breached: Vec<&Told<'_>> = told.iter().filter(|t| t.result.state == State::Breached).collect();
    let gate = ctx.plan.gate.fail_on;
    let tolerated: Vec<&str> =
        breached.iter().filter(|t| t.result.severity.at_least(gate)).map(|t| t.result.id.as_str()).collect();
    let below: Vec<&str> =
        breached.iter().filter(|t| !t.result.severity.at_least(gate)).map(|t| t.result.id.as_str()).collect();
    let nothing = if tolerated.is_empty() {
        format!("nothing {}", at_gate(gate))
    } else {
        format!(
            "nothing {} but {} while faulted, which this scenario tolerates,",
            at_gate(gate),
            words::list(&tolerated)
        )
    };
    let also = if below.is_empty() { String::new() } else { format!("; below the gate: {}", words::list(&below)) };
    let criteria = told.len();
    format!("GO: {nothing} in {}; {measured} of {criteria} criteria measured{also}", steps(ctx))
}

/// `at P0 or P1`.
fn at_gate(fail_on: Severity) -> String {
    match fail_on {
        Severity::P0 => "at P0".to_owned(),
        Severity::P1 => "at P0 or P1".to_owned(),
        worse => format!("at P0 to {worse}"),
    }
}

/// `1,204 steps by 50 virtual users`.
fn steps(ctx: &Context<'_>) -> String {
    let steps = words::counted(ctx.all.total().n, "step");
    match ctx.timeline.intervals.iter().map(|interval| interval.users).max() {
        Some(users) if users > 0 => format!("{steps} by {}", words::counted(u64::from(users), "virtual user")),
        _ => steps,
    }
}
