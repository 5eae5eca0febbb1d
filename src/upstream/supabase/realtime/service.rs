//! [`Realtime`]: the websocket's handshake (RFC 6455), and broadcasts by HTTP.

use super::connection::{Connection, Project};
use super::frame::Version;
use super::hub::{Cast, Hub};
use crate::units::Seed;
use crate::upstream::answer::{Answer, AnswerBody, Call};
use crate::upstream::supabase::changes::Changes;
use crate::upstream::supabase::clock::WallClock;
use crate::upstream::supabase::gatekeeper::Gatekeeper;
use crate::upstream::supabase::identity::{Identity, TokenError};
use bytes::Bytes;
use http::{Method, StatusCode};
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// Messages of one request.
const MOST_MESSAGES: usize = 1_000;
/// The largest body of a request.
const LARGEST: usize = 1 << 20;

/// Realtime.
pub struct Realtime {
    project: Arc<Project>,
}

impl Realtime {
    /// Realtime that tells of these changes.
    pub fn new(gatekeeper: Arc<Gatekeeper>, changes: Changes, seed: Seed, clock: WallClock) -> Self {
        let seed = seed.derive("realtime");
        Self { project: Arc::new(Project { gatekeeper, changes, hub: Hub::new(), clock, seed }) }
    }

    /// The answer to a request at `path` below `/realtime/v1/`, with who it comes from.
    pub fn answer(&self, path: &str, call: &Call<'_>, identity: Result<Arc<Identity>, TokenError>) -> Answer {
        match path {
            "websocket" => match identity {
                Ok(identity) => self.connect(call, identity),
                // Phoenix says no more.
                Err(_) => Answer::empty(StatusCode::FORBIDDEN),
            },
            "api/ping" => Answer::json(StatusCode::OK, &json!({"message": "Success"})),
            path => match (path.strip_prefix("api/broadcast"), identity) {
                (Some(_), Err(_)) => Answer::json(StatusCode::UNAUTHORIZED, &json!({"message": "Unauthorized"})),
                (Some(rest), Ok(_)) if *call.method == Method::POST => self.post(rest, call),
                _ => Answer::json(StatusCode::NOT_FOUND, &json!({"message": "Not Found"})),
            },
        }
    }

    fn connect(&self, call: &Call<'_>, identity: Arc<Identity>) -> Answer {
        let wants = call.header("upgrade").is_some_and(|name| name.eq_ignore_ascii_case("websocket"));
        let Some(key) = call.header("sec-websocket-key").filter(|_| wants && *call.method == Method::GET) else {
            let words = "'connection' header must contain 'upgrade', got []";
            return Answer::text(StatusCode::BAD_REQUEST, "text/plain; charset=utf-8", words);
        };
        let version = url::form_urlencoded::parse(call.query.as_bytes())
            .find(|(name, _)| name == "vsn")
            .map_or(Version::V1, |(_, version)| if version.starts_with('2') { Version::V2 } else { Version::V1 });
        let connection = Connection::new(Arc::clone(&self.project), call.number, version, identity);
        let mut answer = Answer::text(StatusCode::SWITCHING_PROTOCOLS, "", Bytes::new())
            .with("sec-websocket-accept", &derive_accept_key(key.as_bytes()))
            .with("upgrade", "websocket");
        answer.headers.remove("content-type");
        answer.body = AnswerBody::Upgrade(Box::new(|upgraded| Box::pin(connection.run(upgraded))));
        answer
    }

    /// `POST /api/broadcast` with several messages, or `…/{topic}/events/{event}` with the payload of one.
    fn post(&self, path: &str, call: &Call<'_>) -> Answer {
        #[derive(Deserialize)]
        struct Messages {
            messages: Vec<Sent>,
        }
        #[derive(Deserialize)]
        struct Sent {
            topic: String,
            event: String,
            #[serde(default)]
            payload: Value,
        }
        if call.body.len() > LARGEST {
            let body = json!({"message": "Payload size exceeds tenant limit"});
            return Answer::json(StatusCode::PAYLOAD_TOO_LARGE, &body);
        }
        let sent = match path.trim_matches('/').split_once("/events/") {
            Some((topic, event)) => {
                let name = |part: &str| percent_decode_str(part).decode_utf8_lossy().into_owned();
                serde_json::from_slice(call.body)
                    .map(|payload| vec![Sent { topic: name(topic), event: name(event), payload }])
            }
            None => serde_json::from_slice(call.body).map(|all: Messages| all.messages),
        };
        let Ok(sent) = sent else {
            let body = json!({"errors": {"messages": ["is invalid"]}});
            return Answer::json(StatusCode::UNPROCESSABLE_ENTITY, &body);
        };
        for Sent { topic, event, payload } in sent.into_iter().take(MOST_MESSAGES) {
            let payload = json!({"type": "broadcast", "event": event, "payload": payload});
            let topic = format!("realtime:{topic}");
            self.project.hub.cast(Cast { topic, event: "broadcast", payload, from: None, binary: false });
        }
        Answer::empty(StatusCode::ACCEPTED)
    }
}
