//! The probes' HTTP client, and bodies of bounded size.

use crate::model::secret::Secret;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Response};
use std::collections::BTreeMap;
use std::error::Error;

/// A client for the app alone: no proxy and no redirects, because both would be another server's answer; a new
/// connection each time, because a kept one may be closed by the app at the very moment we use it, which would
/// read as an outage.
pub(super) fn client(headers: &BTreeMap<String, Secret>) -> Result<Client, reqwest::Error> {
    let headers: HeaderMap = headers
        .iter()
        .filter_map(|(name, value)| {
            let mut value = HeaderValue::from_str(value.expose()).ok()?;
            value.set_sensitive(true);
            Some((HeaderName::try_from(name.as_str()).ok()?, value))
        })
        .collect();
    Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .pool_max_idle_per_host(0)
        .default_headers(headers)
        .build()
}

/// Reads a body, at most `limit` bytes of it.
pub(super) async fn body(answer: &mut Response, limit: usize) -> Result<Vec<u8>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        let room = limit - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if chunk.len() >= room {
            break;
        }
    }
    Ok(body)
}

/// The cause at the bottom of an error, in a few words.
pub(super) fn innermost(error: &dyn Error) -> String {
    let mut at = error;
    while let Some(cause) = at.source() {
        at = cause;
    }
    at.to_string().to_lowercase().chars().take(200).collect()
}

/// The address of a path of the app.
pub(super) fn url(base: &str, path: &str) -> String {
    format!("{}/{}", base.trim_end_matches('/'), path.trim_start_matches('/'))
}
