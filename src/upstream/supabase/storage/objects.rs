//! Objects: uploading, downloading, moving, removing (`/storage/v1/object/…`).

use super::error::{Result, StorageError};
use super::service::{Ask, Storage, decoded, done, is_safe};
use super::shelf::{Bucket, MOST_BYTES, Object, Shelf};
use super::upload::Upload;
use crate::upstream::answer::Answer;
use crate::upstream::supabase::identity::Identity;
use crate::upstream::supabase::moment::Moment;
use bytes::Bytes;
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use xxhash_rust::xxh3::xxh3_128;

/// The longest name of an object, as object stores have it.
const LONGEST_KEY: usize = 1_024;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Transfer {
    bucket_id: String,
    source_key: String,
    destination_key: String,
    destination_bucket: Option<String>,
}

impl Storage {
    /// Everything below `/object/`.
    pub(super) fn objects(&self, ask: &Ask<'_>, path: &str) -> Result<Option<Answer>> {
        let method = ask.call.method.clone();
        let reading = method == Method::GET || method == Method::HEAD;
        let (area, rest) = path.split_once('/').unwrap_or((path, ""));
        Ok(Some(match area {
            "public" if reading => self.download(ask, &place(rest)?, true)?,
            "authenticated" if reading => self.download(ask, &place(rest)?, false)?,
            "sign" if reading => self.signed_download(ask, &place(rest)?)?,
            "sign" if method == Method::POST => match place(rest) {
                Ok(place) => self.sign_one(ask, &place)?,
                Err(_) => self.sign_many(ask, &decoded(rest))?,
            },
            "upload" => match (rest.strip_prefix("sign/"), method) {
                (Some(rest), Method::POST) => self.sign_upload(ask, &place(rest)?)?,
                (Some(rest), Method::PUT) => self.signed_upload(ask, &place(rest)?)?,
                _ => return Ok(None),
            },
            "info" if reading => {
                let (rest, public) = match (rest.strip_prefix("public/"), rest.strip_prefix("authenticated/")) {
                    (Some(rest), _) => (rest, true),
                    (_, Some(rest)) => (rest, false),
                    _ => (rest, false),
                };
                self.info(ask, &place(rest)?, public)?
            }
            "list" if method == Method::POST => self.list(ask, &decoded(rest))?,
            "list-v2" if method == Method::POST => self.list_v2(ask, &decoded(rest))?,
            "move" if method == Method::POST => self.relocate(ask, true)?,
            "copy" if method == Method::POST => self.relocate(ask, false)?,
            bucket if rest.is_empty() => {
                if method != Method::DELETE {
                    return Ok(None);
                }
                self.remove(ask, &decoded(bucket))?
            }
            _ => {
                let place = place(path)?;
                match method {
                    Method::GET | Method::HEAD => self.download(ask, &place, false)?,
                    Method::POST => {
                        let upsert = ask.call.header("x-upsert").is_some_and(|value| value == "true");
                        self.upload(ask, &place, upsert)?
                    }
                    Method::PUT => {
                        self.seen(ask, &place)?;
                        self.upload(ask, &place, true)?
                    }
                    Method::DELETE => {
                        self.seen(ask, &place)?;
                        self.write().take(&place.0, &place.1);
                        done("Successfully deleted")
                    }
                    _ => return Ok(None),
                }
            }
        }))
    }

    /// Whether the caller may see an object.
    fn seen(&self, ask: &Ask<'_>, (bucket, name): &(String, String)) -> Result<()> {
        visible(&self.read(), ask.identity, bucket)?;
        self.read().object(bucket, name).map(|_| ()).ok_or(StorageError::no_object())
    }

    fn upload(&self, ask: &Ask<'_>, place: &(String, String), upsert: bool) -> Result<Answer> {
        let shelf = self.read();
        let bucket = shelf.bucket(&place.0).ok_or(StorageError::no_bucket())?;
        if !bucket.admits(ask.identity) {
            return Err(StorageError::denied());
        }
        drop(shelf);
        let owner = ask.identity.user.as_deref().map(str::to_owned);
        self.put(ask, place, upsert, owner)
    }

    /// Puts the file of a request into its place, for somebody who may.
    pub(super) fn put(
        &self,
        ask: &Ask<'_>,
        place: &(String, String),
        upsert: bool,
        owner: Option<String>,
    ) -> Result<Answer> {
        let (bucket, name) = place;
        let upload = Upload::read(ask.call)?;
        let uuid = |n: u64| {
            let number = ask.call.number;
            let bits = u128::from(self.seed.draw(&[number, n, 0])) << 64 | u128::from(self.seed.draw(&[number, n, 1]));
            uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid()
        };
        let mut shelf = self.write();
        shelf.bucket(bucket).ok_or(StorageError::no_bucket())?.takes(upload.bytes.len(), &upload.kind)?;
        let before = shelf.object(bucket, name).map(|object| (object.id, object.created_at));
        if before.is_some() && !upsert {
            return Err(StorageError::object_exists());
        }
        let (id, created_at) = before.unwrap_or_else(|| (uuid(0), ask.now));
        let object = Object {
            id,
            version: uuid(1),
            owner,
            etag: format!("\"{:032x}\"", xxh3_128(&upload.bytes)),
            bytes: upload.bytes,
            kind: upload.kind,
            cache_control: upload.cache_control,
            user_metadata: upload.metadata,
            created_at,
            updated_at: ask.now,
        };
        let evicted = shelf.put(bucket, name, object);
        let warning = evicted.then(|| {
            format!("the Supabase mock keeps {} MiB of objects; the oldest are being dropped", MOST_BYTES >> 20)
        });
        let body = json!({"Key": format!("{bucket}/{name}"), "Id": id});
        Ok(Answer::json(StatusCode::OK, &body).warned(warning))
    }

    fn download(&self, ask: &Ask<'_>, place: &(String, String), public: bool) -> Result<Answer> {
        let shelf = self.read();
        if public {
            shelf.bucket(&place.0).filter(|bucket| bucket.public).ok_or(StorageError::no_bucket())?;
        } else {
            visible(&shelf, ask.identity, &place.0)?;
        }
        let object = shelf.object(&place.0, &place.1).ok_or(StorageError::no_object())?;
        send(ask, object, &place.1)
    }

    /// An object, for somebody who may see it.
    pub(super) fn sent(&self, ask: &Ask<'_>, place: &(String, String)) -> Result<Answer> {
        let shelf = self.read();
        send(ask, shelf.object(&place.0, &place.1).ok_or(StorageError::no_object())?, &place.1)
    }

    fn info(&self, ask: &Ask<'_>, (bucket, name): &(String, String), public: bool) -> Result<Answer> {
        let shelf = self.read();
        if !(public && shelf.bucket(bucket).is_some_and(|bucket| bucket.public)) {
            visible(&shelf, ask.identity, bucket)?;
        }
        let object = shelf.object(bucket, name).ok_or(StorageError::no_object())?;
        let body = json!({
            "id": object.id, "name": name, "version": object.version, "bucket_id": bucket,
            "size": object.bytes.len(), "content_type": object.kind, "cache_control": object.cache_control,
            "etag": object.etag, "metadata": object.user_metadata.clone().unwrap_or_default(),
            "last_modified": object.updated_at, "created_at": object.created_at,
        });
        Ok(Answer::json(StatusCode::OK, &body))
    }

    fn relocate(&self, ask: &Ask<'_>, moving: bool) -> Result<Answer> {
        let wish: Transfer = ask.body()?;
        let to_bucket = wish.destination_bucket.filter(|bucket| !bucket.is_empty()).unwrap_or(wish.bucket_id.clone());
        check_key(&wish.destination_key)?;
        let mut shelf = self.write();
        visible(&shelf, ask.identity, &wish.bucket_id)?;
        let target = shelf.bucket(&to_bucket).ok_or(StorageError::no_bucket())?;
        if !target.admits(ask.identity) {
            return Err(StorageError::denied());
        }
        let object = shelf.object(&wish.bucket_id, &wish.source_key).ok_or(StorageError::no_object())?.clone();
        target.takes(object.bytes.len(), &object.kind)?;
        let same = (&wish.bucket_id, &wish.source_key) == (&to_bucket, &wish.destination_key);
        let upsert = !moving && ask.call.header("x-upsert").is_some_and(|value| value == "true");
        if !same && !upsert && shelf.object(&to_bucket, &wish.destination_key).is_some() {
            return Err(StorageError::object_exists());
        }
        let key = format!("{to_bucket}/{}", wish.destination_key);
        if moving {
            shelf.take(&wish.bucket_id, &wish.source_key);
            let id = object.id;
            shelf.put(&to_bucket, &wish.destination_key, Object { updated_at: ask.now, ..object });
            return Ok(Answer::json(StatusCode::OK, &json!({"message": "Successfully moved", "Id": id, "Key": key})));
        }
        let draw = |n: u64| u128::from(self.seed.draw(&[ask.call.number, 9, n]));
        let bits = draw(0) << 64 | draw(1);
        let id = uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid();
        let object = Object { id, version: id, created_at: ask.now, updated_at: ask.now, ..object };
        let metadata = metadata(&object);
        shelf.put(&to_bucket, &wish.destination_key, object);
        let body = json!({
            "Id": id, "Key": key, "name": wish.destination_key, "bucket_id": to_bucket, "id": id,
            "created_at": ask.now, "updated_at": ask.now, "last_accessed_at": ask.now, "metadata": metadata,
        });
        Ok(Answer::json(StatusCode::OK, &body))
    }

    fn remove(&self, ask: &Ask<'_>, bucket: &str) -> Result<Answer> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Wish {
            prefixes: Vec<String>,
        }
        let wish: Wish = ask.body()?;
        let mut shelf = self.write();
        shelf.bucket(bucket).ok_or(StorageError::no_bucket())?;
        if visible(&shelf, ask.identity, bucket).is_err() {
            return Ok(Answer::json(StatusCode::OK, &json!([])));
        }
        let mut removed = Vec::new();
        for name in &wish.prefixes {
            if let Some(object) = shelf.take(bucket, name) {
                let mut row = row(name, &object);
                row["bucket_id"] = bucket.into();
                row["owner"] = object.owner.clone().unwrap_or_default().into();
                row["owner_id"] = object.owner.clone().into();
                row["version"] = json!(object.version);
                row["user_metadata"] = json!(object.user_metadata);
                removed.push(row);
            }
        }
        Ok(Answer::json(StatusCode::OK, &removed))
    }
}

/// The bucket, if its policies let somebody read it.
///
/// # Errors
/// When there is none such; a private one looks as if its objects were not there.
pub fn visible<'a>(shelf: &'a Shelf, identity: &Identity, bucket: &str) -> Result<&'a Bucket> {
    let bucket = shelf.bucket(bucket).ok_or(StorageError::no_bucket())?;
    if bucket.admits(identity) { Ok(bucket) } else { Err(StorageError::no_object()) }
}

/// The bucket and the object's name that a path means.
///
/// # Errors
/// When it means none.
pub fn place(path: &str) -> Result<(String, String)> {
    let (bucket, name) = path.split_once('/').ok_or_else(|| StorageError::key(path))?;
    let (bucket, name) = (decoded(bucket), decoded(name));
    check_key(&name)?;
    Ok((bucket, name))
}

fn check_key(name: &str) -> Result<()> {
    if name.is_empty() || name.len() > LONGEST_KEY || !is_safe(name) { Err(StorageError::key(name)) } else { Ok(()) }
}

/// An object as lists show it.
pub fn row(name: &str, object: &Object) -> Value {
    json!({
        "name": name, "id": object.id, "updated_at": object.updated_at, "created_at": object.created_at,
        "last_accessed_at": object.created_at, "metadata": metadata(object),
    })
}

fn metadata(object: &Object) -> Value {
    json!({
        "eTag": object.etag, "size": object.bytes.len(), "mimetype": object.kind,
        "cacheControl": object.cache_control, "lastModified": object.updated_at,
        "contentLength": object.bytes.len(), "httpStatusCode": 200,
    })
}

/// The bytes of an object, or the part of them that a `Range` header asks for.
fn send(ask: &Ask<'_>, object: &Object, name: &str) -> Result<Answer> {
    let size = object.bytes.len();
    let range = ask.call.header("range").map(|text| part(text, size).ok_or(StorageError::range())).transpose()?;
    let (status, bytes) = match &range {
        Some(range) => (StatusCode::PARTIAL_CONTENT, object.bytes.slice(range.clone())),
        None if ask.call.header("if-none-match") == Some(&object.etag) => (StatusCode::NOT_MODIFIED, Bytes::new()),
        None => (StatusCode::OK, object.bytes.clone()),
    };
    let mut answer = Answer::text(status, "", bytes)
        .with("content-type", &object.kind)
        .with("cache-control", &object.cache_control)
        .with("etag", &object.etag)
        .with("last-modified", &http_date(object.updated_at))
        .with("accept-ranges", "bytes");
    if let Some(range) = range {
        answer = answer.with("content-range", &format!("bytes {}-{}/{size}", range.start, range.end - 1));
    }
    if let Some(wanted) = ask.query("download") {
        let name = if wanted.is_empty() { name.rsplit('/').next().unwrap_or(name) } else { &wanted };
        let name: String = url::form_urlencoded::byte_serialize(name.as_bytes()).collect();
        answer = answer.with("content-disposition", &format!("attachment; filename={name}; filename*=UTF-8''{name};"));
    }
    Ok(answer)
}

/// The one part that a `Range` header names.
fn part(text: &str, size: usize) -> Option<std::ops::Range<usize>> {
    let (from, to) = text.trim().strip_prefix("bytes=")?.split_once('-')?;
    let range = match (from.parse::<usize>(), to.parse::<usize>()) {
        (Ok(from), Ok(to)) => from..to.checked_add(1)?.min(size),
        (Ok(from), Err(_)) if to.is_empty() => from..size,
        (Err(_), Ok(last)) if from.is_empty() => size.saturating_sub(last)..size,
        _ => return None,
    };
    (range.start < range.end).then_some(range)
}

/// A time as HTTP writes it.
fn http_date(moment: Moment) -> String {
    let micros = i64::try_from(moment.0).unwrap_or(i64::MAX);
    let timestamp = jiff::Timestamp::from_microsecond(micros).unwrap_or_default();
    timestamp.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// A folder as lists show it.
pub fn folder(name: &str) -> Value {
    let mut row: Map<String, Value> = Map::new();
    row.insert("name".to_owned(), name.into());
    for empty in ["id", "updated_at", "created_at", "last_accessed_at", "metadata"] {
        row.insert(empty.to_owned(), Value::Null);
    }
    Value::Object(row)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case("bytes=0-4", Some(0..5))]
    #[case("bytes=5-", Some(5..10))]
    #[case("bytes=-3", Some(7..10))]
    #[case("bytes=8-99", Some(8..10))]
    #[case("bytes=10-", None)]
    #[case("bytes=4-2", None)]
    #[case("items=0-1", None)]
    fn parts_are_read(#[case] text: &str, #[case] expected: Option<std::ops::Range<usize>>) {
        assert_eq!(part(text, 10), expected);
    }

    proptest! {
        #[test]
        fn any_text_is_a_part_within_or_none(text in "bytes=[0-9]{0,20}-[0-9]{0,20}|\\PC{0,20}", size in 0_usize..100) {
            if let Some(range) = part(&text, size) {
                prop_assert!(range.start < range.end && range.end <= size);
            }
        }

        #[test]
        fn any_path_is_a_place_or_none(path in "\\PC{0,40}") {
            let _ = place(&path);
        }
    }

    #[test]
    fn dates_are_https() {
        assert_eq!(http_date(Moment(784_111_777_000_000)), "Sun, 06 Nov 1994 08:49:37 GMT");
    }
}
