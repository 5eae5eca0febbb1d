//! [`Defect`]: faults of the app itself that can be switched on, so that a verdict can be checked against a
//! known truth.

use crate::units::{ByteSize, Span};
use std::fmt;
use std::str::FromStr;

/// One of the app's agents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AgentName {
    /// Routine plans.
    Routine,
    /// Nutrition plans.
    Nutrition,
    /// Behaviour analysis.
    Behavior,
    /// Circadian analysis.
    Circadian,
    /// Insights (version 2, the one that calls OpenAI).
    Insights,
}

impl AgentName {
    /// All agents.
    pub const ALL: [Self; 5] = [Self::Routine, Self::Nutrition, Self::Behavior, Self::Circadian, Self::Insights];

    /// The name, as written in defects and endpoints.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Routine => "routine",
            Self::Nutrition => "nutrition",
            Self::Behavior => "behavior",
            Self::Circadian => "circadian",
            Self::Insights => "insights",
        }
    }
}

/// The endpoints that `slow-endpoint` can name.
pub const ENDPOINTS: [&str; 31] = [
    "root",
    "docs",
    "routine",
    "nutrition",
    "behavior",
    "circadian",
    "regenerate",
    "insights",
    "insights-v1",
    "latest",
    "analyze",
    "energy-zones",
    "task-checkin",
    "batch-checkin",
    "tasks",
    "plans",
    "journal",
    "engagement-context",
    "engagement",
    "calendar-select",
    "calendar-items",
    "calendar",
    "results",
    "archetypes",
    "health",
    "stats",
    "alerts",
    "metrics",
    "monitoring",
    "admin",
    "rate-limits",
];

/// A fault of the app itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Defect {
    /// Every request leaves this much touched memory behind.
    Leak(ByteSize),
    /// The resilient app waits for its upstreams without end (HolisticOS itself waits 600 s and 120 s).
    NoUpstreamTimeout,
    /// The agent never calls OpenAI and fails as it would if OpenAI had failed.
    BrokenAgent(AgentName),
    /// The endpoint answers this much later.
    SlowEndpoint {
        /// One of [`ENDPOINTS`].
        endpoint: String,
        /// How much later.
        by: Span,
    },
    /// Every call to OpenAI is made so many times, and all answers but the last are thrown away.
    RepeatedCalls(u32),
    /// Every request leaves this much memory behind, until the app is asked to clean up.
    Hoard(ByteSize),
    /// Whoever has no key is let in all the same.
    OpenDoor,
    /// The endpoint's answers carry the app's OpenAI key in a header.
    ShowsKey(String),
    /// A journal is answered with what another user wrote last.
    MixedUpUsers,
    /// Each such journal entry is acknowledged and not stored.
    LostWrites(u32),
    /// After this time the app reaches Supabase no more.
    DatabaseGone(Span),
    /// Each such request logs an error with a traceback, and is answered as if nothing were.
    LogErrors(u32),
}

/// A defect's entry in the list for people.
#[derive(Clone, Copy, Debug)]
pub struct DefectInfo {
    /// Its name.
    pub name: &'static str,
    /// How it is written.
    pub usage: &'static str,
    /// What it does, in one line.
    pub describe: &'static str,
}

/// All defects, for help texts.
pub const DEFECTS: [DefectInfo; 12] = [
    DefectInfo { name: "leak", usage: "leak=1MiB", describe: "every request leaves this much memory behind" },
    DefectInfo {
        name: "no-upstream-timeout",
        usage: "no-upstream-timeout",
        describe: "the resilient app waits for OpenAI and Supabase without end",
    },
    DefectInfo {
        name: "broken-agent",
        usage: "broken-agent=nutrition",
        describe: "an agent (routine, nutrition, behavior, circadian, insights) never reaches OpenAI and fails",
    },
    DefectInfo {
        name: "slow-endpoint",
        usage: "slow-endpoint=nutrition:12s",
        describe: "an endpoint answers this much later",
    },
    DefectInfo {
        name: "repeated-calls",
        usage: "repeated-calls=20",
        describe: "every call to OpenAI is made so many times",
    },
    DefectInfo { name: "hoard", usage: "hoard=1MiB", describe: "as `leak`, but a clean-up gives the memory back" },
    DefectInfo { name: "open-door", usage: "open-door", describe: "whoever has no key is let in all the same" },
    DefectInfo {
        name: "shows-key",
        usage: "shows-key=tasks",
        describe: "an endpoint's answers carry the app's OpenAI key in a header",
    },
    DefectInfo {
        name: "mixed-up-users",
        usage: "mixed-up-users",
        describe: "a journal is answered with what another user wrote last",
    },
    DefectInfo {
        name: "lost-writes",
        usage: "lost-writes=3",
        describe: "each such journal entry is acknowledged and not stored",
    },
    DefectInfo {
        name: "database-gone",
        usage: "database-gone=5s",
        describe: "after this time the app reaches Supabase no more",
    },
    DefectInfo {
        name: "log-errors",
        usage: "log-errors=5",
        describe: "each such request logs an error with a traceback and succeeds",
    },
];

/// Why a text is no defect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseDefectError {
    /// No defect has this name.
    #[error("`{name}` is no defect{}; there are: {}", hint(.suggestion), DEFECTS.map(|d| d.name).join(", "))]
    UnknownName {
        /// What was written.
        name: String,
        /// The nearest name, if one is near.
        suggestion: Option<&'static str>,
    },
    /// The value is missing, or there is one too many.
    #[error("`{name}` {problem}; write it as `{usage}`")]
    Usage {
        /// The defect.
        name: &'static str,
        /// What is wrong.
        problem: &'static str,
        /// A correct example.
        usage: &'static str,
    },
    /// No agent has this name.
    #[error(
        "`{name}` is no agent{}; there are: {}", hint(.suggestion), AgentName::ALL.map(AgentName::as_str).join(", ")
    )]
    UnknownAgent {
        /// What was written.
        name: String,
        /// The nearest name, if one is near.
        suggestion: Option<&'static str>,
    },
    /// No endpoint has this name.
    #[error("`{name}` is no endpoint of the reference app{}; there are: {}", hint(.suggestion), ENDPOINTS.join(", "))]
    UnknownEndpoint {
        /// What was written.
        name: String,
        /// The nearest name, if one is near.
        suggestion: Option<&'static str>,
    },
    /// The number cannot be read.
    #[error("the number of `{name}` cannot be read; write a whole number from 1, as in `{usage}`")]
    Number {
        /// The defect.
        name: &'static str,
        /// A correct example.
        usage: &'static str,
    },
    /// The size cannot be read.
    #[error("the size of `leak` cannot be read")]
    Size(#[source] crate::units::ParseByteSizeError),
    /// The duration cannot be read.
    #[error("the delay of `slow-endpoint` cannot be read")]
    Delay(#[source] crate::units::ParseSpanError),
}

fn hint(suggestion: &Option<&'static str>) -> String {
    suggestion.map(|s| format!(" (did you mean `{s}`?)")).unwrap_or_default()
}

/// The candidate nearest to `name`, unless all are far off.
fn nearest(name: &str, candidates: impl IntoIterator<Item = &'static str>) -> Option<&'static str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(name, candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

impl FromStr for Defect {
    type Err = ParseDefectError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, value) = match text.trim().split_once('=') {
            Some((name, value)) => (name.trim(), Some(value.trim())),
            None => (text.trim(), None),
        };
        let Some(info) = DEFECTS.iter().find(|info| info.name == name) else {
            let suggestion = nearest(name, DEFECTS.iter().map(|info| info.name));
            return Err(ParseDefectError::UnknownName { name: name.to_owned(), suggestion });
        };
        let usage = |problem| ParseDefectError::Usage { name: info.name, problem, usage: info.usage };
        let wanted = || value.filter(|value| !value.is_empty()).ok_or_else(|| usage("needs a value"));
        let number = |text: &str| {
            let number = text.parse().ok().filter(|number| *number > 0);
            number.ok_or(ParseDefectError::Number { name: info.name, usage: info.usage })
        };
        match info.name {
            "leak" => Ok(Self::Leak(wanted()?.parse().map_err(ParseDefectError::Size)?)),
            "broken-agent" => parse_agent(wanted()?).map(Self::BrokenAgent),
            "slow-endpoint" => {
                let (endpoint, by) = wanted()?.split_once(':').ok_or_else(|| usage("needs an endpoint and a delay"))?;
                let endpoint = parse_endpoint(endpoint)?;
                let by = by.parse().map_err(ParseDefectError::Delay)?;
                Ok(Self::SlowEndpoint { endpoint, by })
            }
            "shows-key" => parse_endpoint(wanted()?).map(Self::ShowsKey),
            "hoard" => Ok(Self::Hoard(wanted()?.parse().map_err(ParseDefectError::Size)?)),
            "database-gone" => Ok(Self::DatabaseGone(wanted()?.parse().map_err(ParseDefectError::Delay)?)),
            "repeated-calls" => number(wanted()?).map(Self::RepeatedCalls),
            "lost-writes" => number(wanted()?).map(Self::LostWrites),
            "log-errors" => number(wanted()?).map(Self::LogErrors),
            _ if value.is_some() => Err(usage("takes no value")),
            "open-door" => Ok(Self::OpenDoor),
            "mixed-up-users" => Ok(Self::MixedUpUsers),
            _ => Ok(Self::NoUpstreamTimeout),
        }
    }
}

fn parse_endpoint(name: &str) -> Result<String, ParseDefectError> {
    if ENDPOINTS.contains(&name) {
        return Ok(name.to_owned());
    }
    Err(ParseDefectError::UnknownEndpoint { name: name.to_owned(), suggestion: nearest(name, ENDPOINTS) })
}

fn parse_agent(name: &str) -> Result<AgentName, ParseDefectError> {
    // The British spelling is a likely slip and means nothing else.
    let name = if name == "behaviour" { "behavior" } else { name };
    AgentName::ALL.into_iter().find(|agent| agent.as_str() == name).ok_or_else(|| ParseDefectError::UnknownAgent {
        name: name.to_owned(),
        suggestion: nearest(name, AgentName::ALL.map(AgentName::as_str)),
    })
}

/// In plain bytes where the short form would round, so that what is written reads back.
fn exact(size: ByteSize) -> String {
    let text = size.to_string();
    if text.contains('.') { format!("{}B", size.get()) } else { text }
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Leak(size) => write!(f, "leak={}", exact(*size)),
            Self::Hoard(size) => write!(f, "hoard={}", exact(*size)),
            Self::NoUpstreamTimeout => f.write_str("no-upstream-timeout"),
            Self::RepeatedCalls(times) => write!(f, "repeated-calls={times}"),
            Self::OpenDoor => f.write_str("open-door"),
            Self::ShowsKey(endpoint) => write!(f, "shows-key={endpoint}"),
            Self::MixedUpUsers => f.write_str("mixed-up-users"),
            Self::LostWrites(nth) => write!(f, "lost-writes={nth}"),
            Self::DatabaseGone(after) => write!(f, "database-gone={after}"),
            Self::LogErrors(nth) => write!(f, "log-errors={nth}"),
            Self::BrokenAgent(agent) => write!(f, "broken-agent={}", agent.as_str()),
            Self::SlowEndpoint { endpoint, by } => write!(f, "slow-endpoint={endpoint}:{by}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_listed_usage_reads_and_writes_back() {
        for info in DEFECTS {
            let defect: Defect = info.usage.parse().unwrap();
            assert_eq!(defect.to_string(), info.usage);
            assert!(!info.describe.is_empty());
        }
    }

    #[test]
    fn says_what_is_wrong_and_what_was_meant() {
        let text = |written: &str| written.parse::<Defect>().unwrap_err().to_string();
        assert!(text("broken-agnet=routine").contains("did you mean `broken-agent`?"));
        assert!(text("broken-agent=nutritoin").contains("did you mean `nutrition`?"));
        assert!(text("slow-endpoint=nutrtion:3s").contains("did you mean `nutrition`?"));
        assert!(text("slow-endpoint=nutrition").contains("slow-endpoint=nutrition:12s"));
        assert!(text("leak").contains("needs a value"));
        assert!(text("no-upstream-timeout=1").contains("takes no value"));
        assert!(!text("zzz").contains("did you mean"));
        assert!(matches!("leak=lots".parse::<Defect>(), Err(ParseDefectError::Size(_))));
        assert!(matches!("slow-endpoint=tasks:soon".parse::<Defect>(), Err(ParseDefectError::Delay(_))));
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC{0,32}") {
            let _ = text.parse::<Defect>();
        }

        #[test]
        fn leaks_of_any_size_read_back(bytes in 0_u64..(1 << 50)) {
            let defect = Defect::Leak(ByteSize(bytes));
            prop_assert_eq!(defect.to_string().parse::<Defect>().unwrap(), defect);
        }
    }
}
