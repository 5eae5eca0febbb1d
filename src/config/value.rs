//! Values as they stand in files: [`Quantity`], [`Node`], [`OneOrMany`]. Lenient in type, so that a wrong one is
//! reported beside all others and in our words.

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::collections::BTreeMap;
use std::fmt;
use toml::Spanned;

/// A table whose keys are free, each with its place.
pub(super) type Table<T> = BTreeMap<Spanned<String>, T>;

/// A number with a unit, unread. A bare number is let through, so that its unit can be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Quantity(pub(super) String);

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl Visitor<'_> for Read {
            type Value = Quantity;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text with a number and its unit, such as \"30s\", \"200MiB\" or \"30%\"")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Quantity, E> {
                Ok(Quantity(text.to_owned()))
            }
            fn visit_i64<E: Error>(self, number: i64) -> Result<Quantity, E> {
                Ok(Quantity(number.to_string()))
            }
            fn visit_u64<E: Error>(self, number: u64) -> Result<Quantity, E> {
                Ok(Quantity(number.to_string()))
            }
            fn visit_f64<E: Error>(self, number: f64) -> Result<Quantity, E> {
                Ok(Quantity(number.to_string()))
            }
        }
        deserializer.deserialize_any(Read)
    }
}

/// One value or a list of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum OneOrMany<T> {
    /// `x = 1`
    One(T),
    /// `x = [1, 2]`
    Many(Vec<T>),
}

fn many<'de, T: Deserialize<'de>, A: SeqAccess<'de>>(mut seq: A) -> Result<OneOrMany<T>, A::Error> {
    let mut all = Vec::new();
    while let Some(one) = seq.next_element()? {
        all.push(one);
    }
    Ok(OneOrMany::Many(all))
}

/// Statuses: `status = 200` or `status = [200, 404]`.
impl<'de> Deserialize<'de> for OneOrMany<i64> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = OneOrMany<i64>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a status such as 200, or a list of statuses")
            }
            fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
                Ok(OneOrMany::One(number))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
                many(seq)
            }
        }
        deserializer.deserialize_any(Read)
    }
}

/// A command: `command = "app --port {port}"` or `command = ["app", "--port", "{port}"]`.
impl<'de> Deserialize<'de> for OneOrMany<String> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = OneOrMany<String>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, or a list of texts")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(OneOrMany::One(text.to_owned()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
                many(seq)
            }
        }
        deserializer.deserialize_any(Read)
    }
}

/// Any value, with the place of each part.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    /// A text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A number.
    Float(f64),
    /// Yes or no.
    Bool(bool),
    /// A list.
    List(Vec<Spanned<Node>>),
    /// A table, in the order in which it is read.
    Table(Vec<(String, Spanned<Node>)>),
}

/// The key under which `toml` hands out a date.
const DATE: &str = "$__toml_private_datetime";

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Node;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Node, E> {
                Ok(Node::Text(text.to_owned()))
            }
            fn visit_i64<E: Error>(self, number: i64) -> Result<Node, E> {
                Ok(Node::Integer(number))
            }
            fn visit_f64<E: Error>(self, number: f64) -> Result<Node, E> {
                if number.is_finite() {
                    Ok(Node::Float(number))
                } else {
                    Err(E::custom("JSON has no infinite numbers and no `nan`"))
                }
            }
            fn visit_bool<E: Error>(self, yes: bool) -> Result<Node, E> {
                Ok(Node::Bool(yes))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
                let mut all = Vec::new();
                while let Some(one) = seq.next_element()? {
                    all.push(one);
                }
                Ok(Node::List(all))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
                let mut all = Vec::new();
                while let Some(key) = map.next_key::<String>()? {
                    if key == DATE {
                        return map.next_value().map(Node::Text);
                    }
                    all.push((key, map.next_value()?));
                }
                Ok(Node::Table(all))
            }
        }
        deserializer.deserialize_any(Read)
    }
}

impl Node {
    /// The value as JSON.
    pub(super) fn to_json(&self) -> serde_json::Value {
        use serde_json::Value;
        match self {
            Self::Text(text) => Value::from(text.as_str()),
            Self::Integer(number) => Value::from(*number),
            Self::Float(number) => Value::from(*number),
            Self::Bool(yes) => Value::from(*yes),
            Self::List(all) => all.iter().map(|one| one.get_ref().to_json()).collect(),
            Self::Table(all) => {
                Value::Object(all.iter().map(|(key, one)| (key.clone(), one.get_ref().to_json())).collect())
            }
        }
    }

    /// What kind of value it is.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text",
            Self::Integer(_) | Self::Float(_) => "a number",
            Self::Bool(_) => "true or false",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}
