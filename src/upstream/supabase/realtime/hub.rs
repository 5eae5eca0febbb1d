//! [`Hub`]: what passes between the connections of a project: broadcasts, and who is present.

use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::broadcast::{self, Receiver, Sender};

/// Messages that a connection may be behind; the oldest are lost to one that falls further back.
const KEPT: usize = 256;
/// Keys that may be present in a channel.
const MOST_PRESENT: usize = 10_000;

/// A message to everybody in a channel.
#[derive(Debug)]
pub struct Cast {
    /// The channel.
    pub topic: String,
    /// `broadcast` or `presence_diff`.
    pub event: &'static str,
    /// The rest.
    pub payload: Value,
    /// The connection that it comes from, if it comes from one.
    pub from: Option<u64>,
    /// Whether it came in binary form.
    pub binary: bool,
}

/// Somebody present: the connection, and what it tells of itself.
type Present = BTreeMap<String, Vec<(u64, Value)>>;

/// The way between connections.
#[derive(Debug)]
pub struct Hub {
    sender: Sender<Arc<Cast>>,
    present: Mutex<HashMap<String, Present>>,
}

impl Hub {
    /// A hub without connections.
    pub fn new() -> Self {
        Self { sender: broadcast::channel(KEPT).0, present: Mutex::default() }
    }

    /// Tells everybody in the channel.
    pub fn cast(&self, cast: Cast) {
        // An error says that nobody is there.
        let _ = self.sender.send(Arc::new(cast));
    }

    /// Listens from now on.
    pub fn listen(&self) -> Receiver<Arc<Cast>> {
        self.sender.subscribe()
    }

    /// Who is present in a channel, as a `presence_state`.
    pub fn state(&self, topic: &str) -> Value {
        let present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        let keys = present.get(topic).into_iter().flatten();
        keys.map(|(key, metas)| (key.clone(), metas_of(metas.iter().map(|(_, meta)| meta))))
            .collect::<Map<_, _>>()
            .into()
    }

    /// Notes what a connection tells of itself under a key, and tells the others.
    pub fn track(&self, topic: &str, key: &str, connection: u64, meta: Value) {
        let mut present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        let channel = present.entry(topic.to_owned()).or_default();
        if channel.len() >= MOST_PRESENT && !channel.contains_key(key) {
            return;
        }
        let metas = channel.entry(key.to_owned()).or_default();
        let left: Vec<Value> = metas.extract_if(.., |(of, _)| *of == connection).map(|(_, meta)| meta).collect();
        metas.push((connection, meta.clone()));
        drop(present);
        self.cast_diff(topic, key, &[meta], &left);
    }

    /// Forgets what a connection told of itself under a key, and tells the others.
    pub fn untrack(&self, topic: &str, key: &str, connection: u64) {
        let mut present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(channel) = present.get_mut(topic) else { return };
        let Some(metas) = channel.get_mut(key) else { return };
        let left: Vec<Value> = metas.extract_if(.., |(of, _)| *of == connection).map(|(_, meta)| meta).collect();
        if metas.is_empty() {
            channel.remove(key);
        }
        if channel.is_empty() {
            present.remove(topic);
        }
        drop(present);
        if !left.is_empty() {
            self.cast_diff(topic, key, &[], &left);
        }
    }

    fn cast_diff(&self, topic: &str, key: &str, joined: &[Value], left: &[Value]) {
        let side = |metas: &[Value]| {
            if metas.is_empty() { json!({}) } else { json!({ key: metas_of(metas.iter()) }) }
        };
        let payload = json!({"joins": side(joined), "leaves": side(left)});
        self.cast(Cast { topic: topic.to_owned(), event: "presence_diff", payload, from: None, binary: false });
    }
}

fn metas_of<'a>(metas: impl Iterator<Item = &'a Value>) -> Value {
    json!({ "metas": metas.collect::<Vec<_>>() })
}
