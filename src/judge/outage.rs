//! A complete outage: health probes that fail in a row, or an app that went away.

use super::context::Context;
use super::gathered::{Found, Gathered, Story, Suspicion};
use super::segments::Stretch;
use super::words;
use crate::model::reading::{HealthState, Reading};
use crate::model::run_record::EndReason;
use crate::model::verdict::{Figure, Finding, Origin, Unit};
use crate::units::Offset;

/// One health probe.
struct Check<'a> {
    at: Offset,
    done: Offset,
    /// Why it counts as failed, if it does.
    down: Option<&'a str>,
    origin: Origin,
}

impl Check<'_> {
    fn within(&self) -> Stretch {
        span(self.at, self.done)
    }
}

/// Judges whether the app was out.
pub(super) fn judge(ctx: &Context<'_>, probes: u32) -> Gathered {
    let needed = (probes as usize).max(1);
    let checks = checks(ctx);
    let mut gathered = Gathered {
        windows: checks.len().saturating_sub(needed - 1) as u64,
        samples: checks.len() as u64,
        ..Gathered::default()
    };
    let mut longest = 0;
    for run in checks.chunk_by(|a, b| a.down.is_some() == b.down.is_some()) {
        if run[0].down.is_none() {
            continue;
        }
        longest = longest.max(run.len());
        if run.len() >= needed {
            gathered.found.push(found(ctx, run, probes, ""));
        }
        // A run that a fault began is the fault's, but not for ever: the app has its recovery time.
        if run[0].origin != Origin::Spontaneous {
            for calm in run.chunk_by(|a, b| (a.origin == Origin::Spontaneous) == (b.origin == Origin::Spontaneous)) {
                if calm[0].origin == Origin::Spontaneous && calm.len() >= needed {
                    gathered.found.push(found(ctx, calm, probes, " after its time to recover"));
                }
            }
        }
    }
    if let Some(health) = checks.last()
        && health.down.is_some()
    {
        let trailing = checks.iter().rev().take_while(|check| check.down.is_some()).count();
        // One failed probe at the end is noise; all but one of those needed is not.
        if trailing < needed && (trailing + 1 >= needed.max(3) || trailing == checks.len()) {
            let first = &checks[checks.len() - trailing];
            gathered.suspicions.push(Suspicion {
                origin: first.origin.clone(),
                text: format!(
                    "the last {} before the end failed ({}); {needed} in a row are an outage",
                    words::counted(trailing as u64, "health check"),
                    reasons(&checks[checks.len() - trailing..])
                ),
            });
        }
    }
    if let EndReason::TargetLost(why) = ctx.end {
        gathered.found.push(lost(ctx, why));
    }
    if gathered.found.is_empty() && checks.is_empty() {
        return Gathered::not_measured(match (&ctx.plan.probes.health, silent(ctx).first()) {
            (None, _) => "no health check is part of this scenario".to_owned(),
            (Some(_), Some(why)) => format!("the health check never said how the app is: {why}"),
            (Some(_), None) => "no health check was answered or overdue before the run ended".to_owned(),
        });
    }
    let silent = silent(ctx);
    if let Some(why) = silent.first() {
        gathered.gaps.push(format!(
            "{} of {} said nothing ({why})",
            silent.len(),
            words::counted((silent.len() + checks.len()) as u64, "health check")
        ));
    }
    if checks.len() < needed {
        gathered.gaps.push(format!("{} of {needed} health checks", checks.len()));
    }
    gathered.consider(0.0, in_a_row(longest, probes));
    gathered
}

/// The probes that say something, in order. One that the end of the run cut off says nothing.
fn checks<'a>(ctx: &Context<'a>) -> Vec<Check<'a>> {
    let deadline = ctx.plan.probes.health.as_ref().map(|health| health.deadline.get());
    let mut checks: Vec<Check<'a>> = ctx
        .timeline
        .readings
        .iter()
        .filter_map(|reading| {
            let Reading::Health { at, took, status, state, .. } = reading else { return None };
            let done = at.plus(took.get());
            let waited_in_full = deadline.is_some_and(|deadline| took.get() >= deadline);
            if status.is_none() && done >= ctx.ended && !waited_in_full {
                return None;
            }
            let down = match state {
                HealthState::Down(why) => Some(why.as_str()),
                HealthState::Up | HealthState::Degraded => None,
                HealthState::Unclear(_) => return None,
            };
            Some(Check { at: *at, done, down, origin: ctx.segments.origin(span(*at, done)) })
        })
        .collect();
    checks.sort_by_key(|check| check.at);
    checks
}

/// Why checks said nothing, each in turn.
pub(super) fn silent<'a>(ctx: &Context<'a>) -> Vec<&'a str> {
    let readings = ctx.timeline.readings.iter();
    readings
        .filter_map(|reading| match reading {
            Reading::Health { state: HealthState::Unclear(why), .. } => Some(why.as_str()),
            _ => None,
        })
        .collect()
}

/// The seconds that a probe touches: one begun just before a fault and failing in it is the fault's.
fn span(at: Offset, done: Offset) -> Stretch {
    Stretch { from: at.second(), to: done.second().saturating_add(1) }
}

fn found(ctx: &Context<'_>, run: &[Check<'_>], probes: u32, after: &str) -> Found {
    let (first, last) = (&run[0], &run[run.len() - 1]);
    let said =
        format!("{} in a row failed{after} ({})", words::counted(run.len() as u64, "health check"), reasons(run));
    // The fault that a spontaneous run later runs into does not explain it, so it is the first failure that is asked.
    let when = ctx.segments.explained(first.within());
    let explained = if when.is_empty() { String::new() } else { format!(", {when}") };
    Found {
        finding: Finding {
            sentence: format!("{said} from {} to {}{explained}; {probes} in a row are an outage", first.at, last.done),
            subject: None,
            origin: first.origin.clone(),
            gated: false,
            first: first.at,
            last: last.done,
            figure: Some(in_a_row(run.len(), probes)),
            samples: run.len() as u64,
            exemplars: Vec::new(),
        },
        story: Story::Said(format!("{said} from {} to {}", first.at, last.done)),
        when,
    }
}

/// The app went away and did not come back.
fn lost(ctx: &Context<'_>, why: &str) -> Found {
    let gone = super::memory::deaths(ctx).last().map_or(ctx.ended, |death| death.at);
    let within = span(gone, gone);
    let when = ctx.segments.explained(within);
    let explained = if when.is_empty() { String::new() } else { format!(", {when}") };
    let said = format!("the app went away at {gone} and did not come back: {why}");
    Found {
        finding: Finding {
            sentence: format!("{said}{explained}"),
            subject: None,
            origin: ctx.segments.origin(within),
            gated: false,
            first: gone,
            last: ctx.ended.max(gone),
            figure: None,
            samples: 1,
            exemplars: Vec::new(),
        },
        story: Story::Said(said),
        when,
    }
}

fn in_a_row(n: usize, probes: u32) -> Figure {
    Figure {
        what: "failed health checks in a row".to_owned(),
        value: n as f64,
        interval: None,
        limit: f64::from(probes),
        unit: Unit::Count,
    }
}

/// The first two reasons, each once.
fn reasons(run: &[Check<'_>]) -> String {
    let mut reasons: Vec<&str> = Vec::new();
    for why in run.iter().filter_map(|check| check.down) {
        if !reasons.contains(&why) {
            reasons.push(why);
        }
    }
    let more = if reasons.len() > 2 { ", and others" } else { "" };
    reasons.truncate(2);
    format!("{}{more}", reasons.join("; "))
}
