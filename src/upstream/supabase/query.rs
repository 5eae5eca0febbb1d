//! [`Query`]: what a request's query string and headers ask for.

use super::errors::PgError;
use super::filter::{ColumnRef, Node, split_top_level};
use super::select::{self, Item};
use http::{HeaderMap, StatusCode};
use std::collections::BTreeMap;

/// One key of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// By what.
    pub column: ColumnRef,
    /// Largest first.
    pub descending: bool,
    /// Where nulls go.
    pub nulls_first: bool,
}

/// Which rows, in which order, how many.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    /// What must hold, all of it.
    pub conditions: Vec<Node>,
    /// The order.
    pub order: Vec<Order>,
    /// The most rows.
    pub limit: Option<usize>,
    /// Rows that are skipped.
    pub offset: usize,
}

/// A query string, read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Query {
    /// What is selected; empty is everything.
    pub select: Vec<Item>,
    /// Which rows.
    pub rows: Rows,
    /// Which related rows, by the embedded relation's name.
    pub embedded: BTreeMap<String, Rows>,
    /// The columns by which an upsert finds its row.
    pub on_conflict: Option<Vec<String>>,
    /// The columns that a write takes from its body.
    pub columns: Option<Vec<String>>,
}

impl Query {
    /// Reads a query string.
    pub fn parse(text: &str) -> Result<Self, PgError> {
        let mut query = Self::default();
        for (key, value) in url::form_urlencoded::parse(text.as_bytes()) {
            match &*key {
                "select" => query.select = select::parse(&value)?,
                "on_conflict" => query.on_conflict = Some(names(&value)),
                "columns" => query.columns = Some(names(&value)),
                "apikey" => {}
                key => query.modifier(key, &value)?,
            }
        }
        Ok(query)
    }

    fn modifier(&mut self, key: &str, value: &str) -> Result<(), PgError> {
        // `relation.order=…` and `relation.column=op.value` are about an embedded relation. `not.or` is not.
        let (rows, key) = match key.rsplit_once('.') {
            Some(("not", _)) | None => (&mut self.rows, key),
            Some((relation, key)) => {
                let (relation, key) = match relation.strip_suffix(".not") {
                    Some(relation) => (relation, format!("not.{key}")),
                    None => (relation, key.to_owned()),
                };
                let rows = self.embedded.entry(relation.to_owned()).or_default();
                return rows.modifier(&key, value);
            }
        };
        rows.modifier(key, value)
    }

    /// Refuses modifiers of relations that are not embedded, as PostgREST does.
    pub fn check_embedded(&self) -> Result<(), PgError> {
        fn knows(items: &[Item], name: &str) -> bool {
            items.iter().any(|item| match item {
                Item::Embed(embed) => {
                    embed.output == name || embed.relation == name || {
                        let inner = name.strip_prefix(&embed.output).and_then(|rest| rest.strip_prefix('.'));
                        inner.is_some_and(|inner| knows(&embed.items, inner))
                    }
                }
                _ => false,
            })
        }
        match self.embedded.keys().find(|name| !knows(&self.select, name)) {
            None => Ok(()),
            Some(name) => {
                let message = format!("'{name}' is not an embedded resource in this request");
                Err(PgError::new(StatusCode::BAD_REQUEST, "PGRST108", message))
            }
        }
    }
}

impl Rows {
    fn modifier(&mut self, key: &str, value: &str) -> Result<(), PgError> {
        let number = || value.parse::<usize>().map_err(|_| PgError::unreadable(key, value));
        match key {
            "order" => self.order = order(value)?,
            "limit" => self.limit = Some(number()?),
            "offset" => self.offset = number()?,
            "or" | "and" | "not.or" | "not.and" => self.conditions.push(Node::parse_logic(key, value)?),
            column => self.conditions.push(Node::parse(column, value)?),
        }
        Ok(())
    }
}

fn order(text: &str) -> Result<Vec<Order>, PgError> {
    let fail = || PgError::unreadable("order", text);
    split_top_level(text, ',')
        .ok_or_else(fail)?
        .into_iter()
        .filter(|part| !part.is_empty())
        .map(|part| {
            let mut words = part.split('.');
            let column = ColumnRef::parse(words.next().unwrap_or_default());
            let (mut descending, mut nulls_first) = (false, None);
            for word in words {
                match word {
                    "asc" => descending = false,
                    "desc" => descending = true,
                    "nullsfirst" => nulls_first = Some(true),
                    "nullslast" => nulls_first = Some(false),
                    _ => return Err(fail()),
                }
            }
            // PostgreSQL takes nulls for larger than everything.
            Ok(Order { column, descending, nulls_first: nulls_first.unwrap_or(descending) })
        })
        .collect()
}

/// Reads `a,"b"`.
fn names(text: &str) -> Vec<String> {
    text.split(',').map(|name| name.trim().trim_matches('"').to_owned()).filter(|name| !name.is_empty()).collect()
}

/// What the headers ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preferences {
    /// `return=representation`.
    pub representation: bool,
    /// `count=…`: the total is wanted. All three kinds are exact here.
    pub count: bool,
    /// `resolution=merge-duplicates`.
    pub merge: bool,
    /// `resolution=ignore-duplicates`.
    pub ignore: bool,
    /// Exactly one row is wanted, as an object.
    pub single: bool,
    /// `Range`: first and last row.
    pub range: Option<(usize, Option<usize>)>,
    /// The preferences that were understood, as sent.
    pub applied: Vec<String>,
}

impl Preferences {
    /// Reads the headers.
    pub fn read(headers: &HeaderMap) -> Self {
        let mut preferences = Self::default();
        let texts = |name| headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        for part in texts("prefer").flat_map(|value| value.split(',')).map(str::trim) {
            match part {
                "return=representation" => preferences.representation = true,
                "return=minimal" | "return=headers-only" | "missing=default" => {}
                "resolution=merge-duplicates" => preferences.merge = true,
                "resolution=ignore-duplicates" => preferences.ignore = true,
                "count=exact" | "count=planned" | "count=estimated" => preferences.count = true,
                _ => continue,
            }
            preferences.applied.push(part.to_owned());
        }
        preferences.single = texts("accept").any(|accept| accept.contains("application/vnd.pgrst.object"));
        preferences.range = texts("range").next().and_then(|range| {
            let (first, last) = range.trim().trim_start_matches("items=").split_once('-')?;
            Some((first.parse().ok()?, if last.is_empty() { None } else { Some(last.parse().ok()?) }))
        });
        preferences
    }
}
