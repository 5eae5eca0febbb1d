//! [`Changes`]: row changes on their way from the database to whoever listens (realtime).

use serde_json::{Map, Value};
use std::sync::Arc;
use tokio::sync::broadcast::{self, Receiver, Sender};

/// Changes that a listener may be behind; the oldest are lost to one that falls further back, as the real service
/// drops what a client does not take.
const KEPT: usize = 256;
/// The largest row that is told whole, roughly, in bytes; of a larger one only small values are (Realtime's own rule).
const LARGEST: usize = 1 << 20;
/// What a small value is, in bytes.
const SMALL: usize = 64;

/// What happened to a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It is new.
    Insert,
    /// It has other values.
    Update,
    /// It is gone.
    Delete,
}

impl ChangeKind {
    /// Its name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Insert => "INSERT",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
        }
    }
}

/// Who may read a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readers {
    /// Everybody: the table has no row-level security.
    Everybody,
    /// The user of this id, and the service.
    Owner(Box<str>),
    /// The service only.
    Service,
}

/// One change of one row.
#[derive(Clone, Debug, PartialEq)]
pub struct RowChange {
    /// The schema.
    pub schema: Box<str>,
    /// The table.
    pub table: Box<str>,
    /// What happened.
    pub kind: ChangeKind,
    /// The table's columns with their types as PostgreSQL names them (`int8`, `text`, `timestamptz`).
    pub columns: Arc<[(Box<str>, Box<str>)]>,
    /// The row as it is now; empty after a delete.
    pub record: Map<String, Value>,
    /// The primary key as it was before, all that the default replica identity keeps; empty for an insert.
    pub old_key: Map<String, Value>,
    /// When it was committed, in microseconds since 1970.
    pub committed: u64,
    /// Who may read the row.
    pub readers: Readers,
}

/// A change as listeners get it.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// The change.
    pub change: RowChange,
    /// Whether the row was too large, and only its small values are there.
    pub cut: bool,
}

/// The way from the database to listeners.
#[derive(Clone, Debug)]
pub struct Changes {
    sender: Sender<Arc<Told>>,
}

impl Changes {
    /// A way without listeners.
    pub fn new() -> Self {
        Self { sender: broadcast::channel(KEPT).0 }
    }

    /// Whether anybody listens. A change that nobody hears need not be put together.
    pub fn are_watched(&self) -> bool {
        self.sender.receiver_count() > 0
    }

    /// Tells every listener, without waiting for any.
    pub fn publish(&self, mut change: RowChange) {
        let cut = change.record.values().map(weight).sum::<usize>() > LARGEST;
        if cut {
            change.record.retain(|_, value| weight(value) <= SMALL);
        }
        // An error says that nobody listens.
        let _ = self.sender.send(Arc::new(Told { change, cut }));
    }

    /// Listens from now on.
    pub fn listen(&self) -> Receiver<Arc<Told>> {
        self.sender.subscribe()
    }
}

/// Bytes that a value takes, roughly.
fn weight(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(all) => all.iter().map(|value| 8 + weight(value)).sum(),
        Value::Object(all) => all.iter().map(|(key, value)| 8 + key.len() + weight(value)).sum(),
        _ => 8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_large_row_is_told_in_part() {
        let changes = Changes::new();
        assert!(!changes.are_watched());
        let mut listener = changes.listen();
        let row = json!({"id": 1, "text": "x".repeat(LARGEST + 1)});
        changes.publish(RowChange {
            schema: "public".into(),
            table: "items".into(),
            kind: ChangeKind::Insert,
            columns: [].into(),
            record: row.as_object().cloned().unwrap(),
            old_key: Map::new(),
            committed: 0,
            readers: Readers::Everybody,
        });
        let told = listener.try_recv().unwrap();
        assert!(told.cut);
        assert_eq!(Value::Object(told.change.record.clone()), json!({"id": 1}));
    }
}
