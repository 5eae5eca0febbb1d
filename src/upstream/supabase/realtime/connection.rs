//! [`Connection`]: one websocket from its first message to its end.

use super::channel::{Channel, Join};
use super::frame::{Frame, Version, write_binary};
use super::hub::{Cast, Hub};
use crate::units::Seed;
use crate::upstream::supabase::changes::{Changes, Told};
use crate::upstream::supabase::clock::WallClock;
use crate::upstream::supabase::gatekeeper::Gatekeeper;
use crate::upstream::supabase::identity::{Identity, TokenError};
use futures_util::{SinkExt as _, StreamExt as _};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role as End, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

/// A connection that sends nothing for so long is closed (Phoenix's default); clients send heartbeats every 25 s.
const SILENCE: Duration = Duration::from_secs(60);
/// How long a client may take to close its side after the farewell.
const LINGER: Duration = Duration::from_secs(2);
/// The largest message. The real limits are 256 KB to 3 MB, by plan.
const LARGEST: usize = 1 << 20;
/// The largest thing that somebody present may tell of itself; it is kept as long as the connection.
const LARGEST_META: usize = 64 << 10;
/// Channels of one connection (a hosted project's limit).
const MOST_CHANNELS: usize = 100;

/// What a connection needs of the project.
pub struct Project {
    /// Verifies tokens.
    pub gatekeeper: Arc<Gatekeeper>,
    /// Row changes.
    pub changes: Changes,
    /// The other connections.
    pub hub: Hub,
    /// Tells when tokens expire.
    pub clock: WallClock,
    /// For the ids of subscriptions.
    pub seed: Seed,
}

/// One websocket.
pub struct Connection {
    project: Arc<Project>,
    /// The number of the request that it began with.
    number: u64,
    version: Version,
    identity: Arc<Identity>,
    channels: BTreeMap<String, Channel>,
    drawn: u64,
    out: Vec<Message>,
}

impl Connection {
    /// A connection of somebody.
    pub fn new(project: Arc<Project>, number: u64, version: Version, identity: Arc<Identity>) -> Self {
        Self { project, number, version, identity, channels: BTreeMap::new(), drawn: 0, out: Vec::new() }
    }

    /// Serves the connection until it ends.
    pub async fn run(mut self, upgraded: Upgraded) {
        let config = WebSocketConfig::default().max_message_size(Some(LARGEST)).max_frame_size(Some(LARGEST));
        let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), End::Server, Some(config)).await;
        let (mut changes, mut casts) = (self.project.changes.listen(), self.project.hub.listen());
        let mut heard = Instant::now();
        let farewell = loop {
            let expiry = self.next_expiry();
            tokio::select! {
                message = socket.next() => match message {
                    Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => {
                        heard = Instant::now();
                        self.heard(&message);
                    }
                    // The answer to a close is made where the close is read, and only has to leave.
                    Some(Ok(Message::Close(_))) | None => break None,
                    Some(Err(error)) => break ending(&error),
                    // Pings are answered where they are read.
                    Some(Ok(_)) => heard = Instant::now(),
                },
                change = changes.recv() => match change {
                    Ok(change) => self.changed(&change),
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => break Some((CloseCode::Away, "the server ends")),
                },
                cast = casts.recv() => match cast {
                    Ok(cast) => self.passed_on(&cast),
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => break Some((CloseCode::Away, "the server ends")),
                },
                () = tokio::time::sleep_until(expiry), if !self.channels.is_empty() => self.expire(),
                () = tokio::time::sleep_until(heard + SILENCE) => break Some((CloseCode::Normal, "")),
            }
            for message in std::mem::take(&mut self.out) {
                if socket.feed(message).await.is_err() {
                    self.leave_all();
                    return;
                }
            }
            if socket.flush().await.is_err() {
                break None;
            }
        };
        self.leave_all();
        // The other end may be gone already.
        let _ = match farewell {
            None => socket.flush().await,
            Some((code, reason)) => socket.close(Some(CloseFrame { code, reason: reason.into() })).await,
        };
        // A socket that is dropped with something unread is reset, which takes the farewell with it.
        let _ = tokio::time::timeout(LINGER, async { while let Some(Ok(_)) = socket.next().await {} }).await;
    }

    fn say(&mut self, frame: &Frame) {
        self.out.push(frame.write(self.version));
    }

    fn heard(&mut self, message: &Message) {
        let Some(frame) = Frame::read(message, self.version) else { return };
        match (frame.topic.as_str(), frame.event.as_str()) {
            ("phoenix", "heartbeat") => self.say(&frame.reply("ok", json!({}))),
            (_, "phx_join") => self.join(frame),
            (_, "phx_leave") => {
                self.leave(&frame.topic);
                self.say(&frame.reply("ok", json!({})));
                self.close(&frame.topic, frame.join_ref.clone());
            }
            (topic, event) if self.channels.contains_key(topic) => {
                let event = event.to_owned();
                match event.as_str() {
                    "access_token" => self.renew(&frame),
                    "broadcast" => self.broadcast(frame, matches!(message, Message::Binary(_))),
                    "presence" => self.presence(&frame),
                    _ => {}
                }
            }
            _ => self.say(&frame.reply("error", json!({"reason": "unmatched topic"}))),
        }
    }

    fn join(&mut self, frame: Frame) {
        let refused = |reason: &str| frame.reply("error", json!({ "reason": reason }));
        let Some(room) = frame.topic.strip_prefix("realtime:") else {
            self.say(&refused("unmatched topic"));
            return;
        };
        if room.is_empty() {
            self.say(&refused("TopicNameRequired: You must provide a topic name"));
            return;
        }
        if self.channels.len() >= MOST_CHANNELS && !self.channels.contains_key(&frame.topic) {
            self.say(&refused("ChannelRateLimitReached: Too many channels"));
            return;
        }
        let join: Join = serde_json::from_value(frame.payload.clone()).unwrap_or_default();
        let token = join.access_token.as_deref().filter(|token| !token.is_empty() && !token.starts_with("sb_"));
        let identity = match token.map(|token| self.project.gatekeeper.token(token)) {
            // An app may keep any word as its key, which is then its token, too.
            Some(Err(TokenError::Parts(_))) | None => Arc::clone(&self.identity),
            Some(Ok(identity)) => identity,
            Some(Err(error)) => {
                self.say(&refused(&reason(&error)));
                return;
            }
        };
        if self.channels.contains_key(&frame.topic) {
            let earlier = self.leave(&frame.topic);
            self.close(&frame.topic, earlier.and_then(|channel| channel.join_ref));
        }
        let (seed, number, drawn) = (self.project.seed, self.number, &mut self.drawn);
        let mut next = move || {
            *drawn += 1;
            seed.draw(&[number, *drawn])
        };
        let key = format!("{:016x}", next());
        let (channel, told, failed) = Channel::join(join, frame.join_ref.clone(), identity, || key, || next() >> 37);
        let (presence, wants) = (channel.presence, channel.wants_changes());
        self.say(&frame.reply("ok", json!({ "postgres_changes": told })));
        if presence {
            let state = self.project.hub.state(&frame.topic);
            self.tell(&frame, "presence_state", state);
        }
        let system = |status: &str, message: &str| json!({"extension": "postgres_changes", "status": status, "message": message, "channel": room});
        if let Some(message) = failed {
            self.tell(&frame, "system", system("error", &message));
        } else if wants {
            self.tell(&frame, "system", system("ok", "Subscribed to PostgreSQL"));
        }
        self.channels.insert(frame.topic, channel);
    }

    /// A push within a join.
    fn tell(&mut self, join: &Frame, event: &str, payload: Value) {
        let frame = Frame { join_ref: join.join_ref.clone(), ..Frame::push(&join.topic, event, payload) };
        self.say(&frame);
    }

    fn close(&mut self, topic: &str, join_ref: Option<String>) {
        let frame = Frame { reference: join_ref.clone(), join_ref, ..Frame::push(topic, "phx_close", json!({})) };
        self.say(&frame);
    }

    fn leave(&mut self, topic: &str) -> Option<Channel> {
        let channel = self.channels.remove(topic)?;
        self.project.hub.untrack(topic, &channel.presence_key, self.number);
        Some(channel)
    }

    fn leave_all(&mut self) {
        let topics: Vec<String> = self.channels.keys().cloned().collect();
        for topic in topics {
            self.leave(&topic);
        }
    }

    fn renew(&mut self, frame: &Frame) {
        let token = frame.payload.get("access_token").and_then(Value::as_str).unwrap_or_default();
        match self.project.gatekeeper.token(token) {
            Ok(identity) => {
                if let Some(channel) = self.channels.get_mut(&frame.topic) {
                    channel.identity = identity;
                }
            }
            Err(TokenError::Parts(_) | TokenError::Empty) => {}
            Err(error) => self.shut(&frame.topic.clone(), &reason(&error)),
        }
    }

    /// Ends a channel from this side, and says why.
    fn shut(&mut self, topic: &str, message: &str) {
        let Some(channel) = self.leave(topic) else { return };
        let room = topic.strip_prefix("realtime:").unwrap_or(topic);
        let payload = json!({"extension": "system", "status": "error", "message": message, "channel": room});
        let frame = Frame { join_ref: channel.join_ref.clone(), ..Frame::push(topic, "system", payload) };
        self.say(&frame);
        self.close(topic, channel.join_ref);
    }

    fn broadcast(&mut self, frame: Frame, binary: bool) {
        if self.channels.get(&frame.topic).is_some_and(|channel| channel.acknowledged) {
            self.say(&frame.reply("ok", json!({})));
        }
        let Frame { topic, payload, .. } = frame;
        self.project.hub.cast(Cast { topic, event: "broadcast", payload, from: Some(self.number), binary });
    }

    fn presence(&mut self, frame: &Frame) {
        let Some(channel) = self.channels.get(&frame.topic) else { return };
        let key = channel.presence_key.clone();
        match frame.payload.get("event").and_then(Value::as_str).map(str::to_ascii_lowercase).as_deref() {
            Some("track") if frame.payload.to_string().len() > LARGEST_META => {
                self.say(&frame.reply("error", json!({"reason": "Track message size exceeded"})));
            }
            Some("track") => {
                let mut meta = frame.payload.get("payload").and_then(Value::as_object).cloned().unwrap_or_default();
                self.drawn += 1;
                let reference = self.project.seed.draw(&[self.number, self.drawn]);
                meta.insert("phx_ref".to_owned(), format!("F{reference:015x}").into());
                self.project.hub.track(&frame.topic, &key, self.number, meta.into());
                self.say(&frame.reply("ok", json!({})));
            }
            Some("untrack") => {
                self.project.hub.untrack(&frame.topic, &key, self.number);
                self.say(&frame.reply("ok", json!({})));
            }
            _ => self.say(&frame.reply("error", json!({"reason": "unknown presence event"}))),
        }
    }

    fn changed(&mut self, change: &Told) {
        let told: Vec<Frame> = self
            .channels
            .iter()
            .filter_map(|(topic, channel)| Some(Frame::push(topic, "postgres_changes", channel.told(change)?)))
            .collect();
        for frame in told {
            self.say(&frame);
        }
    }

    fn passed_on(&mut self, cast: &Cast) {
        let Some(channel) = self.channels.get(&cast.topic) else { return };
        let mine = cast.from == Some(self.number);
        if (mine && !channel.own_broadcasts) || (cast.event == "presence_diff" && !channel.presence) {
            return;
        }
        let binary = (cast.binary && self.version == Version::V2).then(|| write_binary(&cast.topic, &cast.payload));
        let message = binary
            .flatten()
            .unwrap_or_else(|| Frame::push(&cast.topic, cast.event, cast.payload.clone()).write(self.version));
        self.out.push(message);
    }

    /// When the next token of a channel expires.
    fn next_expiry(&self) -> Instant {
        let earliest = self.channels.values().filter_map(|channel| channel.identity.expires).min();
        let now = self.project.clock.seconds();
        // A year is long enough to look again.
        let wait = earliest.map_or(31_536_000, |expires| expires.saturating_sub(now).saturating_add(1).min(31_536_000));
        Instant::now() + Duration::from_secs(wait)
    }

    fn expire(&mut self) {
        let now = self.project.clock.seconds();
        let expired: Vec<(String, u64)> = self
            .channels
            .iter()
            .filter_map(|(topic, channel)| Some((topic.clone(), channel.identity.expires?)))
            .filter(|(_, expires)| *expires <= now)
            .collect();
        for (topic, expires) in expired {
            self.shut(&topic, &format!("Token has expired {} seconds ago", now - expires));
        }
    }
}

/// What to say to a client that broke the protocol (RFC 6455 §7.4.1); nothing where the connection itself is broken.
fn ending(error: &Error) -> Option<(CloseCode, &'static str)> {
    match error {
        Error::Capacity(_) => Some((CloseCode::Size, "message too large")),
        Error::Utf8(_) => Some((CloseCode::Invalid, "no UTF-8")),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => None,
        Error::Protocol(_) => Some((CloseCode::Protocol, "protocol error")),
        _ => None,
    }
}

/// Why a token is not taken, in the words of Realtime's source.
fn reason(error: &TokenError) -> String {
    match error {
        TokenError::Expired => "InvalidJWTToken: Token has expired".to_owned(),
        TokenError::Signature | TokenError::NoKey => "JwtSignatureError: Failed to validate JWT signature".to_owned(),
        _ => "MalformedJWT: The token provided is not a valid JWT".to_owned(),
    }
}
