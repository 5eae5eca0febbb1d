//! The page's head: the decision, the verdict's sentence, when and what.

use super::figures;
use super::mark::Mark;
use super::plan_words;
use super::series;
use super::text;
use crate::model::run_record::RunRecord;
use crate::model::verdict::Decision;

/// The page's head.
#[derive(Debug)]
pub struct Banner {
    /// Good, bad or unknown.
    pub mark: Mark,
    /// `GO`, `NO-GO` or `INCONCLUSIVE`.
    pub word: &'static str,
    /// The scenario.
    pub scenario: String,
    /// What the scenario is for.
    pub describe: String,
    /// The verdict's sentence, word for word.
    pub sentence: String,
    /// When, how long, on what: name and value.
    pub facts: Vec<(&'static str, String)>,
    /// How it ended, unless by plan.
    pub cut_short: Option<String>,
}

/// The decision's word.
pub const fn word(decision: Decision) -> &'static str {
    match decision {
        Decision::Go => "GO",
        Decision::NoGo => "NO-GO",
        Decision::Inconclusive => "INCONCLUSIVE",
    }
}

/// The decision's mark.
pub const fn mark(decision: Decision) -> Mark {
    match decision {
        Decision::Go => Mark::Good,
        Decision::NoGo => Mark::Bad,
        Decision::Inconclusive => Mark::Unknown,
    }
}

/// The head of a record's page.
pub fn banner(record: &RunRecord) -> Banner {
    let plan = &record.header.plan;
    let facts = vec![
        ("When", date(record)),
        ("Lasted", figures::exact(figures::seconds(series::run_secs(record).round()))),
        ("Target", plan_words::target(plan)),
        ("Load", plan_words::load(plan)),
        ("Faults", plan_words::faults(plan)),
    ];
    Banner {
        mark: mark(record.verdict.decision),
        word: word(record.verdict.decision),
        scenario: text::line(&plan.name, 80),
        describe: text::line(&plan.describe, 300),
        sentence: text::line(&record.verdict.sentence, 2000),
        facts,
        cut_short: plan_words::end(&record.end),
    }
}

/// The run's start as a date.
pub fn date(record: &RunRecord) -> String {
    record.header.started_at.strftime("%a %d %b %Y, %H:%M UTC").to_string()
}
