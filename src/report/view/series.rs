//! The timeline resampled for charts: seconds merged into buckets, never percentiles averaged.

use crate::model::fault::FaultWindow;
use crate::model::interval::Spectrum;
use crate::model::reading::{HealthState, Reading};
use crate::model::run_record::RunRecord;
use crate::model::sample::Class;
use crate::units::Offset;

/// The most points that a line on a wide chart has.
pub const WIDE: usize = 180;
/// The most points that a line on a narrow chart has.
pub const NARROW: usize = 90;
/// The most rows that a chart's data table has, but for one that rounding may add.
pub const TABLE: usize = 59;

/// Steps that read well on a clock, in seconds.
const NICE: [u64; 18] = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400];
/// Answers that a bucket should hold on average before a percentile of it means anything.
const ANSWERS: f64 = 30.0;
/// Buckets that even a short run keeps, so that it has a shape.
const FEWEST: f64 = 20.0;
/// A record claims its own length; no real run is longer than this many seconds (ten years).
const LONGEST: f64 = 315_360_000.0;

/// Some seconds of the run, merged.
#[derive(Clone, Debug, Default)]
pub struct Bucket {
    /// Its beginning, seconds.
    pub from: f64,
    /// Its end, seconds; the last one ends with the run.
    pub until: f64,
    /// The most virtual users alive in any of its seconds; `None` where nothing was recorded.
    pub users: Option<u32>,
    /// Steps begun.
    pub started: u64,
    /// Steps that ended, by [`Class`]: ok, degraded, masked, failed.
    pub classes: [u64; 4],
    /// Response times of all steps that ended with an answer or a failure.
    pub response: Spectrum,
    /// Highest resident memory, bytes.
    pub rss: Option<u64>,
    /// Highest use of the memory group, bytes.
    pub group: Option<u64>,
    /// Calls and faulted calls, per upstream of the plan.
    pub upstreams: Vec<(u64, u64)>,
    /// Health checks: up, degraded, down.
    pub health: [u64; 3],
}

impl Bucket {
    /// Its middle, seconds.
    pub fn mid(&self) -> f64 {
        f64::midpoint(self.from, self.until)
    }

    /// `n` per second of this bucket.
    pub fn rate(&self, n: u64) -> f64 {
        n as f64 / (self.until - self.from).max(0.05)
    }

    /// Steps that ended in it.
    pub fn ended(&self) -> u64 {
        self.classes.iter().sum()
    }
}

/// The run's series at the resolution of a wide chart.
#[derive(Clone, Debug)]
pub struct Series {
    /// The run's length in seconds, at least one.
    pub secs: f64,
    /// Seconds per bucket.
    pub step: u64,
    /// The buckets, without gaps, from the start to the end of the run.
    pub buckets: Vec<Bucket>,
}

/// The index of a class in [`Bucket::classes`].
pub const fn class_index(class: Class) -> usize {
    match class {
        Class::Ok => 0,
        Class::Degraded => 1,
        Class::Masked => 2,
        Class::Failed => 3,
    }
}

/// The run's length in seconds: until its end or the last thing seen, at least one.
pub fn run_secs(record: &RunRecord) -> f64 {
    let last = record.timeline.intervals.last().map_or(0.0, |i| i.second as f64);
    record.ended.as_secs_f64().max(last).clamp(1.0, LONGEST)
}

/// The smallest step that reads well, is a multiple of `of` and needs at most `points` for `secs`.
fn step_for(secs: f64, points: usize, of: u64) -> u64 {
    let fits = |step: u64| (secs / step as f64).round() as usize <= points;
    NICE.into_iter().find(|step| step % of == 0 && fits(*step)).unwrap_or_else(|| {
        let mut step = of.max(86_400);
        while !fits(step) {
            step *= 2;
        }
        step
    })
}

impl Series {
    /// The series of a record.
    pub fn of(record: &RunRecord) -> Self {
        let secs = run_secs(record);
        let step = step_for(secs, WIDE, 1);
        Self { secs, step, buckets: fill(record, secs, step) }
    }

    /// The same series for percentiles: coarser where answers are few, because a percentile of a handful is noise.
    /// Counts keep the finer one, so that nothing seems to go wrong before its cause.
    pub fn steadier(&self) -> Self {
        let answers = self.buckets.iter().map(Bucket::ended).sum::<u64>() as f64;
        let fit = |step: &u64| *step == self.step || self.secs / *step as f64 >= FEWEST;
        let mut steps = NICE.into_iter().filter(|step| *step >= self.step && step % self.step == 0).take_while(fit);
        let full = steps.clone().find(|step| answers * *step as f64 / self.secs >= ANSWERS);
        self.merged(full.or_else(|| steps.by_ref().last()).unwrap_or(self.step))
    }

    /// The same series with at most `points` buckets, merged from this one's.
    pub fn coarser(&self, points: usize) -> Self {
        self.merged(step_for(self.secs, points, self.step))
    }

    /// The same series in buckets of `step` seconds, a multiple of this one's step.
    fn merged(&self, step: u64) -> Self {
        let factor = (step / self.step).max(1) as usize;
        Self { secs: self.secs, step, buckets: self.buckets.chunks(factor).map(merge).collect() }
    }
}

/// Spreads the record over buckets of `step` seconds.
fn fill(record: &RunRecord, secs: f64, step: u64) -> Vec<Bucket> {
    let timeline = &record.timeline;
    // A last bucket of less than half a step would show rates of next to nothing: it joins the one before.
    let n = ((secs / step as f64).round() as usize).max(1);
    let mut buckets: Vec<Bucket> = (0..n)
        .map(|i| Bucket {
            from: (i as u64 * step) as f64,
            until: if i + 1 == n { secs } else { ((i as u64 + 1) * step) as f64 },
            upstreams: vec![(0, 0); record.header.plan.upstreams.len()],
            ..Bucket::default()
        })
        .collect();
    // What was recorded in the moment after the end still belongs to the run: it goes to the last bucket.
    let place = |second: u64| usize::try_from(second / step).unwrap_or(usize::MAX).min(n - 1);
    let mut spectra: Vec<Vec<&Spectrum>> = vec![Vec::new(); n];
    for interval in &timeline.intervals {
        let i = place(interval.second);
        let bucket = &mut buckets[i];
        bucket.users = bucket.users.max(Some(interval.users));
        bucket.started += interval.started;
        for endpoint in &interval.endpoints {
            for (outcome, n) in &endpoint.outcomes {
                if let Some(class) = outcome.class() {
                    bucket.classes[class_index(class)] += n;
                }
            }
            spectra[i].push(&endpoint.response);
        }
    }
    for (bucket, spectra) in buckets.iter_mut().zip(spectra) {
        bucket.response = Spectrum::merged(spectra);
    }
    for call in &timeline.upstreams {
        if let Some(sums) = buckets[place(call.second)].upstreams.get_mut(usize::from(call.upstream)) {
            sums.0 += call.calls;
            sums.1 += call.faulted;
        }
    }
    for reading in &timeline.readings {
        match reading {
            Reading::Memory { at, rss, group, .. } => {
                let bucket = &mut buckets[place(at.second())];
                bucket.rss = bucket.rss.max(Some(*rss));
                bucket.group = bucket.group.max(*group);
            }
            Reading::Health { at, state, .. } => {
                let which = match state {
                    HealthState::Up => 0,
                    HealthState::Degraded => 1,
                    HealthState::Down(_) => 2,
                    HealthState::Unclear(_) => continue,
                };
                buckets[place(at.second())].health[which] += 1;
            }
            Reading::Gauge { .. } => {}
        }
    }
    buckets
}

/// Several buckets as one.
fn merge(buckets: &[Bucket]) -> Bucket {
    let mut whole = Bucket {
        from: buckets.first().map_or(0.0, |b| b.from),
        until: buckets.last().map_or(0.0, |b| b.until),
        response: Spectrum::merged(buckets.iter().map(|b| &b.response)),
        upstreams: vec![(0, 0); buckets.first().map_or(0, |b| b.upstreams.len())],
        ..Bucket::default()
    };
    for bucket in buckets {
        whole.users = whole.users.max(bucket.users);
        whole.started += bucket.started;
        whole.rss = whole.rss.max(bucket.rss);
        whole.group = whole.group.max(bucket.group);
        for (sum, n) in whole.classes.iter_mut().zip(bucket.classes) {
            *sum += n;
        }
        for (sum, n) in whole.health.iter_mut().zip(bucket.health) {
            *sum += n;
        }
        for (sum, n) in whole.upstreams.iter_mut().zip(&bucket.upstreams) {
            sum.0 += n.0;
            sum.1 += n.1;
        }
    }
    whole
}

/// A time in which something of ours was on.
#[derive(Clone, Debug, PartialEq)]
pub struct Band {
    /// Its beginning, seconds.
    pub from: f64,
    /// Its end, seconds.
    pub until: f64,
    /// What it was.
    pub kind: BandKind,
    /// Its short mark on charts (`F1`).
    pub mark: String,
    /// Its name.
    pub name: String,
}

/// What was on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BandKind {
    /// A fault.
    Fault,
    /// Memory pressure.
    Pressure,
}

/// The faults' and the ballast's times, faults first, numbered as in the table of faults.
pub fn bands(record: &RunRecord) -> Vec<Band> {
    let end = run_secs(record);
    let mut bands: Vec<Band> = record
        .timeline
        .faults
        .iter()
        .enumerate()
        .map(|(i, fault)| Band {
            from: fault.window.from.as_secs_f64().min(end),
            until: until(&fault.window, end),
            kind: BandKind::Fault,
            mark: format!("F{}", i + 1),
            name: record.header.plan.faults.get(fault.rule).map_or_else(String::new, |rule| rule.name.clone()),
        })
        .collect();
    let mut open: Option<(f64, u64)> = None;
    let mut pressed = Vec::new();
    for mark in &record.timeline.pressure {
        let at = mark.at.as_secs_f64().min(end);
        match (&mut open, mark.held) {
            (None, held) if held > 0 => open = Some((at, held)),
            (Some((_, most)), held) if held > 0 => *most = (*most).max(held),
            (Some((from, most)), _) => {
                pressed.push((*from, at, *most));
                open = None;
            }
            (None, _) => {}
        }
    }
    pressed.extend(open.map(|(from, most)| (from, end, most)));
    bands.extend(pressed.into_iter().map(|(from, until, most)| Band {
        from,
        until,
        kind: BandKind::Pressure,
        mark: "M".to_owned(),
        name: format!("memory ballast {}", super::figures::bytes(most as f64)),
    }));
    bands
}

/// A window's end in seconds.
pub fn until(window: &FaultWindow, end: f64) -> f64 {
    window.until.map_or(end, Offset::as_secs_f64).min(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_fit_any_length() {
        for secs in [1.0, 10.0, 59.5, 3600.0, 86_400.0, LONGEST] {
            let step = step_for(secs, WIDE, 1);
            assert!((secs / step as f64).round() as usize <= WIDE, "{secs}");
            let table = step_for(secs, TABLE, step);
            assert!(table.is_multiple_of(step) && (secs / table as f64).round() as usize <= TABLE, "{secs}");
        }
        assert_eq!(step_for(3600.0, WIDE, 1), 30);
    }

    #[test]
    fn merging_keeps_every_record() {
        let bucket = |micros| Bucket { response: Spectrum(vec![(micros, 2)]), started: 1, ..Bucket::default() };
        let whole = merge(&[bucket(10), bucket(20), bucket(10)]);
        assert_eq!(whole.response, Spectrum(vec![(10, 4), (20, 2)]));
        assert_eq!(whole.started, 3);
    }
}
