//! [`Channel`]: a topic that a connection has joined, with the row changes it asked for.

use super::filter::Filter;
use crate::upstream::supabase::changes::{ChangeKind, Readers, RowChange, Told};
use crate::upstream::supabase::identity::{Identity, Role};
use crate::upstream::supabase::moment::Moment;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Row changes that one channel may ask for.
const MOST_SUBSCRIPTIONS: usize = 100;

/// A joined topic.
#[derive(Debug)]
pub struct Channel {
    /// Which join it is.
    pub join_ref: Option<String>,
    /// Who joined.
    pub identity: Arc<Identity>,
    /// Whether broadcasts come back to who sent them.
    pub own_broadcasts: bool,
    /// Whether broadcasts are acknowledged.
    pub acknowledged: bool,
    /// Whether presence is on.
    pub presence: bool,
    /// Under which key the connection is present.
    pub presence_key: String,
    subscriptions: Vec<Subscription>,
}

#[derive(Debug)]
struct Subscription {
    id: u64,
    event: String,
    schema: String,
    table: Option<String>,
    filter: Filter,
    columns: Option<Vec<String>>,
}

/// What a client sends to join.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Join {
    config: Config,
    /// The user's token.
    pub access_token: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Config {
    broadcast: Option<Broadcast>,
    presence: Option<Presence>,
    postgres_changes: Option<Vec<Map<String, Value>>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Broadcast {
    ack: Option<bool>,
    #[serde(rename = "self")]
    own: Option<bool>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Presence {
    key: Option<String>,
    enabled: Option<bool>,
}

impl Channel {
    /// Joins: the channel, what the reply tells of its subscriptions, and the words for one that cannot be read.
    pub fn join(
        join: Join,
        join_ref: Option<String>,
        identity: Arc<Identity>,
        key: impl FnOnce() -> String,
        mut next_id: impl FnMut() -> u64,
    ) -> (Self, Vec<Value>, Option<String>) {
        let Config { broadcast, presence, postgres_changes } = join.config;
        let (broadcast, presence) = (broadcast.unwrap_or_default(), presence.unwrap_or_default());
        let (mut subscriptions, mut told, mut refused) = (Vec::new(), Vec::new(), None);
        for mut wish in postgres_changes.unwrap_or_default().into_iter().take(MOST_SUBSCRIPTIONS) {
            let id = next_id();
            match Subscription::read(id, &wish) {
                Some(subscription) => subscriptions.push(subscription),
                None => {
                    let wish = Value::Object(wish.clone());
                    refused = Some(format!("Unable to subscribe to changes with given parameters: {wish}"));
                }
            }
            wish.insert("id".to_owned(), id.into());
            told.push(Value::Object(wish));
        }
        let channel = Self {
            join_ref,
            identity,
            own_broadcasts: broadcast.own.unwrap_or(false),
            acknowledged: broadcast.ack.unwrap_or(false),
            // Older clients do not say whether; they all get it.
            presence: presence.enabled.unwrap_or(true),
            presence_key: presence.key.filter(|key| !key.is_empty()).unwrap_or_else(key),
            subscriptions,
        };
        (channel, told, refused)
    }

    /// Whether it asked for row changes.
    pub fn wants_changes(&self) -> bool {
        !self.subscriptions.is_empty()
    }

    /// What it is told of a change, if anything: the row as who joined may see it.
    pub fn told(&self, told: &Told) -> Option<Value> {
        let Told { change, cut } = told;
        let wanting: Vec<&Subscription> =
            self.subscriptions.iter().filter(|subscription| subscription.wants(change)).collect();
        // Deletions are not held back by policies, and tell no more than the key.
        if wanting.is_empty() || (change.kind != ChangeKind::Delete && !may_read(&self.identity, &change.readers)) {
            return None;
        }
        let ids: Vec<u64> = wanting.iter().map(|subscription| subscription.id).collect();
        let chosen = wanting[0].columns.as_ref();
        let shown = |name: &str| chosen.is_none_or(|columns| columns.iter().any(|column| column == name));
        let columns: Vec<Value> = change
            .columns
            .iter()
            .filter(|(name, _)| shown(name))
            .map(|(name, kind)| json!({"name": name, "type": kind}))
            .collect();
        let mut data = json!({
            "schema": change.schema, "table": change.table, "type": change.kind.name(), "columns": columns,
            "commit_timestamp": Moment(change.committed / 1_000 * 1_000),
            "errors": cut.then_some(["Error 413: Payload Too Large"]),
        });
        if change.kind != ChangeKind::Delete {
            let record = change.record.iter().filter(|(name, _)| shown(name));
            data["record"] = record.map(|(name, value)| (name.clone(), value.clone())).collect::<Map<_, _>>().into();
        }
        if change.kind != ChangeKind::Insert {
            data["old_record"] = change.old_key.clone().into();
        }
        Some(json!({"ids": ids, "data": data}))
    }
}

impl Subscription {
    fn read(id: u64, wish: &Map<String, Value>) -> Option<Self> {
        let text = |name: &str| wish.get(name).and_then(Value::as_str);
        let event = text("event").unwrap_or("*").to_ascii_uppercase();
        if !matches!(event.as_str(), "*" | "INSERT" | "UPDATE" | "DELETE") {
            return None;
        }
        let columns = wish.get("select").and_then(Value::as_array);
        Some(Self {
            id,
            event,
            schema: text("schema").unwrap_or("public").to_owned(),
            table: text("table").filter(|table| *table != "*").map(str::to_owned),
            filter: match text("filter").filter(|filter| !filter.is_empty()) {
                Some(filter) => Filter::read(filter)?,
                None => Filter::default(),
            },
            columns: columns.map(|all| all.iter().filter_map(Value::as_str).map(str::to_owned).collect()),
        })
    }

    fn wants(&self, change: &RowChange) -> bool {
        let named = (self.event == "*" || self.event == change.kind.name())
            && (self.schema == "*" || *self.schema == *change.schema)
            && self.table.as_deref().is_none_or(|table| *table == *change.table);
        // Only the key of a deleted row is there to be filtered.
        let row = if change.kind == ChangeKind::Delete { &change.old_key } else { &change.record };
        named && self.filter.admits(row)
    }
}

fn may_read(identity: &Identity, readers: &Readers) -> bool {
    match readers {
        Readers::Everybody => true,
        _ if identity.role == Role::Service => true,
        Readers::Owner(owner) => identity.user.as_deref() == Some(owner),
        Readers::Service => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn channel(wish: Value, identity: Identity) -> Channel {
        let join = serde_json::from_value(json!({"config": {"postgres_changes": [wish]}})).unwrap();
        Channel::join(join, None, Arc::new(identity), || "key".into(), || 7).0
    }

    fn change(kind: ChangeKind, readers: Readers) -> Told {
        let object = |value: Value| value.as_object().cloned().unwrap();
        let change = RowChange {
            schema: "public".into(),
            table: "items".into(),
            kind,
            columns: [("id".into(), "int8".into()), ("name".into(), "text".into())].into(),
            record: if kind == ChangeKind::Delete { Map::new() } else { object(json!({"id": 1, "name": "oak"})) },
            old_key: if kind == ChangeKind::Insert { Map::new() } else { object(json!({"id": 1})) },
            committed: 1_700_000_000_123_456,
            readers,
        };
        Told { change, cut: false }
    }

    #[rstest]
    #[case(json!({"event": "*", "schema": "public"}), true)]
    #[case(json!({"event": "INSERT", "schema": "public", "table": "items"}), true)]
    #[case(json!({"event": "UPDATE", "schema": "public", "table": "items"}), false)]
    #[case(json!({"event": "*", "schema": "private"}), false)]
    #[case(json!({"event": "*", "schema": "*", "table": "others"}), false)]
    #[case(json!({"event": "*", "schema": "public", "table": "items", "filter": "name=eq.oak"}), true)]
    #[case(json!({"event": "*", "schema": "public", "table": "items", "filter": "name=eq.elm"}), false)]
    fn a_subscription_is_for_some_changes(#[case] wish: Value, #[case] told: bool) {
        let channel = channel(wish, Identity::of(Role::Anon));
        assert_eq!(channel.told(&change(ChangeKind::Insert, Readers::Everybody)).is_some(), told);
    }

    #[test]
    fn a_change_is_told_as_realtime_tells_it() {
        let channel = channel(json!({"event": "*", "schema": "public"}), Identity::of(Role::Anon));
        let columns = json!([{"name": "id", "type": "int8"}, {"name": "name", "type": "text"}]);
        let head = json!({"schema": "public", "table": "items", "columns": columns, "errors": null,
                          "commit_timestamp": "2023-11-14T22:13:20.123Z"});
        for (kind, more) in [
            (ChangeKind::Insert, json!({"type": "INSERT", "record": {"id": 1, "name": "oak"}})),
            (
                ChangeKind::Update,
                json!({"type": "UPDATE", "record": {"id": 1, "name": "oak"}, "old_record": {"id": 1}}),
            ),
            (ChangeKind::Delete, json!({"type": "DELETE", "old_record": {"id": 1}})),
        ] {
            let mut data = head.clone();
            data.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
            assert_eq!(channel.told(&change(kind, Readers::Everybody)), Some(json!({"ids": [7], "data": data})));
        }
    }

    #[test]
    fn rows_are_told_to_who_may_read_them() {
        let ada = Identity { user: Some("ada".into()), ..Identity::of(Role::Authenticated) };
        let told = |identity: &Identity, kind, readers: Readers| {
            channel(json!({"event": "*", "schema": "public"}), identity.clone()).told(&change(kind, readers)).is_some()
        };
        let (anon, service) = (Identity::of(Role::Anon), Identity::of(Role::Service));
        let owned = |owner: &str| Readers::Owner(owner.into());
        assert!(told(&ada, ChangeKind::Insert, owned("ada")) && !told(&ada, ChangeKind::Insert, owned("bob")));
        assert!(!told(&anon, ChangeKind::Insert, owned("ada")) && told(&service, ChangeKind::Insert, owned("ada")));
        assert!(
            !told(&ada, ChangeKind::Insert, Readers::Service) && told(&service, ChangeKind::Insert, Readers::Service)
        );
        // Policies do not hold for what is gone.
        assert!(told(&anon, ChangeKind::Delete, Readers::Service));
    }
}
