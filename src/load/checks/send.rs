//! [`Sender`]: one request of a check and its whole answer.

use super::context::ChecksContext;
use crate::model::checks::CheckRequest;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use reqwest::Client;
use serde_json::Value;
use std::error::Error;
use tokio::time::timeout;

/// How much of an answer is read; what is looked for stands in the beginning of any real answer to a check.
const BODY: usize = 4 << 20;

/// What placeholders stand for.
#[derive(Clone, Debug, Default)]
pub(super) struct Filling {
    pub(super) row: String,
    pub(super) mark: String,
    pub(super) date: String,
}

impl Filling {
    /// Fills a text.
    pub(super) fn fill(&self, text: &str) -> String {
        if !text.contains('{') && !text.contains('}') {
            return text.to_owned();
        }
        let filled = text.replace("{row}", &self.row).replace("{mark}", &self.mark).replace("{date}", &self.date);
        filled.replace("{{", "{").replace("}}", "}")
    }

    fn json(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.fill(text)),
            Value::Array(all) => all.iter().map(|one| self.json(one)).collect(),
            Value::Object(all) => all.iter().map(|(name, one)| (name.clone(), self.json(one))).collect(),
            other => other.clone(),
        }
    }
}

/// A whole answer.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

/// Sends requests with the run's headers.
#[derive(Debug)]
pub(super) struct Sender {
    client: Client,
    base: String,
    headers: HeaderMap,
}

impl Sender {
    /// A sender for the app alone: no proxy and no redirects, because both would be another server's answer.
    pub(super) fn new(ctx: &ChecksContext) -> Result<Self, String> {
        let headers = ctx.plan.headers.iter().filter_map(|(name, value)| {
            let mut value = HeaderValue::from_str(value.expose()).ok()?;
            value.set_sensitive(true);
            Some((HeaderName::try_from(name.as_str()).ok()?, value))
        });
        let client = Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(0)
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self { client, base: ctx.base_url.trim_end_matches('/').to_owned(), headers: headers.collect() })
    }

    /// Sends a request without the run's headers that `without` names; `extra` is added.
    pub(super) async fn send(
        &self,
        request: &CheckRequest,
        filling: &Filling,
        without: &[String],
        extra: HeaderMap,
    ) -> Result<Reply, String> {
        let mut headers = self.headers.clone();
        for name in without {
            headers.remove(name.as_str());
        }
        for (name, value) in &request.headers {
            let value =
                HeaderValue::from_str(&filling.fill(value)).map_err(|_| format!("the header {name} is no header"))?;
            let name = HeaderName::try_from(name.as_str()).map_err(|_| format!("{name} is no header"))?;
            headers.insert(name, value);
        }
        headers.extend(extra);
        let method = Method::from_bytes(request.method.as_bytes()).map_err(|error| error.to_string())?;
        let mut message =
            self.client.request(method, format!("{}{}", self.base, filling.fill(&request.path))).headers(headers);
        if let Some(body) = &request.body {
            message = message.json(&filling.json(body));
        }
        let exchange = async {
            let mut answer = message.send().await.map_err(|error| innermost(&error))?;
            let (status, headers) = (answer.status().as_u16(), std::mem::take(answer.headers_mut()));
            let mut body = Vec::new();
            while body.len() < BODY
                && let Some(chunk) = answer.chunk().await.map_err(|error| innermost(&error))?
            {
                let room = BODY - body.len();
                body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            }
            Ok(Reply { status, headers, body })
        };
        let limit = request.deadline;
        timeout(limit.get(), exchange).await.unwrap_or_else(|_| Err(format!("no whole answer within {limit}")))
    }
}

/// The cause at the bottom of an error, in a few words.
fn innermost(error: &dyn Error) -> String {
    let mut at = error;
    while let Some(cause) = at.source() {
        at = cause;
    }
    at.to_string().to_lowercase().chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn placeholders_are_filled_everywhere_and_braces_are_kept() {
        let filling = Filling { row: "r1".into(), mark: "m".into(), date: "2026-01-02".into() };
        assert_eq!(filling.fill("/u/{row}?d={date}&x={{y}}"), "/u/r1?d=2026-01-02&x={y}");
        assert_eq!(
            filling.json(&json!({"a": ["{mark}", 1], "b": {"c": "{row}"}})),
            json!({"a": ["m", 1], "b": {"c": "r1"}})
        );
    }
}
