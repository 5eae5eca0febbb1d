//! [`Status`]: the few figures that both views show, kept up to date by events.

use crate::model::event::RunEvent;
use crate::model::interval::{Interval, Spectrum};
use crate::model::plan::Plan;
use crate::model::reading::{HealthState, Reading};
use crate::model::sample::Class;
use crate::units::{ByteSize, Offset};
use std::collections::{BTreeSet, VecDeque};
use std::fmt::Write as _;

/// Over how many seconds rate, percentile and shares are taken: short enough to follow, long enough to hold still.
const RECENT: usize = 5;

/// The present state of a run.
pub(super) struct Status {
    faults: Vec<String>,
    end: Offset,
    recent: VecDeque<Interval>,
    active: BTreeSet<usize>,
    rss: Option<u64>,
    ballast: u64,
    health: Option<&'static str>,
    /// The second of the last interval.
    pub(super) now: u64,
}

impl Status {
    pub(super) fn new(plan: &Plan) -> Self {
        Self {
            faults: plan.faults.iter().map(|fault| fault.name.clone()).collect(),
            end: plan.load_end(),
            recent: VecDeque::with_capacity(RECENT),
            active: BTreeSet::new(),
            rss: None,
            ballast: 0,
            health: None,
            now: 0,
        }
    }

    /// Seconds of load by plan.
    pub(super) fn length(&self) -> u64 {
        self.end.as_secs_f64().ceil() as u64
    }

    /// Takes an event in; true once a second, when there is something new to show.
    pub(super) fn update(&mut self, event: &RunEvent) -> bool {
        match event {
            RunEvent::Interval(interval) => {
                if self.recent.len() == RECENT {
                    self.recent.pop_front();
                }
                self.now = interval.second + 1;
                self.recent.push_back(interval.clone());
                return true;
            }
            RunEvent::FaultOpened { rule, .. } => {
                self.active.insert(*rule);
            }
            RunEvent::FaultClosed { rule, .. } => {
                self.active.remove(rule);
            }
            RunEvent::Reading(Reading::Memory { rss, .. }) => self.rss = Some(*rss),
            RunEvent::Reading(Reading::Health { state, .. }) => {
                self.health = Some(match state {
                    HealthState::Up => "up",
                    HealthState::Degraded => "degraded",
                    HealthState::Down(_) => "down",
                    HealthState::Unclear(_) => "unclear",
                });
            }
            RunEvent::Pressure(mark) => self.ballast = mark.held,
            _ => {}
        }
        false
    }

    /// The figures in one line.
    pub(super) fn line(&self) -> String {
        let mut ok = 0_u64;
        let (mut classed, mut failed, mut untrue) = (0_u64, 0_u64, 0_u64);
        for (outcome, count) in self.recent.iter().flat_map(|i| &i.endpoints).flat_map(|e| &e.outcomes) {
            match outcome.class() {
                Some(Class::Ok) => ok += count,
                Some(Class::Failed) => failed += count,
                Some(Class::Degraded | Class::Masked) => untrue += count,
                None => continue,
            }
            classed += count;
        }
        let seconds = self.recent.len().max(1) as f64;
        let spectrum = Spectrum::merged(self.recent.iter().flat_map(|i| &i.endpoints).map(|e| &e.response));
        let users = self.recent.back().map_or(0, |interval| interval.users);
        let noun = if users == 1 { "user" } else { "users" };
        let mut line = format!("{users} {noun} · {:.1} steps/s", classed as f64 / seconds);
        if let Some(p95) = spectrum.quantile(0.95) {
            let _ = write!(line, " · p95 {:.1} s", p95 as f64 / 1e6);
        }
        if classed > 0 {
            let percent = |part: u64| 100.0 * part as f64 / classed as f64;
            let _ = write!(line, " · ok {:.0} %", percent(ok));
            if failed > 0 {
                let _ = write!(line, " · failed {:.0} %", percent(failed));
            }
            if untrue > 0 {
                let _ = write!(line, " · broken or degraded behind a 200: {:.0} %", percent(untrue));
            }
        }
        if let Some(rss) = self.rss {
            let _ = write!(line, " · memory {:.0} MiB", ByteSize(rss).as_mib());
        }
        if self.ballast > 0 {
            let _ = write!(line, " + {:.0} MiB ballast", ByteSize(self.ballast).as_mib());
        }
        if let Some(health) = self.health {
            let _ = write!(line, " · health {health}");
        }
        for rule in &self.active {
            let _ = write!(line, " · FAULT {}", self.faults.get(*rule).map_or("?", String::as_str));
        }
        line
    }

    /// Time passed and left, as on a timeline.
    pub(super) fn clock(&self) -> String {
        let left = self.length().saturating_sub(self.now);
        if left > 0 {
            format!("{} ({} left)", Offset::from_secs(self.now), Offset::from_secs(left))
        } else {
            format!("{} (ending)", Offset::from_secs(self.now))
        }
    }
}
