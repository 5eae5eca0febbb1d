//! Endpoints: one broken while the rest is well, and slow responses.

use super::context::Context;
use super::exemplars;
use super::gathered::{Found, Gathered, Story, Suspicion};
use super::rates::{Subject, judge_subject};
use super::scan::{Question, Rule, looks, seconds};
use super::segments::{Group, Stretch};
use super::series::Tally;
use super::words;
use crate::model::interval::Spectrum;
use crate::model::sample::{EndpointId, Outcome};
use crate::model::verdict::{Figure, Finding, Origin, Unit};
use crate::stats::{Looks, family_z, quantile_ranks, upper_tail, wilson};
use crate::units::{Offset, Share, Span};
use std::collections::BTreeMap;

/// The percentile that stands for an endpoint's response time.
const P95: f64 = 0.95;

/// Recorded times are upper ends of buckets that are at most this part of their value wide.
const BUCKET: u64 = 1024;

/// Judges whether a single endpoint is broken while the rest is well.
pub(super) fn broken(ctx: &Context<'_>, over: Share, rest_under: Share, window: Span, min: u32) -> Gathered {
    if ctx.all.total().n == 0 {
        return Gathered::not_measured("no step of this run had an outcome");
    }
    let measured = ctx.endpoints.values().filter(|series| series.total().n > 0).count();
    if measured < 2 {
        return Gathered::not_measured("only one endpoint had results, so there is no rest to compare it with");
    }
    let groups = ctx.segments.groups(1);
    let length = seconds(window);
    let min = u64::from(min);
    let question = Question {
        rule: Rule::Above(over.fraction()),
        hits: Tally::errors,
        bad: Tally::errors,
        length,
        min,
        z: family_z(looks(&groups, length, true).times(measured)),
    };
    // The rest: every other endpoint that is not itself broken in the same window.
    let rest_is_well = |this: EndpointId, window: Stretch| {
        let rest = ctx
            .endpoints
            .iter()
            .filter(|(id, _)| **id != this)
            .map(|(_, series)| series.sum(window.from, window.to))
            .filter(|t| t.n < min || t.errors() as f64 <= over.fraction() * t.n as f64)
            .fold(Tally::default(), |sum, tally| sum.plus(&tally));
        rest.n > 0 && (rest.errors() as f64) < rest_under.fraction() * rest.n as f64
    };
    let mut gathered = Gathered::default();
    let mut crowded: Vec<String> = Vec::new();
    let mut most = 0;
    for (id, series) in &ctx.endpoints {
        let name = ctx.endpoint(*id);
        let phrase = |tally: &Tally| {
            format!(
                "{name} failed or was masked in {} of {}",
                words::count(tally.errors()),
                words::counted(tally.n, "step")
            )
        };
        let seen = judge_subject(
            ctx,
            &groups,
            &question,
            &Subject {
                name: Some(name.clone()),
                what: format!("errors of {name}"),
                series,
                phrase: &|sight| phrase(&sight.tally),
                story: &|sight| Story::Said(phrase(&sight.tally)),
                evidence: &|exemplar| exemplar.endpoint == *id && exemplars::is_error(exemplar),
                qualifies: &|window| rest_is_well(*id, window),
            },
            &mut gathered,
        );
        most = most.max(seen.most);
        if seen.refused.is_some() {
            crowded.push(name);
        }
    }
    if gathered.windows == 0 {
        gathered.gaps.push(format!("at most {most} of {min} steps of an endpoint in {length} s"));
    } else if gathered.found.is_empty() && !crowded.is_empty() {
        gathered.notes.push(format!(
            "more than one endpoint was broken and the rest was not well ({}): that is for the overall error rate and \
             the agents, not for a single endpoint",
            words::list(&crowded)
        ));
    }
    gathered
}

/// Judges whether responses of an endpoint are slow.
pub(super) fn slow(ctx: &Context<'_>, from: Span, to: Span, share: Share, min: u32) -> Gathered {
    let groups = ctx.segments.groups(1);
    let spectra: Vec<(&Group, BTreeMap<EndpointId, Spectrum>)> =
        groups.iter().map(|group| (group, responses(ctx, group))).collect();
    let places: usize = spectra.iter().map(|(_, endpoints)| endpoints.len()).sum();
    if places == 0 {
        return Gathered::not_measured("no response was timed in this run");
    }
    let z = family_z(Looks { fixed: places as f64, sliding: 0.0 });
    let (from_micros, to_micros) = (limit_micros(from), limit_micros(to));
    let mut gathered = Gathered::default();
    let mut most = 0;
    for (group, endpoints) in spectra {
        for (id, spectrum) in endpoints {
            let n = spectrum.count();
            let slower = spectrum.above(from_micros);
            gathered.samples = gathered.samples.saturating_add(n);
            most = most.max(n);
            let Some(bounds) = wilson(slower, n, z) else { continue };
            let Some(p95) = spectrum.quantile(P95) else { continue };
            let ranks = quantile_ranks(n, P95, 2.0 * upper_tail(z));
            let low = ranks.low.and_then(|rank| spectrum.at_rank(rank));
            let high = ranks.high.and_then(|rank| spectrum.at_rank(rank));
            let name = ctx.endpoint(id);
            let figure = Figure {
                what: format!("95th percentile of {name}"),
                value: secs(p95),
                interval: low.zip(high).map(|(low, high)| (secs(low), secs(high))),
                limit: from.get().as_secs_f64(),
                unit: Unit::Seconds,
            };
            let observed = slower as f64 / n as f64;
            let window = hull(ctx, group, id, from_micros);
            let phrase = format!(
                "{} of {} of {name} took longer than {from} (p95 {:.1} s)",
                words::count(slower),
                words::counted(n, "response"),
                secs(p95)
            );
            let enough = n >= u64::from(min).max(1);
            if enough {
                gathered.windows += 1;
                gathered.consider(figure.value, figure.clone());
            }
            let holds = bounds.low > share.fraction() || low.is_some_and(|low| low > from_micros);
            // Where it is the share that breaks the rule, the percentile may lie below its limit and would puzzle a reader.
            let by_share = holds && low.is_none_or(|low| low <= from_micros);
            let figure = if by_share {
                Figure {
                    what: format!("responses of {name} slower than {from}"),
                    value: observed,
                    interval: Some((bounds.low, bounds.high)),
                    limit: share.fraction(),
                    unit: Unit::Share,
                }
            } else {
                figure
            };
            // Calm seconds lie on both sides of a fault, so their hull may span it without having to do with it.
            let (origin, when) = if group.calm {
                (Origin::Spontaneous, ctx.segments.during_calm(window))
            } else {
                (ctx.segments.origin(window), ctx.segments.during(window))
            };
            if enough && holds {
                let beyond = spectrum.above(to_micros);
                let beyond_words = if beyond > 0 {
                    format!(", {} of them longer than {to}", words::count(beyond))
                } else {
                    String::new()
                };
                gathered.found.push(Found {
                    finding: Finding {
                        sentence: format!(
                            "{phrase}{beyond_words}; that is {}, 95% interval {}–{}, and the limit is {}; {}",
                            words::share(observed),
                            words::share(bounds.low),
                            words::share(bounds.high),
                            share,
                            when
                        ),
                        subject: Some(name),
                        origin,
                        gated: false,
                        first: words::moment(window.from),
                        last: words::moment(window.to),
                        figure: Some(figure),
                        samples: n,
                        exemplars: exemplars::within(ctx.timeline, window, |exemplar| {
                            exemplar.endpoint == id && u128::from(exemplar.took_ms) > from.get().as_millis()
                        }),
                    },
                    story: Story::Said(phrase),
                    when,
                });
            } else if observed > share.fraction() && (enough || slower > 1 || slower == n) {
                gathered
                    .suspicions
                    .push(Suspicion { origin, text: format!("{phrase} {when}; too few responses to be sure") });
            }
        }
    }
    if gathered.windows == 0 {
        gathered.gaps.push(format!("at most {most} of {min} responses of an endpoint"));
    }
    gathered.gaps.extend(given_up(ctx, from, share));
    gathered
}

/// Endpoints whose steps were given up so early, and so often, that they could not have been slow by this measure.
fn given_up(ctx: &Context<'_>, from: Span, share: Share) -> Vec<String> {
    let steps = || ctx.plan.journeys.iter().flat_map(|journey| &journey.steps);
    let mut gaps = Vec::new();
    for (id, endpoint) in ctx.plan.endpoints.iter().enumerate() {
        let deadline = steps().filter(|step| step.name == endpoint.name).map(|step| step.deadline).max();
        let Some(deadline) = deadline.filter(|deadline| *deadline <= from) else { continue };
        let results =
            ctx.timeline.intervals.iter().flat_map(|i| &i.endpoints).filter(|e| usize::from(e.endpoint) == id);
        let (mut timeouts, mut all) = (0_u64, 0_u64);
        for (outcome, count) in results.flat_map(|e| &e.outcomes).filter(|(outcome, _)| outcome.class().is_some()) {
            all = all.saturating_add(*count);
            timeouts = timeouts.saturating_add(if *outcome == Outcome::Timeout { *count } else { 0 });
        }
        if all > 0 && timeouts as f64 > share.fraction() * all as f64 {
            gaps.push(format!(
                "{}: {} of {} were given up after {deadline}, so how slow they would have been is not known",
                endpoint.name,
                words::count(timeouts),
                words::counted(all, "step")
            ));
        }
    }
    gaps
}

/// All response times of a group, by endpoint.
fn responses(ctx: &Context<'_>, group: &Group) -> BTreeMap<EndpointId, Spectrum> {
    let mut parts: BTreeMap<EndpointId, Vec<&Spectrum>> = BTreeMap::new();
    for interval in &ctx.timeline.intervals {
        if !group.stretches.iter().any(|stretch| holds(*stretch, interval.second)) {
            continue;
        }
        for endpoint in &interval.endpoints {
            parts.entry(endpoint.endpoint).or_default().push(&endpoint.response);
        }
    }
    parts
        .into_iter()
        .map(|(id, parts)| (id, Spectrum::merged(parts)))
        .filter(|(_, spectrum)| spectrum.0.iter().any(|(_, count)| *count > 0))
        .collect()
}

/// From the first to the last second of a group in which this endpoint was slow; the group's where it never was.
fn hull(ctx: &Context<'_>, group: &Group, id: EndpointId, limit: u64) -> Stretch {
    let mut seconds = ctx
        .timeline
        .intervals
        .iter()
        .filter(|i| group.stretches.iter().any(|stretch| holds(*stretch, i.second)))
        .filter(|i| i.endpoints.iter().any(|e| e.endpoint == id && e.response.above(limit) > 0))
        .map(|i| i.second);
    let whole =
        Stretch { from: group.stretches.first().map_or(0, |s| s.from), to: group.stretches.last().map_or(0, |s| s.to) };
    let Some(first) = seconds.next() else { return whole };
    let (first, last) = seconds.fold((first, first), |(low, high), second| (low.min(second), high.max(second)));
    Stretch { from: first, to: last.saturating_add(1) }
}

const fn holds(stretch: Stretch, second: u64) -> bool {
    stretch.from <= second && second < stretch.to
}

/// A limit in microseconds, with the width of a bucket on top: a response of exactly the limit is recorded as the
/// upper end of its bucket, and is not slower.
fn limit_micros(limit: Span) -> u64 {
    let micros = Offset::from(limit.get()).as_micros();
    micros.saturating_add(micros / BUCKET)
}

fn secs(micros: u64) -> f64 {
    Offset::from_micros(micros).as_secs_f64()
}
