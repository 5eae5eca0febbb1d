//! What must be refused, and what nobody may see.

use super::context::Context;
use super::gathered::{Found, Gathered, Story};
use super::segments::Stretch;
use super::words;
use crate::model::checks::{Observation, SecurityOutcome};
use crate::model::verdict::Finding;
use crate::units::Offset;
use std::collections::BTreeMap;

/// The name of the app's log as a place.
const LOG: &str = "the app's log";

/// Judges security checks and sightings of canaries. A fault of ours may make an app fail, but nothing excuses that it lets
/// someone in; the origin is told all the same.
pub(super) fn judge(ctx: &Context<'_>) -> Gathered {
    let checks = &ctx.plan.checks.security;
    let mut gathered = Gathered::default();
    let mut done = vec![false; checks.len()];
    let mut sightings: BTreeMap<(&str, &str), (Offset, u64)> = BTreeMap::new();
    let mut looked: Option<(u64, u32)> = None;
    for seen in &ctx.timeline.observations {
        match seen {
            Observation::Security { at, check, outcome } => {
                let name = checks.get(*check).map_or("a check", |check| check.name.as_str());
                if let Some(done) = done.get_mut(*check) {
                    *done = true;
                }
                gathered.samples += 1;
                match outcome {
                    SecurityOutcome::Held { .. } => gathered.windows += 1,
                    SecurityOutcome::Unclear(why) => gathered.gaps.push(format!("`{name}` proved nothing: {why}")),
                    SecurityOutcome::Broken { how, .. } => {
                        gathered.windows += 1;
                        let said = format!("`{name}` was not safe: {how}");
                        gathered.found.push(found(ctx, said, name, *at, *at, 1));
                    }
                }
            }
            Observation::Sighting(sighting) => {
                let entry =
                    sightings.entry((&sighting.canary, &sighting.place)).or_insert((sighting.at, sighting.count));
                entry.1 = entry.1.max(sighting.count);
            }
            Observation::LookedThrough { answers, canaries, .. } => looked = Some((*answers, *canaries)),
            Observation::Log(log) if log.secrets > 0 => {
                let at = words::moment(log.second);
                let entry = sightings.entry(("a key or password", LOG)).or_insert((at, 0));
                entry.1 += log.secrets;
            }
            _ => {}
        }
    }
    for ((canary, place), (at, count)) in sightings {
        let times = if place == LOG { words::counted(count, "time") } else { format!("{count} or more times") };
        let times = if count == 1 { "once".to_owned() } else { times };
        let said = format!("{canary} was seen in {place} ({times})");
        gathered.found.push(found(ctx, said, canary, at, at, count));
    }
    for (check, _) in checks.iter().zip(&done).filter(|(_, done)| !**done) {
        gathered.gaps.push(format!("`{}` was not tried before the run ended", check.name));
    }
    match looked {
        Some((0, _)) => gathered.gaps.push("no answer was looked through for canaries".to_owned()),
        Some((answers, _)) => {
            gathered.windows += 1;
            gathered.samples = gathered.samples.saturating_add(answers);
        }
        None => {}
    }
    if checks.is_empty() && looked.is_none() && gathered.found.is_empty() {
        return Gathered::not_measured(
            "the scenario has no security checks and no canaries: [[security]] and [canaries]",
        );
    }
    gathered
}

fn found(ctx: &Context<'_>, said: String, subject: &str, first: Offset, last: Offset, samples: u64) -> Found {
    let within = Stretch { from: first.second(), to: last.second().saturating_add(1) };
    let when = ctx.segments.explained(within);
    Found {
        finding: Finding {
            sentence: if when.is_empty() {
                format!("{said}, at {first}")
            } else {
                format!("{said}, at {first}, {when}")
            },
            subject: Some(subject.to_owned()),
            origin: ctx.segments.origin(within),
            gated: false,
            first,
            last,
            figure: None,
            samples,
            exemplars: Vec::new(),
        },
        story: Story::Said(said),
        when,
    }
}
