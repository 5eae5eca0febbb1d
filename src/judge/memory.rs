//! Memory: deaths for lack of it, and staying above a limit.

use super::context::Context;
use super::gathered::{Found, Gathered, Story, Suspicion};
use super::scan::seconds;
use super::segments::Stretch;
use crate::model::reading::{Reading, TargetChange};
use crate::model::verdict::{Figure, Finding, Origin, Unit};
use crate::units::{ByteSize, Offset, Span};
use std::time::Duration;

/// A death at this part of the limit or more is one at the limit, as in `TargetChange::Ended`.
const AT_LIMIT: f64 = 0.95;

/// Readings further apart than this (or than two and a half of their own intervals) leave a gap.
const GAP: Duration = Duration::from_secs(5);

/// Hang-up, interrupt and terminate: somebody asked the process to stop.
const ASKED: [i32; 3] = [1, 2, 15];

/// One memory reading.
#[derive(Clone, Copy)]
struct Rss {
    at: Offset,
    rss: u64,
    used: u64,
    limit: Option<u64>,
}

/// An end of the app's process that nobody asked for.
pub(super) struct Death {
    pub at: Offset,
    /// How it ended, in words.
    pub how: String,
    /// What ended it.
    pub cause: Cause,
}

/// What ended the app's process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// Lack of memory.
    Oom,
    /// Something else, for certain.
    Other,
    /// Nobody saw how it ended: the kernel's killer is as possible as anything.
    Unknown,
}

fn readings(ctx: &Context<'_>) -> Vec<Rss> {
    let mut readings: Vec<Rss> = ctx
        .timeline
        .readings
        .iter()
        .filter_map(|reading| match *reading {
            Reading::Memory { at, rss, group, limit } => Some(Rss { at, rss, used: group.unwrap_or(rss), limit }),
            _ => None,
        })
        .collect();
    readings.sort_by_key(|reading| reading.at);
    readings
}

/// The deaths of the app's process, as far as they were seen.
pub(super) fn deaths(ctx: &Context<'_>) -> Vec<Death> {
    let readings = readings(ctx);
    let mut events: Vec<_> = ctx.timeline.target.iter().collect();
    events.sort_by_key(|event| event.at);
    let mut deaths = Vec::new();
    let mut running: Option<u32> = None;
    for event in events {
        match &event.what {
            TargetChange::Started { pid } => {
                if running.is_some_and(|before| before != *pid) {
                    let last = readings.iter().rev().find(|reading| reading.at < event.at);
                    let oom = last.is_some_and(|r| r.limit.is_some_and(|l| r.used as f64 >= AT_LIMIT * l as f64));
                    let how = format!("was another process from one moment to the next (now pid {pid})");
                    deaths.push(Death { at: event.at, how, cause: if oom { Cause::Oom } else { Cause::Unknown } });
                }
                running = Some(*pid);
            }
            TargetChange::Ended { code, signal, oom_killed, at_limit } => {
                running = None;
                let asked = signal.is_some_and(|s| ASKED.contains(&s)) || *code == Some(0);
                // Behind the end of the run it is we who stop what we started.
                if !oom_killed && (event.at >= ctx.ended || (asked && *at_limit && signal.is_some())) {
                    continue;
                }
                let how = match (code, signal, oom_killed) {
                    (_, _, true) => "was killed for lack of memory".to_owned(),
                    (_, Some(signal), _) => format!("was ended by signal {signal}"),
                    (Some(code), None, _) => format!("exited with code {code}"),
                    (None, None, _) => "ended, nobody knows how".to_owned(),
                };
                let cause = match (code, signal) {
                    _ if *oom_killed || (*at_limit && !asked) => Cause::Oom,
                    (None, None) => Cause::Unknown,
                    _ => Cause::Other,
                };
                deaths.push(Death { at: event.at, how, cause });
            }
        }
    }
    deaths
}

/// Judges deaths for lack of memory.
pub(super) fn oom(ctx: &Context<'_>) -> Gathered {
    let readings = readings(ctx);
    if readings.is_empty() && ctx.timeline.target.is_empty() {
        return Gathered::not_measured(
            "nothing could see the app's process: it was not started by us and no pid was given",
        );
    }
    let samples = (readings.len() + ctx.timeline.target.len()) as u64;
    let mut gathered = Gathered { windows: 1, samples, ..Gathered::default() };
    for death in deaths(ctx) {
        let second = death.at.second();
        let within = Stretch { from: second, to: second.saturating_add(1) };
        if death.cause == Cause::Unknown {
            gathered.suspicions.push(Suspicion {
                origin: ctx.segments.origin(within),
                text: format!(
                    "the app's process {} at {}, and nobody saw why: lack of memory is possible",
                    death.how, death.at
                ),
            });
        }
        if death.cause != Cause::Oom {
            continue;
        }
        let last = readings.iter().rev().find(|reading| reading.at < death.at);
        let size = last.map_or_else(String::new, |r| match r.limit {
            Some(limit) => format!(" at {} of its limit of {}", ByteSize(r.used), ByteSize(limit)),
            None => format!(" at {}", ByteSize(r.used)),
        });
        let said = format!("the app {}{size} at {}", death.how, death.at);
        let when = ctx.segments.explained(within);
        gathered.found.push(Found {
            finding: Finding {
                sentence: if when.is_empty() { said.clone() } else { format!("{said}, {when}") },
                subject: None,
                origin: ctx.segments.origin(within),
                gated: false,
                first: death.at,
                last: death.at,
                figure: last.and_then(|r| used_of(r.used, r.limit)),
                samples,
                exemplars: Vec::new(),
            },
            story: Story::Said(said),
            when,
        });
    }
    if let Some(figure) = readings.iter().max_by_key(|r| r.used).and_then(|r| used_of(r.used, r.limit)) {
        gathered.consider(0.0, figure);
    }
    gathered
}

fn used_of(used: u64, limit: Option<u64>) -> Option<Figure> {
    let limit = limit? as f64;
    Some(Figure { what: "most memory used".to_owned(), value: used as f64, interval: None, limit, unit: Unit::Bytes })
}

/// Judges memory that stays above a limit.
pub(super) fn sustained(ctx: &Context<'_>, above: ByteSize, sustained: Span) -> Gathered {
    let readings = readings(ctx);
    let Some((first, last)) = readings.first().zip(readings.last()) else {
        return Gathered::not_measured("nothing read the app's memory: it was not started by us and no pid was given");
    };
    let needed = sustained.get();
    let gap = GAP.max(ctx.plan.probes.memory_every.get().saturating_mul(5) / 2);
    let mut gathered = Gathered { windows: 1, samples: readings.len() as u64, ..Gathered::default() };
    let widest = readings.windows(2).map(|pair| pair[1].at.since(pair[0].at)).max().unwrap_or_default();
    if widest > gap {
        gathered.notes.push(format!("the app's memory went unread for up to {} s", widest.as_secs()));
    }
    if last.at.since(first.at) < needed {
        gathered.gaps.push(format!(
            "the app's memory was watched for {} s of the {sustained} that count as sustained",
            last.at.since(first.at).as_secs()
        ));
    }
    if ctx.ended.since(last.at) > needed.max(gap) {
        gathered.gaps.push(format!("the app's memory was not read after {}", last.at));
    }
    // Chains of readings above the limit; inside a chain, gaps separate pieces.
    let mut longest = Duration::ZERO;
    for chain in readings.chunk_by(|a, b| (a.rss > above.get()) == (b.rss > above.get())) {
        if chain[0].rss <= above.get() {
            continue;
        }
        let mut held = false;
        for piece in chain.chunk_by(|a, b| b.at.since(a.at) <= gap) {
            let (from, to) = (piece[0].at, piece[piece.len() - 1].at);
            longest = longest.max(to.since(from));
            if to.since(from) >= needed {
                held = true;
                gathered.found.push(too_much(ctx, piece, above, seconds(sustained)));
            }
        }
        let (from, to) = (chain[0].at, chain[chain.len() - 1].at);
        if held {
            continue;
        }
        let why = if to.since(from) >= needed {
            "the readings have gaps"
        } else if to == last.at {
            "then the readings end"
        } else {
            continue;
        };
        let within = Stretch { from: from.second(), to: to.second().saturating_add(1) };
        gathered.suspicions.push(Suspicion {
            origin: ctx.segments.origin(within),
            text: format!(
                "memory was above {above} from {from} for {} s of the {sustained} that count as sustained; {why}",
                to.since(from).as_secs()
            ),
        });
    }
    let peak = readings.iter().map(|r| r.rss).max().unwrap_or(0);
    gathered.consider(
        0.0,
        if longest > Duration::ZERO {
            Figure {
                what: format!("longest time above {above}"),
                value: longest.as_secs_f64(),
                interval: None,
                limit: needed.as_secs_f64(),
                unit: Unit::Seconds,
            }
        } else {
            peak_of(peak, above)
        },
    );
    gathered
}

fn peak_of(peak: u64, limit: ByteSize) -> Figure {
    Figure {
        what: "peak memory".to_owned(),
        value: peak as f64,
        interval: None,
        limit: limit.get() as f64,
        unit: Unit::Bytes,
    }
}

fn too_much(ctx: &Context<'_>, piece: &[Rss], above: ByteSize, needed: u64) -> Found {
    let (from, to) = (piece[0].at, piece[piece.len() - 1].at);
    let within = Stretch { from: from.second(), to: to.second().saturating_add(1) };
    // What lasts long enough in calm seconds alone needs no fault as its explanation.
    let calm = ctx
        .segments
        .groups(1)
        .iter()
        .filter(|group| group.calm)
        .flat_map(|group| &group.stretches)
        .map(|s| Stretch { from: s.from.max(within.from), to: s.to.min(within.to) })
        .max_by_key(|s| s.length())
        .filter(|s| s.length() >= needed);
    let (origin, when) = match calm {
        Some(calm) => (Origin::Spontaneous, ctx.segments.during_calm(calm)),
        None => (ctx.segments.origin(within), ctx.segments.during(within)),
    };
    let peak = piece.iter().map(|r| r.rss).max().unwrap_or(0);
    let said = format!("memory stayed above {above} for {} s (peak {})", to.since(from).as_secs(), ByteSize(peak));
    Found {
        finding: Finding {
            sentence: format!("{said} from {from} to {to}, {when}"),
            subject: None,
            origin,
            gated: false,
            first: from,
            last: to,
            figure: Some(peak_of(peak, above)),
            samples: piece.len() as u64,
            exemplars: Vec::new(),
        },
        story: Story::Said(said),
        when,
    }
}
