//! [`Storage`]: which handler answers which path of Storage, and buckets.

use super::error::{Result, StorageError};
use super::shelf::{Bucket, Shelf};
use crate::model::supabase::BucketPlan;
use crate::units::Seed;
use crate::upstream::answer::{Answer, Call};
use crate::upstream::supabase::clock::WallClock;
use crate::upstream::supabase::gatekeeper::Gatekeeper;
use crate::upstream::supabase::identity::{Identity, Role};
use crate::upstream::supabase::moment::Moment;
use http::{Method, StatusCode};
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::str::FromStr as _;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Storage with its buckets and objects.
pub struct Storage {
    pub(super) seed: Seed,
    pub(super) gatekeeper: Arc<Gatekeeper>,
    clock: WallClock,
    shelf: RwLock<Shelf>,
}

/// One request to Storage.
pub struct Ask<'a> {
    /// The request.
    pub call: &'a Call<'a>,
    /// Who it comes from.
    pub identity: &'a Identity,
    /// When it came.
    pub now: Moment,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct BucketWish {
    id: Option<String>,
    name: Option<String>,
    public: Option<bool>,
    file_size_limit: Option<Value>,
    allowed_mime_types: Option<Vec<String>>,
}

impl Storage {
    /// Storage with the buckets of the plan.
    pub fn new(plan: &BTreeMap<String, BucketPlan>, gatekeeper: Arc<Gatekeeper>, seed: Seed, clock: WallClock) -> Self {
        let mut shelf = Shelf::default();
        for (name, bucket) in plan {
            // Two of a name cannot be planned, and a thousand are enough.
            let _ = shelf.add(Bucket::planned(name, bucket, Moment(clock.micros())));
        }
        Self { seed: seed.derive("storage"), gatekeeper, clock, shelf: RwLock::new(shelf) }
    }

    pub(super) fn read(&self) -> RwLockReadGuard<'_, Shelf> {
        self.shelf.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn write(&self) -> RwLockWriteGuard<'_, Shelf> {
        self.shelf.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a path below `/storage/v1/` needs no key: what browsers open directly.
    pub fn is_open(path: &str) -> bool {
        ["object/public/", "object/sign/", "object/info/public/", "render/image/public/", "render/image/sign/"]
            .iter()
            .any(|prefix| path.starts_with(prefix))
            || path.starts_with("object/upload/sign/")
            || path == "status"
    }

    /// The answer to a request by `identity` at `path` below `/storage/v1/`.
    pub fn answer(&self, path: &str, call: &Call<'_>, identity: &Identity) -> Answer {
        let ask = Ask { call, identity, now: Moment(self.clock.micros()) };
        let path = path.trim_end_matches('/');
        match self.route(&ask, path) {
            Ok(Some(answer)) => answer,
            Ok(None) => {
                let message = format!("Route {}:/{path} not found", call.method);
                let body = json!({"statusCode": "404", "error": "Not Found", "message": message});
                let warning = ["s3", "upload/resumable", "iceberg", "vector", "cdn"]
                    .iter()
                    .find(|part| path.starts_with(**part))
                    .map(|part| format!("the Supabase mock has no `/storage/v1/{part}`"));
                Answer::json(StatusCode::NOT_FOUND, &body).warned(warning)
            }
            Err(error) => error.answer(),
        }
    }

    fn route(&self, ask: &Ask<'_>, path: &str) -> Result<Option<Answer>> {
        let method = ask.call.method;
        let (area, rest) = path.split_once('/').unwrap_or((path, ""));
        Ok(Some(match (area, rest) {
            ("status", "") => Answer::empty(StatusCode::OK),
            ("version", "") => Answer::text(StatusCode::OK, "text/plain; charset=utf-8", "0.0.0-firedrill"),
            ("bucket", "") => match *method {
                Method::GET => self.list_buckets(ask),
                Method::POST => self.create_bucket(ask)?,
                _ => return Ok(None),
            },
            ("bucket", rest) => match (method.clone(), rest.strip_suffix("/empty")) {
                (Method::POST, Some(id)) => self.empty_bucket(ask, &decoded(id))?,
                (Method::GET, None) => self.one_bucket(ask, &decoded(rest))?,
                (Method::PUT, None) => self.change_bucket(ask, &decoded(rest))?,
                (Method::DELETE, None) => self.delete_bucket(ask, &decoded(rest))?,
                _ => return Ok(None),
            },
            ("object", rest) => return self.objects(ask, rest),
            ("render", rest) => {
                let Some(rest) = rest.strip_prefix("image/") else { return Ok(None) };
                let warning = "the Supabase mock sends images as they are: it does not transform them".to_owned();
                return Ok(self.objects(ask, rest)?.map(|answer| answer.warned(Some(warning))));
            }
            _ => return Ok(None),
        }))
    }

    fn list_buckets(&self, ask: &Ask<'_>) -> Answer {
        let number = |name: &str| ask.query(name).and_then(|text| text.parse::<usize>().ok());
        let search = ask.query("search").unwrap_or_default();
        let shelf = self.read();
        let mut buckets: Vec<&Bucket> =
            shelf.buckets().filter(|bucket| bucket.admits(ask.identity) && bucket.name.contains(&search)).collect();
        if ask.query("sortColumn").as_deref() == Some("created_at") {
            buckets.sort_by_key(|bucket| bucket.created_at);
        }
        if ask.query("sortOrder").as_deref() == Some("desc") {
            buckets.reverse();
        }
        let (offset, limit) = (number("offset").unwrap_or(0), number("limit").unwrap_or(usize::MAX));
        let page: Vec<&Bucket> = buckets.into_iter().skip(offset).take(limit).collect();
        Answer::json(StatusCode::OK, &page)
    }

    fn one_bucket(&self, ask: &Ask<'_>, id: &str) -> Result<Answer> {
        let shelf = self.read();
        let bucket = shelf.bucket(id).filter(|bucket| bucket.admits(ask.identity));
        Ok(Answer::json(StatusCode::OK, bucket.ok_or(StorageError::no_bucket())?))
    }

    fn create_bucket(&self, ask: &Ask<'_>) -> Result<Answer> {
        let wish: BucketWish = ask.body()?;
        let name = wish.name.unwrap_or_default();
        let id = wish.id.filter(|id| !id.is_empty()).unwrap_or_else(|| name.clone());
        let fits = |name: &str| !name.is_empty() && name.len() <= 100 && name.trim() == name && is_safe(name);
        if !fits(&name) || !fits(&id) || name.contains('/') {
            return Err(StorageError::bucket_name());
        }
        if ask.identity.role != Role::Service {
            return Err(StorageError::denied());
        }
        let plan = BucketPlan { public: wish.public.unwrap_or(false), ..BucketPlan::default() };
        let mut bucket = Bucket { name, ..Bucket::planned(&id, &plan, ask.now) };
        bucket.file_size_limit = size_limit(wish.file_size_limit.as_ref())?.flatten();
        bucket.allowed_mime_types = wish.allowed_mime_types;
        self.write().add(bucket)?;
        Ok(Answer::json(StatusCode::OK, &json!({ "name": id })))
    }

    fn change_bucket(&self, ask: &Ask<'_>, id: &str) -> Result<Answer> {
        let wish: BucketWish = ask.body()?;
        let limit = size_limit(wish.file_size_limit.as_ref())?;
        let mut shelf = self.write();
        let bucket = own(ask, shelf.bucket_mut(id))?;
        bucket.public = wish.public.unwrap_or(bucket.public);
        if let Some(limit) = limit {
            bucket.file_size_limit = limit;
        }
        if wish.allowed_mime_types.is_some() {
            bucket.allowed_mime_types = wish.allowed_mime_types;
        }
        bucket.updated_at = ask.now;
        Ok(done("Successfully updated"))
    }

    fn empty_bucket(&self, ask: &Ask<'_>, id: &str) -> Result<Answer> {
        let mut shelf = self.write();
        own(ask, shelf.bucket_mut(id))?;
        shelf.empty(id);
        Ok(done("Successfully emptied"))
    }

    fn delete_bucket(&self, ask: &Ask<'_>, id: &str) -> Result<Answer> {
        let mut shelf = self.write();
        own(ask, shelf.bucket_mut(id))?;
        shelf.remove_bucket(id)?;
        Ok(done("Successfully deleted"))
    }

    /// What Storage holds, for people who look.
    pub fn state(&self) -> Value {
        self.read().state()
    }
}

impl Ask<'_> {
    /// The body's fields.
    ///
    /// # Errors
    /// When it is no such JSON.
    pub fn body<T: DeserializeOwned>(&self) -> Result<T> {
        let body = if self.call.body.is_empty() { b"{}" } else { self.call.body };
        serde_json::from_slice(body).map_err(|error| {
            // What a field's own check says is in the words of the real service's validator.
            let said = error.to_string();
            let said = said.split(" at line ").next().filter(|said| said.starts_with("body/")).map(str::to_owned);
            StorageError::invalid(said.unwrap_or_else(|| "Body is not valid JSON of this request".to_owned()))
        })
    }

    /// A value of the query.
    pub fn query(&self, name: &str) -> Option<String> {
        let mut pairs = url::form_urlencoded::parse(self.call.query.as_bytes());
        pairs.find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
    }
}

/// A bucket as somebody may change it: only the service may, to whom no policy matters.
fn own<'a>(ask: &Ask<'_>, bucket: Option<&'a mut Bucket>) -> Result<&'a mut Bucket> {
    bucket.filter(|_| ask.identity.role == Role::Service).ok_or(StorageError::no_bucket())
}

/// `{"message": …}`
pub fn done(message: &str) -> Answer {
    Answer::json(StatusCode::OK, &json!({ "message": message }))
}

/// A part of a path as it is meant.
pub fn decoded(part: &str) -> String {
    percent_decode_str(part).decode_utf8_lossy().into_owned()
}

/// Whether a name has only letters that an object store takes (`isValidKey` of Storage's source).
pub fn is_safe(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_alphanumeric() || "_/!-.*'() &$@=;:+,?".contains(c))
}

/// The limit of a bucket: absent, taken away, or so many bytes; texts such as `20MB` count in thousands, as there.
fn size_limit(value: Option<&Value>) -> Result<Option<Option<u64>>> {
    let wrong = || StorageError::invalid("Invalid file size format, hint: use 20GB / 20MB / 30KB / 3B");
    match value {
        None => Ok(None),
        Some(Value::Null) => Ok(Some(None)),
        Some(Value::Number(number)) => Ok(Some(Some(number.as_u64().ok_or_else(wrong)?))),
        Some(Value::String(text)) => {
            let unit = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
            let number = f64::from_str(&text[..unit]).map_err(|_| wrong())?;
            let factor = match text[unit..].trim().to_ascii_uppercase().as_str() {
                "GB" => 1e9,
                "MB" => 1e6,
                "KB" => 1e3,
                "B" | "" => 1.0,
                _ => return Err(wrong()),
            };
            // `as` saturates: more than can be kept is no limit.
            Ok(Some(Some((number * factor) as u64)))
        }
        Some(_) => Err(wrong()),
    }
}
