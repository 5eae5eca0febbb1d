//! [`scan`]: one series looked at through every window of a group of stretches.

use super::segments::{Group, Stretch};
use super::series::{Series, Tally};
use crate::stats::{Bounds, Looks, wilson};
use crate::units::Span;

/// "Completely broken" asks that even the upper end of the interval of success lies below this share. With the
/// limit itself (5 %) 59 failures in a row would prove nothing yet, and the playbook's ten tries could never do.
const BROKEN_AT_MOST: f64 = 0.5;

/// What to ask of a window.
#[derive(Clone, Copy, Debug)]
pub(super) enum Rule {
    /// The share of hits lies above the limit.
    Above(f64),
    /// The share of hits is next to nothing: observed below the limit, and certainly below a half.
    Broken(f64),
}

/// The answer for one window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Yes, and the interval is clear of the limit.
    Holds,
    /// The observed share is beyond the limit, but the interval is not.
    Straddles,
    /// No.
    Fine,
}

impl Rule {
    /// The limit.
    pub(super) const fn limit(self) -> f64 {
        match self {
            Self::Above(limit) | Self::Broken(limit) => limit,
        }
    }

    /// The answer for a counted share.
    pub(super) fn ask(self, observed: f64, bounds: Bounds) -> Answer {
        let (beyond, certain) = match self {
            Self::Above(limit) => (observed > limit, bounds.low > limit),
            Self::Broken(limit) => (observed < limit, bounds.high < limit.max(BROKEN_AT_MOST)),
        };
        match (beyond, certain) {
            (true, true) => Answer::Holds,
            (true, false) => Answer::Straddles,
            (false, _) => Answer::Fine,
        }
    }

    /// How bad a share is; higher is worse.
    pub(super) const fn risk(self, observed: f64) -> f64 {
        match self {
            Self::Above(_) => observed,
            Self::Broken(_) => -observed,
        }
    }

    /// How sure a breach is; higher is surer.
    const fn strength(self, bounds: Bounds) -> f64 {
        match self {
            Self::Above(_) => bounds.low,
            Self::Broken(_) => -bounds.high,
        }
    }

    /// Whether so few samples look bad enough to keep a "clear" from being said: beyond the limit, and not by one
    /// bad sample among good ones.
    fn suspects(self, hits: u64, n: u64) -> bool {
        if n == 0 {
            return false;
        }
        let observed = hits as f64 / n as f64;
        let (beyond, bad) = match self {
            Self::Above(limit) => (observed > limit, hits),
            Self::Broken(limit) => (observed < limit, n.saturating_sub(hits)),
        };
        beyond && (bad > 1 || bad == n)
    }
}

/// A question to a series.
#[derive(Clone, Copy)]
pub(super) struct Question {
    pub rule: Rule,
    /// What counts as a hit.
    pub hits: fn(&Tally) -> u64,
    /// What counts as bad, to find when it began.
    pub bad: fn(&Tally) -> u64,
    /// The window's length in seconds.
    pub length: u64,
    /// Samples that a window needs.
    pub min: u64,
    /// Standard errors of the interval.
    pub z: f64,
}

/// One window with what was in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sight {
    pub window: Stretch,
    pub tally: Tally,
    pub hits: u64,
    pub observed: f64,
    pub bounds: Bounds,
}

/// What one series showed in one group.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Scan {
    /// Windows with enough samples.
    pub windows: u64,
    /// Samples in the group.
    pub samples: u64,
    /// The most samples that any window had.
    pub most: u64,
    /// The surest breach.
    pub worst: Option<Sight>,
    /// When breaches began and ended.
    pub span: Option<Stretch>,
    /// The worst of those that are beyond the limit without certainty.
    pub straddling: Option<Sight>,
    /// The worst that was seen at all.
    pub closest: Option<Sight>,
    /// A stretch with too few samples for any window, all the same looking bad.
    pub thin: Option<Sight>,
    /// A breach that `qualifies` turned down.
    pub refused: Option<Sight>,
}

/// A criterion's window in whole seconds, one at least.
pub(super) fn seconds(window: Span) -> u64 {
    (window.get().as_secs_f64().round() as u64).max(1)
}

/// How often windows of this length are looked at in these groups; with `scales`, at longer windows as well.
pub(super) fn looks(groups: &[Group], length: u64, scales: bool) -> Looks {
    let mut looks = Looks::default();
    for group in groups {
        looks.fixed += group.own.len() as f64;
        for stretch in &group.stretches {
            looks.fixed += 1.0;
            for size in sizes(stretch.length(), length, scales) {
                looks.fixed += 1.0;
                looks.sliding += stretch.length() as f64 / size as f64 - 1.0;
            }
        }
    }
    looks
}

/// The window lengths that slide over a stretch: the criterion's own, and its doubles while they fit.
fn sizes(stretch: u64, length: u64, scales: bool) -> impl Iterator<Item = u64> {
    std::iter::successors(Some(length), move |size| if scales { size.checked_mul(2) } else { None })
        .take_while(move |size| *size < stretch)
}

/// The windows to look at in a stretch, by place.
///
/// Between two moments at which a sample enters or leaves, a sliding window holds the same samples; so windows
/// that begin or end right behind a second with samples (`events`, ascending) are all that differ.
pub(super) fn windows(stretch: Stretch, length: u64, events: &[u64], scales: bool) -> Vec<Stretch> {
    let mut windows = Vec::new();
    let start = events.partition_point(|second| *second < stretch.from);
    let end = events.partition_point(|second| *second < stretch.to);
    for size in sizes(stretch.length(), length, scales) {
        let latest = stretch.to.saturating_sub(size);
        let mut starts: Vec<u64> = Vec::with_capacity(2 * (end - start) + 1);
        for second in &events[start..end] {
            let behind = second.saturating_add(1);
            starts.push(behind.saturating_sub(size).clamp(stretch.from, latest));
            starts.push(behind.clamp(stretch.from, latest));
        }
        starts.sort_unstable();
        starts.dedup();
        windows.extend(starts.into_iter().map(|from| Stretch { from, to: from.saturating_add(size) }));
    }
    if scales || stretch.length() <= length {
        windows.push(stretch);
    }
    windows
}

/// Looks at `series` through every window of `group`. A breach counts where `qualifies` agrees.
pub(super) fn scan(series: &Series, group: &Group, question: &Question, qualifies: impl Fn(Stretch) -> bool) -> Scan {
    let mut scan = Scan::default();
    // First and last moments come from the shortest windows that show the breach: long ones blur them.
    let mut shortest = u64::MAX;
    for stretch in &group.stretches {
        let whole = series.sum(stretch.from, stretch.to);
        scan.samples = scan.samples.saturating_add(whole.n);
        let mut places = windows(*stretch, question.length, series.seconds(), true);
        places.extend(group.own.iter().filter(|own| *own != stretch && own.meets(*stretch)));
        for window in places {
            let tally = series.sum(window.from, window.to);
            if window.length() <= question.length {
                scan.most = scan.most.max(tally.n);
            }
            if tally.n < question.min.max(1) {
                continue;
            }
            scan.windows += 1;
            let Some(sight) = look(window, tally, question) else { continue };
            worse(&mut scan.closest, sight, |s| question.rule.risk(s.observed));
            match question.rule.ask(sight.observed, sight.bounds) {
                Answer::Fine => {}
                Answer::Straddles => worse(&mut scan.straddling, sight, |s| question.rule.strength(s.bounds)),
                Answer::Holds if !qualifies(window) => {
                    worse(&mut scan.refused, sight, |s| question.rule.strength(s.bounds));
                }
                Answer::Holds => {
                    worse(&mut scan.worst, sight, |s| question.rule.strength(s.bounds));
                    let reach = group.whole_fault(window);
                    if reach.length() < shortest {
                        shortest = reach.length();
                        scan.span = Some(reach);
                    } else if reach.length() == shortest
                        && let Some(span) = &mut scan.span
                    {
                        *span = Stretch { from: span.from.min(reach.from), to: span.to.max(reach.to) };
                    }
                }
            }
        }
        // Too few samples for any window, or for a fault's own time: nothing bad is to pass for "clear" by that.
        let own = group.own.iter().filter(|own| own.meets(*stretch) && group.telling(**own, question.length));
        let own = own.filter(|own| series.sum(own.from, own.to).n * 2 >= question.min);
        for place in std::iter::once(stretch).chain(own) {
            let tally = series.sum(place.from, place.to);
            if tally.n < question.min.max(1) && question.rule.suspects((question.hits)(&tally), tally.n) {
                scan.thin = scan.thin.or(look(*place, tally, question));
            }
        }
    }
    if let Some(span) = scan.span
        && let Some((first, last)) = series.ends_of(span.from, span.to, question.bad)
    {
        scan.span = Some(Stretch { from: first, to: last.saturating_add(1) });
    }
    scan
}

fn look(window: Stretch, tally: Tally, question: &Question) -> Option<Sight> {
    let hits = (question.hits)(&tally);
    let bounds = wilson(hits, tally.n, question.z)?;
    Some(Sight { window, tally, hits, observed: hits as f64 / tally.n as f64, bounds })
}

/// Keeps the worse of the two; of equals the one with more samples, then the earlier one.
fn worse(kept: &mut Option<Sight>, sight: Sight, badness: impl Fn(&Sight) -> f64) {
    let better = kept.as_ref().is_none_or(|k| {
        let (old, new) = (badness(k), badness(&sight));
        new > old || (new == old && sight.tally.n > k.tally.n)
    });
    if better {
        *kept = Some(sight);
    }
}
