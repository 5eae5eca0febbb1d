//! [`judge`]: every criterion, the gate, the decision.

use super::context::Context;
use super::gathered::{Gathered, Suspicion};
use super::sentence::{self, Told};
use super::users;
use super::{
    agents, alerts, cleanup, cost, data_loss, database, endpoints, error_rate, honesty, logging, memory, outage,
    security, trust,
};
use crate::model::plan::{GatePlan, Plan};
use crate::model::playbook::{Criterion, Measure, Playbook};
use crate::model::run_record::EndReason;
use crate::model::timeline::Timeline;
use crate::model::verdict::{CriterionResult, Decision, Origin, Severity, State, Trust, Verdict};
use crate::units::Offset;

/// What a verdict is made from.
#[derive(Clone, Copy, Debug)]
pub struct JudgeInput<'a> {
    /// What was meant to happen.
    pub plan: &'a Plan,
    /// What would be an incident.
    pub playbook: &'a Playbook,
    /// What did happen.
    pub timeline: &'a Timeline,
    /// When the run ended.
    pub ended: Offset,
    /// Why it ended.
    pub end: &'a EndReason,
}

/// Judges a run: a pure function of its input.
///
/// The decision:
/// - *no-go* if the gate counts any finding, however doubtful the rest of the run;
/// - otherwise *inconclusive* if there is any doubt about the run as a whole, if the gate would count something
///   that looks like a breach on too little evidence (beyond its limit, but the interval straddles it or samples
///   are too few), or if nothing at or above the gate was measured and clear or tolerated;
/// - otherwise *go*. Criteria that merely had too few samples, with nothing bad among them, do not stop a short
///   run; the sentence says how many were measured.
#[must_use]
pub fn judge(input: &JudgeInput<'_>) -> Verdict {
    let ctx = Context::new(input.plan, input.timeline, input.ended, input.end);
    let gate = &input.plan.gate;
    let mut trust = trust::examine(&ctx);
    let mut results = Vec::with_capacity(input.playbook.criteria.len());
    for criterion in &input.playbook.criteria {
        let mut gathered = measure(&ctx, &criterion.measure);
        if matches!(input.end, EndReason::TargetLost(_)) && is_a_rate(&criterion.measure) {
            gathered
                .gaps
                .push("the app went away and the run ended with it: what came after would have failed".to_owned());
        }
        for found in &mut gathered.found {
            found.finding.gated = counts(gate, criterion.severity, &found.finding.origin);
        }
        gathered.found.sort_by_key(|found| (!found.finding.gated, found.finding.origin != Origin::Spontaneous));
        // What the gate would count comes first, so that it is what the state says.
        gathered.suspicions.sort_by_key(|suspicion| !counts(gate, criterion.severity, &suspicion.origin));
        for note in std::mem::take(&mut gathered.notes) {
            if !trust.notes.contains(&note) {
                trust.notes.push(note);
            }
        }
        results.push((result(criterion, &gathered), gathered));
    }
    let told: Vec<Told<'_>> = results
        .iter()
        .zip(&input.playbook.criteria)
        .map(|((result, gathered), criterion)| Told {
            result,
            distance: criterion.measure.distance(),
            found: &gathered.found,
            blocking: blocking(gate, result.severity, &gathered.suspicions),
        })
        .collect();
    let decision = decide(&told, &trust, gate, ctx.all.total().n);
    let sentence = sentence::word(&ctx, decision, &told, &trust);
    let worst = told.iter().filter(|t| t.result.state == State::Breached).map(|t| t.result.severity).min();
    drop(told);
    Verdict {
        decision,
        worst,
        sentence,
        criteria: results.into_iter().map(|(result, _)| result).collect(),
        trust,
        honesty: honesty::sums(&ctx),
    }
}

fn measure(ctx: &Context<'_>, measure: &Measure) -> Gathered {
    match measure {
        Measure::Outage { probes } => outage::judge(ctx, *probes),
        Measure::ErrorRate { over, window, min_samples } => error_rate::judge(ctx, *over, *window, *min_samples),
        Measure::Oom {} => memory::oom(ctx),
        Measure::AgentsDown { success_under, window, min_samples } => {
            agents::all_down(ctx, *success_under, *window, *min_samples)
        }
        Measure::DegradedUsers { over, up_to, slow, times_baseline, slow_at_least, window, min_users } => users::judge(
            ctx,
            &users::Limits {
                over: *over,
                up_to: *up_to,
                slow: *slow,
                times_baseline: *times_baseline,
                slow_at_least: *slow_at_least,
                window: *window,
                min_users: *min_users,
            },
        ),
        Measure::KeyAgent { agents, success_under, window, min_samples } => {
            agents::key(ctx, agents, *success_under, *window, *min_samples)
        }
        Measure::MemorySustained { above, sustained } => memory::sustained(ctx, *above, *sustained),
        Measure::AgentFailing { over, window, min_samples } => agents::failing(ctx, *over, *window, *min_samples),
        Measure::EndpointBroken { over, rest_under, window, min_samples } => {
            endpoints::broken(ctx, *over, *rest_under, *window, *min_samples)
        }
        Measure::SlowResponses { from, to, share, min_samples } => {
            endpoints::slow(ctx, *from, *to, *share, *min_samples)
        }
        Measure::Cost { over, min_journeys } => cost::judge(ctx, *over, *min_journeys),
        Measure::MemoryCleanup { within, at_least, quiet } => cleanup::judge(ctx, *within, *at_least, *quiet),
        Measure::Security {} => security::judge(ctx),
        Measure::DataLoss { min_rows } => data_loss::judge(ctx, *min_rows),
        Measure::Database { over, window, min_samples, probes } => {
            database::judge(ctx, *over, *window, *min_samples, *probes)
        }
        Measure::Alerts {} => alerts::judge(ctx),
        Measure::Logging { errors_per_hour, per_step } => logging::judge(ctx, *errors_per_hour, *per_step),
        Measure::NotMeasured { why } => Gathered::not_measured(why.clone()),
    }
}

/// Whether the measure is a share over windows, which a run that ends early keeps from being seen in full.
const fn is_a_rate(measure: &Measure) -> bool {
    matches!(
        measure,
        Measure::ErrorRate { .. }
            | Measure::AgentsDown { .. }
            | Measure::KeyAgent { .. }
            | Measure::AgentFailing { .. }
            | Measure::DegradedUsers { .. }
    )
}

/// Whether the gate counts something of this severity and origin.
fn counts(gate: &GatePlan, severity: Severity, origin: &Origin) -> bool {
    severity.at_least(gate.fail_on)
        && match origin {
            Origin::Spontaneous => true,
            Origin::Induced(_) => severity < gate.while_faulted,
        }
}

fn blocking<'a>(gate: &GatePlan, severity: Severity, suspicions: &'a [Suspicion]) -> Option<&'a str> {
    suspicions.iter().find(|suspicion| counts(gate, severity, &suspicion.origin)).map(|s| s.text.as_str())
}

fn decide(told: &[Told<'_>], trust: &Trust, gate: &GatePlan, steps: u64) -> Decision {
    if told.iter().any(|t| t.found.iter().any(|found| found.finding.gated)) {
        return Decision::NoGo;
    }
    let measured = told
        .iter()
        .any(|t| t.result.severity.at_least(gate.fail_on) && matches!(t.result.state, State::Clear | State::Breached));
    if !trust.doubts.is_empty() || steps == 0 || !measured || told.iter().any(|t| t.blocking.is_some()) {
        return Decision::Inconclusive;
    }
    Decision::Go
}

fn result(criterion: &Criterion, gathered: &Gathered) -> CriterionResult {
    let state = gathered.state();
    let closest = match state {
        State::Clear | State::Inconclusive(_) => gathered.closest.as_ref().map(|(_, figure)| figure.clone()),
        State::Breached | State::NotMeasured(_) => None,
    };
    CriterionResult {
        id: criterion.id.clone(),
        severity: criterion.severity,
        says: criterion.says.clone(),
        state,
        findings: gathered.found.iter().map(|found| found.finding.clone()).collect(),
        closest,
        windows: gathered.windows,
        samples: gathered.samples,
        section: criterion.section.clone(),
    }
}
