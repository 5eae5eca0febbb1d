//! What is in a bucket: `POST /object/list/{bucket}` and `/object/list-v2/{bucket}`.

use super::error::Result;
use super::objects::{folder, row, visible};
use super::service::{Ask, Storage};
use super::shelf::Object;
use crate::upstream::answer::Answer;
use http::StatusCode;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use std::cmp::Ordering;
use std::collections::BTreeSet;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct List {
    prefix: Option<String>,
    #[serde(deserialize_with = "limit")]
    limit: Option<usize>,
    #[serde(deserialize_with = "offset")]
    offset: Option<usize>,
    search: Option<String>,
    sort_by: Option<SortBy>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SortBy {
    column: Option<String>,
    order: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ListV2 {
    prefix: Option<String>,
    #[serde(deserialize_with = "limit")]
    limit: Option<usize>,
    cursor: Option<String>,
    with_delimiter: Option<bool>,
}

fn limit<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Option<usize>, D::Error> {
    at_least(deserializer, "limit", 1)
}

fn offset<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Option<usize>, D::Error> {
    at_least(deserializer, "offset", 0)
}

/// A number with a lower bound, refused in the words of the real service's validator (ajv).
fn at_least<'de, D: Deserializer<'de>>(
    deserializer: D,
    name: &str,
    least: i64,
) -> std::result::Result<Option<usize>, D::Error> {
    let Some(written) = Option::<Value>::deserialize(deserializer)? else { return Ok(None) };
    let number = written.as_i64().or_else(|| written.as_str()?.trim().parse().ok());
    let number = number.ok_or_else(|| D::Error::custom(format!("body/{name} must be integer")))?;
    if number < least {
        return Err(D::Error::custom(format!("body/{name} must be >= {least}")));
    }
    Ok(usize::try_from(number).ok())
}

impl Storage {
    /// Files and folders right below a folder.
    pub(super) fn list(&self, ask: &Ask<'_>, bucket: &str) -> Result<Answer> {
        let wish: List = ask.body()?;
        let shelf = self.read();
        if visible(&shelf, ask.identity, bucket).is_err() {
            return Ok(Answer::json(StatusCode::OK, &json!([])));
        }
        let mut prefix = wish.prefix.unwrap_or_default();
        if !prefix.is_empty() && !prefix.ends_with('/') {
            prefix.push('/');
        }
        let search = wish.search.unwrap_or_default().to_lowercase();
        let fits = |name: &str| search.is_empty() || name.to_lowercase().contains(&search);
        let mut folders = BTreeSet::new();
        let mut files: Vec<(&str, &Object)> = Vec::new();
        for (name, object) in shelf.in_bucket(bucket, &prefix) {
            let name = &name[prefix.len()..];
            match name.split_once('/') {
                Some((folder, _)) if fits(folder) => {
                    folders.insert(folder);
                }
                None if fits(name) => files.push((name, object)),
                _ => {}
            }
        }
        let sort = wish.sort_by.unwrap_or_default();
        let descending = sort.order.as_deref().is_some_and(|order| order.eq_ignore_ascii_case("desc"));
        let column = sort.column.unwrap_or_default();
        let by = |a: &(&str, &Object), b: &(&str, &Object)| -> Ordering {
            match column.as_str() {
                "updated_at" => a.1.updated_at.cmp(&b.1.updated_at),
                "created_at" | "last_accessed_at" => a.1.created_at.cmp(&b.1.created_at),
                _ => a.0.cmp(b.0),
            }
        };
        files.sort_by(|a, b| if descending { by(b, a) } else { by(a, b) });
        let mut folders: Vec<&str> = folders.into_iter().collect();
        if descending {
            folders.reverse();
        }
        let rows = folders.into_iter().map(folder).chain(files.into_iter().map(|(name, object)| row(name, object)));
        let page: Vec<Value> = rows.skip(wish.offset.unwrap_or(0)).take(wish.limit.unwrap_or(100)).collect();
        Ok(Answer::json(StatusCode::OK, &page))
    }

    /// Files and folders below a prefix by name, page by page behind a cursor.
    pub(super) fn list_v2(&self, ask: &Ask<'_>, bucket: &str) -> Result<Answer> {
        let wish: ListV2 = ask.body()?;
        let shelf = self.read();
        let prefix = wish.prefix.unwrap_or_default();
        let after = wish.cursor.unwrap_or_default();
        let limit = wish.limit.unwrap_or(1_000).clamp(1, 1_000);
        let (mut folders, mut objects, mut last) = (Vec::new(), Vec::new(), None::<String>);
        let mut more = false;
        if visible(&shelf, ask.identity, bucket).is_ok() {
            for (name, object) in shelf.in_bucket(bucket, &prefix) {
                let rest = &name[prefix.len()..];
                let key = match rest.find('/') {
                    Some(end) if wish.with_delimiter == Some(true) => &name[..=prefix.len() + end],
                    _ => name,
                };
                if key <= after.as_str() || last.as_deref() == Some(key) {
                    continue;
                }
                if folders.len() + objects.len() == limit {
                    more = true;
                    break;
                }
                last = Some(key.to_owned());
                if key.len() == name.len() {
                    let mut row = row(name, object);
                    row["key"] = name.into();
                    objects.push(row);
                } else {
                    folders.push(json!({"name": key, "key": key}));
                }
            }
        }
        let mut body = json!({"hasNext": more, "folders": folders, "objects": objects});
        if let Some(last) = last.filter(|_| more) {
            body["nextCursor"] = last.into();
        }
        Ok(Answer::json(StatusCode::OK, &body))
    }
}
