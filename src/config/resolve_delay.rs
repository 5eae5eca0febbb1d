//! A delay as typed → [`Delay`].

use super::collector::Collector;
use super::delay_file::DelayFile;
use super::value::Quantity;
use crate::model::fault::{Delay, DelayShape, Quantile};
use crate::stats::normal_quantile;
use crate::units::{Share, Span};
use std::io::Read as _;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;
use toml::Spanned;

/// Shapes that a mean and a jitter can have.
const SHAPES: [&str; 6] = ["constant", "uniform", "normal", "lognormal", "pareto", "empirical"];
/// A file of a million delays is far below this.
const MAX_SAMPLES: u64 = 64 << 20;
/// What is kept of a file of samples: every tenth of a percent.
const KEPT: usize = 1_001;
/// The longest delay: what a run can wait for, and small enough for exact arithmetic.
const LONGEST: Duration = Duration::from_secs(86_400);
/// The largest correlation of draws.
const MOST_CORRELATED: f64 = 0.99;

/// What a delay of a fault holds back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Held {
    /// The whole answer.
    Headers,
    /// The body, once the headers are out.
    Body,
    /// Each event of a stream.
    Chunks,
}

/// A delay of a fault, which also says what it holds back.
pub(super) fn fault_delay(out: &mut Collector, file: &DelayFile, span: Range<usize>) -> (Delay, Held) {
    let held = match file.at.as_ref().map(|at| (at, at.get_ref().as_str())) {
        None | Some((_, "headers")) => Held::Headers,
        Some((_, "body")) => Held::Body,
        Some((_, "chunks")) => Held::Chunks,
        Some((at, typed)) => {
            out.unknown(at.span(), "place", typed, ["headers", "body", "chunks"]);
            Held::Headers
        }
    };
    (any_delay(out, file, span), held)
}

/// A delay, as upstreams have it. `span` is where it stands.
pub(super) fn delay(out: &mut Collector, file: &DelayFile, span: Range<usize>) -> Delay {
    if let Some(at) = &file.at {
        out.error(at.span(), "`at` belongs to `inject.latency` of a fault")
            .help("an upstream's own latency comes before its headers; leave `at` away");
    }
    any_delay(out, file, span)
}

fn any_delay(out: &mut Collector, file: &DelayFile, span: Range<usize>) -> Delay {
    let delay = independent(out, file, span);
    let Some(written) = &file.correlation else { return delay };
    let correlation: Share = out.quantity(written, Share::NONE);
    if correlation.fraction() > MOST_CORRELATED {
        out.error(written.span(), "draws that depend on each other wholly never change")
            .help("write a correlation of 99% at most");
    } else if delay.shape == DelayShape::Constant && correlation.fraction() > 0.0 {
        out.error(written.span(), "a delay that never varies has no correlation")
            .help("give it a `jitter`, or leave `correlation` away");
    }
    Delay { correlation, ..delay }
}

fn independent(out: &mut Collector, file: &DelayFile, span: Range<usize>) -> Delay {
    if let Some(always) = &file.always {
        let always: Span = out.quantity(&Spanned::new(span, always.clone()), Span::default());
        return Delay::constant(always.get());
    }
    let quantiles = file.quantiles();
    let ways = [
        file.mean.as_ref().map(|mean| ("mean", mean.span())),
        quantiles.first().map(|(_, name, written)| (*name, written.span())),
        file.samples.as_ref().map(|samples| ("samples", samples.span())),
    ];
    let mut given = ways.into_iter().flatten();
    let (first, second) = (given.next(), given.next());
    if let (Some((first, _)), Some((second, at))) = (&first, second) {
        out.error(at, format!("`{second}` and `{first}` both say how long the delay is"))
            .help("give a `mean` (with `jitter`), or quantiles (`p50` and `p95`), or a file of `samples`");
        return Delay::NONE;
    }
    if let (None, Some(unit)) = (&file.samples, &file.unit) {
        out.error(unit.span(), "`unit` belongs to `samples`").help("write the unit behind the number, such as \"4s\"");
    }
    if let (None, Some(jitter)) = (&file.mean, &file.jitter)
        && first.is_some()
    {
        out.error(jitter.span(), "`jitter` belongs to `mean`")
            .help("quantiles and samples say by themselves how far delays spread");
    }
    match (&file.mean, &file.samples) {
        (Some(mean), _) => by_mean(out, file, mean),
        (None, Some(samples)) => {
            only(out, file, &["empirical"], "samples");
            by_samples(out, samples, file.unit.as_ref())
        }
        (None, None) if !quantiles.is_empty() => by_quantiles(out, file, &quantiles),
        (None, None) => {
            out.error(span, "a delay needs a `mean`")
                .help("such as mean = \"600ms\"; or quantiles, such as p50 = \"500ms\", p95 = \"1.2s\"");
            Delay::NONE
        }
    }
}

fn by_mean(out: &mut Collector, file: &DelayFile, written: &Spanned<Quantity>) -> Delay {
    let mean: Span = out.quantity(written, Span::default());
    let jitter: Span = out.quantity_or(file.jitter.as_ref(), Span::default());
    let default = if jitter.get().is_zero() { DelayShape::Constant } else { DelayShape::Lognormal };
    let shape = match file.shape.as_ref().map(|shape| (shape, shape.get_ref().as_str())) {
        None => default,
        Some((_, "constant")) => DelayShape::Constant,
        Some((_, "uniform")) => DelayShape::Uniform,
        Some((_, "normal")) => DelayShape::Normal,
        Some((_, "lognormal")) => DelayShape::Lognormal,
        Some((_, "pareto")) => DelayShape::Pareto,
        Some((shape, "empirical")) => {
            out.error(shape.span(), "an empirical delay has no mean of its own")
                .help("give quantiles (min, p10 … p99, max) or a file of `samples` instead of `mean`");
            default
        }
        Some((shape, typed)) => {
            out.unknown(shape.span(), "shape", typed, SHAPES);
            default
        }
    };
    if let (DelayShape::Constant, Some(jitter_at), false) = (&shape, &file.jitter, jitter.get().is_zero()) {
        out.error(jitter_at.span(), "a constant delay has no jitter")
            .help("choose another shape, or leave `jitter` away");
    }
    if matches!(shape, DelayShape::Lognormal | DelayShape::Pareto) && mean.get().is_zero() {
        let name = if shape == DelayShape::Pareto { "pareto" } else { "lognormal" };
        out.error(written.span(), format!("a {name} delay cannot have a mean of zero"))
            .help("write a mean above zero, or another shape: constant, uniform or normal");
    }
    Delay { mean, jitter, shape, correlation: Share::NONE }
}

/// Reports a shape that does not go with the way in which the delay is given; `None` where none is given.
fn only<'a>(out: &mut Collector, file: &'a DelayFile, valid: &[&str], way: &str) -> Option<&'a str> {
    let shape = file.shape.as_ref()?;
    let typed = shape.get_ref().as_str();
    if valid.contains(&typed) {
        return Some(typed);
    }
    if SHAPES.contains(&typed) {
        out.error(shape.span(), format!("`{way}` cannot make a {typed} delay"))
            .help(format!("leave `shape` away, or write {}", valid.join(" or ")));
    } else {
        out.unknown(shape.span(), "shape", typed, SHAPES);
    }
    None
}

fn by_quantiles(out: &mut Collector, file: &DelayFile, written: &[(f64, &'static str, &Spanned<Quantity>)]) -> Delay {
    let mut known: Vec<Quantile> = Vec::new();
    for (share, name, written) in written {
        let delay: Span = out.quantity(written, Span::default());
        if let Some(before) = known.last()
            && delay < before.delay
        {
            out.error(written.span(), format!("`{name}` is less than the quantile before it, {}", before.delay))
                .help("quantiles rise: p50 is at most p95");
            return Delay::NONE;
        }
        known.push(Quantile { share: *share, delay });
    }
    let shape = only(out, file, &["lognormal", "empirical"], "quantiles");
    let two = match known.as_slice() {
        [median, above] if median.share == 0.5 && above.share < 1.0 => Some((*median, *above)),
        _ => None,
    };
    match (two, shape) {
        (Some((median, above)), None | Some("lognormal")) => {
            if median.delay.get().is_zero() {
                out.error(written[0].2.span(), "a lognormal delay cannot have a median of zero")
                    .help("write a `p50` above zero, or shape = \"empirical\"");
                return Delay::NONE;
            }
            lognormal(median.delay, above)
        }
        (None, Some("lognormal")) => {
            out.error(written[0].2.span(), "a lognormal delay is made from `p50` and one quantile above it")
                .help("such as p50 = \"500ms\", p95 = \"1.2s\"; for more quantiles, shape = \"empirical\"");
            Delay::NONE
        }
        (None, None) if known.len() == 1 => {
            out.error(written[0].2.span(), "one quantile makes no distribution")
                .help("give another, such as p95; for a delay that never varies, `mean`");
            Delay::NONE
        }
        _ => empirical(known),
    }
}

/// Seconds as a span, to the microsecond, as spans are written: a plan read back is the same plan.
pub(super) fn span(secs: f64) -> Span {
    Span(Duration::from_micros((secs * 1e6).round() as u64).min(LONGEST))
}

/// The log-normal distribution with this median and this quantile above it.
fn lognormal(median: Span, above: Quantile) -> Delay {
    let median = median.get().as_secs_f64();
    let scale = (above.delay.get().as_secs_f64() / median).ln() / normal_quantile(above.share);
    let mean = median * (scale * scale / 2.0).exp();
    let jitter = mean * (scale * scale).exp_m1().sqrt();
    let shape = if jitter == 0.0 { DelayShape::Constant } else { DelayShape::Lognormal };
    Delay { mean: span(mean), jitter: span(jitter), shape, correlation: Share::NONE }
}

/// An observed distribution, with its mean and standard deviation (linear between quantiles, flat beyond them).
fn empirical(quantiles: Vec<Quantile>) -> Delay {
    let at = |quantile: &Quantile| (quantile.share, quantile.delay.get().as_secs_f64());
    let (mut mean, mut square) = (0.0, 0.0);
    let mut add = |weight: f64, a: f64, b: f64| {
        mean += weight * (a + b) / 2.0;
        square += weight * (a * a + a * b + b * b) / 3.0;
    };
    for pair in quantiles.windows(2) {
        let ((from, a), (to, b)) = (at(&pair[0]), at(&pair[1]));
        add(to - from, a, b);
    }
    if let (Some((from, a)), Some((to, b))) = (quantiles.first().map(at), quantiles.last().map(at)) {
        add(from, a, a);
        add(1.0 - to, b, b);
    }
    let jitter = (square - mean * mean).max(0.0).sqrt();
    Delay { mean: span(mean), jitter: span(jitter), shape: DelayShape::Empirical(quantiles), correlation: Share::NONE }
}

fn by_samples(out: &mut Collector, written: &Spanned<String>, unit: Option<&Spanned<String>>) -> Delay {
    let scale = unit.and_then(|unit| match unit.get_ref().as_str() {
        "us" => Some(1e-6),
        "ms" => Some(1e-3),
        "s" => Some(1.0),
        typed => {
            out.unknown(unit.span(), "unit", typed, ["us", "ms", "s"]);
            None
        }
    });
    if unit.is_some() && scale.is_none() {
        return Delay::NONE;
    }
    let folder = Path::new(out.source().name()).parent().map(Path::to_owned);
    let beside = folder.map(|folder| folder.join(written.get_ref())).filter(|path| path.is_file());
    let path = beside.unwrap_or_else(|| written.get_ref().into());
    let mut text = String::new();
    let read = std::fs::File::open(&path).and_then(|file| file.take(MAX_SAMPLES + 1).read_to_string(&mut text));
    let wrong = match read {
        Err(error) => format!("cannot read `{}`: {error}", written.get_ref()),
        Ok(length) if length as u64 > MAX_SAMPLES => format!("`{}` is larger than 64 MiB", written.get_ref()),
        Ok(_) => match samples(&text, scale) {
            Ok(samples) if samples.len() < 2 => format!("`{}` has fewer than two delays", written.get_ref()),
            Ok(samples) => return empirical(thinned(samples)),
            Err((line, why)) => format!("`{}`, line {line}: {why}", written.get_ref()),
        },
    };
    out.error(written.span(), wrong)
        .help("a file of samples has one delay a line, such as 420ms, or bare numbers with unit = \"ms\" beside it")
        .help("its path counts from the folder of this file, or from the working folder");
    Delay::NONE
}

/// The delays of a file, sorted; or the line that is none.
fn samples(text: &str, scale: Option<f64>) -> Result<Vec<Duration>, (usize, String)> {
    let mut all = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let parsed = match (line.parse::<f64>(), scale) {
            (Ok(number), Some(scale)) => Duration::try_from_secs_f64(number * scale).map_err(|error| error.to_string()),
            (Ok(_), None) => Err(format!("`{line}` has no unit")),
            (Err(_), _) => line.parse::<Span>().map(Span::get).map_err(|error| {
                let error = error.to_string();
                error.split_once("; ").map_or(error.clone(), |(what, _)| what.to_owned())
            }),
        };
        match parsed {
            Ok(delay) if delay <= LONGEST => all.push(delay),
            Ok(_) => return Err((index + 1, format!("`{line}` is longer than a day"))),
            Err(why) => return Err((index + 1, why)),
        }
    }
    all.sort_unstable();
    Ok(all)
}

/// Evenly spaced quantiles of sorted samples (Hyndman and Fan's type 7): as many as there are samples, at most
/// [`KEPT`].
fn thinned(samples: Vec<Duration>) -> Vec<Quantile> {
    let kept = samples.len().min(KEPT);
    let last = (samples.len() - 1) as f64;
    (0..kept)
        .map(|index| {
            let share = index as f64 / (kept - 1) as f64;
            let rank = share * last;
            let (below, part) = (rank.floor() as usize, rank.fract());
            let low = samples[below.min(samples.len() - 1)];
            let high = samples[(below + 1).min(samples.len() - 1)];
            Quantile { share, delay: span((low + high.saturating_sub(low).mul_f64(part)).as_secs_f64()) }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn two_quantiles_make_the_lognormal_through_both() {
        let median = Span(Duration::from_millis(679));
        let above = Quantile { share: 0.95, delay: Span(Duration::from_millis(2_220)) };
        let delay = lognormal(median, above);
        let relative: f64 = delay.jitter.get().as_secs_f64() / delay.mean.get().as_secs_f64();
        let variance = (relative * relative).ln_1p();
        let median = delay.mean.get().as_secs_f64() * (-variance / 2.0).exp();
        let p95 = median * (variance.sqrt() * 1.644_853_627).exp();
        assert!((median - 0.679).abs() < 1e-3 && (p95 - 2.22).abs() < 1e-3, "median {median}, p95 {p95}");
    }

    #[test]
    fn samples_have_units_comments_and_places() {
        let ms = |ms| Duration::from_millis(ms);
        assert_eq!(samples("# ttft\n420ms\n\n1.5s # slow\n", None).unwrap(), [ms(420), ms(1_500)]);
        assert_eq!(samples("20\n10.5", Some(1e-3)).unwrap(), [Duration::from_micros(10_500), ms(20)]);
        assert_eq!(samples("420ms\n12", None).unwrap_err(), (2, "`12` has no unit".to_owned()));
        assert_eq!(samples("-1", Some(1.0)).unwrap_err().0, 1);
        assert_eq!(samples("inf", Some(1.0)).unwrap_err().0, 1);
        assert_eq!(samples("nan", Some(1.0)).unwrap_err().0, 1);
    }

    #[test]
    fn many_samples_are_thinned_to_quantiles_that_say_the_same() {
        let samples: Vec<Duration> = (0..=100_000).map(Duration::from_micros).collect();
        let kept = thinned(samples);
        assert_eq!(kept.len(), KEPT);
        assert!(
            kept.iter().all(|quantile| { (quantile.delay.get().as_secs_f64() - quantile.share * 0.1).abs() < 2e-6 })
        );
        let delay = empirical(kept);
        assert!((delay.mean.get().as_secs_f64() - 0.05).abs() < 1e-5);
        assert!((delay.jitter.get().as_secs_f64() - 0.1 / 12.0_f64.sqrt()).abs() < 1e-5);
    }

    proptest! {
        #[test]
        fn no_file_of_samples_makes_it_panic(text in "[\\PC\n]{0,80}", scale in proptest::option::of(1e-6..1e3_f64)) {
            if let Ok(samples) = samples(&text, scale) && samples.len() > 1 {
                let _ = empirical(thinned(samples));
            }
        }
    }
}
