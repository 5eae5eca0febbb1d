//! [`Schemas`]: the schemas that requests send, each read once.

use super::generations::Generations;
use super::schema::Schema;
use crate::upstream::heavy::making_way;
use std::sync::{Arc, Mutex, PoisonError};
use xxhash_rust::xxh3::xxh3_128;

/// How many schemas are remembered.
const REMEMBERED: usize = 128;
/// Larger ones are read anew each time, to bound memory.
const LARGEST_REMEMBERED: usize = 64 << 10;

/// No larger ones are read: OpenAI's own limits (120,000 characters of names and values) are far below.
const LARGEST: usize = 1 << 20;

/// A schema that could be read, or why not.
pub type Read = Arc<Result<Schema, String>>;

/// The schemas that were read.
#[derive(Debug)]
pub struct Schemas {
    read: Mutex<Generations<u128, Read>>,
}

impl Schemas {
    /// None yet.
    pub fn new() -> Self {
        Self { read: Mutex::new(Generations::new(REMEMBERED)) }
    }

    /// A schema by its text.
    pub fn get(&self, text: &str) -> Read {
        let hash = xxh3_128(text.as_bytes());
        let known = self.read.lock().unwrap_or_else(PoisonError::into_inner).get(hash);
        known.unwrap_or_else(|| {
            let read = Arc::new(if text.len() > LARGEST {
                Err(format!("the schema has {} bytes, more than the {LARGEST} that are supported.", text.len()))
            } else {
                making_way(text.len() > LARGEST_REMEMBERED, || Schema::read(text))
            });
            if text.len() <= LARGEST_REMEMBERED {
                self.read.lock().unwrap_or_else(PoisonError::into_inner).insert(hash, Arc::clone(&read));
            }
            read
        })
    }
}
