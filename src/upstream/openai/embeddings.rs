//! `POST /v1/embeddings`: unit vectors made from the input, so that equal inputs have equal vectors and inputs that
//! share words have vectors that point in similar directions.

use super::completion::billed;
use super::errors::{invalid, unknown_model};
use super::models::{Encoding, Model, Purpose, find};
use super::pace::Work;
use super::request::{Kind, Parameters, missing, missing_model, not_among, read};
use super::said::Usage;
use super::state::State;
use super::tokens::Tokens;
use crate::upstream::answer::{Answer, AnswerBody, Call, Piece};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

/// The most inputs of one request (OpenAI's API description).
const MOST_INPUTS: usize = 2048;
/// The most tokens of one request (same source).
const MOST_TOKENS: u64 = 300_000;
/// Answers with more vectors are made while they are sent: some are tens of megabytes large.
const AT_ONCE: usize = 16;
/// How many components of a vector each token touches.
const TOUCHED: u64 = 24;
/// How much of a vector is its input's own, that no other input shares.
const OWN: f32 = 0.25;

const PARAMETERS: &Parameters = &[
    ("model", Kind::Text),
    ("input", Kind::Any),
    ("encoding_format", Kind::Text),
    ("dimensions", Kind::Integer),
    ("user", Kind::Text),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    model: Option<String>,
    input: Option<Input>,
    encoding_format: Option<String>,
    dimensions: Option<i64>,
    #[serde(rename = "user")]
    _user: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Input {
    Text(String),
    Texts(Vec<String>),
    Tokens(Vec<u32>),
    ManyTokens(Vec<Vec<u32>>),
    Other(serde::de::IgnoredAny),
}

#[derive(Serialize)]
struct Embedding {
    object: &'static str,
    index: usize,
    embedding: Vector,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Vector {
    Floats(Vec<f32>),
    Base64(String),
}

/// `POST /v1/embeddings`.
pub fn create(state: &State, call: &Call<'_>, _: &str) -> Answer {
    embed(state, call).unwrap_or_else(|refusal| *refusal)
}

fn embed(state: &State, call: &Call<'_>) -> Result<Answer, Box<Answer>> {
    let request: Request = read(call, PARAMETERS)?;
    let asked = request.model.filter(|asked| !asked.is_empty()).ok_or_else(missing_model)?;
    let named = find(&asked).ok_or_else(|| unknown_model(&asked))?;
    let Purpose::Embedding { size, shortens } = named.model.purpose else {
        let message = "You are not allowed to generate embeddings from this model";
        return Err(Box::new(super::errors::envelope(
            StatusCode::FORBIDDEN,
            "invalid_request_error",
            message,
            None,
            None,
        )));
    };
    let full = size;
    let size = dimensions(request.dimensions, size, shortens)?;
    let inputs = inputs(request.input.ok_or_else(|| missing("input"))?, state.inference.tokens(), named.model)?;
    let as_text = match request.encoding_format.as_deref() {
        None | Some("float") => false,
        Some("base64") => true,
        Some(other) => return Err(Box::new(not_among("encoding_format", other, &["float", "base64"]))),
    };

    let tokens: u64 = inputs.iter().map(|tokens| tokens.len() as u64).sum();
    let grant = state.limits.admit(call, named.model, tokens)?;
    let head = Bytes::from_static(br#"{"object":"list","data":["#);
    let tail = format!(
        r#"],"model":{},"usage":{{"prompt_tokens":{tokens},"total_tokens":{tokens}}}}}"#,
        serde_json::Value::from(named.answers_as)
    );
    let count = inputs.len();
    let vectors = inputs.into_iter().enumerate().map(move |(index, tokens)| {
        let mut vector = unit_vector(&tokens, full);
        if size < full {
            // A short vector is the beginning of the long one, brought to length 1 again.
            vector.truncate(size);
            scale(&mut vector, 1.0);
        }
        let embedding = if as_text {
            let bytes: Vec<u8> = vector.iter().flat_map(|part| part.to_le_bytes()).collect();
            Vector::Base64(STANDARD.encode(bytes))
        } else {
            Vector::Floats(vector)
        };
        let mut bytes = if index == 0 { Vec::new() } else { vec![b','] };
        // Serialising our own values to memory cannot fail.
        let _ = serde_json::to_writer(&mut bytes, &Embedding { object: "embedding", index, embedding });
        Bytes::from(bytes)
    });
    let pieces = std::iter::once(head).chain(vectors).chain(std::iter::once(Bytes::from(tail)));
    let mut answer = Answer::text(StatusCode::OK, "application/json", "");
    answer.body = if count <= AT_ONCE {
        AnswerBody::Full(
            pieces
                .fold(Vec::new(), |mut body, piece| {
                    body.extend_from_slice(&piece);
                    body
                })
                .into(),
        )
    } else {
        AnswerBody::Stream(Box::new(pieces.map(Piece::from)))
    };
    let mut answer = billed(answer, named.model, Usage { prompt: tokens, ..Usage::default() });
    let work = Work { model: named.model, number: call.number, prompt_tokens: tokens, in_flight: call.in_flight };
    answer.delay = state.pace.timing(work).first();
    Ok(grant.dress(answer))
}

fn dimensions(asked: Option<i64>, size: usize, shortens: bool) -> Result<usize, Box<Answer>> {
    let Some(asked) = asked else { return Ok(size) };
    if !shortens {
        return Err(Box::new(invalid("This model does not support specifying dimensions.", None, None)));
    }
    usize::try_from(asked).ok().filter(|fewer| (1..=size).contains(fewer)).ok_or_else(|| {
        let message = format!("Invalid value for 'dimensions' = {asked}. Must be between 1 and {size}.");
        Box::new(invalid(&message, Some("dimensions"), None))
    })
}

/// The tokens of every input.
fn inputs(input: Input, counter: &Tokens, model: &Model) -> Result<Vec<Vec<u32>>, Box<Answer>> {
    // What OpenAI says of any input that has not one of the four forms (openai-php/client#171, BERTopic#1425).
    let refused = || {
        let message =
            "'$.input' is invalid. Please check the API reference: https://platform.openai.com/docs/api-reference.";
        Box::new(invalid(message, None, None))
    };
    let texts = |texts: Vec<String>| -> Vec<Vec<u32>> {
        texts.iter().map(|text| counter.ids(Encoding::Cl100k, text)).collect()
    };
    let inputs = match input {
        Input::Text(text) => texts(vec![text]),
        Input::Texts(list) if list.len() <= MOST_INPUTS => {
            if let Some(empty) = list.iter().position(String::is_empty) {
                let message = format!("Invalid 'input[{empty}]': input cannot be an empty string.");
                return Err(Box::new(invalid(&message, Some("input"), None)));
            }
            texts(list)
        }
        Input::Texts(list) => return Err(too_many(list.len())),
        Input::Tokens(tokens) => vec![tokens],
        Input::ManyTokens(many) if many.len() > MOST_INPUTS => return Err(too_many(many.len())),
        Input::ManyTokens(many) => many,
        Input::Other(_) => return Err(refused()),
    };
    if inputs.is_empty() || inputs.iter().any(Vec::is_empty) {
        return Err(refused());
    }
    if let Some(long) = inputs.iter().map(|tokens| tokens.len() as u64).find(|tokens| *tokens > model.context) {
        let message = format!(
            "This model's maximum context length is {} tokens, however you requested {long} tokens ({long} in your prompt; 0 \
             for the completion). Please reduce your prompt; or completion length.",
            model.context
        );
        return Err(Box::new(invalid(&message, None, None)));
    }
    let all: u64 = inputs.iter().map(|tokens| tokens.len() as u64).sum();
    if all > MOST_TOKENS {
        let (message, kind) =
            (format!("Requested {all} tokens, max {MOST_TOKENS} tokens per request"), "max_tokens_per_request");
        return Err(Box::new(super::errors::envelope(StatusCode::BAD_REQUEST, kind, &message, None, Some(kind))));
    }
    Ok(inputs)
}

fn too_many(count: usize) -> Box<Answer> {
    let message = format!(
        "Invalid 'input': array too long. Expected an array with maximum length {MOST_INPUTS}, but got an array with length \
         {count} instead."
    );
    Box::new(invalid(&message, Some("input"), Some("array_above_max_length")))
}

/// A vector of length 1: the sum of what each token points to and of something of the input's own.
fn unit_vector(tokens: &[u32], size: usize) -> Vec<f32> {
    let bytes: Vec<u8> = tokens.iter().flat_map(|token| token.to_le_bytes()).collect();
    let mut own = Draws(xxh3_64(&bytes));
    let mut vector: Vec<f32> = (0..size).map(|_| own.signed()).collect();
    scale(&mut vector, OWN);
    let mut shared = vec![0_f32; size];
    for token in tokens {
        let mut draws = Draws(u64::from(*token).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        for _ in 0..TOUCHED {
            let place = (draws.next() % size as u64) as usize;
            shared[place] += draws.signed();
        }
    }
    scale(&mut shared, 1.0 - OWN);
    vector.iter_mut().zip(shared).for_each(|(own, shared)| *own += shared);
    scale(&mut vector, 1.0);
    vector
}

/// Brings a vector to a length; one without any stays as it is.
fn scale(vector: &mut [f32], length: f32) {
    let now = vector.iter().map(|part| f64::from(*part) * f64::from(*part)).sum::<f64>().sqrt();
    if now > 0.0 {
        let factor = (f64::from(length) / now) as f32;
        vector.iter_mut().for_each(|part| *part *= factor);
    }
}

/// Numbers from a seed (SplitMix64): a thousand of them in a microsecond or so.
struct Draws(u64);

impl Draws {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number between -1 and 1.
    fn signed(&mut self) -> f32 {
        (self.next() >> 40) as f32 / 8_388_608.0 - 1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cosine(one: &[f32], other: &[f32]) -> f32 {
        one.iter().zip(other).map(|(one, other)| one * other).sum()
    }

    proptest! {
        #[test]
        fn vectors_have_length_one(tokens in prop::collection::vec(any::<u32>(), 1..200), size in 1_usize..4_000) {
            let vector = unit_vector(&tokens, size);
            prop_assert_eq!(vector.len(), size);
            prop_assert!((cosine(&vector, &vector) - 1.0).abs() < 1e-3);
        }
    }

    #[test]
    fn inputs_that_share_words_are_closer_than_those_that_do_not() {
        let tokens = Tokens::new();
        let vector = |text: &str| unit_vector(&tokens.ids(Encoding::Cl100k, text), 1536);
        let (one, similar, other) = (
            vector("How do I sleep better at night?"),
            vector("How can I sleep better?"),
            vector("Quarterly revenue grew by twelve percent."),
        );
        assert!(cosine(&one, &similar) > 0.5, "{}", cosine(&one, &similar));
        assert!(cosine(&one, &other) < 0.2, "{}", cosine(&one, &other));
    }
}
