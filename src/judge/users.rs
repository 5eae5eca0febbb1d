//! The share of users who met slow or failing steps.

use super::context::Context;
use super::exemplars;
use super::gathered::{Found, Gathered, Story, Suspicion};
use super::rates;
use super::scan::{Answer, Rule, Sight, looks, seconds, windows};
use super::segments::{Group, Stretch};
use super::series::Tally;
use super::words;
use crate::model::interval::{Spectrum, USER_SLICE_SECS, UserSlice};
use crate::model::plan::LoadPlan;
use crate::model::sample::EndpointId;
use crate::model::verdict::{Finding, Origin};
use crate::stats::{family_z, wilson};
use crate::units::{Share, Span};
use std::collections::{BTreeMap, HashMap};

/// Responses that an endpoint needs before the first fault for a baseline.
const BASELINE_MIN: u64 = 20;

/// The percentile of the baseline.
const P95: f64 = 0.95;

/// The criterion's limits.
pub(super) struct Limits {
    pub over: Share,
    pub up_to: Option<Share>,
    pub slow: Span,
    pub times_baseline: f64,
    pub slow_at_least: Span,
    pub window: Span,
    pub min_users: u32,
}

/// What one user met in one slice.
#[derive(Clone, Copy)]
struct Row {
    slice: u64,
    user: usize,
    affected: bool,
}

/// Judges the share of affected users.
pub(super) fn judge(ctx: &Context<'_>, limits: &Limits) -> Gathered {
    let baseline = Baseline::of(ctx, limits);
    let (rows, users) = rows(ctx, limits, &baseline);
    if rows.is_empty() {
        return Gathered::not_measured("no user ended a step in this run");
    }
    let events: Vec<u64> = {
        let mut slices: Vec<u64> = rows.iter().map(|row| row.slice).collect();
        slices.dedup();
        slices
    };
    let groups = ctx.segments.groups(USER_SLICE_SECS);
    let length = seconds(limits.window).div_ceil(USER_SLICE_SECS).max(1);
    let rule = Rule::Above(limits.over.fraction());
    let z = family_z(looks(&groups, length, false));
    let min = u64::from(limits.min_users).max(1);
    let mut gathered = Gathered { samples: users as u64, notes: baseline.notes, ..Gathered::default() };
    let mut crowd = Crowd::new(&rows, users);
    let mut most = 0;
    for group in &groups {
        let mut worst: Option<Sight> = None;
        let mut span: Option<Stretch> = None;
        let mut straddling: Option<Sight> = None;
        let mut thin: Option<Sight> = None;
        // A group in which the worse criterion's limit is breached is that one's alone.
        let mut taken = false;
        for stretch in &group.stretches {
            let mut judged = false;
            for window in places(group, *stretch, length, &events) {
                let sight = crowd.look(window, z);
                most = most.max(sight.tally.n);
                if sight.tally.n < min {
                    continue;
                }
                judged = true;
                gathered.windows += 1;
                gathered.consider(sight.observed, rates::figure("affected users", &sight, rule));
                match rule.ask(sight.observed, sight.bounds) {
                    Answer::Holds if limits.up_to.is_some_and(|up_to| sight.bounds.low > up_to.fraction()) => {
                        taken = true
                    }
                    Answer::Holds => {
                        if worst.is_none_or(|w| sight.bounds.low > w.bounds.low) {
                            worst = Some(sight);
                        }
                        span = Some(span.map_or(window, |s| hull(s, window)));
                    }
                    Answer::Straddles if straddling.is_none_or(|s| sight.bounds.low > s.bounds.low) => {
                        straddling = Some(sight);
                    }
                    Answer::Straddles | Answer::Fine => {}
                }
            }
            let whole = crowd.look(*stretch, z);
            if !judged && whole.observed > limits.over.fraction() && (whole.hits > 1 || whole.hits == whole.tally.n) {
                thin = thin.or(Some(whole));
            }
        }
        if taken {
            continue;
        }
        if let Some(sight) = worst {
            gathered.found.push(found(ctx, limits, group, &sight, span.unwrap_or(sight.window), &rows));
        } else if let Some(sight) = straddling {
            let (origin, place) = whence(ctx, group, sight.window);
            let text = format!(
                "{} {place}; {}–{} is too wide an interval to be sure, more users are needed",
                phrase(&sight),
                words::share(sight.bounds.low),
                words::share(sight.bounds.high)
            );
            gathered.suspicions.push(Suspicion { origin, text });
        }
        if let Some(sight) = thin {
            let (origin, place) = whence(ctx, group, sight.window);
            gathered
                .suspicions
                .push(Suspicion { origin, text: format!("{} {place}; {min} are needed to tell", phrase(&sight)) });
        }
    }
    if gathered.windows == 0 {
        gathered.gaps.push(format!("at most {most} of {min} users in {} s", length.saturating_mul(USER_SLICE_SECS)));
    }
    gathered
}

fn found(ctx: &Context<'_>, limits: &Limits, group: &Group, sight: &Sight, span: Stretch, rows: &[Row]) -> Found {
    let (origin, place) = whence(ctx, group, sight.window);
    let affected = rows.iter().filter(|r| r.affected && span.from <= r.slice && r.slice < span.to).map(|r| r.slice);
    let (first, last) = affected.fold((u64::MAX, 0), |(low, high), slice| (low.min(slice), high.max(slice)));
    let span = if first <= last { Stretch { from: first, to: last.saturating_add(1) } } else { span };
    let span = in_seconds(span, ctx.segments.end());
    let rule = Rule::Above(limits.over.fraction());
    let band = limits.up_to.map_or_else(String::new, |up_to| format!(" (over {up_to} would be worse)"));
    Found {
        finding: Finding {
            sentence: format!(
                "{} ({}) {place}; the limit is {}{band}",
                phrase(sight),
                rates::interval(sight),
                limits.over
            ),
            subject: None,
            origin,
            gated: false,
            first: words::moment(span.from),
            last: words::moment(span.to),
            figure: Some(rates::figure("affected users", sight, rule)),
            samples: sight.tally.n,
            exemplars: exemplars::within(ctx.timeline, span, |exemplar| {
                exemplars::is_error(exemplar) || u128::from(exemplar.took_ms) > limits.slow.get().as_millis()
            }),
        },
        story: Story::Said(phrase(sight)),
        when: when(ctx, group, sight.window),
    }
}

fn phrase(sight: &Sight) -> String {
    format!("{} of {} met slow or failing steps", words::count(sight.hits), words::counted(sight.tally.n, "user"))
}

/// Origin and place of a window of slices. A slice that only touches a faulted second belongs to the fault.
fn whence(ctx: &Context<'_>, group: &Group, window: Stretch) -> (Origin, String) {
    let window = in_seconds(window, ctx.segments.end());
    let origin = if group.calm { Origin::Spontaneous } else { ctx.segments.origin(window) };
    (origin, ctx.segments.place(window))
}

fn when(ctx: &Context<'_>, group: &Group, window: Stretch) -> String {
    let window = in_seconds(window, ctx.segments.end());
    if group.calm { ctx.segments.during_calm(window) } else { ctx.segments.during(window) }
}

/// A window of slices in seconds, which a run need not fill to the last one.
fn in_seconds(slices: Stretch, end: u64) -> Stretch {
    let from = slices.from.saturating_mul(USER_SLICE_SECS);
    let to = slices.to.saturating_mul(USER_SLICE_SECS);
    Stretch { from, to: if end > from { to.min(end) } else { to } }
}

fn hull(a: Stretch, b: Stretch) -> Stretch {
    Stretch { from: a.from.min(b.from), to: a.to.max(b.to) }
}

/// The windows of one stretch in the order in which they move forward.
fn places(group: &Group, stretch: Stretch, length: u64, events: &[u64]) -> Vec<Stretch> {
    let mut places = windows(stretch, length, events, false);
    // A longer window meets more users' bad moments, so a fault longer than the window gets none of its own.
    places.extend(group.own.iter().filter(|own| **own != stretch && own.length() <= length && own.meets(stretch)));
    places.sort_unstable();
    places.dedup();
    places
}

/// All rows by slice, with users numbered without gaps, and the number of users.
fn rows(ctx: &Context<'_>, limits: &Limits, baseline: &Baseline) -> (Vec<Row>, usize) {
    let slow_ms = limits.slow.get().as_secs_f64() * 1e3;
    let relative_from = ctx.segments.calm_until() / USER_SLICE_SECS;
    let mut numbers: HashMap<u32, usize> = HashMap::new();
    let mut rows: Vec<Row> = Vec::with_capacity(ctx.timeline.users.len());
    let affected = |slice: &UserSlice| {
        // The baseline's own time is not held against the baseline: it would only find its own tail.
        let relative = baseline.limits_ms.get(&slice.endpoint).filter(|_| u64::from(slice.slice) >= relative_from);
        let limit = relative.map_or(slow_ms, |relative| relative.min(slow_ms));
        slice.bad > 0 || f64::from(slice.slowest_ms) > limit
    };
    for slice in ctx.timeline.users.iter().filter(|slice| slice.steps > 0) {
        let next = numbers.len();
        let user = *numbers.entry(slice.user).or_insert(next);
        rows.push(Row { slice: u64::from(slice.slice), user, affected: affected(slice) });
    }
    rows.sort_by_key(|row| row.slice);
    (rows, numbers.len())
}

/// How fast endpoints were before the first fault.
struct Baseline {
    /// The time over which a step is slow against the baseline, in milliseconds.
    limits_ms: BTreeMap<EndpointId, f64>,
    notes: Vec<String>,
}

impl Baseline {
    fn of(ctx: &Context<'_>, limits: &Limits) -> Self {
        let mut baseline = Self { limits_ms: BTreeMap::new(), notes: Vec::new() };
        if !ctx.segments.ever_faulted() {
            return baseline;
        }
        let LoadPlan::Closed { ramp_up, .. } = ctx.plan.load;
        let (ramped, until) = (ramp_up.get().as_secs(), ctx.segments.calm_until());
        let mut missing = Vec::new();
        for id in ctx.endpoints.keys() {
            // Full load is the fairer comparison; a fault that comes early leaves only the ramp.
            let full = response(ctx, *id, ramped, until);
            let spectrum = if full.count() >= BASELINE_MIN { full } else { response(ctx, *id, 0, until) };
            match spectrum.quantile(P95) {
                Some(p95) if spectrum.count() >= BASELINE_MIN && limits.times_baseline.is_finite() => {
                    let relative = limits.times_baseline * p95 as f64 / 1e3;
                    let at_least = limits.slow_at_least.get().as_secs_f64() * 1e3;
                    baseline.limits_ms.insert(*id, relative.max(at_least));
                }
                _ => missing.push(ctx.endpoint(*id)),
            }
        }
        if !missing.is_empty() {
            baseline.notes.push(format!(
                "users: fewer than {BASELINE_MIN} responses of {} before the first fault, so only the limit of {} was \
                 used there",
                words::list(&missing),
                limits.slow
            ));
        }
        baseline
    }
}

fn response(ctx: &Context<'_>, id: EndpointId, from: u64, until: u64) -> Spectrum {
    Spectrum::merged(
        ctx.timeline
            .intervals
            .iter()
            .filter(|interval| interval.second >= from && interval.second < until)
            .flat_map(|interval| &interval.endpoints)
            .filter(|endpoint| endpoint.endpoint == id)
            .map(|endpoint| &endpoint.response),
    )
}

/// The users inside a window that moves forward; a step costs what enters and leaves.
struct Crowd<'r> {
    rows: &'r [Row],
    /// Per user: rows inside, and affected rows inside.
    counts: Vec<(u32, u32)>,
    present: u64,
    affected: u64,
    inside: std::ops::Range<usize>,
}

impl<'r> Crowd<'r> {
    fn new(rows: &'r [Row], users: usize) -> Self {
        Self { rows, counts: vec![(0, 0); users], present: 0, affected: 0, inside: 0..0 }
    }

    fn look(&mut self, window: Stretch, z: f64) -> Sight {
        let from = self.rows.partition_point(|row| row.slice < window.from);
        let to = self.rows.partition_point(|row| row.slice < window.to).max(from);
        if from < self.inside.start || to < self.inside.end || from >= self.inside.end {
            for index in self.inside.clone() {
                self.leave(index);
            }
            self.inside = from..from;
        }
        for index in self.inside.end..to {
            self.enter(index);
        }
        for index in self.inside.start..from {
            self.leave(index);
        }
        self.inside = from..to;
        let (hits, n) = (self.affected, self.present);
        let observed = if n == 0 { 0.0 } else { hits as f64 / n as f64 };
        let bounds = wilson(hits, n, z).unwrap_or(crate::stats::Bounds { low: 0.0, high: 1.0 });
        Sight { window, tally: Tally { n, ..Tally::default() }, hits, observed, bounds }
    }

    fn enter(&mut self, index: usize) {
        let row = self.rows[index];
        let count = &mut self.counts[row.user];
        self.present += u64::from(count.0 == 0);
        count.0 += 1;
        if row.affected {
            self.affected += u64::from(count.1 == 0);
            count.1 += 1;
        }
    }

    fn leave(&mut self, index: usize) {
        let row = self.rows[index];
        let count = &mut self.counts[row.user];
        count.0 -= 1;
        self.present -= u64::from(count.0 == 0);
        if row.affected {
            count.1 -= 1;
            self.affected -= u64::from(count.1 == 0);
        }
    }
}
