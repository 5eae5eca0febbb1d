//! `POST /v1/embeddings`: unit vectors made from a hash of the input, so that equal inputs have equal vectors.

use super::errors::{invalid, not_json, unknown_model};
use super::models::{Purpose, find};
use super::pace::Work;
use super::state::State;
use super::tokens;
use crate::upstream::answer::{Answer, Call};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// The most inputs of one request (OpenAI's API description).
const MOST_INPUTS: usize = 2048;

#[derive(Deserialize)]
struct Request {
    model: Option<String>,
    input: Option<Input>,
    encoding_format: Option<String>,
    dimensions: Option<usize>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Input {
    Text(String),
    Texts(Vec<String>),
    Tokens(Vec<u32>),
    ManyTokens(Vec<Vec<u32>>),
}

/// `POST /v1/embeddings`.
pub fn create(state: &State, call: &Call<'_>, _: &str) -> Answer {
    embed(state, call).unwrap_or_else(|refusal| *refusal)
}

fn embed(state: &State, call: &Call<'_>) -> Result<Answer, Box<Answer>> {
    let request: Request = serde_json::from_slice(call.body).map_err(|error| {
        if error.is_data() { invalid(&format!("Invalid request: {error}."), None, None) } else { not_json() }
    })?;
    let asked = request.model.ok_or_else(|| invalid("you must provide a model parameter", None, None))?;
    let named = find(&asked).ok_or_else(|| unknown_model(&asked))?;
    let Purpose::Embedding { size, shortens } = named.model.purpose else {
        return Err(Box::new(unknown_model(&asked)));
    };
    let size = match request.dimensions {
        None => size,
        Some(fewer) if shortens && (1..=size).contains(&fewer) => fewer,
        Some(_) if !shortens => {
            return Err(Box::new(invalid("This model does not support specifying dimensions.", None, None)));
        }
        Some(fewer) => {
            let message = format!("Invalid value for 'dimensions' = {fewer}. Must be between 1 and {size}.");
            return Err(Box::new(invalid(&message, Some("dimensions"), None)));
        }
    };
    let inputs: Vec<(u64, u64)> = match request.input {
        None => return Err(Box::new(invalid("Missing required parameter: 'input'.", Some("input"), None))),
        Some(Input::Text(text)) => vec![of_text(&text)],
        Some(Input::Texts(texts)) => texts.iter().map(|text| of_text(text)).collect(),
        Some(Input::Tokens(tokens)) => vec![of_tokens(&tokens)],
        Some(Input::ManyTokens(many)) => many.iter().map(|tokens| of_tokens(tokens)).collect(),
    };
    if inputs.is_empty() || inputs.len() > MOST_INPUTS || inputs.iter().any(|(_, tokens)| *tokens == 0) {
        let message = format!("Invalid 'input': one to {MOST_INPUTS} inputs, none of them empty, are allowed.");
        return Err(Box::new(invalid(&message, Some("input"), None)));
    }
    let as_text = match request.encoding_format.as_deref() {
        None | Some("float") => false,
        Some("base64") => true,
        Some(_) => {
            return Err(Box::new(invalid(
                "Invalid 'encoding_format': 'float' or 'base64' is allowed.",
                Some("encoding_format"),
                None,
            )));
        }
    };
    let tokens: u64 = inputs.iter().map(|(_, tokens)| tokens).sum();
    let grant = state.limits.admit(call, named.model, tokens)?;
    let data: Vec<Value> = inputs
        .iter()
        .enumerate()
        .map(|(index, (hash, _))| {
            let vector = unit_vector(*hash, size);
            let embedding = if as_text {
                let bytes: Vec<u8> = vector.iter().flat_map(|part| part.to_le_bytes()).collect();
                Value::from(STANDARD.encode(bytes))
            } else {
                Value::from(vector)
            };
            json!({"object": "embedding", "index": index, "embedding": embedding})
        })
        .collect();
    let mut answer = Answer::json(
        StatusCode::OK,
        &json!({"object": "list", "data": data, "model": named.model.id,
                "usage": {"prompt_tokens": tokens, "total_tokens": tokens}}),
    );
    answer.tokens_in = tokens;
    let work = Work { model: named.model, number: call.number, prompt_tokens: tokens, in_flight: call.in_flight };
    answer.delay = state.pace.timing(work).first();
    Ok(grant.dress(answer))
}

fn of_text(text: &str) -> (u64, u64) {
    (xxh3_64(text.as_bytes()), tokens::of_text(text))
}

fn of_tokens(tokens: &[u32]) -> (u64, u64) {
    let bytes: Vec<u8> = tokens.iter().flat_map(|token| token.to_le_bytes()).collect();
    (xxh3_64(&bytes), tokens.len() as u64)
}

fn unit_vector(hash: u64, size: usize) -> Vec<f32> {
    let raw: Vec<f64> = (0..size as u64)
        .map(|part| (xxh3_64_with_seed(&part.to_le_bytes(), hash) >> 11) as f64 / (1_u64 << 52) as f64 - 1.0)
        .collect();
    let length = raw.iter().map(|part| part * part).sum::<f64>().sqrt();
    raw.iter().map(|part| (part / length) as f32).collect()
}
