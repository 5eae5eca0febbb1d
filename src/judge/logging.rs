//! The app's log: errors that its answers do not show, and how much it writes.

use super::context::Context;
use super::gathered::{Found, Gathered, Story, Suspicion};
use super::segments::Stretch;
use super::words;
use crate::model::checks::{LogSecond, Observation};
use crate::model::plan::TargetPlan;
use crate::model::verdict::{Figure, Finding, Origin, Unit};
use crate::stats::poisson_low;
use crate::units::ByteSize;

/// A record counts as unexplained if no step failed from so many seconds before until as many after it.
const NEAR: u64 = 2;

/// Judges the log. Only calm seconds count: under a fault, errors in the log are what one wants.
pub(super) fn judge(ctx: &Context<'_>, errors_per_hour: u32, per_step: ByteSize) -> Gathered {
    if matches!(ctx.plan.target, TargetPlan::Url { .. }) {
        return Gathered::not_measured("the log of an app that firedrill has not started is not there to read");
    }
    let log: Vec<&LogSecond> = ctx
        .timeline
        .observations
        .iter()
        .filter_map(|seen| match seen {
            Observation::Log(second) => Some(second),
            _ => None,
        })
        .collect();
    if log.is_empty() {
        return Gathered::not_measured("the app's log was not read");
    }
    let lines: u64 = log.iter().map(|second| second.lines).sum();
    let mut gathered = Gathered { windows: 1, samples: lines, ..Gathered::default() };
    let calm: Vec<&LogSecond> = log
        .iter()
        .copied()
        .filter(|second| {
            let here = Stretch { from: second.second, to: second.second.saturating_add(1) };
            let near = ctx.all.sum(second.second.saturating_sub(NEAR), second.second.saturating_add(NEAR + 1));
            ctx.segments.origin(here) == Origin::Spontaneous && near.failed == 0 && near.masked == 0
        })
        .collect();
    if calm.is_empty() {
        gathered.gaps.push("no second of the log was without a fault or a failed step near it".to_owned());
        return gathered;
    }
    errors(ctx, &calm, errors_per_hour, &mut gathered);
    let steps = ctx.all.total().n;
    if steps > 0 {
        let bytes: u64 = log.iter().map(|second| second.bytes).sum();
        let each = bytes as f64 / steps as f64;
        if each > per_step.get() as f64 {
            let said = format!("the app wrote {} of log for each step", ByteSize(each as u64));
            let figure = Figure {
                what: "log for each step".to_owned(),
                value: each,
                interval: None,
                limit: per_step.get() as f64,
                unit: Unit::Bytes,
            };
            let whole = Stretch { from: 0, to: ctx.segments.end() };
            gathered.found.push(found(ctx, said, String::new(), whole, figure, steps));
        }
    }
    gathered
}

fn errors(ctx: &Context<'_>, calm: &[&LogSecond], limit: u32, gathered: &mut Gathered) {
    let records: u64 = calm.iter().map(|second| second.errors).sum();
    let hours = calm.len() as f64 / 3600.0;
    let (rate, low) = (records as f64 / hours, poisson_low(records) / hours);
    let figure = Figure {
        what: "errors in the log in an hour".to_owned(),
        value: rate,
        interval: None,
        limit: f64::from(limit),
        unit: Unit::Count,
    };
    let with: Vec<&&LogSecond> = calm.iter().filter(|second| second.errors > 0).collect();
    let (Some(first), Some(last)) = (with.first(), with.last()) else {
        gathered.consider(rate, figure);
        return;
    };
    let within = Stretch { from: first.second, to: last.second.saturating_add(1) };
    let said = format!(
        "the app logged {} in {} s in which every step succeeded",
        words::counted(records, "error"),
        calm.len()
    );
    if low > f64::from(limit) {
        let example = first.first.as_ref().map_or_else(String::new, |line| format!(", such as `{line}`"));
        gathered.found.push(found(ctx, said, example, within, figure, records));
    } else if rate > f64::from(limit) {
        gathered.suspicions.push(Suspicion {
            origin: Origin::Spontaneous,
            text: format!("{said}, too few to say that it is more than {limit} an hour"),
        });
    } else {
        gathered.consider(rate, figure);
    }
}

fn found(ctx: &Context<'_>, said: String, more: String, within: Stretch, figure: Figure, samples: u64) -> Found {
    let when = ctx.segments.during_calm(within);
    Found {
        finding: Finding {
            sentence: format!("{said}{more} {when}"),
            subject: None,
            origin: Origin::Spontaneous,
            gated: false,
            first: words::moment(within.from),
            last: words::moment(within.to),
            figure: Some(figure),
            samples,
            exemplars: Vec::new(),
        },
        story: Story::Said(said),
        when,
    }
}
