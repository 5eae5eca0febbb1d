//! [`back_off`]: how long clients wait before they try again.

use crate::model::calls::{Layer, RetryGaps, UpstreamCalls};
use crate::model::resilience::{BackOff, BackOffShape, Pause, Seen};
use crate::stats::quantile_ranks;
use crate::units::Span;
use std::time::Duration;

/// Fewer pauses say nothing of their median: with six, the least and the most enclose it at 95 %.
const FEWEST: usize = 6;
/// Fewer say nothing of chance in them.
const FEWEST_FOR_JITTER: usize = 20;
/// A client that does not wait takes this long at most to try again, microseconds.
const AT_ONCE: u64 = 30_000;
/// What a machine's own unevenness adds to a pause, microseconds.
const UNEVEN: f64 = 20_000.0;
/// What every try takes besides its pause weighs more on the short ones: factors this near each other are the same.
const SAME: f64 = 1.15;

/// What is known of the pauses.
pub(super) fn back_off(calls: &UpstreamCalls) -> Seen<Vec<BackOff>> {
    let all: u64 = calls.gaps.iter().map(|gaps| gaps.gaps.count).sum();
    let known: Vec<BackOff> =
        [Layer::Client, Layer::Above].into_iter().filter_map(|layer| of_layer(&calls.gaps, layer)).collect();
    if known.is_empty() {
        return Seen::TooFew(match all {
            0 => "no pause before a retry was seen".to_owned(),
            n => format!("{n} pauses before retries are too few; {FEWEST} before the same retry are needed"),
        });
    }
    Seen::Seen(known)
}

/// The pauses before one retry, in order.
struct Level {
    pause: Pause,
    sorted: Vec<u64>,
}

fn of_layer(gaps: &[RetryGaps], layer: Layer) -> Option<BackOff> {
    let mut levels: Vec<Level> = gaps.iter().filter(|gaps| gaps.layer == layer).filter_map(level).collect();
    levels.sort_by_key(|level| level.pause.retry);
    // Only pauses that follow each other can be compared.
    let follow = levels.windows(2).take_while(|pair| pair[1].pause.retry == pair[0].pause.retry + 1).count() + 1;
    levels.truncate(follow);
    levels.first()?;
    let shape = shape(&levels);
    let jitter = if shape == BackOffShape::None { None } else { jitter(&levels) };
    Some(BackOff { layer, shape, jitter, pauses: levels.into_iter().map(|level| level.pause).collect() })
}

fn level(gaps: &RetryGaps) -> Option<Level> {
    let mut sorted = gaps.gaps.micros.clone();
    sorted.sort_unstable();
    if sorted.len() < FEWEST {
        return None;
    }
    let ranks = quantile_ranks(sorted.len() as u64, 0.5, 0.05);
    let at = |rank: Option<u64>| {
        let rank = usize::try_from(rank?).ok()?.checked_sub(1)?;
        sorted.get(rank).copied().map(span)
    };
    let (low, high) = (at(ranks.low)?, at(ranks.high)?);
    let median = span(quantile(&sorted, 0.5));
    Some(Level { pause: Pause { retry: gaps.number, count: gaps.gaps.count, median, low, high }, sorted })
}

fn shape(levels: &[Level]) -> BackOffShape {
    if levels.iter().all(|level| micros(level.pause.high) < AT_ONCE) {
        return BackOffShape::None;
    }
    // By how much each pause is longer than the one before: between these, at 95 %.
    let ratios: Vec<(f64, f64)> = levels
        .windows(2)
        .map(|pair| {
            let ratio = |a: Span, b: Span| micros(a).max(1) as f64 / micros(b).max(1) as f64;
            (ratio(pair[1].pause.low, pair[0].pause.high), ratio(pair[1].pause.high, pair[0].pause.low))
        })
        .collect();
    let Some((first, later)) = ratios.split_first() else { return BackOffShape::OnePause };
    let grows = |ratio: &(f64, f64)| ratio.0 >= 1.15;
    let stays = |ratio: &(f64, f64)| ratio.0 >= 0.8 && ratio.1 <= 1.25;
    let shrinks = |ratio: &(f64, f64)| ratio.1 <= 0.87;
    if ratios.iter().all(stays) {
        return BackOffShape::Fixed;
    }
    if ratios.iter().any(shrinks) {
        return BackOffShape::Irregular;
    }
    if !grows(first) {
        let late = later.iter().any(grows);
        return if late && stays(first) { BackOffShape::Irregular } else { BackOffShape::Unclear };
    }
    // Growth may end at a longest pause, and does not begin again.
    let (growing, rest) = later.split_at(later.iter().take_while(|ratio| grows(ratio)).count());
    if rest.iter().any(grows) {
        return BackOffShape::Irregular;
    }
    let overlap = |a: &(f64, f64), b: &(f64, f64)| a.0 <= b.1 * SAME && b.0 <= a.1 * SAME;
    match growing {
        [] => BackOffShape::Growing,
        steps if steps.iter().all(|step| overlap(step, first) && step.0 >= 1.3) => BackOffShape::Exponential,
        // 1, 2, 3: by 2, then by 1.5.
        steps if steps.iter().all(|step| step.1 < first.0) => BackOffShape::Linear,
        _ => BackOffShape::Growing,
    }
}

/// Whether chance is in the pauses. A busy machine makes pauses uneven, too, but only longer: that leaves a long tail
/// above the median and a short one below it.
fn jitter(levels: &[Level]) -> Option<bool> {
    let told: Vec<Option<bool>> = levels
        .iter()
        .filter(|level| level.sorted.len() >= FEWEST_FOR_JITTER)
        .map(|level| {
            let at = |share: f64| quantile(&level.sorted, share) as f64;
            let (low, median, high) = (at(0.1), at(0.5), at(0.9));
            let spread = high - low;
            if spread < UNEVEN || spread < 0.05 * median {
                return Some(false);
            }
            let is_even = median - low >= 0.5 * (high - median);
            (spread >= 0.12 * median && is_even).then_some(true)
        })
        .collect();
    // Where pauses differ in this, nothing is said.
    let first = (*told.first()?)?;
    told.iter().all(|told| *told == Some(first)).then_some(first)
}

/// The value below which this share lies.
pub(super) fn quantile(sorted: &[u64], share: f64) -> u64 {
    let last = sorted.len().saturating_sub(1);
    let place = (share * last as f64).round() as usize;
    sorted.get(place.min(last)).copied().unwrap_or(0)
}

fn micros(span: Span) -> u64 {
    u64::try_from(span.get().as_micros()).unwrap_or(u64::MAX)
}

pub(super) fn span(micros: u64) -> Span {
    Span(Duration::from_micros(micros))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::calls::Ages;
    use crate::units::{Offset, Seed};
    use rstest::rstest;

    /// Pauses before retries 1, 2, …: `pause(retry, chance)` with a chance from 0 to 1, in milliseconds.
    fn seen(retries: u32, count: u64, pause: impl Fn(u32, f64) -> f64) -> Seen<Vec<BackOff>> {
        let gaps = (1..=retries)
            .map(|number| {
                let mut gaps = Ages::default();
                for n in 0..count {
                    let chance = Seed(5).unit(&[u64::from(number), n]);
                    // What the machine adds: a millisecond or two, seldom more.
                    let noise = -2.0 * Seed(6).unit(&[u64::from(number), n]).ln();
                    gaps.add(span(((pause(number, chance) + noise) * 1000.0) as u64), Offset::ZERO);
                }
                RetryGaps { layer: Layer::Client, number, gaps }
            })
            .collect();
        back_off(&UpstreamCalls { gaps, ..UpstreamCalls::default() })
    }

    fn told(seen: Seen<Vec<BackOff>>) -> (BackOffShape, Option<bool>) {
        let Seen::Seen(all) = seen else { panic!("{seen:?}") };
        assert_eq!(all.len(), 1);
        (all[0].shape, all[0].jitter)
    }

    #[rstest]
    #[case::at_once(3, |_, _| 1.0, BackOffShape::None, None)]
    #[case::fixed(3, |_, _| 500.0, BackOffShape::Fixed, Some(false))]
    #[case::fixed_with_chance(3, |_, c: f64| 300.0 + 400.0 * c, BackOffShape::Fixed, Some(true))]
    #[case::doubling(4, |n, _| 100.0 * f64::from(1 << n), BackOffShape::Exponential, Some(false))]
    #[case::doubling_besides_work(3, |n, _| 75.0 * f64::from(1 << n) + 12.0, BackOffShape::Exponential, Some(false))]
    #[case::openai(2, |n, c: f64| 500.0 * f64::from(1 << (n - 1)) * (1.0 - 0.25 * c), BackOffShape::Growing, Some(true))]
    #[case::openai_many(6, |n, c: f64| (500.0 * f64::from(1 << (n - 1))).min(8000.0) * (1.0 - 0.25 * c), BackOffShape::Exponential, Some(true))]
    #[case::full_jitter(4, |n, c: f64| 200.0 * f64::from(1 << n) * c, BackOffShape::Exponential, Some(true))]
    #[case::linear(4, |n, _| 300.0 * f64::from(n), BackOffShape::Linear, Some(false))]
    #[case::one(1, |_, _| 500.0, BackOffShape::OnePause, Some(false))]
    #[case::up_and_down(4, |n, _| if n % 2 == 0 { 900.0 } else { 300.0 }, BackOffShape::Irregular, Some(false))]
    fn shapes_are_told(
        #[case] retries: u32,
        #[case] pause: impl Fn(u32, f64) -> f64,
        #[case] shape: BackOffShape,
        #[case] jitter: Option<bool>,
    ) {
        assert_eq!(told(seen(retries, 200, pause)), (shape, jitter));
    }

    #[test]
    fn pauses_that_vary_more_than_they_are_many_stay_unclear() {
        let shape = |n| told(seen(3, n, |_, chance| 60.0 + 500.0 * chance)).0;
        assert!(matches!(shape(12), BackOffShape::Unclear | BackOffShape::Fixed), "{:?}", shape(12));
        assert_eq!(shape(400), BackOffShape::Fixed);
    }

    #[test]
    fn a_busy_machine_is_no_jitter() {
        // A fixed pause on a machine that makes half of them late by a tenth, and some by much more.
        let busy = |_: u32, chance: f64| 500.0 - 80.0 * (1.0 - chance).ln();
        let (shape, jitter) = told(seen(3, 200, busy));
        assert_eq!((shape, jitter), (BackOffShape::Fixed, None));
    }

    #[test]
    fn few_pauses_say_nothing_and_some_say_no_more_than_they_can() {
        assert!(matches!(seen(3, 5, |_, _| 500.0), Seen::TooFew(why) if why.starts_with("15 pauses")));
        assert!(matches!(back_off(&UpstreamCalls::default()), Seen::TooFew(_)));
        // Chance needs more.
        assert_eq!(told(seen(3, 10, |_, _| 500.0)), (BackOffShape::Fixed, None));
    }

    #[test]
    fn layers_are_kept_apart_and_retries_without_the_one_before_are_left_out() {
        let ages = |millis: u64| {
            let mut ages = Ages::default();
            (0..10).for_each(|_| ages.add(span(millis * 1000), Offset::ZERO));
            ages
        };
        let gaps = vec![
            RetryGaps { layer: Layer::Client, number: 1, gaps: ages(500) },
            RetryGaps { layer: Layer::Client, number: 3, gaps: ages(100) },
            RetryGaps { layer: Layer::Above, number: 1, gaps: ages(5000) },
        ];
        let Seen::Seen(told) = back_off(&UpstreamCalls { gaps, ..UpstreamCalls::default() }) else { panic!("nothing") };
        let pauses: Vec<_> = told.iter().map(|told| (told.layer, told.pauses.len(), told.shape)).collect();
        assert_eq!(pauses, [(Layer::Client, 1, BackOffShape::OnePause), (Layer::Above, 1, BackOffShape::OnePause)]);
        let Pause { count, median, low, high, .. } = told[1].pauses[0];
        assert_eq!((count, median, low, high), (10, Span::from_secs(5), Span::from_secs(5), Span::from_secs(5)));
    }
}
