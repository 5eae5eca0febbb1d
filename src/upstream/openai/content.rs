//! What the model says: answers that an app can use, chosen by what its request looks like.
//!
//! The rules tell the prompts of HolisticOS apart (observed on HolisticOS: each of its agents asks with its own
//! `max_tokens` and response format, and its system prompt speaks of its subject). Any other prompt gets a generic
//! answer of the right form.

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

const GENERIC_TEXT: &str = "This is an answer of firedrill's OpenAI mock. It has nothing to say about your prompt, \
                            but it arrives in the form, with the headers and at the pace of a real one.";
const GENERIC_JSON: &str = r#"{"answer":"This is an answer of firedrill's OpenAI mock.","status":"ok"}"#;

/// What is looked at to choose an answer.
#[derive(Debug)]
pub struct Prompt<'a> {
    /// The model's name as asked for.
    pub model: &'a str,
    /// Whether a JSON object is asked for.
    pub json: bool,
    /// The most tokens that may be answered.
    pub max_tokens: Option<u64>,
    /// The system messages.
    pub system: &'a str,
    /// The other messages.
    pub other: &'a str,
}

/// The answer to a prompt.
pub fn answer(prompt: &Prompt<'_>) -> &'static str {
    // The subject is what the system prompt is about; user messages quote other agents' results.
    let system = prompt.system.to_ascii_lowercase();
    let other = prompt.other.to_ascii_lowercase();
    let about = |rule: &Rule, text: &str| rule.words.iter().map(|word| text.matches(word).count()).sum::<usize>();
    let subject = |rule: &Rule| about(rule, &system) * 1_000 + about(rule, &other).min(999);
    let fits = |rule: &&Rule| rule.json == prompt.json && prompt.model.starts_with(rule.model);

    let by_shape = RULES
        .iter()
        .filter(fits)
        .filter(|rule| prompt.max_tokens == Some(rule.max_tokens))
        .filter(|rule| rule.words.is_empty() || subject(rule) > 0)
        .rev()
        .max_by_key(|rule| subject(rule));
    let by_subject =
        || RULES.iter().filter(fits).filter(|rule| subject(rule) > 0).rev().max_by_key(|rule| subject(rule));
    match by_shape.or_else(by_subject) {
        Some(rule) => rule.answer.trim_end(),
        None if prompt.json => GENERIC_JSON,
        None => GENERIC_TEXT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::Value;

    fn said(model: &str, json: bool, max_tokens: u64, system: &str, other: &str) -> &'static str {
        answer(&Prompt { model, json, max_tokens: Some(max_tokens), system, other })
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
        assert_eq!(said("gpt-4o", false, 50, "", "hello"), GENERIC_TEXT);
        assert_eq!(said("gpt-4o", true, 50, "", "hello"), GENERIC_JSON);
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
