//! What a day would cost: tokens of this run, prices of a dated table, and the traffic that the scenario declares.

use super::context::Context;
use super::gathered::{Found, Gathered, Story, Suspicion};
use super::segments::{Group, Stretch};
use super::words;
use crate::model::prices::{Prices, TokenUse};
use crate::model::reading::Reading;
use crate::model::upstream::UpstreamKind;
use crate::model::verdict::{Figure, Finding, Origin, Unit};
use crate::stats::ratio;
use crate::units::Money;
use std::collections::{BTreeMap, BTreeSet};

/// The longest block of time that the interval is made from, in seconds; shorter ones where the stretch is short.
const BLOCK: u64 = 10;
/// Blocks that a stretch is parted into at least.
const BLOCKS: u64 = 8;
/// The gauge with the app's own figure, in US dollars.
const OWN: &str = "cost_usd";

/// Tokens and endings of some seconds.
#[derive(Default)]
struct Spent {
    dollars: f64,
    journeys: u64,
    models: BTreeMap<String, f64>,
}

/// Judges a day's cost.
pub(super) fn judge(ctx: &Context<'_>, over: Money, min_journeys: u32) -> Gathered {
    let Some(traffic) = ctx.plan.checks.traffic else {
        return Gathered::not_measured("the scenario does not say what a day's traffic is: [traffic] journeys-per-day");
    };
    let openai: BTreeSet<u16> = (0..=u16::MAX)
        .zip(&ctx.plan.upstreams)
        .filter(|(_, upstream)| matches!(upstream.kind, UpstreamKind::Openai(_)))
        .map(|(index, _)| index)
        .collect();
    if openai.is_empty() {
        return Gathered::not_measured(
            "the app's calls to OpenAI do not pass through firedrill, so nobody counts tokens",
        );
    }
    let Ok(prices) = Prices::shipped() else { return Gathered::not_measured("the table of prices cannot be read") };
    let mut gathered = Gathered::default();
    let (mut unpriced, mut unknown): (BTreeMap<&str, u64>, u64) = (BTreeMap::new(), 0);
    let mut tokens = 0_u64;
    for second in ctx.timeline.upstreams.iter().filter(|second| openai.contains(&second.upstream)) {
        let named: u64 = second.tokens_by_model.values().map(|used| used.prompt + used.completion).sum();
        let all = second.tokens_in.saturating_add(second.tokens_out);
        tokens = tokens.saturating_add(all);
        unknown = unknown.saturating_add(all.saturating_sub(named));
        for (model, used) in &second.tokens_by_model {
            if prices.of(model).is_none() {
                *unpriced.entry(model).or_default() += used.prompt + used.completion;
            }
        }
    }
    gathered.samples = tokens;
    if tokens == 0 {
        gathered.gaps.push("OpenAI answered nothing that is billed".to_owned());
    }
    for (model, tokens) in unpriced {
        gathered.gaps.push(format!("{tokens} tokens of {model} have no price in the table of {}", prices.date));
    }
    if unknown > 0 {
        gathered.gaps.push(format!("{} are of models that nobody named", words::counted(unknown, "token")));
    }
    for group in ctx.segments.groups(1) {
        group_cost(ctx, &group, &openai, &prices, traffic.journeys_per_day, over, min_journeys, &mut gathered);
    }
    gathered
}

#[expect(clippy::too_many_arguments, reason = "one stretch of one measure")]
fn group_cost(
    ctx: &Context<'_>,
    group: &Group,
    openai: &BTreeSet<u16>,
    prices: &Prices,
    per_day: f64,
    over: Money,
    min_journeys: u32,
    gathered: &mut Gathered,
) {
    let length: u64 = group.stretches.iter().map(|stretch| stretch.length()).sum();
    let block = (length / BLOCKS).clamp(1, BLOCK);
    let mut blocks: BTreeMap<u64, Spent> = BTreeMap::new();
    let inside = |second: u64| group.stretches.iter().any(|stretch| stretch.from <= second && second < stretch.to);
    for second in ctx.timeline.upstreams.iter().filter(|s| openai.contains(&s.upstream) && inside(s.second)) {
        let spent = blocks.entry(second.second / block).or_default();
        for (model, used) in &second.tokens_by_model {
            let dollars = prices.cost(model, TokenUse::clone(used)).unwrap_or_default().as_dollars();
            spent.dollars += dollars;
            *spent.models.entry(model.clone()).or_default() += dollars;
        }
    }
    for second in ctx.timeline.journeys.iter().filter(|second| inside(second.second)) {
        blocks.entry(second.second / block).or_default().journeys += second.completed + second.degraded + second.failed;
    }
    let journeys: u64 = blocks.values().map(|spent| spent.journeys).sum();
    let pairs: Vec<(f64, f64)> = blocks.values().map(|spent| (spent.dollars, spent.journeys as f64)).collect();
    let enough = journeys >= u64::from(min_journeys);
    let Some((each, bounds)) = ratio(&pairs).filter(|_| enough) else {
        if group.calm {
            gathered.gaps.push(format!(
                "{} of {min_journeys} ended with no fault on: too few for a day's cost",
                words::counted(journeys, "journey")
            ));
        }
        return;
    };
    gathered.windows += 1;
    // What was under way at the end of a stretch has cost something in it and not ended in it, and what ended in it may
    // have cost before: at most one journey of each virtual user at each edge.
    let cut = f64::from(ctx.timeline.intervals.iter().map(|interval| interval.users).max().unwrap_or(0));
    let edges = group.stretches.len() as f64 + f64::from(u8::from(!group.calm));
    let low = bounds.low * journeys as f64 / (journeys as f64 + cut * edges);
    let figure = Figure {
        what: "cost of a day".to_owned(),
        value: each * per_day,
        interval: Some((low * per_day, bounds.high * per_day)),
        limit: over.as_dollars(),
        unit: Unit::Dollars,
    };
    let within = Stretch {
        from: group.stretches.first().map_or(0, |stretch| stretch.from),
        to: group.stretches.last().map_or(0, |stretch| stretch.to),
    };
    let origin = if group.calm { Origin::Spontaneous } else { ctx.segments.origin(within) };
    let when = if group.calm { ctx.segments.during_calm(within) } else { ctx.segments.during(within) };
    let said = format!(
        "a day would cost {} by {} journeys of {} each",
        Money::dollars(figure.value),
        words::count(per_day.round() as u64),
        Money::dollars(each)
    );
    if low * per_day > over.as_dollars() {
        let of: Vec<String> = models(&blocks);
        let own = own_figure(ctx);
        let users =
            ctx.plan.checks.traffic.and_then(|traffic| traffic.users_per_day).map_or_else(String::new, |users| {
                format!(
                    ", {} for each of {} users",
                    Money::dollars(figure.value / users),
                    words::count(users.round() as u64)
                )
            });
        gathered.found.push(Found {
            finding: Finding {
                sentence: format!(
                    "{said}{users} {when}: {} (prices of {}){own}; {over} a day is the limit",
                    words::list(&of),
                    prices.date
                ),
                subject: None,
                origin,
                gated: false,
                first: words::moment(within.from),
                last: words::moment(within.to),
                figure: Some(figure),
                samples: journeys,
                exemplars: Vec::new(),
            },
            story: Story::Said(said),
            when,
        });
        return;
    }
    if figure.value > over.as_dollars() {
        let text = format!("{said}, but the interval reaches down to {}", Money::dollars(low * per_day));
        gathered.suspicions.push(Suspicion { origin, text });
    }
    gathered.consider(figure.value, figure);
}

/// Each model's part.
fn models(blocks: &BTreeMap<u64, Spent>) -> Vec<String> {
    let mut models: BTreeMap<&str, f64> = BTreeMap::new();
    for (model, dollars) in blocks.values().flat_map(|spent| &spent.models) {
        *models.entry(model).or_default() += dollars;
    }
    let all: f64 = models.values().sum();
    let mut parts: Vec<(&str, f64)> = models.into_iter().collect();
    parts.sort_by(|a, b| b.1.total_cmp(&a.1));
    parts
        .iter()
        .take(4)
        .map(|(model, dollars)| format!("{model} {}", words::share(dollars / all.max(f64::MIN_POSITIVE))))
        .collect()
}

/// What the app itself has counted meanwhile.
fn own_figure(ctx: &Context<'_>) -> String {
    let mut values = ctx.timeline.readings.iter().filter_map(|reading| match reading {
        Reading::Gauge { name, value, .. } if name == OWN => Some(*value),
        _ => None,
    });
    let Some(first) = values.next() else { return String::new() };
    let grown = values.next_back().map_or(0.0, |last| (last - first).max(0.0));
    format!("; the app itself counted {} in this run", Money::dollars(grown))
}
