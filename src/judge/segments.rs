//! [`Segments`]: which seconds of the run were calm and which a fault of ours may explain.

use super::words;
use crate::model::interval::Interval;
use crate::model::plan::Plan;
use crate::model::timeline::Timeline;
use crate::model::verdict::Origin;
use crate::units::Offset;

/// The name under which memory pressure appears among the faults.
const BALLAST: &str = "memory ballast";

/// A run of seconds, or of any other unit of time: `from` inclusive, `to` exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Stretch {
    pub from: u64,
    pub to: u64,
}

impl Stretch {
    /// Its length.
    pub(super) const fn length(self) -> u64 {
        self.to.saturating_sub(self.from)
    }

    /// Whether the two share anything.
    pub(super) const fn meets(self, other: Self) -> bool {
        self.from < other.to && other.from < self.to
    }
}

/// A fault (or pressure) that really did something.
#[derive(Clone, Debug)]
struct Cause {
    name: String,
    /// From its first hit until its window closed.
    on: Stretch,
    /// The second from which every step that ends was also begun under it.
    settled: u64,
    /// The second from which no step that ends was begun under it.
    tail: u64,
    /// The second from which the app must be well again.
    recovered: u64,
}

impl Cause {
    /// The windows of its own: its whole time; that without the answers that were under way when it came; and that with
    /// those that were under way when it ended, for what hangs fails late.
    fn own(&self) -> impl Iterator<Item = (u64, u64)> {
        let Stretch { from, to } = self.on;
        let settled = (self.settled > from && self.settled < to).then_some((self.settled, to));
        let late = (self.tail > to).then_some((self.settled.clamp(from, to), self.tail));
        [(from, to)].into_iter().chain(settled).chain(late)
    }
}

/// Stretches that are judged as one group: all calm ones together, or one faulted one.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub calm: bool,
    pub stretches: Vec<Stretch>,
    /// The faults' own times, looked at as windows of their own, whatever the alignment of the others.
    pub own: Vec<Stretch>,
}

impl Group {
    /// Whether this is a fault's own time and long enough, for a criterion with windows of `length`, that too few samples
    /// in it are a lack and not just its shortness.
    pub(super) fn telling(&self, window: Stretch, length: u64) -> bool {
        self.own.contains(&window) && window.length().saturating_mul(4) >= length
    }

    /// For a fault's time without its beginning, that fault's whole time; any other window as it is. What is first and
    /// last in a fault is looked for in all of it.
    pub(super) fn whole_fault(&self, window: Stretch) -> Stretch {
        let holders = self.own.iter().filter(|own| own.to == window.to && own.from <= window.from);
        if self.own.contains(&window) { holders.copied().min().unwrap_or(window) } else { window }
    }
}

/// The run, split.
#[derive(Clone, Debug)]
pub(super) struct Segments {
    causes: Vec<Cause>,
    end: u64,
}

impl Segments {
    pub(super) fn new(plan: &Plan, timeline: &Timeline, ended: Offset) -> Self {
        let data_end = timeline.intervals.iter().map(|i| i.second.saturating_add(1)).max().unwrap_or(0);
        let end = ceil(ended).max(data_end);
        let mut causes = Vec::new();
        for record in timeline.faults.iter().filter(|record| record.fired > 0) {
            // Before its first hit a fault explains nothing, however long its window had been open.
            let from = record.first_fired.unwrap_or(record.window.from).max(record.window.from);
            let name =
                plan.faults.get(record.rule).map_or_else(|| format!("fault {}", record.rule), |f| f.name.clone());
            causes.push(Cause::new(name, from, record.window.until, end));
        }
        let mut marks: Vec<_> = timeline.pressure.iter().collect();
        marks.sort_by_key(|mark| mark.at);
        let mut since = None;
        for mark in marks {
            match (since, mark.held > 0) {
                (None, true) => since = Some(mark.at),
                (Some(from), false) => {
                    causes.push(Cause::new(BALLAST.to_owned(), from, Some(mark.at), end));
                    since = None;
                }
                _ => {}
            }
        }
        if let Some(from) = since {
            causes.push(Cause::new(BALLAST.to_owned(), from, None, end));
        }
        let deadline =
            plan.journeys.iter().flat_map(|j| &j.steps).map(|s| s.deadline.get().as_secs()).max().unwrap_or(0);
        let recovery = plan.gate.recovery.get().as_secs_f64().ceil() as u64;
        for cause in &mut causes {
            cause.tail = last_begun_under(&timeline.intervals, cause.on.to, deadline).min(end);
            // What was under way when the fault came and took longer than anything before it is the fault's doing.
            let usual = cause.on.from.saturating_add(slowest_before(&timeline.intervals, cause.on.from));
            cause.settled = last_begun_under(&timeline.intervals, cause.on.from, deadline).min(usual);
            cause.recovered = cause.on.to.saturating_add(recovery).max(cause.tail).min(end);
        }
        // A record from outside may hold a fault behind the run's end; there is nothing there to explain.
        causes.retain(|cause| cause.on.from < end);
        causes.sort_by_key(|cause| cause.on);
        Self { causes, end }
    }

    /// The first second after the run.
    pub(super) const fn end(&self) -> u64 {
        self.end
    }

    /// Whether anything of ours ever did something to the app.
    pub(super) fn ever_faulted(&self) -> bool {
        !self.causes.is_empty()
    }

    /// The second of the first fault, or the end of the run.
    pub(super) fn calm_until(&self) -> u64 {
        self.causes.first().map_or(self.end, |cause| cause.on.from)
    }

    /// The groups to judge, in units of `unit` seconds; a unit with a single faulted second is faulted.
    pub(super) fn groups(&self, unit: u64) -> Vec<Group> {
        let unit = unit.max(1);
        let scaled = |from: u64, to: u64| Stretch { from: from / unit, to: to.div_ceil(unit) };
        let end = self.end.div_ceil(unit);
        let mut faulted: Vec<Group> = Vec::new();
        for cause in &self.causes {
            let whole = scaled(cause.on.from, cause.recovered);
            let own = cause.own().map(|(from, to)| scaled(from, to));
            match faulted.last_mut() {
                Some(group) if whole.from <= group.stretches[0].to => {
                    group.stretches[0].to = group.stretches[0].to.max(whole.to);
                    group.own.extend(own);
                }
                _ => faulted.push(Group { calm: false, stretches: vec![whole], own: own.collect() }),
            }
        }
        let mut calm = Vec::new();
        let mut from = 0;
        for group in &faulted {
            let stretch = group.stretches[0];
            if stretch.from > from {
                calm.push(Stretch { from, to: stretch.from });
            }
            from = stretch.to;
        }
        if end > from {
            calm.push(Stretch { from, to: end });
        }
        let mut groups = Vec::new();
        if !calm.is_empty() {
            groups.push(Group { calm: true, stretches: calm, own: Vec::new() });
        }
        groups.extend(faulted);
        groups
    }

    /// What may explain something that happened within these seconds.
    pub(super) fn origin(&self, within: Stretch) -> Origin {
        let mut names: Vec<String> = Vec::new();
        for cause in &self.causes {
            let reach = Stretch { from: cause.on.from, to: cause.recovered };
            if reach.meets(within) && !names.contains(&cause.name) {
                names.push(cause.name.clone());
            }
        }
        if names.is_empty() { Origin::Spontaneous } else { Origin::Induced(names) }
    }

    /// What explains something that has said its own time: the fault, if there was one.
    pub(super) fn explained(&self, within: Stretch) -> String {
        match self.origin(within) {
            Origin::Induced(_) => self.during(within),
            Origin::Spontaneous if self.ever_faulted() => "with no fault on".to_owned(),
            Origin::Spontaneous => String::new(),
        }
    }

    /// When it was, in words: `while openai-outage was on (0:15–0:45)`.
    pub(super) fn during(&self, within: Stretch) -> String {
        let on: Vec<&Cause> = self.causes.iter().filter(|c| c.on.meets(within)).collect();
        if !on.is_empty() {
            let (names, verb) = names(&on);
            let from = on.iter().map(|c| c.on.from).min().unwrap_or(0);
            let to = on.iter().map(|c| c.on.to).max().unwrap_or(0);
            return format!("while {names} {verb} on ({})", words::range(from, to));
        }
        let after: Vec<&Cause> =
            self.causes.iter().filter(|c| Stretch { from: c.on.from, to: c.recovered }.meets(within)).collect();
        if !after.is_empty() {
            let ended = after.iter().map(|c| c.on.to).max().unwrap_or(0);
            return format!("while recovering from {} (over at {})", names(&after).0, words::moment(ended));
        }
        self.during_calm(within)
    }

    /// The same for what was seen in calm seconds only.
    pub(super) fn during_calm(&self, within: Stretch) -> String {
        let when = words::range(within.from, within.to);
        if self.ever_faulted() { format!("with no fault on ({when})") } else { format!("({when})") }
    }
}

impl Segments {
    /// Where a window lies, in words: `in 60 s (0:20–1:20) while openai-outage was on (0:15–0:45)`.
    pub(super) fn place(&self, window: Stretch) -> String {
        let length = window.length();
        match self.origin(window) {
            Origin::Spontaneous => format!("in {length} s {}", self.during(window)),
            Origin::Induced(_) => {
                format!("in {length} s ({}) {}", words::range(window.from, window.to), self.during(window))
            }
        }
    }
}

impl Cause {
    fn new(name: String, from: Offset, until: Option<Offset>, end: u64) -> Self {
        let from = from.second();
        let to = until.map_or(end, ceil).max(from.saturating_add(1));
        Self { name, on: Stretch { from, to }, settled: from, tail: to, recovered: to }
    }
}

/// The longest response of all that ended before second `opened`, in begun seconds.
fn slowest_before(intervals: &[Interval], opened: u64) -> u64 {
    let before = intervals.iter().filter(|interval| interval.second < opened).flat_map(|i| &i.endpoints);
    let slowest = before.flat_map(|e| &e.response.0).map(|(micros, _)| *micros).max().unwrap_or(0);
    slowest.div_ceil(1_000_000)
}

/// The second after the last one in which a step ended that may have been begun before `closed`; such a step's
/// outcome is the fault's doing, however late it comes. Looks no further than `deadline` seconds.
fn last_begun_under(intervals: &[Interval], closed: u64, deadline: u64) -> u64 {
    let horizon = closed.saturating_add(deadline).saturating_add(1);
    let mut last = closed;
    for interval in intervals.iter().filter(|i| i.second >= closed && i.second <= horizon) {
        let slowest =
            interval.endpoints.iter().filter_map(|e| e.response.0.iter().map(|(micros, _)| *micros).max()).max();
        if slowest.is_some_and(|micros| {
            interval.second.saturating_mul(1_000_000) < closed.saturating_mul(1_000_000).saturating_add(micros)
        }) {
            last = last.max(interval.second.saturating_add(1));
        }
    }
    last
}

fn names(causes: &[&Cause]) -> (String, &'static str) {
    let mut names: Vec<&str> = Vec::new();
    for cause in causes {
        if !names.contains(&cause.name.as_str()) {
            names.push(&cause.name);
        }
    }
    if names.len() > 3 {
        return (format!("{} and {} other faults", names[0], names.len() - 1), "were");
    }
    (words::list(&names), if names.len() == 1 { "was" } else { "were" })
}

/// The number of seconds begun at `offset`.
fn ceil(offset: Offset) -> u64 {
    offset.as_micros().div_ceil(1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_second_is_in_exactly_one_stretch(
            faults in proptest::collection::vec((0..200_u64, 1..60_u64, 0..40_u64), 0..6),
            end in 1..260_u64,
            unit in 1..12_u64,
        ) {
            let mut causes: Vec<Cause> = faults
                .iter()
                .filter(|(from, _, _)| *from < end)
                .map(|(from, length, recovery)| Cause {
                    name: "x".to_owned(),
                    on: Stretch { from: *from, to: from + length },
                    settled: *from,
                    tail: from + length,
                    recovered: (from + length + recovery).min(end),
                })
                .collect();
            causes.sort_by_key(|cause| cause.on);
            let segments = Segments { causes, end };
            let groups = segments.groups(unit);
            for place in 0..end.div_ceil(unit) {
                let holders: Vec<bool> = groups
                    .iter()
                    .flat_map(|g| g.stretches.iter().map(move |s| (g.calm, s)))
                    .filter(|(_, s)| s.from <= place && place < s.to)
                    .map(|(calm, _)| calm)
                    .collect();
                prop_assert_eq!(holders.len(), 1, "{} is in {} stretches", place, holders.len());
                let within = Stretch { from: place * unit, to: ((place + 1) * unit).min(end) };
                prop_assert_eq!(holders[0], segments.origin(within) == Origin::Spontaneous);
            }
        }
    }
}
