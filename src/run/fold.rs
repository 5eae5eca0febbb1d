//! Events to [`Timeline`]: the one fold that a live run and a recovered journal share.

use super::fold_calls;
use crate::model::event::RunEvent;
use crate::model::fault::FaultWindow;
use crate::model::timeline::{FaultRecord, Timeline};

/// The timeline of these events, in order.
#[must_use]
pub fn timeline(events: impl IntoIterator<Item = RunEvent>) -> Timeline {
    let mut timeline = Timeline::default();
    events.into_iter().for_each(|event| apply(&mut timeline, event));
    finish(&mut timeline);
    timeline
}

/// Adds one event to the timeline.
pub(super) fn apply(timeline: &mut Timeline, event: RunEvent) {
    match event {
        RunEvent::Started { .. } | RunEvent::Ended { .. } => {}
        RunEvent::FaultOpened { at, rule } => timeline.faults.push(FaultRecord {
            rule,
            window: FaultWindow { from: at, until: None },
            fired: 0,
            first_fired: None,
            last_fired: None,
        }),
        RunEvent::FaultClosed { at, rule } => {
            if let Some(fault) = open_fault(timeline, rule) {
                fault.window.until = Some(at);
            }
        }
        RunEvent::FaultFired { at, rule, .. } => {
            // A request decided just before the window's edge may report just after it: still the same fault.
            if let Some(fault) = timeline.faults.iter_mut().rfind(|fault| fault.rule == rule) {
                fault.fired += 1;
                fault.first_fired.get_or_insert(at);
                fault.last_fired = Some(at);
            }
        }
        RunEvent::Call(note) => fold_calls::noted(&mut timeline.calls, &note),
        RunEvent::CallSettled(settled) => fold_calls::settled(&mut timeline.calls, &settled),
        RunEvent::Interval(interval) => timeline.intervals.push(interval),
        RunEvent::Journeys { journeys } => timeline.journeys.extend(journeys),
        RunEvent::Users { users } => timeline.users.extend(users),
        RunEvent::Upstream(interval) => timeline.upstreams.push(interval),
        RunEvent::Reading(reading) => timeline.readings.push(reading),
        RunEvent::Target(event) => timeline.target.push(event),
        RunEvent::Pressure(mark) => timeline.pressure.push(mark),
        RunEvent::Harness(reading) => timeline.harness.push(reading),
        RunEvent::Observed { what } => timeline.observations.push(what),
        RunEvent::Exemplar(exemplar) => timeline.exemplars.push(exemplar),
        RunEvent::Warning { at, message } => timeline.warnings.push(format!("{at} {message}")),
    }
}

/// Puts the timeline in order: stages report their seconds independently of each other.
pub(super) fn finish(timeline: &mut Timeline) {
    timeline.intervals.sort_by_key(|interval| interval.second);
    timeline.calls.sort_by_key(|calls| calls.upstream);
    timeline.upstreams.sort_by_key(|interval| (interval.second, interval.upstream));
    timeline.journeys.sort_by_key(|journey| (journey.second, journey.journey));
    timeline.users.sort_by_key(|slice| (slice.slice, slice.user, slice.endpoint));
    timeline.readings.sort_by_key(crate::model::reading::Reading::at);
    timeline.target.sort_by_key(|event| event.at);
    timeline.observations.sort_by_key(crate::model::checks::Observation::at);
    timeline.exemplars.sort_by_key(|exemplar| exemplar.at);
}

fn open_fault(timeline: &mut Timeline, rule: usize) -> Option<&mut FaultRecord> {
    timeline.faults.iter_mut().rfind(|fault| fault.rule == rule && fault.window.until.is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fault::FaultAction;
    use crate::units::Offset;

    fn fired(at: u64, n: u64) -> RunEvent {
        RunEvent::FaultFired {
            at: Offset::from_secs(at),
            rule: 3,
            n,
            call: Some(n),
            trigger: None,
            upstream: "openai".into(),
            request: "POST /v1/chat/completions".into(),
            action: FaultAction::Reset,
        }
    }

    #[test]
    fn a_fault_is_counted_in_its_window_and_at_its_edge() {
        let mut timeline = Timeline::default();
        apply(&mut timeline, RunEvent::FaultOpened { at: Offset::from_secs(10), rule: 3 });
        apply(&mut timeline, fired(11, 1));
        apply(&mut timeline, RunEvent::FaultClosed { at: Offset::from_secs(20), rule: 3 });
        apply(&mut timeline, fired(20, 2));
        let fault = &timeline.faults[0];
        assert_eq!((fault.fired, fault.window.until), (2, Some(Offset::from_secs(20))));
        assert_eq!((fault.first_fired, fault.last_fired), (Some(Offset::from_secs(11)), Some(Offset::from_secs(20))));
    }
}
