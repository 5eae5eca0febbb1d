//! [`router`]: the pages of the control API. Paths, statuses and defaults are Toxiproxy's; `/firedrill/` is ours.

use super::body::{self, ProxyInput, ProxyOutput, ToxicInput, ToxicOutput};
use super::error::ApiError;
use super::registry::{PlannedState, ProxyChange, Registry, ToxicState};
use crate::units::Span;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use http::header::{AUTHORIZATION, USER_AGENT};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

/// The version of Toxiproxy whose API this is; clients look at it to know what they may send.
const TOXIPROXY_VERSION: &str = "2.12.0";
/// No description of proxies and toxics is larger.
const BODY_LIMIT: usize = 4 << 20;

type Answer = Result<Response, ApiError>;
type Proxies = State<Arc<Registry>>;

/// All pages. With a token, callers must show it.
pub fn router(registry: Arc<Registry>, token: Option<String>) -> axum::Router {
    let token = Arc::new(token);
    axum::Router::new()
        .route("/version", get(version))
        .route("/reset", post(reset))
        .route("/populate", post(populate))
        .route("/proxies", get(proxies).post(create_proxy))
        .route("/proxies/{proxy}", get(show_proxy).post(update_proxy).patch(update_proxy).delete(delete_proxy))
        .route("/proxies/{proxy}/toxics", get(toxics).post(create_toxic))
        .route(
            "/proxies/{proxy}/toxics/{toxic}",
            get(show_toxic).post(update_toxic).patch(update_toxic).delete(delete_toxic),
        )
        .route("/metrics", get(metrics))
        .route("/firedrill/toxics", put(set_toxics))
        .route("/firedrill/renew", post(renew))
        .route("/firedrill/active", get(active))
        .route("/firedrill/fired", get(fired))
        .fallback(async || ApiError::NoSuchPage)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(middleware::from_fn(move |request: Request, next: Next| {
            let refusal = refusal(token.as_deref(), request.headers());
            async move {
                match refusal {
                    Some(refusal) => refusal,
                    None => next.run(request).await,
                }
            }
        }))
        .with_state(registry)
}

/// Turns browsers away, whose pages could otherwise be made to send requests here, and callers without the token.
fn refusal(token: Option<&str>, headers: &HeaderMap) -> Option<Response> {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
    if header(USER_AGENT).starts_with("Mozilla/") {
        return Some((StatusCode::FORBIDDEN, "User agent not allowed\n").into_response());
    }
    match token {
        Some(token) if !is_same(header(AUTHORIZATION).strip_prefix("Bearer ").unwrap_or("").trim(), token) => {
            Some(ApiError::Unauthorized.into_response())
        }
        _ => None,
    }
}

/// Compares without telling by its time how much was right.
fn is_same(shown: &str, token: &str) -> bool {
    shown.len() == token.len() && shown.bytes().zip(token.bytes()).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

async fn version() -> Response {
    Json(json!({"version": TOXIPROXY_VERSION})).into_response()
}

async fn reset(State(registry): Proxies) -> Answer {
    registry.reset().await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn proxies(State(registry): Proxies) -> Response {
    let all: BTreeMap<String, ProxyOutput> =
        registry.all().await.iter().map(|state| (state.name.clone(), ProxyOutput::from(state))).collect();
    Json(all).into_response()
}

async fn create_proxy(State(registry): Proxies, body: Bytes) -> Answer {
    let input: ProxyInput = body::read(&body)?;
    let (name, listen, upstream) = required(&input, "")?;
    let listen = address(&listen).await?;
    let state = registry.add(&name, listen, upstream, input.enabled.unwrap_or(true)).await?;
    Ok((StatusCode::CREATED, Json(ProxyOutput::from(&state))).into_response())
}

async fn populate(State(registry): Proxies, body: Bytes) -> Response {
    match populated(&registry, &body).await {
        Ok(states) => {
            let proxies: Vec<ProxyOutput> = states.iter().map(ProxyOutput::from).collect();
            (StatusCode::CREATED, Json(json!({"proxies": proxies}))).into_response()
        }
        Err(error) => {
            let body = json!({"error": error.to_string(), "status": error.status().as_u16(), "proxies": null});
            (error.status(), Json(body)).into_response()
        }
    }
}

async fn populated(registry: &Registry, body: &[u8]) -> Result<Vec<super::registry::ProxyState>, ApiError> {
    let inputs: Vec<ProxyInput> = body::read(body)?;
    let mut wanted = Vec::with_capacity(inputs.len());
    for (place, input) in inputs.iter().enumerate() {
        let (name, listen, upstream) = required(input, &format!(" at proxy {}", place + 1))?;
        wanted.push((name, address(&listen).await?, upstream, input.enabled.unwrap_or(true)));
    }
    registry.populate(wanted).await
}

async fn show_proxy(State(registry): Proxies, Path(proxy): Path<String>) -> Answer {
    Ok(Json(ProxyOutput::from(&registry.get(&proxy).await?)).into_response())
}

async fn update_proxy(State(registry): Proxies, Path(proxy): Path<String>, body: Bytes) -> Answer {
    registry.get(&proxy).await?;
    let input: ProxyInput = body::read(&body)?;
    let listen = match &input.listen {
        Some(listen) => Some(address(listen).await?),
        None => None,
    };
    let change = ProxyChange { listen, upstream: input.upstream, enabled: input.enabled };
    Ok(Json(ProxyOutput::from(&registry.change(&proxy, change).await?)).into_response())
}

async fn delete_proxy(State(registry): Proxies, Path(proxy): Path<String>) -> Answer {
    registry.remove(&proxy).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn toxics(State(registry): Proxies, Path(proxy): Path<String>) -> Answer {
    let toxics: Vec<ToxicOutput> = registry.get(&proxy).await?.toxics.iter().map(ToxicOutput::from).collect();
    Ok(Json(toxics).into_response())
}

async fn create_toxic(State(registry): Proxies, Path(proxy): Path<String>, body: Bytes) -> Answer {
    registry.get(&proxy).await?;
    let (toxic, lease) = body::read::<ToxicInput>(&body)?.toxic()?;
    let state = registry.add_toxic(&proxy, toxic, lease.map(Span::get)).await?;
    Ok(Json(ToxicOutput::from(&state)).into_response())
}

async fn show_toxic(State(registry): Proxies, Path((proxy, toxic)): Path<(String, String)>) -> Answer {
    let state = registry.get(&proxy).await?;
    let toxic = state.toxics.iter().find(|known| known.toxic.name == toxic).ok_or(ApiError::ToxicNotFound)?;
    Ok(Json(ToxicOutput::from(toxic)).into_response())
}

async fn update_toxic(State(registry): Proxies, Path((proxy, toxic)): Path<(String, String)>, body: Bytes) -> Answer {
    let input: ToxicInput = body::read(&body)?;
    let change = |known: &_| input.update(known).map(|(toxic, lease)| (toxic, lease.map(Span::get)));
    let state: ToxicState = registry.change_toxic(&proxy, &toxic, change).await?;
    Ok(Json(ToxicOutput::from(&state)).into_response())
}

async fn delete_toxic(State(registry): Proxies, Path((proxy, toxic)): Path<(String, String)>) -> Answer {
    registry.remove_toxic(&proxy, &toxic).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Prometheus text: how many connections each proxy has and had.
async fn metrics(State(registry): Proxies) -> Response {
    let mut text = String::from("# TYPE firedrill_proxy_connections gauge\n");
    let states = registry.all().await;
    for state in &states {
        text.push_str(&format!("firedrill_proxy_connections{{proxy={:?}}} {}\n", state.name, state.open));
    }
    text.push_str("# TYPE firedrill_proxy_connections_total counter\n");
    for state in &states {
        text.push_str(&format!("firedrill_proxy_connections_total{{proxy={:?}}} {}\n", state.name, state.accepted));
    }
    text.into_response()
}

/// `PUT /firedrill/toxics` with `{PROXY: [TOXIC, …], …}`: those proxies have exactly these toxics from now on.
async fn set_toxics(State(registry): Proxies, body: Bytes) -> Answer {
    let sets: BTreeMap<String, Vec<ToxicInput>> = body::read(&body)?;
    let mut wanted = BTreeMap::new();
    for (proxy, inputs) in sets {
        let toxics: Result<Vec<_>, ApiError> =
            inputs.into_iter().map(|input| input.toxic().map(|(toxic, lease)| (toxic, lease.map(Span::get)))).collect();
        wanted.insert(proxy, toxics?);
    }
    let states = registry.set_toxics(wanted).await?;
    Ok(Json(states.iter().map(ProxyOutput::from).collect::<Vec<_>>()).into_response())
}

/// `POST /firedrill/renew` with `{"lease": "30s"}`: every toxic that has a lease has this one from now on.
async fn renew(State(registry): Proxies, body: Bytes) -> Answer {
    #[derive(Deserialize)]
    struct Input {
        lease: Span,
    }
    let Input { lease } = body::read(&body)?;
    let renewed = registry.renew(lease.get()).await;
    Ok(Json(json!({"renewed": renewed})).into_response())
}

/// `GET /firedrill/active`: the faults of the plan that are on, and by proxy the toxics that were put on by hand.
async fn active(State(registry): Proxies) -> Response {
    let planned: Vec<PlannedState> = registry.planned().into_iter().filter(|state| state.on).collect();
    let proxies = registry.all().await;
    let disabled: Vec<&str> = proxies.iter().filter(|state| !state.enabled).map(|state| state.name.as_str()).collect();
    let toxics: BTreeMap<&str, Vec<ToxicOutput>> = proxies
        .iter()
        .filter(|state| !state.toxics.is_empty())
        .map(|state| (state.name.as_str(), state.toxics.iter().map(ToxicOutput::from).collect()))
        .collect();
    Json(json!({"planned": planned, "toxics": toxics, "disabled": disabled})).into_response()
}

/// `GET /firedrill/fired`: how often toxics have struck connections and the latest times, and how often each fault
/// of the plan has hit something, requests too.
async fn fired(State(registry): Proxies) -> Response {
    let (total, latest) = registry.hits();
    let latest: Vec<Value> = latest
        .iter()
        .map(|hit| {
            json!({"proxy": &*hit.proxy, "connection": hit.connection,
                   "toxic": hit.toxic.name, "type": hit.toxic.kind.name(), "planned": hit.rule.is_some()})
        })
        .collect();
    Json(json!({"total": total, "latest": latest, "planned": registry.planned()})).into_response()
}

/// The fields without which there is no proxy.
fn required(input: &ProxyInput, place: &str) -> Result<(String, String, String), ApiError> {
    if input.name.is_empty() {
        return Err(ApiError::MissingField(format!("name{place}")));
    }
    match &input.upstream {
        Some(upstream) if !upstream.is_empty() => {
            Ok((input.name.clone(), input.listen.clone().unwrap_or_default(), upstream.clone()))
        }
        _ => Err(ApiError::MissingField(format!("upstream{place}"))),
    }
}

/// An address to listen on. Go's short forms are understood, but mean loopback here: `:8080`, and nothing at all.
async fn address(written: &str) -> Result<SocketAddr, ApiError> {
    let full = match written {
        "" => "127.0.0.1:0".to_owned(),
        short if short.starts_with(':') => format!("127.0.0.1{short}"),
        full => full.to_owned(),
    };
    let fail = |why: &dyn std::fmt::Display| ApiError::Listen(format!("listen tcp: lookup {written}: {why}"));
    let found: Vec<SocketAddr> = tokio::net::lookup_host(&full).await.map_err(|error| fail(&error))?.collect();
    // A name such as `localhost` has two addresses; clients that look it up try IPv4 too.
    found.iter().find(|found| found.is_ipv4()).or(found.first()).copied().ok_or_else(|| fail(&"no address"))
}
