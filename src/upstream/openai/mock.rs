//! [`OpenAi`]: the mock's front: which call it is, whether it may be made, and the headers of every answer.

use super::completion::identifier;
use super::errors::{self, CATALOGUE, masked};
use super::state::State;
use super::{chat, completions, embeddings, model_list, models, moderations, responses, stream_errors};
use crate::model::fault::StreamError;
use crate::model::secret::Secret;
use crate::model::upstream::{OpenaiPlan, Services};
use crate::units::Seed;
use crate::upstream::answer::{Answer, AnswerBody, Call, Mock};
use crate::upstream::catalogue::ProviderError;
use bytes::Bytes;
use http::{Method, StatusCode};
use serde::Deserialize;

/// Every call of the API: method, path, what answers it. `{}` in a path stands for one segment, which is handed on.
const ROUTES: &[(Method, &str, Handler)] = &[
    (Method::POST, "/v1/chat/completions", chat::create),
    (Method::POST, "/v1/responses", responses::create),
    (Method::POST, "/v1/responses/input_tokens", responses::input_tokens),
    (Method::GET, "/v1/responses/{}", responses::retrieve),
    (Method::DELETE, "/v1/responses/{}", responses::delete),
    (Method::POST, "/v1/responses/{}/cancel", responses::cancel),
    (Method::GET, "/v1/responses/{}/input_items", responses::input_items),
    (Method::POST, "/v1/embeddings", embeddings::create),
    (Method::POST, "/v1/completions", completions::create),
    (Method::POST, "/v1/moderations", moderations::create),
    (Method::GET, "/v1/models", model_list::list),
    (Method::GET, "/v1/models/{}", model_list::retrieve),
];

/// What answers a call: given what calls share, the call, and the segment of its path that `{}` stands for.
type Handler = fn(&State, &Call<'_>, &str) -> Answer;

/// The OpenAI mock.
#[derive(Debug)]
pub struct OpenAi {
    state: State,
    keys: Vec<Secret>,
    /// Models that the plan speaks of and that are none.
    strangers: Vec<String>,
}

impl OpenAi {
    /// A mock that behaves as planned.
    pub fn new(plan: &OpenaiPlan, seed: Seed) -> Self {
        let paced = plan.pace.iter().flat_map(|pace| pace.models.keys()).map(|name| ("pace", name));
        let limited = plan.limits.models.keys().map(|name| ("limits", name));
        let strangers = paced
            .chain(limited)
            .filter(|(_, name)| models::find(name).is_none())
            .map(|(key, name)| {
                format!("`{name}` under `{key}` is no model that the OpenAI mock knows: it has no effect")
            })
            .collect();
        Self { state: State::new(plan, seed), keys: plan.keys.clone(), strangers }
    }

    fn route(&self, call: &Call<'_>) -> Answer {
        let on_path =
            ROUTES.iter().filter_map(|(method, path, handler)| Some((method, handler, segment(path, call.path)?)));
        let mut known = false;
        for (method, handler, segment) in on_path {
            match call.bearer() {
                None => return errors::missing_key(),
                Some(key) if !self.takes(key) => return errors::wrong_key(key),
                Some(_) => {}
            }
            if method == call.method {
                return handler(&self.state, call, segment);
            }
            known = true;
        }
        let refuse = if known { errors::wrong_method } else { errors::unknown_url };
        refuse(call.method.as_str(), call.path)
    }

    fn takes(&self, key: &str) -> bool {
        self.keys.is_empty() || self.keys.iter().any(|known| known.expose() == key)
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
        identifier("req_", self.state.seed.derive("request"), call.number)
    }

    /// An answer that failed before it was admitted, counted against the limits.
    fn counted(&self, answer: Answer, call: &Call<'_>) -> Answer {
        // Refusals have counted themselves; a gateway in front of the API and a wrong key never get to the limits.
        let counts = call.method == Method::POST
            && answer.status.as_u16() >= 400
            && !matches!(answer.status.as_u16(), 401 | 403 | 429 | 502 | 504 | 520..=524);
        let asked = if counts { asked_model(call) } else { None };
        match asked.as_deref().and_then(models::find) {
            Some(named) => self.state.limits.failed(call, named.model, answer),
            None => answer,
        }
    }

    fn provider_error(&self, error: &ProviderError, call: &Call<'_>) -> Answer {
        let asked = asked_model(call).unwrap_or_else(|| "gpt-4o".to_owned());
        if let (name @ ("rate_limit" | "rate_limit_tokens"), Some(named)) = (error.name, models::find(&asked)) {
            let tokens = call.body.len() as u64 / 4;
            let answer = self.state.limits.as_if_over(name == "rate_limit_tokens", named.model, tokens);
            return self.dressed(answer, call);
        }
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
        if error.content_type.starts_with("text/html") { answer } else { self.dressed(answer, call) }
    }
}

/// The model that a body names, cut to what goes into an error: names come from outside, and a real one is short.
fn asked_model(call: &Call<'_>) -> Option<String> {
    #[derive(Deserialize)]
    struct Asked<'a> {
        #[serde(borrow)]
        model: Option<std::borrow::Cow<'a, str>>,
    }
    let asked = serde_json::from_slice::<Asked<'_>>(call.body).ok()?.model?;
    Some(asked.chars().take(100).collect())
}

/// What `{}` of a route's path stands for in a call's path: nothing (but a match) in a route without it.
fn segment<'a>(route: &str, path: &'a str) -> Option<&'a str> {
    let Some((before, after)) = route.split_once("{}") else { return (route == path).then_some("") };
    let segment = path.strip_prefix(before)?.strip_suffix(after)?;
    (!segment.is_empty() && !segment.contains('/')).then_some(segment)
}

impl Mock for OpenAi {
    fn service(&self, path: &str) -> Option<&'static str> {
        Services::OPENAI.of(path)
    }

    fn answer(&self, call: &Call<'_>) -> Answer {
        self.dressed(self.counted(self.route(call), call), call)
    }

    fn named_error(&self, name: &str, call: &Call<'_>) -> Option<Answer> {
        let error = CATALOGUE.iter().find(|error| error.name == name)?;
        Some(self.counted(self.provider_error(error, call), call))
    }

    fn stream_error(&self, fault: &StreamError, call: &Call<'_>) -> Option<Bytes> {
        let error = CATALOGUE.iter().find(|error| error.name == fault.error)?;
        let AnswerBody::Full(body) = self.provider_error(error, call).body else { return None };
        stream_errors::event(&self.state, call, &body, fault)
    }

    fn error_of_status(&self, status: StatusCode, call: &Call<'_>) -> Answer {
        if let Some(error) = CATALOGUE.iter().find(|error| error.status == status.as_u16()) {
            return self.counted(self.provider_error(error, call), call);
        }
        let kind = if status.is_server_error() { "server_error" } else { "invalid_request_error" };
        let message = status.canonical_reason().unwrap_or("error");
        self.dressed(self.counted(errors::envelope(status, kind, message, None, None), call), call)
    }

    fn too_large(&self, call: &Call<'_>) -> Answer {
        let message = "Request body is larger than 32 MB.";
        let answer = errors::envelope(StatusCode::PAYLOAD_TOO_LARGE, "invalid_request_error", message, None, None);
        self.dressed(answer, call)
    }

    fn ineffective(&self) -> Vec<String> {
        self.strangers.clone()
    }

    fn state(&self) -> serde_json::Value {
        serde_json::json!({"limits": self.state.limits.state()})
    }
}
