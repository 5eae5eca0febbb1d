//! What a breach is called: a short headline of its parts, and its place among others of one severity.
//!
//! The judge's own sentence, with every number in it, stands in the evidence below the headline.

use super::figures;
use super::text;
use crate::model::playbook::Measure;
use crate::units::Share;

/// Subjects that a headline names; more are counted, and stand in the table below it.
const NAMED: usize = 3;

/// What a measure's subjects are: one, many, and what it is about where it names none.
pub const fn nouns(measure: Option<&Measure>) -> (&'static str, &'static str, &'static str) {
    match measure {
        Some(Measure::AgentsDown { .. } | Measure::KeyAgent { .. } | Measure::AgentFailing { .. }) => {
            ("agent", "agents", "all agents")
        }
        Some(Measure::EndpointBroken { .. } | Measure::SlowResponses { .. }) => {
            ("endpoint", "endpoints", "all endpoints")
        }
        Some(Measure::ErrorRate { .. }) => ("endpoint", "endpoints", "all steps"),
        Some(Measure::DegradedUsers { .. }) => ("user", "users", "all users"),
        _ => ("subject", "subjects", "the app"),
    }
}

/// The headline of a criterion's breaches; the judge's `sentence` where the measure is not known.
pub fn headline(measure: Option<&Measure>, subjects: &[String], sentence: &str) -> String {
    let one = subjects.len() == 1;
    match measure {
        Some(Measure::Oom {}) => "The app died for lack of memory".to_owned(),
        Some(Measure::Outage { .. }) => "The app was down".to_owned(),
        Some(Measure::AgentsDown { .. }) => "Every agent was down".to_owned(),
        Some(Measure::KeyAgent { .. }) => {
            format!("{}: {}", if one { "Key agent broken" } else { "Key agents broken" }, list(subjects))
        }
        Some(Measure::AgentFailing { .. }) if subjects.len() > NAMED => {
            format!("{} agents failed and took journeys down with them", subjects.len())
        }
        Some(Measure::AgentFailing { .. }) => {
            let them = if one { "it" } else { "them" };
            format!("{} failed and took journeys down with {them}", list(subjects))
        }
        Some(Measure::EndpointBroken { .. }) => {
            let is = if one { "was" } else { "were" };
            let what = if subjects.len() > NAMED { counted(subjects, "endpoints") } else { list(subjects) };
            format!("{what} {is} broken while the rest was well")
        }
        Some(Measure::MemorySustained { above, sustained }) => format!(
            "Memory stayed above {} for {} or longer",
            figures::bytes(above.get() as f64),
            figures::span(*sustained)
        ),
        Some(Measure::ErrorRate { over, .. }) => {
            format!("More than {} of all steps failed or were masked", percent(*over))
        }
        Some(Measure::SlowResponses { from, share, .. }) => {
            let what = if subjects.len() > NAMED { counted(subjects, "endpoints") } else { list(subjects) };
            let each = if one { "" } else { " each" };
            format!("{what}: more than {}{each} of responses slower than {}", percent(*share), figures::span(*from))
        }
        Some(Measure::DegradedUsers { over, .. }) => {
            format!("More than {} of users met slow or failing steps", percent(*over))
        }
        Some(Measure::Cost { over, .. }) => format!("A day would cost more than {over}"),
        Some(Measure::MemoryCleanup { .. }) => "Memory did not come back after the load".to_owned(),
        Some(Measure::Security {}) if subjects.is_empty() => "What must stay hidden was seen".to_owned(),
        Some(Measure::Security {}) => format!("Not kept safe: {}", list(subjects)),
        Some(Measure::DataLoss { .. }) => "Acknowledged writes were lost or changed".to_owned(),
        Some(Measure::Database { .. }) => "The database could not be reached".to_owned(),
        Some(Measure::Alerts {}) => "The app raised alerts".to_owned(),
        Some(Measure::Logging { .. }) => "The app's log tells of trouble that its answers do not".to_owned(),
        Some(Measure::NotMeasured { .. }) | None => text::line(sentence, 300),
    }
}

/// A configured share, exact: `20 %`.
pub fn percent(share: Share) -> String {
    figures::exact(figures::share(share.fraction()))
}

fn counted(subjects: &[String], many: &str) -> String {
    figures::plural(subjects.len() as u64, many, many)
}

fn list(subjects: &[String]) -> String {
    match subjects {
        [] => "the app".to_owned(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
