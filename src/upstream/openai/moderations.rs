//! `POST /v1/moderations`: which inputs are flagged, for what, with which scores.
//!
//! Scores are made from the input: small ones for anything, high ones where words of a category occur. That is enough
//! to walk an app through both of its branches; it is no judgement of texts.

use super::completion::identifier;
use super::errors::{envelope, unknown_model};
use super::models::{Purpose, find};
use super::pace::Work;
use super::request::{Kind, Parameters, missing, read, wrong_type};
use super::state::State;
use crate::upstream::answer::{Answer, Call};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use xxhash_rust::xxh3::xxh3_64_with_seed;

const PARAMETERS: &Parameters = &[("model", Kind::Text), ("input", Kind::Any)];
/// Scores above this flag an input.
const FLAGGED: f64 = 0.5;

/// A category and the words that speak for it. Those of `omni-moderation`; the two for illicit things are unknown to
/// `text-moderation` (OpenAI, moderation guide).
const CATEGORIES: [(&str, &[&str]); 13] = [
    ("harassment", &["you idiot", "you moron", "shut up", "worthless"]),
    ("harassment/threatening", &["i will hurt you", "i will kill you", "i'll kill you", "watch your back"]),
    ("sexual", &["explicit sex", "porn", "erotic"]),
    ("hate", &["i hate all", "subhuman", "inferior race"]),
    ("hate/threatening", &["exterminate them", "wipe them out"]),
    ("illicit", &["how to steal", "shoplift", "forge a passport", "buy drugs"]),
    ("illicit/violent", &["build a bomb", "make a bomb", "pipe bomb"]),
    ("self-harm/intent", &["kill myself", "end my life", "want to die"]),
    ("self-harm/instructions", &["how to kill myself", "ways to hurt myself"]),
    ("self-harm", &["suicide", "self-harm", "cut myself", "kill myself"]),
    ("sexual/minors", &[]),
    ("violence", &["kill them", "kill him", "kill her", "kill you", "murder", "stab", "bomb", "shoot them"]),
    ("violence/graphic", &["gore", "dismember", "mutilat"]),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    model: Option<String>,
    input: Option<Value>,
}

#[derive(Serialize)]
struct Body<'a> {
    id: String,
    model: &'a str,
    results: Vec<Verdict>,
}

#[derive(Serialize)]
struct Verdict {
    flagged: bool,
    categories: BTreeMap<&'static str, bool>,
    category_scores: BTreeMap<&'static str, f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    category_applied_input_types: Option<BTreeMap<&'static str, Vec<&'static str>>>,
}

/// `POST /v1/moderations`.
pub fn create(state: &State, call: &Call<'_>, _: &str) -> Answer {
    moderate(state, call).unwrap_or_else(|refusal| *refusal)
}

fn moderate(state: &State, call: &Call<'_>) -> Result<Answer, Box<Answer>> {
    let request: Request = read(call, PARAMETERS)?;
    let asked = request.model.as_deref().unwrap_or("omni-moderation-latest");
    let named = find(asked).ok_or_else(|| unknown_model(asked))?;
    if named.model.purpose != Purpose::Moderation {
        let message =
            format!("Invalid value for 'model' = {asked}. Please check the OpenAI documentation and try again.");
        return Err(Box::new(envelope(
            StatusCode::BAD_REQUEST,
            "invalid_request_error",
            &message,
            Some("model"),
            None,
        )));
    }
    let input = request.input.ok_or_else(|| missing("input"))?;
    let omni = named.model.id.starts_with("omni");
    let results = match &input {
        Value::String(text) => vec![verdict(&[text], &[], omni)],
        Value::Array(items) if !items.is_empty() && items.iter().all(Value::is_string) => {
            items.iter().filter_map(Value::as_str).map(|text| verdict(&[text], &[], omni)).collect()
        }
        // Parts of one input, texts and pictures.
        Value::Array(items) if omni && !items.is_empty() && items.iter().all(is_part) => {
            let texts: Vec<&str> = items.iter().filter_map(|item| item["text"].as_str()).collect();
            let pictures: Vec<&str> = items.iter().filter_map(|item| item["image_url"]["url"].as_str()).collect();
            vec![verdict(&texts, &pictures, omni)]
        }
        other => {
            return Err(Box::new(wrong_type("input", "one of a string, array of strings, or array of objects", other)));
        }
    };
    let grant = state.limits.admit(call, named.model, 0)?;
    let id = identifier("modr-", state.seed, call.number);
    let answer = Answer::json(StatusCode::OK, &Body { id, model: named.answers_as, results });
    let work = Work { model: named.model, number: call.number, prompt_tokens: 0, in_flight: call.in_flight };
    Ok(grant.dress(answer.delayed(state.pace.timing(work).first())))
}

fn is_part(item: &Value) -> bool {
    match item["type"].as_str() {
        Some("text") => item["text"].is_string(),
        Some("image_url") => item["image_url"]["url"].is_string(),
        _ => false,
    }
}

fn verdict(texts: &[&str], pictures: &[&str], omni: bool) -> Verdict {
    let lower: Vec<String> = texts.iter().map(|text| text.to_lowercase()).collect();
    let known = CATEGORIES.iter().zip(0_u64..).filter(|((name, _), _)| omni || !name.starts_with("illicit"));
    let scores: BTreeMap<&'static str, f64> = known
        .map(|((name, words), seed)| {
            let drawn = lower.iter().map(String::as_str).chain(pictures.iter().copied());
            let drawn = drawn.fold(seed, |hash, input| xxh3_64_with_seed(input.as_bytes(), hash));
            let unit = (drawn >> 11) as f64 / (1_u64 << 53) as f64;
            let found = words.iter().any(|word| lower.iter().any(|text| text.contains(word)));
            (*name, if found { 0.75 + 0.24 * unit } else { 1e-6 + 1e-3 * unit * unit * unit })
        })
        .collect();
    let categories: BTreeMap<&'static str, bool> =
        scores.iter().map(|(name, score)| (*name, *score > FLAGGED)).collect();
    // Pictures are looked at for some categories only.
    let applied = |name: &str| {
        let seen =
            ["sexual", "violence", "violence/graphic", "self-harm", "self-harm/intent", "self-harm/instructions"];
        let text = (!texts.is_empty()).then_some("text");
        let picture = (!pictures.is_empty() && seen.contains(&name)).then_some("image");
        text.into_iter().chain(picture).collect()
    };
    Verdict {
        flagged: categories.values().any(|flagged| *flagged),
        category_applied_input_types: omni.then(|| scores.keys().map(|name| (*name, applied(name))).collect()),
        categories,
        category_scores: scores,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("Please plan my day.", &[])]
    #[case("I want to KILL MYSELF", &["self-harm", "self-harm/intent"])]
    #[case("how to make a bomb", &["illicit/violent", "violence"])]
    fn words_flag_their_categories(#[case] text: &str, #[case] expected: &[&str]) {
        let verdict = verdict(&[text], &[], true);
        let flagged: Vec<&str> =
            verdict.categories.iter().filter(|(_, flagged)| **flagged).map(|(name, _)| *name).collect();
        assert_eq!(flagged, expected);
        assert_eq!(verdict.flagged, !expected.is_empty());
        assert_eq!(verdict.category_scores.len(), 13);
        assert!(verdict.category_scores.values().all(|score| (0.0..=1.0).contains(score)));
    }
}
