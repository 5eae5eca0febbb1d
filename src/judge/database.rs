//! Whether the database can be reached: by what the upstream answered without a fault of ours, and by the app's word.

use super::context::Context;
use super::gathered::{Found, Gathered, Story, Suspicion};
use super::segments::Stretch;
use super::words;
use crate::model::checks::Observation;
use crate::model::upstream::UpstreamKind;
use crate::model::verdict::{Figure, Finding, Origin, Unit};
use crate::stats::{normal_quantile, wilson};
use crate::units::{Offset, Share, Span};
use std::collections::{BTreeMap, BTreeSet};

/// The statuses by which a gateway or PostgREST says that there is no connection: 502, 503 (PGRST000 to 003), 504, and
/// 520 to 524 of the proxy before Supabase.
const NO_CONNECTION: [u16; 8] = [502, 503, 504, 520, 521, 522, 523, 524];
/// Steps in a row without one call, where there was one for each before, that look like a lost database.
const SILENT_STEPS: u64 = 30;

/// Judges the database.
pub(super) fn judge(ctx: &Context<'_>, over: Share, window: Span, min_samples: u32, probes: u32) -> Gathered {
    let databases: BTreeSet<u16> = (0..=u16::MAX)
        .zip(&ctx.plan.upstreams)
        .filter(|(_, upstream)| matches!(upstream.kind, UpstreamKind::Supabase(_)))
        .map(|(index, _)| index)
        .collect();
    let asked = ctx.plan.checks.database.is_some();
    if databases.is_empty() && !asked {
        return Gathered::not_measured(
            "the app's database is not behind firedrill, and nothing says where the app tells of it: [probes.database]",
        );
    }
    let mut gathered = Gathered::default();
    calls(ctx, &databases, over, window, min_samples, &mut gathered);
    said(ctx, probes, &mut gathered);
    gathered
}

/// Calls in a second that no fault of ours has touched.
fn calls(ctx: &Context<'_>, databases: &BTreeSet<u16>, over: Share, window: Span, min: u32, gathered: &mut Gathered) {
    let mut seconds: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
    let mut all_calls: BTreeMap<u64, u64> = BTreeMap::new();
    for second in ctx.timeline.upstreams.iter().filter(|second| databases.contains(&second.upstream)) {
        *all_calls.entry(second.second).or_default() += second.calls;
        if second.faulted > 0 {
            continue;
        }
        let entry = seconds.entry(second.second).or_default();
        for (status, count) in second.statuses.iter().filter(|(status, _)| **status != 0) {
            // Without a status it may be the app that went away, which it does when its own client does.
            entry.0 += count;
            entry.1 += if NO_CONNECTION.contains(status) { *count } else { 0 };
        }
    }
    let total: u64 = seconds.values().map(|(calls, _)| calls).sum();
    gathered.samples = gathered.samples.saturating_add(total);
    let length = (window.get().as_secs_f64().ceil() as u64).max(1);
    let mut windows: Vec<(Stretch, u64, u64)> = Vec::new();
    for group in ctx.segments.groups(1) {
        for stretch in &group.stretches {
            // Overlapping by half, so that no trouble is cut in two.
            let step = (length / 2).max(1);
            let mut from = stretch.from;
            loop {
                let part = Stretch { from, to: from.saturating_add(length).min(stretch.to) };
                let (n, bad) = seconds.range(part.from..part.to).fold((0, 0), |(n, bad), (_, s)| (n + s.0, bad + s.1));
                if n >= u64::from(min) {
                    windows.push((part, n, bad));
                }
                from = from.saturating_add(step);
                if part.to >= stretch.to {
                    break;
                }
            }
        }
    }
    gathered.windows += windows.len() as u64;
    // Widened for the number of windows (Bonferroni).
    let z = normal_quantile(1.0 - 0.025 / windows.len().max(1) as f64);
    let mut worst: Option<(Stretch, u64, u64)> = None;
    for (part, n, bad) in windows {
        let share = bad as f64 / n as f64;
        let Some(bounds) = wilson(bad, n, z) else { continue };
        gathered.consider(share, figure(share, bounds, over));
        if share > over.fraction() && bounds.low <= over.fraction() {
            gathered.suspicions.push(Suspicion {
                origin: ctx.segments.origin(part),
                text: format!(
                    "{} of {} to the database failed {}",
                    bad,
                    words::counted(n, "call"),
                    ctx.segments.place(part)
                ),
            });
        }
        let worse = worst.is_none_or(|(_, m, most)| share > most as f64 / m as f64);
        if bounds.low > over.fraction() && worse {
            worst = Some((part, n, bad));
        }
    }
    if let Some((part, n, bad)) = worst {
        let share = bad as f64 / n as f64;
        let said =
            format!("{bad} of {} to the database found no connection, by no fault of ours", words::counted(n, "call"));
        let figure = wilson(bad, n, z).map(|bounds| figure(share, bounds, over));
        gathered.found.push(found(ctx, said, part, figure, n));
    }
    silence(ctx, &all_calls, gathered);
}

fn figure(share: f64, bounds: crate::stats::Bounds, over: Share) -> Figure {
    Figure {
        what: "calls without a connection".to_owned(),
        value: share,
        interval: Some((bounds.low, bounds.high)),
        limit: over.fraction(),
        unit: Unit::Share,
    }
}

/// Calls that stop while steps go on.
fn silence(ctx: &Context<'_>, calls: &BTreeMap<u64, u64>, gathered: &mut Gathered) {
    let Some(last) = calls.iter().rev().find(|(_, calls)| **calls > 0).map(|(second, _)| *second) else {
        if !calls.is_empty() || ctx.plan.checks.database.is_none() {
            gathered.gaps.push("the app never called its database".to_owned());
        }
        return;
    };
    let before = ctx.all.sum(0, last.saturating_add(1)).n;
    let after = ctx.all.sum(last.saturating_add(1), ctx.segments.end()).n;
    let total: u64 = calls.values().sum();
    if after >= SILENT_STEPS && total >= before && before >= SILENT_STEPS {
        let part = Stretch { from: last.saturating_add(1), to: ctx.segments.end() };
        gathered.suspicions.push(Suspicion {
            origin: ctx.segments.origin(part),
            text: format!(
                "the app has not called its database since {}, through {} that used to need it",
                words::moment(part.from),
                words::counted(after, "step")
            ),
        });
    }
}

/// What the app itself said, so many times in a row.
fn said(ctx: &Context<'_>, probes: u32, gathered: &mut Gathered) {
    let says: Vec<(Offset, &str, bool)> = ctx
        .timeline
        .observations
        .iter()
        .filter_map(|seen| match seen {
            Observation::Database { at, says, well } => Some((*at, says.as_str(), *well)),
            _ => None,
        })
        .collect();
    if ctx.plan.checks.database.is_some() && says.len() < probes as usize {
        gathered.gaps.push(format!("the app said {} of {probes} times how its database is", says.len()));
    }
    gathered.samples = gathered.samples.saturating_add(says.len() as u64);
    gathered.windows += (says.len() as u64).saturating_sub(u64::from(probes.saturating_sub(1)));
    let origin = |at: &Offset| ctx.segments.origin(Stretch { from: at.second(), to: at.second().saturating_add(1) });
    for run in says
        .chunk_by(|a, b| a.2 == b.2 && (origin(&a.0) == Origin::Spontaneous) == (origin(&b.0) == Origin::Spontaneous))
    {
        // While a fault of ours is on, an app that says so tells the truth, and that is no incident.
        if run[0].2 || run.len() < probes.max(1) as usize || origin(&run[0].0) != Origin::Spontaneous {
            continue;
        }
        let (first, last) = (run[0].0, run[run.len() - 1].0);
        let text = format!(
            "the app said {} in a row that its database is `{}`",
            words::counted(run.len() as u64, "time"),
            run[0].1
        );
        let part = Stretch { from: first.second(), to: last.second().saturating_add(1) };
        gathered.found.push(found(ctx, text, part, None, run.len() as u64));
    }
}

fn found(ctx: &Context<'_>, said: String, part: Stretch, figure: Option<Figure>, samples: u64) -> Found {
    let origin = ctx.segments.origin(part);
    let when = if origin == Origin::Spontaneous { ctx.segments.during_calm(part) } else { ctx.segments.during(part) };
    Found {
        finding: Finding {
            sentence: format!("{said} {when}"),
            subject: None,
            origin,
            gated: false,
            first: words::moment(part.from),
            last: words::moment(part.to),
            figure,
            samples,
            exemplars: Vec::new(),
        },
        story: Story::Said(said),
        when,
    }
}
