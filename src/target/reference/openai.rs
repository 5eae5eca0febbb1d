//! [`OpenAi`]: the app's OpenAI client, with the retry behaviour of the official Python client (3.54, as
//! observed): three attempts on 408, 409, 429, 5xx and connection errors, back-off min(0.5·2ⁿ, 8) s × 0.75..1,
//! `retry-after-ms`, `retry-after` and `x-should-retry` obeyed, 600 s per read.

use super::breaker::Breaker;
use super::exchange::{Answer, ExchangeError, Patience, exchange};
use super::pace::Pace;
use crate::units::Seed;
use http::HeaderMap;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The longest `retry-after` that the client waits for; beyond it, it gives up at once.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(120);

/// A chat completion as the app asks for it.
pub(super) struct ChatCall {
    pub(super) model: &'static str,
    pub(super) max_tokens: u32,
    pub(super) temperature: f64,
    /// Whether `response_format` asks for a JSON object.
    pub(super) json: bool,
    pub(super) system: Option<String>,
    pub(super) user: String,
}

/// What the app reads of a completion.
pub(super) struct Completion {
    pub(super) content: String,
    pub(super) total_tokens: u64,
}

/// Why a call gave nothing, in the words that the Python app shows to its users.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum OpenAiError {
    /// An error status, after all attempts.
    #[error("Error code: {status} - {message}")]
    Status {
        /// The last status.
        status: u16,
        /// What the error body said.
        message: String,
    },
    /// No connection, or it broke, after all attempts.
    #[error("Connection error.")]
    Connection,
    /// Nothing came in time, after all attempts.
    #[error("Request timed out.")]
    Timeout,
    /// An answer that is no completion; never retried.
    #[error("{0}")]
    Shape(&'static str),
    /// The circuit breaker is open.
    #[error("OpenAI is not being called while its circuit breaker is open")]
    BreakerOpen,
    /// The agent is broken by a defect; nothing was sent.
    #[error("the {0} agent is broken")]
    BrokenAgent(&'static str),
}

/// How hard the client tries.
#[derive(Clone, Copy)]
struct Policy {
    attempts: u32,
    first_backoff: Duration,
    patience: Patience,
    obeys_retry_after: bool,
}

/// The client.
pub(super) struct OpenAi {
    http: reqwest::Client,
    base: String,
    key: String,
    pace: Pace,
    policy: Policy,
    breaker: Option<Breaker>,
    /// Counts back-offs: the jitter is a pure function of it.
    backoffs: AtomicU64,
}

impl OpenAi {
    /// The client as HolisticOS uses it: nothing set, all defaults of the library.
    pub(super) fn faithful(http: reqwest::Client, base: String, key: String, pace: Pace) -> Self {
        let policy = Policy {
            attempts: 3,
            first_backoff: Duration::from_millis(500),
            patience: Patience::PerRead(Duration::from_secs(600)),
            obeys_retry_after: true,
        };
        Self { http, base, key, pace, policy, breaker: None, backoffs: AtomicU64::new(0) }
    }

    /// The client as it should be used: 8 s, two attempts, a circuit breaker.
    pub(super) fn resilient(http: reqwest::Client, base: String, key: String, pace: Pace, timeouts: bool) -> Self {
        let policy = Policy {
            attempts: 2,
            first_backoff: Duration::from_millis(200),
            patience: if timeouts { Patience::Total(Duration::from_secs(8)) } else { Patience::Endless },
            obeys_retry_after: false,
        };
        Self { http, base, key, pace, policy, breaker: Some(Breaker::default()), backoffs: AtomicU64::new(0) }
    }

    /// Asks for a chat completion.
    pub(super) async fn complete(&self, call: &ChatCall) -> Result<Completion, OpenAiError> {
        let mut messages = Vec::with_capacity(2);
        if let Some(system) = &call.system {
            messages.push(json!({"role": "system", "content": system}));
        }
        messages.push(json!({"role": "user", "content": call.user}));
        let mut body = json!({
            "model": call.model,
            "messages": messages,
            "temperature": call.temperature,
            "max_tokens": call.max_tokens,
        });
        if call.json {
            body["response_format"] = json!({"type": "json_object"});
        }
        let url = format!("{}/chat/completions", self.base);
        let answer = self.attempts(|| self.http.post(&url).json(&body), self.policy.patience).await?;
        read_completion(&answer)
    }

    /// Lists the models, as the health check does.
    pub(super) async fn models(&self) -> Result<(), OpenAiError> {
        let url = format!("{}/models", self.base);
        read_models(&self.attempts(|| self.http.get(&url), self.policy.patience).await?)
    }

    /// Lists the models once, past retries and breaker: what a health check wants to know is the truth of now.
    pub(super) async fn models_once(&self, within: Duration) -> Result<(), OpenAiError> {
        let request = self.dress(self.http.get(format!("{}/models", self.base)), 0);
        match exchange(request, Patience::Total(within)).await {
            Ok(answer) if answer.status >= 400 => Err(status_error(&answer)),
            Ok(answer) => read_models(&answer),
            Err(error) => Err(error.into()),
        }
    }

    async fn attempts(
        &self,
        build: impl Fn() -> reqwest::RequestBuilder,
        patience: Patience,
    ) -> Result<Answer, OpenAiError> {
        let mut attempt = 0;
        loop {
            if self.breaker.as_ref().is_some_and(|breaker| !breaker.admits()) {
                return Err(OpenAiError::BreakerOpen);
            }
            let (error, headers) = match exchange(self.dress(build(), attempt), patience).await {
                Ok(answer) if answer.status < 400 => {
                    self.note(true);
                    return Ok(answer);
                }
                Ok(answer) => (status_error(&answer), answer.headers),
                Err(error) => (error.into(), HeaderMap::new()),
            };
            // A refusal of our request says nothing about the service's state.
            self.note(matches!(error, OpenAiError::Status { status: 400 | 404 | 422, .. }));
            attempt += 1;
            let wait = if self.policy.obeys_retry_after { retry_after(&headers) } else { RetryAfter::None };
            if attempt >= self.policy.attempts || !should_retry(&error, &headers) || wait == RetryAfter::TooLong {
                return Err(error);
            }
            match wait {
                RetryAfter::Wait(wait) => tokio::time::sleep(wait).await,
                RetryAfter::None | RetryAfter::TooLong => self.pace.sleep(self.backoff(attempt - 1)).await,
            }
        }
    }

    fn note(&self, success: bool) {
        if let Some(breaker) = &self.breaker {
            if success { breaker.succeeded() } else { breaker.failed() }
        }
    }

    fn backoff(&self, retry: u32) -> Duration {
        let nth = self.backoffs.fetch_add(1, Ordering::Relaxed);
        let jitter = 1.0 - 0.25 * Seed(0).derive("openai-backoff").unit(&[nth]);
        let base = self.policy.first_backoff.as_secs_f64() * f64::from(2_u32.pow(retry.min(8)));
        Duration::from_secs_f64(base.min(8.0) * jitter)
    }

    fn dress(&self, request: reqwest::RequestBuilder, attempt: u32) -> reqwest::RequestBuilder {
        request
            .bearer_auth(&self.key)
            .header("accept", "application/json")
            .header("user-agent", "AsyncOpenAI/Python 3.54.0")
            .header("x-stainless-lang", "python")
            .header("x-stainless-package-version", "3.54.0")
            .header("x-stainless-async", "async:asyncio")
            .header("x-stainless-retry-count", attempt.to_string())
            .header("x-stainless-read-timeout", "600")
    }
}

impl From<ExchangeError> for OpenAiError {
    fn from(error: ExchangeError) -> Self {
        match error {
            ExchangeError::Timeout => Self::Timeout,
            ExchangeError::Connection(_) => Self::Connection,
        }
    }
}

fn status_error(answer: &Answer) -> OpenAiError {
    let message = serde_json::from_slice::<Value>(&answer.body)
        .ok()
        .and_then(|body| body.pointer("/error/message").and_then(Value::as_str).map(str::to_owned))
        .unwrap_or_else(|| String::from_utf8_lossy(&answer.body).chars().take(500).collect());
    OpenAiError::Status { status: answer.status, message }
}

fn should_retry(error: &OpenAiError, headers: &HeaderMap) -> bool {
    match headers.get("x-should-retry").map(http::HeaderValue::as_bytes) {
        Some(b"true") => return true,
        Some(b"false") => return false,
        _ => {}
    }
    match error {
        OpenAiError::Status { status, .. } => matches!(status, 408 | 409 | 429 | 500..),
        OpenAiError::Connection | OpenAiError::Timeout => true,
        OpenAiError::Shape(_) | OpenAiError::BreakerOpen | OpenAiError::BrokenAgent(_) => false,
    }
}

#[derive(Debug, PartialEq, Eq)]
enum RetryAfter {
    /// Not said, or zero: the client's own back-off.
    None,
    Wait(Duration),
    TooLong,
}

fn retry_after(headers: &HeaderMap) -> RetryAfter {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let millis = text("retry-after-ms").and_then(|ms| ms.parse::<f64>().ok()).map(|ms| ms / 1000.0);
    let secs = millis.or_else(|| {
        let value = text("retry-after")?;
        value.parse::<f64>().ok().or_else(|| {
            let date = jiff::fmt::rfc2822::parse(value).ok()?;
            Some(date.timestamp().duration_since(jiff::Timestamp::now()).as_secs_f64())
        })
    });
    match secs {
        Some(secs) if secs > LONGEST_RETRY_AFTER.as_secs_f64() => RetryAfter::TooLong,
        Some(secs) if secs > 0.0 => RetryAfter::Wait(Duration::from_secs_f64(secs)),
        _ => RetryAfter::None,
    }
}

/// The library parses only what calls itself JSON; anything else it hands over as a string.
fn is_json(answer: &Answer) -> bool {
    let kind = answer.headers.get(http::header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    kind.split(';').next().unwrap_or_default().trim().ends_with("json")
}

fn parse(answer: &Answer) -> Result<Value, OpenAiError> {
    serde_json::from_slice(&answer.body).map_err(|_| OpenAiError::Shape("Expecting value: line 1 column 1 (char 0)"))
}

fn read_completion(answer: &Answer) -> Result<Completion, OpenAiError> {
    if !is_json(answer) {
        return Err(OpenAiError::Shape("'str' object has no attribute 'choices'"));
    }
    let body = parse(answer)?;
    let Some(choices) = body.get("choices").and_then(Value::as_array) else {
        return Err(OpenAiError::Shape("'NoneType' object is not subscriptable"));
    };
    let Some(choice) = choices.first() else { return Err(OpenAiError::Shape("list index out of range")) };
    let Some(content) = choice.pointer("/message/content").and_then(Value::as_str) else {
        return Err(OpenAiError::Shape("the JSON object must be str, bytes or bytearray, not NoneType"));
    };
    Ok(Completion {
        content: content.to_owned(),
        total_tokens: body.pointer("/usage/total_tokens").and_then(Value::as_u64).unwrap_or(0),
    })
}

fn read_models(answer: &Answer) -> Result<(), OpenAiError> {
    if !is_json(answer) {
        return Err(OpenAiError::Shape("'str' object has no attribute '_set_private_attributes'"));
    }
    parse(answer).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use rstest::rstest;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(n, v)| (n.parse().unwrap(), HeaderValue::from_static(v))).collect()
    }

    #[rstest]
    #[case(&[], RetryAfter::None)]
    #[case(&[("retry-after", "0")], RetryAfter::None)]
    #[case(&[("retry-after", "1")], RetryAfter::Wait(Duration::from_secs(1)))]
    #[case(&[("retry-after", "120")], RetryAfter::Wait(Duration::from_secs(120)))]
    #[case(&[("retry-after", "121")], RetryAfter::TooLong)]
    #[case(&[("retry-after", "3"), ("retry-after-ms", "250")], RetryAfter::Wait(Duration::from_millis(250)))]
    #[case(&[("retry-after", "Thu, 01 Jan 1970 00:00:00 GMT")], RetryAfter::None)]
    #[case(&[("retry-after", "soon")], RetryAfter::None)]
    fn retry_after_is_read_as_the_library_reads_it(
        #[case] given: &[(&'static str, &'static str)],
        #[case] wanted: RetryAfter,
    ) {
        assert_eq!(retry_after(&headers(given)), wanted);
    }

    #[rstest]
    #[case(400, &[], false)]
    #[case(401, &[], false)]
    #[case(408, &[], true)]
    #[case(429, &[], true)]
    #[case(503, &[], true)]
    #[case(429, &[("x-should-retry", "false")], false)]
    #[case(400, &[("x-should-retry", "true")], true)]
    fn retries_what_the_library_retries(
        #[case] status: u16,
        #[case] given: &[(&'static str, &'static str)],
        #[case] wanted: bool,
    ) {
        let error = OpenAiError::Status { status, message: String::new() };
        assert_eq!(should_retry(&error, &headers(given)), wanted);
    }
}
