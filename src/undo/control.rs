//! The control API of another process (Toxiproxy's HTTP API): what of ours is still on there, and taking it off.

use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use url::Url;

/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is still in place.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Remains {
    /// Proxy and toxic.
    pub toxics: Vec<(String, String)>,
    /// Proxies that are switched off.
    pub disabled: Vec<String>,
}

impl Remains {
    pub fn is_empty(&self) -> bool {
        self.toxics.is_empty() && self.disabled.is_empty()
    }

    /// In words.
    pub fn words(&self) -> String {
        let toxics = self.toxics.iter().map(|(proxy, toxic)| format!("toxic {proxy}/{toxic} is on"));
        let off = self.disabled.iter().map(|proxy| format!("proxy {proxy} is off"));
        toxics.chain(off).collect::<Vec<_>>().join(", ")
    }
}

/// A control API.
pub(super) struct Api<'a> {
    client: Client,
    base: Url,
    token: Option<&'a str>,
}

impl<'a> Api<'a> {
    /// The API at this URL.
    pub fn new(base: &str, token: Option<&'a str>) -> Result<Self, String> {
        let base = Url::parse(base).map_err(|error| format!("{base} is no URL: {error}"))?;
        let client = Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(PATIENCE)
            // Toxiproxy turns clients away that look like browsers.
            .user_agent(concat!("firedrill/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self { client, base, token })
    }

    /// What of this is still in place. An answer that cannot be understood is an error: it proves nothing.
    pub async fn remains(
        &self,
        toxics: &BTreeMap<String, Vec<String>>,
        disabled: &[String],
    ) -> Result<Remains, String> {
        let (status, body) = self.ask(Method::GET, &["proxies"], None).await?;
        let proxies = body.as_object().filter(|_| status.is_success());
        let proxies = proxies.ok_or_else(|| format!("it answers {status} when asked for its proxies"))?;
        let mut remains = Remains::default();
        for (proxy, names) in toxics {
            let on = proxies.get(proxy).and_then(|state| state["toxics"].as_array());
            for name in names {
                if on.is_some_and(|on| on.iter().any(|toxic| toxic["name"] == name.as_str())) {
                    remains.toxics.push((proxy.clone(), name.clone()));
                }
            }
        }
        for proxy in disabled {
            if proxies.get(proxy).is_some_and(|state| state["enabled"] == false) {
                remains.disabled.push(proxy.clone());
            }
        }
        Ok(remains)
    }

    /// Takes it off.
    pub async fn clear(&self, remains: &Remains) -> Result<(), String> {
        for (proxy, toxic) in &remains.toxics {
            let (status, _) = self.ask(Method::DELETE, &["proxies", proxy, "toxics", toxic], None).await?;
            // Its lease may have ended in between.
            if !status.is_success() && status != StatusCode::NOT_FOUND {
                return Err(format!("it answers {status} when toxic {proxy}/{toxic} shall be taken off"));
            }
        }
        for proxy in &remains.disabled {
            let (status, _) = self.ask(Method::POST, &["proxies", proxy], Some(json!({"enabled": true}))).await?;
            if !status.is_success() {
                return Err(format!("it answers {status} when proxy {proxy} shall be switched on"));
            }
        }
        Ok(())
    }

    async fn ask(&self, method: Method, path: &[&str], body: Option<Value>) -> Result<(StatusCode, Value), String> {
        let mut url = self.base.clone();
        url.path_segments_mut().map_err(|()| "its URL cannot have a path".to_owned())?.pop_if_empty().extend(path);
        let mut request = self.client.request(method, url);
        if let Some(token) = self.token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.map_err(|error| innermost(&error))?;
        let status = response.status();
        let bytes = response.bytes().await.map_err(|error| innermost(&error))?;
        Ok((status, serde_json::from_slice(&bytes).unwrap_or(Value::Null)))
    }
}

/// The cause at the bottom, which is what people can act on.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut at = error;
    while let Some(cause) = at.source() {
        at = cause;
    }
    at.to_string().to_lowercase()
}
