//! A playbook file → [`Playbook`].

use super::collector::Collector;
use super::playbook_file::{CriterionFile, MeasureFile, PlaybookFile};
use super::value::Quantity;
use crate::model::playbook::{Criterion, Measure, Playbook};
use crate::model::verdict::Severity;
use crate::units::{ByteSize, Money, Share, Span};
use std::collections::HashSet;
use toml::Spanned;

/// The playbook, worst criteria first.
pub(super) fn resolve(out: &mut Collector, file: &PlaybookFile, stem: &str, source: &str) -> Playbook {
    if file.criterion.is_empty() {
        out.missing("the playbook has no criterion")
            .help("add one: [[criterion]] with id, severity, says, section and measure");
    }
    let mut ids = HashSet::new();
    let mut criteria = Vec::new();
    for written in &file.criterion {
        let criterion = written.get_ref();
        let id = criterion.id.get_ref();
        if id.trim().is_empty() || id.chars().any(|c| c.is_whitespace() || c.is_control()) {
            out.error(criterion.id.span(), "this cannot be the id of a criterion")
                .help("write one word, such as P1-memory");
        }
        if !ids.insert(id.as_str()) {
            out.error(criterion.id.span(), format!("two criteria are called `{id}`"))
                .help("give each an id of its own");
        }
        let severity = out.quantity(&criterion.severity, Severity::P3);
        if let Some(prefix) = id.split('-').next().and_then(|prefix| prefix.parse::<Severity>().ok())
            && prefix != severity
        {
            out.warn(criterion.severity.span(), format!("`{id}` has the severity {severity}"));
        }
        criteria.push(Criterion {
            id: id.clone(),
            severity,
            says: criterion.says.clone(),
            section: criterion.section.clone(),
            measure: measure(out, criterion),
        });
    }
    // Stable, so criteria of one severity keep the order of the document that they restate.
    criteria.sort_by_key(|criterion| criterion.severity);
    Playbook {
        name: file.name.clone().unwrap_or_else(|| stem.to_owned()),
        describe: file.describe.clone().unwrap_or_default(),
        source: source.to_owned(),
        criteria,
        readings: file.readings.clone(),
    }
}

fn share(out: &mut Collector, written: &Spanned<Quantity>) -> Share {
    out.quantity(written, Share::ALL)
}

fn window(out: &mut Collector, written: &Spanned<Quantity>) -> Span {
    out.positive(Some(written), "a window", Span::from_secs(60))
}

fn samples(out: &mut Collector, written: &Spanned<i64>) -> u32 {
    out.number(written, "a number of samples", 1, 1_000_000)
}

fn measure(out: &mut Collector, criterion: &CriterionFile) -> Measure {
    match criterion.measure.get_ref() {
        MeasureFile::Outage { probes } => Measure::Outage { probes: out.number(probes, "`probes`", 1, 1000) },
        MeasureFile::ErrorRate { over, window: length, min_samples } => Measure::ErrorRate {
            over: share(out, over),
            window: window(out, length),
            min_samples: samples(out, min_samples),
        },
        MeasureFile::Oom {} => Measure::Oom {},
        MeasureFile::AgentsDown { success_under, window: length, min_samples } => Measure::AgentsDown {
            success_under: share(out, success_under),
            window: window(out, length),
            min_samples: samples(out, min_samples),
        },
        MeasureFile::DegradedUsers { over, up_to, slow, times_baseline, slow_at_least, window: length, min_users } => {
            let upper = up_to.as_ref().map(|up_to| share(out, up_to));
            let lower = share(out, over);
            if let (Some(upper), Some(written)) = (upper, up_to)
                && upper <= lower
            {
                out.error(written.span(), format!("a band over {lower} and up to {upper} is empty"))
                    .help("`up-to` lies above `over`");
            }
            let times = *times_baseline.get_ref();
            if !times.is_finite() || times < 1.0 {
                out.error(times_baseline.span(), format!("`times-baseline` cannot be {times}"))
                    .help("write how many times slower than its baseline a step must be, from 1.0");
            }
            Measure::DegradedUsers {
                over: lower,
                up_to: upper,
                slow: out.positive(Some(slow), "`slow`", Span::from_secs(10)),
                times_baseline: times,
                slow_at_least: out.quantity(slow_at_least, Span::from_secs(1)),
                window: window(out, length),
                min_users: samples(out, min_users),
            }
        }
        MeasureFile::KeyAgent { agents, success_under, window: length, min_samples } => {
            if agents.get_ref().is_empty() {
                out.error(agents.span(), "no agent is named").help("name the agents of the scenarios' steps");
            }
            Measure::KeyAgent {
                agents: agents.get_ref().clone(),
                success_under: share(out, success_under),
                window: window(out, length),
                min_samples: samples(out, min_samples),
            }
        }
        MeasureFile::MemorySustained { above, sustained } => Measure::MemorySustained {
            above: out.quantity(above, ByteSize::mib(450)),
            sustained: window(out, sustained),
        },
        MeasureFile::AgentFailing { over, window: length, min_samples } => Measure::AgentFailing {
            over: share(out, over),
            window: window(out, length),
            min_samples: samples(out, min_samples),
        },
        MeasureFile::EndpointBroken { over, rest_under, window: length, min_samples } => Measure::EndpointBroken {
            over: share(out, over),
            rest_under: share(out, rest_under),
            window: window(out, length),
            min_samples: samples(out, min_samples),
        },
        MeasureFile::SlowResponses { from, to, share: part, min_samples } => {
            let lower: Span = out.quantity(from, Span::from_secs(10));
            let upper: Span = out.quantity(to, Span::from_secs(30));
            if upper <= lower {
                out.error(to.span(), format!("a band from {lower} to {upper} is empty")).help("`to` lies above `from`");
            }
            Measure::SlowResponses {
                from: lower,
                to: upper,
                share: share(out, part),
                min_samples: samples(out, min_samples),
            }
        }
        MeasureFile::Cost { over, min_journeys } => {
            Measure::Cost { over: out.quantity(over, Money::dollars(100.0)), min_journeys: samples(out, min_journeys) }
        }
        MeasureFile::MemoryCleanup { within, at_least, quiet } => Measure::MemoryCleanup {
            within: share(out, within),
            at_least: out.quantity(at_least, ByteSize::mib(1)),
            quiet: out.positive(Some(quiet), "`quiet`", Span::from_secs(10)),
        },
        MeasureFile::Security {} => Measure::Security {},
        MeasureFile::DataLoss { min_rows } => {
            Measure::DataLoss { min_rows: out.number(min_rows, "a number of rows", 1, 1_000_000) }
        }
        MeasureFile::Database { over, window: length, min_samples, probes } => Measure::Database {
            over: share(out, over),
            window: window(out, length),
            min_samples: samples(out, min_samples),
            probes: out.number(probes, "`probes`", 1, 1000),
        },
        MeasureFile::Alerts {} => Measure::Alerts {},
        MeasureFile::Logging { errors_per_hour, per_step } => Measure::Logging {
            errors_per_hour: out.number(errors_per_hour, "`errors-per-hour`", 0, 1_000_000),
            per_step: out.quantity(per_step, ByteSize::mib(1)),
        },
        MeasureFile::NotMeasured { why } => {
            if why.trim().is_empty() {
                out.error(criterion.measure.span(), "a criterion that is not measured needs its reason")
                    .help("the report shows it: why = \"…\"");
            }
            Measure::NotMeasured { why: why.clone() }
        }
    }
}
