//! Whether memory comes back after the load.

use super::context::Context;
use super::gathered::{Found, Gathered, Story};
use super::segments::Stretch;
use super::words;
use crate::model::checks::Observation;
use crate::model::interval::USER_SLICE_SECS;
use crate::model::reading::Reading;
use crate::model::verdict::{Figure, Finding, Unit};
use crate::stats::theil_sen;
use crate::units::{ByteSize, Offset, Share, Span};
use std::collections::BTreeSet;
use std::time::Duration;

/// The start is the least of the readings of this time: the load has hardly begun.
const START: Offset = Offset::from_secs(3);
/// The end is the median of the readings of this long before the quiet time is over.
const END: Duration = Duration::from_secs(5);
/// Points of the slope at most.
const POINTS: usize = 200;

/// Judges whether memory came back.
pub(super) fn judge(ctx: &Context<'_>, within: Share, at_least: ByteSize, quiet: Span) -> Gathered {
    let observations = &ctx.timeline.observations;
    let begun = observations.iter().find_map(|seen| match seen {
        Observation::Quiet { at } => Some(*at),
        _ => None,
    });
    let over = observations.iter().find_map(|seen| match seen {
        Observation::QuietOver { at } => Some(*at),
        _ => None,
    });
    let memory: Vec<(Offset, u64)> = ctx
        .timeline
        .readings
        .iter()
        .filter_map(|reading| match reading {
            Reading::Memory { at, rss, .. } => Some((*at, *rss)),
            _ => None,
        })
        .collect();
    if ctx.plan.checks.after_load.is_none() {
        return Gathered::not_measured("the run ends with its load: [memory] after-load = { quiet = \"30s\" }");
    }
    if memory.is_empty() {
        return Gathered::not_measured("nothing read the app's memory: it was not started by us and no pid was given");
    }
    let (Some(begun), Some(over)) = (begun, over) else {
        return Gathered::not_measured("the run ended before the quiet time was over");
    };
    let mut gathered = Gathered { windows: 1, samples: memory.len() as u64, ..Gathered::default() };
    if over.since(begun) < quiet.get() {
        gathered.gaps.push(format!("{} s of quiet are less than {quiet}", over.since(begun).as_secs()));
    }
    if ctx.timeline.target.iter().filter(|event| event.at <= over).count() > 1 {
        gathered.gaps.push("the app was started again meanwhile".to_owned());
    }
    let start = memory.iter().take_while(|(at, _)| *at <= START).map(|(_, rss)| *rss).min();
    let mut last: Vec<u64> = memory
        .iter()
        .filter(|(at, _)| *at <= over && over.since(*at) <= END && *at >= begun)
        .map(|(_, rss)| *rss)
        .collect();
    last.sort_unstable();
    let (Some(start), Some(end)) = (start, last.get(last.len() / 2).copied()) else {
        gathered.gaps.push("memory was not read at the start or at the end".to_owned());
        return gathered;
    };
    let allowed = (start as f64 * (1.0 + within.fraction())).max((start + at_least.get()) as f64);
    let figure = Figure {
        what: "memory after the quiet time".to_owned(),
        value: end as f64,
        interval: None,
        limit: allowed,
        unit: Unit::Bytes,
    };
    let cleaned = observations.iter().find_map(|seen| match seen {
        Observation::CleanedUp { status, .. } => Some(*status),
        _ => None,
    });
    let cleanup = match cleaned {
        None => String::new(),
        Some(None) => " (a clean-up was asked for and not answered)".to_owned(),
        Some(Some(status)) if (200..300).contains(&status) => " (a clean-up was asked for and answered)".to_owned(),
        Some(Some(status)) => format!(" (a clean-up was asked for and answered with {status})"),
    };
    if let Some(Some(status)) = cleaned.filter(|status| !status.is_some_and(|s| (200..300).contains(&s)))
        && let Some(path) = ctx.plan.checks.after_load.as_ref().and_then(|after| after.cleanup.as_ref())
    {
        gathered.notes.push(format!("the app's clean-up POST {path} answered {status}"));
    }
    if figure.value <= allowed {
        gathered.consider(figure.value, figure);
        return gathered;
    }
    let stretch = Stretch { from: begun.second(), to: over.second().saturating_add(1) };
    let growth = slope(ctx, &memory, begun);
    let said = format!(
        "memory was {} after {} s without load{cleanup}, having begun at {}",
        ByteSize(end),
        over.since(begun).as_secs(),
        ByteSize(start)
    );
    gathered.found.push(Found {
        finding: Finding {
            sentence: format!("{said}{growth}; back would be {} or less", ByteSize(allowed as u64)),
            subject: None,
            origin: ctx.segments.origin(stretch),
            gated: false,
            first: begun,
            last: over,
            figure: Some(figure),
            samples: memory.len() as u64,
            exemplars: Vec::new(),
        },
        story: Story::Said(said),
        when: ctx.segments.explained(stretch),
    });
    gathered
}

/// By how much memory grew with each user, where that is certain.
fn slope(ctx: &Context<'_>, memory: &[(Offset, u64)], until: Offset) -> String {
    let mut users = BTreeSet::new();
    let mut slices: Vec<(u64, usize)> = Vec::new();
    for row in &ctx.timeline.users {
        users.insert(row.user);
        let end = (u64::from(row.slice) + 1).saturating_mul(USER_SLICE_SECS);
        match slices.last_mut() {
            Some(last) if last.0 == end => last.1 = users.len(),
            _ => slices.push((end, users.len())),
        }
    }
    let mut points: Vec<(f64, f64)> = Vec::new();
    for (end, users) in slices.iter().filter(|(end, _)| words::moment(*end) <= until) {
        let from = words::moment(end.saturating_sub(USER_SLICE_SECS));
        let mut rss: Vec<u64> =
            memory.iter().filter(|(at, _)| *at >= from && *at < words::moment(*end)).map(|(_, rss)| *rss).collect();
        rss.sort_unstable();
        points.extend(rss.get(rss.len() / 2).map(|rss| (*users as f64, *rss as f64)));
    }
    let every = points.len().div_ceil(POINTS).max(1);
    let points: Vec<(f64, f64)> = points.into_iter().step_by(every).collect();
    match theil_sen(&points) {
        Some((slope, bounds)) if bounds.low > 0.0 => format!(
            "; it grew by {} with each user ({}–{})",
            ByteSize(slope as u64),
            ByteSize(bounds.low as u64),
            ByteSize(bounds.high as u64)
        ),
        _ => String::new(),
    }
}
