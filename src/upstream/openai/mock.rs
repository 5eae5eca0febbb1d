//! [`OpenAi`]: the mock's front: which call it is, whether it may be made, and the headers of every answer.

use super::chat;
use super::completion::identifier;
use super::errors::{self, CATALOGUE, masked};
use super::limits::Limits;
use super::{embeddings, models, stream_errors};
use crate::fault::draw_delay;
use crate::model::fault::{Delay, StreamError};
use crate::model::upstream::{OpenaiPlan, Services};
use crate::units::Seed;
use crate::upstream::answer::{Answer, AnswerBody, Call, Mock};
use crate::upstream::catalogue::ProviderError;
use bytes::Bytes;
use http::{Method, StatusCode};
use serde::Deserialize;

const CHAT: &str = "/v1/chat/completions";
const EMBEDDINGS: &str = "/v1/embeddings";
const MODELS: &str = "/v1/models";

/// The OpenAI mock.
#[derive(Debug)]
pub struct OpenAi {
    latency: Delay,
    seed: Seed,
    limits: Limits,
}

impl OpenAi {
    /// A mock that behaves as planned.
    pub fn new(plan: &OpenaiPlan, seed: Seed) -> Self {
        Self { latency: plan.latency, seed: seed.derive("openai"), limits: Limits::default() }
    }

    fn route(&self, call: &Call<'_>) -> Answer {
        let wanted = match call.path {
            CHAT | EMBEDDINGS => Method::POST,
            path if path == MODELS || model_of(path).is_some() => Method::GET,
            path => return errors::unknown_url(call.method.as_str(), path),
        };
        if call.bearer().is_none() {
            return errors::missing_key();
        }
        if *call.method != wanted {
            return errors::wrong_method(call.method.as_str(), call.path);
        }
        match call.path {
            CHAT => {
                let (answer, reserved) = chat::answer(call.body, call.number, self.seed);
                match reserved {
                    Some((model, tokens)) => self.limits.reserve(model, tokens, answer),
                    None => answer,
                }
            }
            EMBEDDINGS => {
                let (answer, needed) = embeddings::answer(call.body);
                match needed {
                    Some((named, tokens)) => self.limits.reserve(named.model, tokens, answer),
                    None => answer,
                }
            }
            path => match model_of(path) {
                None => models::list(),
                Some(asked) => match models::find(asked) {
                    Some(named) => models::one(&named, asked),
                    None => errors::unknown_model(asked),
                },
            },
        }
    }

    /// The headers that every answer of OpenAI's API carries.
    fn dressed(&self, answer: Answer, call: &Call<'_>) -> Answer {
        let processing = answer.delay.as_millis().to_string();
        answer
            .with("x-request-id", &self.request_id(call))
            .with("openai-processing-ms", &processing)
            .with("openai-version", "2020-10-01")
            .with("openai-organization", "org-firedrill")
    }

    fn request_id(&self, call: &Call<'_>) -> String {
        identifier("req_", self.seed.derive("request"), call.number)
    }

    fn provider_error(&self, error: &ProviderError, call: &Call<'_>) -> Answer {
        #[derive(Deserialize)]
        struct Asked {
            model: Option<String>,
        }
        let asked = serde_json::from_slice::<Asked>(call.body).ok().and_then(|asked| asked.model);
        // Names come from outside and go into the error: a real name is short.
        let asked: String = asked.as_deref().unwrap_or("gpt-4o").chars().take(100).collect();
        let context = models::find(&asked).map_or(128_000, |named| named.model.context);
        let tokens = if error.name == "context_length_exceeded" { context + 1 } else { call.body.len() as u64 / 4 };
        let answer = error.answer(&[
            ("model", &asked),
            ("key", &masked(call.bearer().unwrap_or(""))),
            ("request", &self.request_id(call)),
            ("context", &context.to_string()),
            ("tokens", &tokens.to_string()),
        ]);
        // A gateway in front of the API knows nothing of the API's headers.
        if answer.status == StatusCode::BAD_GATEWAY { answer } else { self.dressed(answer, call) }
    }
}

/// The model in `/v1/models/{model}`.
fn model_of(path: &str) -> Option<&str> {
    path.strip_prefix(MODELS)?.strip_prefix('/').filter(|model| !model.is_empty() && !model.contains('/'))
}

impl Mock for OpenAi {
    fn service(&self, path: &str) -> Option<&'static str> {
        Services::OPENAI.of(path)
    }

    fn answer(&self, call: &Call<'_>) -> Answer {
        let works = *call.method == Method::POST && (call.path == CHAT || call.path == EMBEDDINGS);
        let answer = self.route(call);
        let answer = if works {
            answer.delayed(draw_delay(&self.latency, self.seed.derive("latency"), &[call.number]))
        } else {
            answer
        };
        self.dressed(answer, call)
    }

    fn named_error(&self, name: &str, call: &Call<'_>) -> Option<Answer> {
        CATALOGUE.iter().find(|error| error.name == name).map(|error| self.provider_error(error, call))
    }

    fn stream_error(&self, fault: &StreamError, call: &Call<'_>) -> Option<Bytes> {
        let AnswerBody::Full(body) = self.named_error(&fault.error, call)?.body else { return None };
        stream_errors::event(call.path, &body, fault, self.seed, call.number)
    }

    fn error_of_status(&self, status: StatusCode, call: &Call<'_>) -> Answer {
        if let Some(error) = CATALOGUE.iter().find(|error| error.status == status.as_u16()) {
            return self.provider_error(error, call);
        }
        let kind = if status.is_server_error() { "server_error" } else { "invalid_request_error" };
        let message = status.canonical_reason().unwrap_or("error");
        self.dressed(errors::envelope(status, kind, message, None, None), call)
    }

    fn too_large(&self) -> Answer {
        let message = "Request body is larger than 32 MB.";
        errors::envelope(StatusCode::PAYLOAD_TOO_LARGE, "invalid_request_error", message, None, None)
    }
}
