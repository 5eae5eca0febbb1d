//! Asking the app whether it is there.

use crate::model::secret::Secret;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, StatusCode};
use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(3);

/// A client that asks the app itself and nobody else: no proxy, no redirects, a new connection each time.
pub(super) fn client() -> Result<Client, reqwest::Error> {
    Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .pool_max_idle_per_host(0)
        .connect_timeout(CONNECT)
        .build()
}

/// One request; the status, or in a few words why there is none.
pub(super) async fn ask(
    client: &Client,
    url: &str,
    headers: &HeaderMap,
    within: Duration,
) -> Result<StatusCode, String> {
    match client.get(url).headers(headers.clone()).timeout(within).send().await {
        Ok(answer) => Ok(answer.status()),
        Err(error) if error.is_timeout() && !error.is_connect() => Err(format!("no answer within {within:?}")),
        Err(error) if error.is_timeout() => Err(format!("no connection within {CONNECT:?}")),
        Err(error) => Err(innermost(&error)),
    }
}

/// Headers as the client takes them; those that are none are left out.
pub(super) fn headers(plan: &BTreeMap<String, Secret>) -> HeaderMap {
    plan.iter()
        .filter_map(|(name, value)| {
            let mut value = HeaderValue::from_str(value.expose()).ok()?;
            value.set_sensitive(true);
            Some((HeaderName::try_from(name.as_str()).ok()?, value))
        })
        .collect()
}

/// The cause at the bottom, which is what people can act on.
fn innermost(error: &dyn Error) -> String {
    let mut at = error;
    while let Some(cause) = at.source() {
        at = cause;
    }
    at.to_string().to_lowercase()
}
