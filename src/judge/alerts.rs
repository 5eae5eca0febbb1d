//! Alerts that the app raised: in its history, or at its webhook.

use super::context::Context;
use super::gathered::{Found, Gathered, Story};
use super::segments::Stretch;
use super::words;
use crate::model::checks::Observation;
use crate::model::verdict::{Finding, Origin};
use crate::units::Offset;
use std::collections::BTreeMap;

/// One kind of alert: when it can have been raised first and last, and how often.
struct Raised {
    first: Offset,
    last: Offset,
    count: u64,
}

/// Judges alerts.
pub(super) fn judge(ctx: &Context<'_>) -> Gathered {
    let Some(probe) = &ctx.plan.checks.alerts else {
        return Gathered::not_measured("the scenario does not say where the app's alerts are: [probes.alerts]");
    };
    let mut gathered = Gathered::default();
    let mut kinds: BTreeMap<(bool, String), Raised> = BTreeMap::new();
    let mut note = |what: String, after: Offset, at: Offset| {
        let within = Stretch { from: after.second(), to: at.second().saturating_add(1) };
        let calm = ctx.segments.origin(within) == Origin::Spontaneous;
        let kind = kinds.entry((calm, what)).or_insert(Raised { first: after, last: at, count: 0 });
        (kind.last, kind.count) = (at, kind.count + 1);
    };
    let (mut read, mut failed) = (0_u64, None);
    for seen in &ctx.timeline.observations {
        match seen {
            Observation::Alert { at, after, severity, title } if !probe.ignore.contains(severity) => {
                note(format!("{severity}: {title}"), *after, *at);
            }
            Observation::AlertsRead { failed: None, .. } => read += 1,
            Observation::AlertsRead { failed: Some(why), .. } => failed = failed.or(Some(why)),
            _ => {}
        }
    }
    if let Some(webhook) = &probe.webhook {
        let index = ctx.plan.upstreams.iter().position(|upstream| upstream.name == *webhook);
        for second in ctx.timeline.upstreams.iter().filter(|second| Some(usize::from(second.upstream)) == index) {
            let at = words::moment(second.second);
            for _ in 0..second.calls {
                note(format!("a call to {webhook}"), at, at);
            }
        }
        gathered.windows += 1;
    }
    gathered.samples = read;
    // The first reading is what the others are held against.
    gathered.windows += read.saturating_sub(1);
    if probe.path.is_some() && read < 2 {
        let why = failed.map_or_else(|| "too few readings".to_owned(), Clone::clone);
        gathered.gaps.push(format!("the app's alert history was read {}: {why}", words::counted(read, "time")));
    }
    for ((calm, what), raised) in kinds {
        let within = Stretch { from: raised.first.second(), to: raised.last.second().saturating_add(1) };
        let origin = if calm { Origin::Spontaneous } else { ctx.segments.origin(within) };
        let when = if calm { ctx.segments.during_calm(within) } else { ctx.segments.during(within) };
        let said = format!("the app raised an alert {} ({what})", words::counted(raised.count, "time"));
        gathered.found.push(Found {
            finding: Finding {
                sentence: format!("{said} {when}"),
                subject: Some(what),
                origin,
                gated: false,
                first: raised.first,
                last: raised.last,
                figure: None,
                samples: raised.count,
                exemplars: Vec::new(),
            },
            story: Story::Said(said),
            when,
        });
    }
    gathered
}
