//! [`Supabase`]: the app's Supabase client, with the retry behaviour of supabase-py (2.34.1, as observed):
//! GET and HEAD on 503, 520 or a network error get three more attempts after *blocking* sleeps of 1, 2 and 4 s;
//! nothing else is retried; a read may take 120 s. Every call needs a [`Turn`] and so keeps the event loop.

use super::event_loop::Turn;
use super::exchange::{Answer, ExchangeError, Patience, exchange};
use super::query::Query;
use super::timestamps;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::Value;
use std::time::Duration;
use url::Url;

/// Rows of an answer.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) rows: Vec<Value>,
    /// The total, if it was asked for and told.
    pub(super) total: Option<u64>,
}

impl Rows {
    /// The first row.
    pub(super) fn first(&self) -> Option<&Value> {
        self.rows.first()
    }
}

/// Why a call gave nothing, in the words that the Python app shows to its users.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum SupabaseError {
    /// An error status.
    #[error("{{'message': '{message}', 'code': '{code}'}}")]
    Status {
        /// The last status.
        status: u16,
        /// The error body's code, or the status.
        code: String,
        /// The error body's message.
        message: String,
    },
    /// Refused, reset or cut, after all attempts.
    #[error("[Errno 111] {0}")]
    Connection(String),
    /// Nothing came for too long.
    #[error("The read operation timed out")]
    Timeout,
    /// 2xx with a body that is no JSON: the library hands over a string, and the app stumbles over it.
    #[error("string indices must be integers, not 'str'")]
    NotJson,
}

impl SupabaseError {
    /// Whether it only says that there is not exactly one row.
    pub(super) fn is_no_row(&self) -> bool {
        matches!(self, Self::Status { code, .. } if code == "PGRST116")
    }
}

/// How hard the client tries.
struct Policy {
    /// Sleeps before further attempts of a read.
    backoff: &'static [Duration],
    /// Whether those sleeps, and a call's own work, are scaled: they always are, see `Turn::work`.
    own_work: Duration,
    patience: Patience,
    /// Whether reads that do not depend on each other go out together.
    together: bool,
}

/// The client.
pub(super) struct Supabase {
    http: reqwest::Client,
    base: Url,
    key: String,
    policy: Policy,
    /// When it is reached no more, by a defect.
    gone: Option<tokio::time::Instant>,
}

/// Building a client, request and result objects anew for each call, as measured on HolisticOS: 22 calls take
/// about 390 ms, 73 about 1.4 s, that is 17 ms a call, of which the call itself and the timer take one.
const FAITHFUL_WORK: Duration = Duration::from_millis(16);
const FAITHFUL_BACKOFF: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];

impl Supabase {
    /// The client as HolisticOS uses it.
    pub(super) fn faithful(http: reqwest::Client, base: Url, key: String) -> Self {
        let policy = Policy {
            backoff: &FAITHFUL_BACKOFF,
            own_work: FAITHFUL_WORK,
            patience: Patience::PerRead(Duration::from_secs(120)),
            together: false,
        };
        Self { http, base, key, policy, gone: None }
    }

    /// The client as it should be used: 5 s, one quick second attempt of a read, reads together.
    pub(super) fn resilient(http: reqwest::Client, base: Url, key: String, timeouts: bool) -> Self {
        const QUICK: [Duration; 1] = [Duration::from_millis(100)];
        let policy = Policy {
            backoff: &QUICK,
            own_work: Duration::from_millis(1),
            patience: if timeouts { Patience::Total(Duration::from_secs(5)) } else { Patience::Endless },
            together: true,
        };
        Self { http, base, key, policy, gone: None }
    }

    /// The same, reaching nothing from some moment on.
    pub(super) fn gone_from(mut self, gone: Option<tokio::time::Instant>) -> Self {
        self.gone = gone;
        self
    }

    /// Reads rows (or, with a HEAD query, only their number).
    pub(super) async fn get(&self, turn: &Turn<'_>, query: Query) -> Result<Rows, SupabaseError> {
        let method = if query.head { Method::HEAD } else { Method::GET };
        self.call(turn, method, query, None, None).await
    }

    /// Several reads that do not depend on each other: one after the other on the event loop, together otherwise.
    pub(super) async fn get_all(&self, turn: &Turn<'_>, queries: Vec<Query>) -> Vec<Result<Rows, SupabaseError>> {
        if self.policy.together {
            return join_all(queries.into_iter().map(|query| self.get(turn, query))).await;
        }
        let mut answers = Vec::with_capacity(queries.len());
        for query in queries {
            answers.push(self.get(turn, query).await);
        }
        answers
    }

    /// Reads once within a time, past all retries: for a health check.
    pub(super) async fn get_once(&self, query: Query, within: Duration) -> Result<Rows, SupabaseError> {
        let request = self.build(&Method::GET, &query, None, None);
        read_rows(&exchange(request, Patience::Total(within)).await?, false)
    }

    /// Inserts rows and gives them as stored.
    pub(super) async fn insert(
        &self,
        turn: &Turn<'_>,
        table: &'static str,
        rows: Vec<Value>,
    ) -> Result<Rows, SupabaseError> {
        let (query, body) = rows_body(Query::of(table), rows);
        self.call(turn, Method::POST, query, Some(body), Some("return=representation")).await
    }

    /// Inserts rows or merges them into those with the same `on_conflict` columns.
    pub(super) async fn upsert(
        &self,
        turn: &Turn<'_>,
        table: &'static str,
        on_conflict: &str,
        rows: Vec<Value>,
    ) -> Result<Rows, SupabaseError> {
        let (mut query, body) = rows_body(Query::of(table), rows);
        query.pairs.push(("on_conflict".to_owned(), on_conflict.to_owned()));
        let prefer = "return=representation,resolution=merge-duplicates";
        self.call(turn, Method::POST, query, Some(body), Some(prefer)).await
    }

    /// Changes the rows that a query selects.
    pub(super) async fn update(&self, turn: &Turn<'_>, query: Query, patch: Value) -> Result<Rows, SupabaseError> {
        self.call(turn, Method::PATCH, query, Some(patch), Some("return=representation")).await
    }

    /// Deletes the rows that a query selects.
    pub(super) async fn delete(&self, turn: &Turn<'_>, query: Query) -> Result<Rows, SupabaseError> {
        let body = Some(Value::Object(serde_json::Map::new()));
        self.call(turn, Method::DELETE, query, body, Some("return=representation")).await
    }

    async fn call(
        &self,
        turn: &Turn<'_>,
        method: Method,
        query: Query,
        body: Option<Value>,
        prefer: Option<&str>,
    ) -> Result<Rows, SupabaseError> {
        turn.work(self.policy.own_work).await;
        let repeatable = method == Method::GET || method == Method::HEAD;
        let mut sleeps = if repeatable { self.policy.backoff } else { &[] }.iter();
        let mut retry = 0;
        loop {
            let mut request = self.build(&method, &query, body.as_ref(), prefer);
            if retry > 0 {
                request = request.header("x-retry-count", retry.to_string());
            }
            let outcome = exchange(request, self.policy.patience).await;
            let again = match &outcome {
                Ok(answer) => matches!(answer.status, 503 | 520),
                Err(ExchangeError::Connection(_)) => true,
                Err(ExchangeError::Timeout) => false,
            };
            match sleeps.next() {
                Some(sleep) if again => turn.work(*sleep).await,
                _ => return read_rows(&outcome?, query.head),
            }
            retry += 1;
        }
    }

    fn build(
        &self,
        method: &Method,
        query: &Query,
        body: Option<&Value>,
        prefer: Option<&str>,
    ) -> reqwest::RequestBuilder {
        let mut url = self.base.clone();
        if self.gone.is_some_and(|gone| gone <= tokio::time::Instant::now()) {
            // The discard port, where nobody listens.
            let _ = url.set_port(Some(9));
        }
        url.set_path(&format!("{}/rest/v1/{}", self.base.path().trim_end_matches('/'), query.table));
        if !query.pairs.is_empty() {
            url.query_pairs_mut().extend_pairs(&query.pairs);
        }
        let accept = if query.single { "application/vnd.pgrst.object+json" } else { "*/*" };
        let mut request = self
            .http
            .request(method.clone(), url)
            .header("apikey", &self.key)
            .bearer_auth(&self.key)
            .header("accept", accept)
            .header("accept-profile", "public")
            .header("content-profile", "public")
            .header("x-client-info", "supabase-py/2.34.1; platform=Linux; runtime=python; runtime-version=3.11.7");
        if let Some(prefer) = prefer.or(query.counted.then_some("count=exact")) {
            request = request.header("prefer", prefer);
        }
        match body {
            Some(body) => request.json(body),
            None => request,
        }
    }
}

/// One row goes as an object; several as an array with their columns named in the query.
fn rows_body(mut query: Query, mut rows: Vec<Value>) -> (Query, Value) {
    if rows.len() == 1 {
        return (query, rows.remove(0));
    }
    let mut columns: Vec<String> = Vec::new();
    for name in rows.iter().filter_map(Value::as_object).flat_map(serde_json::Map::keys) {
        let name = format!("\"{name}\"");
        if !columns.contains(&name) {
            columns.push(name);
        }
    }
    query.pairs.push(("columns".to_owned(), columns.join(",")));
    (query, Value::Array(rows))
}

impl From<ExchangeError> for SupabaseError {
    fn from(error: ExchangeError) -> Self {
        match error {
            ExchangeError::Timeout => Self::Timeout,
            ExchangeError::Connection(text) => Self::Connection(text),
        }
    }
}

fn read_rows(answer: &Answer, head: bool) -> Result<Rows, SupabaseError> {
    if answer.status >= 400 {
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
        let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
        return Err(SupabaseError::Status {
            status: answer.status,
            code: text("code").unwrap_or_else(|| answer.status.to_string()),
            message: text("message").unwrap_or_else(|| "JSON could not be generated".to_owned()),
        });
    }
    let total = answer
        .headers
        .get(http::header::CONTENT_RANGE)
        .and_then(|range| range.to_str().ok()?.rsplit_once('/')?.1.parse().ok());
    if head || answer.body.is_empty() {
        return Ok(Rows { rows: Vec::new(), total });
    }
    match serde_json::from_slice(&answer.body) {
        Ok(Value::Array(rows)) => Ok(Rows { rows, total }),
        Ok(row @ Value::Object(_)) => Ok(Rows { rows: vec![row], total }),
        _ => Err(SupabaseError::NotJson),
    }
}

/// The age of a row's moment in a column; `None` if it has none that can be compared.
pub(super) fn row_age(row: &Value, column: &str) -> Option<jiff::SignedDuration> {
    timestamps::age(row.get(column)?.as_str()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn several_rows_name_their_columns_once() {
        let (query, body) = rows_body(Query::of("t"), vec![json!({"a": 1, "b": 2}), json!({"a": 3, "c": 4})]);
        assert_eq!(query.pairs, [("columns".to_owned(), "\"a\",\"b\",\"c\"".to_owned())]);
        assert!(body.is_array());
        let (query, body) = rows_body(Query::of("t"), vec![json!({"a": 1})]);
        assert!(query.pairs.is_empty() && body.is_object());
    }
}
