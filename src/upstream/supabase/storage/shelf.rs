//! [`Shelf`]: all buckets and objects of a project, within a stated bound.

use super::error::{Result, StorageError};
use crate::model::supabase::{BucketAccess, BucketPlan};
use crate::upstream::supabase::identity::{Identity, Role};
use crate::upstream::supabase::moment::Moment;
use bytes::Bytes;
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, VecDeque};
use uuid::Uuid;

/// Bytes of objects that are kept; beyond, the oldest go.
pub const MOST_BYTES: u64 = 256 << 20;
/// What an object takes beside its bytes, roughly.
const OVERHEAD: u64 = 1_024;
/// Buckets that requests may make.
const MOST_BUCKETS: usize = 1_000;

/// A bucket.
#[derive(Clone, Debug, Serialize)]
pub struct Bucket {
    /// Its id, by which it is asked for.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Who made it.
    pub owner: String,
    /// Whether everybody may read.
    pub public: bool,
    /// Always `STANDARD`.
    pub r#type: &'static str,
    /// The most bytes that an object may have.
    pub file_size_limit: Option<u64>,
    /// The types that objects may have.
    pub allowed_mime_types: Option<Vec<String>>,
    /// When it was made.
    pub created_at: Moment,
    /// When it last changed.
    pub updated_at: Moment,
    /// Whom its policies let in, beside the service.
    #[serde(skip)]
    pub access: BucketAccess,
}

/// An object.
#[derive(Clone, Debug)]
pub struct Object {
    /// Its id.
    pub id: Uuid,
    /// Its version, a new one with each upload.
    pub version: Uuid,
    /// Who uploaded it.
    pub owner: Option<String>,
    /// Its bytes.
    pub bytes: Bytes,
    /// Its type.
    pub kind: String,
    /// For how long it may be kept.
    pub cache_control: String,
    /// A hash of its bytes, in quotes.
    pub etag: String,
    /// What the client told about it.
    pub user_metadata: Option<Map<String, Value>>,
    /// When it was first uploaded.
    pub created_at: Moment,
    /// When it was last uploaded.
    pub updated_at: Moment,
}

/// Buckets and objects.
#[derive(Debug, Default)]
pub struct Shelf {
    buckets: BTreeMap<String, Bucket>,
    objects: BTreeMap<(String, String), Object>,
    /// In the order of upload, also of objects that are gone since.
    order: VecDeque<(String, String, Uuid)>,
    bytes: u64,
    evicted: u64,
}

impl Bucket {
    /// A bucket as planned.
    pub fn planned(name: &str, plan: &BucketPlan, now: Moment) -> Self {
        Self {
            id: name.to_owned(),
            name: name.to_owned(),
            owner: String::new(),
            public: plan.public,
            r#type: "STANDARD",
            file_size_limit: plan.file_size_limit.map(|limit| limit.get()),
            allowed_mime_types: (!plan.allowed_mime_types.is_empty()).then(|| plan.allowed_mime_types.clone()),
            created_at: now,
            updated_at: now,
            access: plan.access,
        }
    }

    /// Whether its policies let somebody read and write.
    pub fn admits(&self, identity: &Identity) -> bool {
        match identity.role {
            Role::Service => true,
            Role::Authenticated => self.access != BucketAccess::Service,
            Role::Anon => self.access == BucketAccess::Everybody,
        }
    }

    /// Whether an object of this size and type may be put into it.
    ///
    /// # Errors
    /// When it may not.
    pub fn takes(&self, size: usize, kind: &str) -> Result<()> {
        if self.file_size_limit.is_some_and(|limit| size as u64 > limit) {
            return Err(StorageError::too_large());
        }
        let kind = kind.split(';').next().unwrap_or(kind).trim();
        let fits = |allowed: &String| match allowed.strip_suffix("/*") {
            Some(group) => kind.split('/').next() == Some(group),
            None => allowed == kind || allowed == "*",
        };
        match &self.allowed_mime_types {
            Some(allowed) if !allowed.iter().any(fits) => Err(StorageError::mime_type(kind)),
            _ => Ok(()),
        }
    }
}

impl Shelf {
    /// A bucket.
    pub fn bucket(&self, id: &str) -> Option<&Bucket> {
        self.buckets.get(id)
    }

    /// A bucket to change.
    pub fn bucket_mut(&mut self, id: &str) -> Option<&mut Bucket> {
        self.buckets.get_mut(id)
    }

    /// Every bucket.
    pub fn buckets(&self) -> impl Iterator<Item = &Bucket> {
        self.buckets.values()
    }

    /// Adds a bucket.
    ///
    /// # Errors
    /// When there is one of its id, or no room.
    pub fn add(&mut self, bucket: Bucket) -> Result<()> {
        if self.buckets.contains_key(&bucket.id) {
            return Err(StorageError::bucket_exists());
        }
        if self.buckets.len() >= MOST_BUCKETS {
            return Err(StorageError::invalid("The Supabase mock keeps 1000 buckets"));
        }
        self.buckets.insert(bucket.id.clone(), bucket);
        Ok(())
    }

    /// Removes a bucket.
    ///
    /// # Errors
    /// When it has objects.
    pub fn remove_bucket(&mut self, id: &str) -> Result<()> {
        if self.in_bucket(id, "").next().is_some() {
            return Err(StorageError::not_empty());
        }
        self.buckets.remove(id);
        Ok(())
    }

    /// An object.
    pub fn object(&self, bucket: &str, name: &str) -> Option<&Object> {
        self.objects.get(&(bucket.to_owned(), name.to_owned()))
    }

    /// The objects of a bucket whose names begin so, by name.
    pub fn in_bucket<'a>(&'a self, bucket: &'a str, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a Object)> {
        self.objects
            .range((bucket.to_owned(), prefix.to_owned())..)
            .take_while(move |((of, name), _)| of == bucket && name.starts_with(prefix))
            .map(|((_, name), object)| (name.as_str(), object))
    }

    /// Puts an object into its place; whether older ones had to go for it.
    pub fn put(&mut self, bucket: &str, name: &str, object: Object) -> bool {
        self.take(bucket, name);
        self.bytes += object.bytes.len() as u64 + OVERHEAD;
        self.order.push_back((bucket.to_owned(), name.to_owned(), object.version));
        self.objects.insert((bucket.to_owned(), name.to_owned()), object);
        if self.order.len() > 2 * self.objects.len() + 1_024 {
            let objects = &self.objects;
            self.order.retain(|(bucket, name, version)| {
                objects.get(&(bucket.clone(), name.clone())).is_some_and(|object| object.version == *version)
            });
        }
        let mut evicted = false;
        while self.bytes > MOST_BYTES {
            let Some((bucket, name, version)) = self.order.pop_front() else { break };
            if self.object(&bucket, &name).is_some_and(|object| object.version == version) {
                self.take(&bucket, &name);
                self.evicted += 1;
                evicted = true;
            }
        }
        evicted
    }

    /// Takes an object away.
    pub fn take(&mut self, bucket: &str, name: &str) -> Option<Object> {
        let object = self.objects.remove(&(bucket.to_owned(), name.to_owned()))?;
        self.bytes -= object.bytes.len() as u64 + OVERHEAD;
        Some(object)
    }

    /// Takes all objects of a bucket away.
    pub fn empty(&mut self, bucket: &str) {
        let names: Vec<String> = self.in_bucket(bucket, "").map(|(name, _)| name.to_owned()).collect();
        for name in names {
            self.take(bucket, &name);
        }
    }

    /// What it holds, for people who look.
    pub fn state(&self) -> Value {
        serde_json::json!({
            "buckets": self.buckets.len(), "objects": self.objects.len(), "bytes": self.bytes, "evicted": self.evicted,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(bytes: usize, n: u128) -> Object {
        Object {
            id: Uuid::from_u128(n),
            version: Uuid::from_u128(n),
            owner: None,
            bytes: Bytes::from(vec![0; bytes]),
            kind: "text/plain".into(),
            cache_control: String::new(),
            etag: String::new(),
            user_metadata: None,
            created_at: Moment(0),
            updated_at: Moment(0),
        }
    }

    #[test]
    fn the_oldest_objects_go_when_there_is_no_room() {
        let mut shelf = Shelf::default();
        let size = (MOST_BYTES / 4) as usize;
        for n in 0..3 {
            assert!(!shelf.put("b", &n.to_string(), object(size, n)));
        }
        // Uploaded again, it is no longer the oldest.
        assert!(!shelf.put("b", "0", object(size, 9)));
        assert!(shelf.put("b", "3", object(size, 3)));
        let left: Vec<&str> = shelf.in_bucket("b", "").map(|(name, _)| name).collect();
        assert_eq!(left, ["0", "2", "3"]);
        assert!(shelf.bytes <= MOST_BYTES);
        shelf.empty("b");
        assert_eq!(shelf.bytes, 0);
    }

    #[test]
    fn an_order_of_ghosts_is_cleared() {
        let mut shelf = Shelf::default();
        for n in 0..10_000 {
            shelf.put("b", "same", object(1, n));
        }
        assert!(shelf.order.len() < 1_100);
    }
}
