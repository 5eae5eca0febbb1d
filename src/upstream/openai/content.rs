//! What the model says: answers that an app can use, chosen by what its request looks like.
//!
//! The rules tell the prompts of HolisticOS apart (observed on HolisticOS: each of its agents asks with its own
//! `max_tokens` and response format, and its system prompt speaks of its subject). Any other prompt gets a generic
//! answer of the right form.

use super::prompt::{Prompt, Role};
use super::said::Scripted;
use std::sync::Arc;

/// A kind of prompt with its answer.
struct Rule {
    /// Whether a JSON object is asked for.
    json: bool,
    /// How the model's name begins; empty is any.
    model: &'static str,
    /// The `max_tokens` that goes with it.
    max_tokens: u64,
    /// Words of its subject, in lower case; none is any subject.
    words: &'static [&'static str],
    /// The answer.
    answer: &'static str,
}

/// Where counts of words are equal, the first wins.
const RULES: [Rule; 7] = [
    Rule {
        json: false,
        model: "gpt-4o-mini",
        max_tokens: 1_000,
        words: &[],
        answer: include_str!("content/ai_context.txt"),
    },
    Rule {
        json: true,
        model: "",
        max_tokens: 2_000,
        words: &["time_blocks", "time block", "routine"],
        answer: include_str!("content/routine.json"),
    },
    Rule {
        json: true,
        model: "",
        max_tokens: 8_000,
        words: &["behavio", "habit"],
        answer: include_str!("content/behavior.json"),
    },
    Rule {
        json: true,
        model: "",
        max_tokens: 8_000,
        words: &["circadian", "chronotype"],
        answer: include_str!("content/circadian.json"),
    },
    Rule {
        json: true,
        model: "",
        max_tokens: 1_500,
        words: &["insight"],
        answer: include_str!("content/insights.json"),
    },
    Rule {
        json: false,
        model: "",
        max_tokens: 2_000,
        words: &["nutrition"],
        answer: include_str!("content/nutrition.md"),
    },
    Rule {
        json: false,
        model: "",
        max_tokens: 1_500,
        words: &["energy zone", "energy_zone"],
        answer: include_str!("content/energy_zones.json"),
    },
];

/// The rules of a mock.
#[derive(Debug)]
pub struct Content {
    answers: [Arc<str>; RULES.len()],
}

impl Content {
    /// The built-in rules.
    pub fn new() -> Self {
        Self { answers: std::array::from_fn(|rule| Arc::from(RULES[rule].answer.trim_end())) }
    }

    /// What the rules say to a prompt; `None` if none fits.
    pub fn answer(&self, prompt: &Prompt<'_>) -> Option<Scripted> {
        let join = |roles| prompt.texts(roles).collect::<Vec<_>>().join("\n");
        let system = join(&[Role::System]);
        let other = join(&[Role::User, Role::Assistant, Role::Tool]);
        let rule = choose(prompt.asked, prompt.wants_json(), prompt.max_tokens, &system, &other)?;
        Some(Scripted::Text(Arc::clone(&self.answers[rule])))
    }
}

/// The rule for such a prompt.
fn choose(model: &str, json: bool, max_tokens: Option<u64>, system: &str, other: &str) -> Option<usize> {
    // The subject is what the system prompt is about; user messages quote other agents' results.
    let system = system.to_ascii_lowercase();
    let other = other.to_ascii_lowercase();
    let about = |rule: &Rule, text: &str| rule.words.iter().map(|word| text.matches(word).count()).sum::<usize>();
    let subject = |rule: &Rule| about(rule, &system) * 1_000 + about(rule, &other).min(999);
    let fits = |(_, rule): &(usize, &Rule)| rule.json == json && model.starts_with(rule.model);

    let by_shape = RULES
        .iter()
        .enumerate()
        .filter(fits)
        .filter(|(_, rule)| max_tokens == Some(rule.max_tokens))
        .filter(|(_, rule)| rule.words.is_empty() || subject(rule) > 0)
        .rev()
        .max_by_key(|(_, rule)| subject(rule));
    let by_subject = || {
        RULES
            .iter()
            .enumerate()
            .filter(fits)
            .filter(|(_, rule)| subject(rule) > 0)
            .rev()
            .max_by_key(|(_, r)| subject(r))
    };
    by_shape.or_else(by_subject).map(|(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::Value;

    fn said(model: &str, json: bool, max_tokens: u64, system: &str, other: &str) -> &'static str {
        choose(model, json, Some(max_tokens), system, other).map_or("", |rule| RULES[rule].answer)
    }

    #[rstest]
    #[case::behaviour(
        8_000,
        "You are an expert in behavioral patterns.",
        "circadian circadian",
        "behavioral_signature"
    )]
    #[case::circadian(8_000, "You analyse circadian rhythm and energy.", "behavior habits", "chronotype_assessment")]
    #[case::routine(2_000, "Make a plan around circadian energy and behavior.", "answer as time_blocks", "time_blocks")]
    #[case::insights(1_500, "", "Give insights on the user's habits as JSON", "insights")]
    fn json_prompts_get_the_shape_they_ask_for(
        #[case] max_tokens: u64,
        #[case] system: &str,
        #[case] other: &str,
        #[case] key: &str,
    ) {
        let value: Value = serde_json::from_str(said("gpt-4o", true, max_tokens, system, other)).unwrap();
        assert!(value.get(key).is_some(), "no `{key}` in {value}");
    }

    #[test]
    fn text_prompts_get_text() {
        assert!(said("gpt-4o", false, 2_000, "You are a nutrition coach", "plan my day").starts_with("# Daily"));
        assert!(said("gpt-4o-mini", false, 1_000, "", "nutrition and routine history").starts_with("Over the last"));
        assert_eq!(said("gpt-4o", false, 50, "", "hello"), "");
        assert_eq!(said("gpt-4o", true, 50, "", "hello"), "");
    }

    #[test]
    fn a_routine_has_five_blocks_with_tasks_and_insights_pass_the_apps_cut_offs() {
        let routine: Value = serde_json::from_str(RULES[1].answer).unwrap();
        let blocks = routine["time_blocks"].as_array().unwrap();
        assert_eq!(blocks.len(), 5);
        for block in blocks {
            assert!(!block["tasks"].as_array().unwrap().is_empty(), "{}", block["block_name"]);
        }
        let insights: Value = serde_json::from_str(RULES[4].answer).unwrap();
        for insight in insights["insights"].as_array().unwrap() {
            assert!(insight["confidence_score"].as_f64() >= Some(0.75));
            assert!(insight["actionability_score"].as_f64() >= Some(0.70));
        }
    }
}
