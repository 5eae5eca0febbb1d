//! [`Volatile`]: what gives another value every time: random numbers and sequences.

use super::error::SqlError;
use crate::units::Seed;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use uuid::Uuid;

/// A sequence.
#[derive(Debug)]
pub struct Sequence {
    next: AtomicI64,
    step: i64,
}

/// The database's random numbers and sequences. As in PostgreSQL, what was drawn stays drawn when a write fails.
#[derive(Debug)]
pub struct Volatile {
    seed: Seed,
    drawn: AtomicU64,
    sequences: BTreeMap<String, Sequence>,
}

impl Volatile {
    /// Random numbers from a seed, and no sequences.
    pub fn new(seed: Seed) -> Self {
        Self { seed, drawn: AtomicU64::new(0), sequences: BTreeMap::new() }
    }

    /// Adds a sequence under its full name (`public.items_id_seq`).
    pub fn add_sequence(&mut self, name: String, start: i64, step: i64) {
        self.sequences.entry(full_name(&name)).or_insert(Sequence { next: AtomicI64::new(start), step });
    }

    /// Lets a sequence go on behind a value, as `setval` does.
    pub fn set_sequence(&self, name: &str, value: i64, called: bool) {
        if let Some(sequence) = self.sequences.get(&full_name(name)) {
            let next = if called { value.saturating_add(sequence.step) } else { value };
            sequence.next.store(next, Ordering::Relaxed);
        }
    }

    /// Lets a sequence go on behind a value, unless it is behind it already.
    pub fn pass_sequence(&self, name: &str, value: i64) {
        if let Some(sequence) = self.sequences.get(&full_name(name)) {
            sequence.next.fetch_max(value.saturating_add(sequence.step), Ordering::Relaxed);
        }
    }

    /// The next value of a sequence.
    ///
    /// # Errors
    /// 42P01 if there is none of that name.
    pub fn next(&self, name: &str) -> Result<i64, SqlError> {
        match self.sequences.get(&full_name(name)) {
            Some(sequence) => Ok(sequence.next.fetch_add(sequence.step, Ordering::Relaxed)),
            None => Err(SqlError::new("42P01", format!("relation \"{name}\" does not exist"))),
        }
    }

    /// A version-4 uuid: the same for the same draw of a run with the same seed.
    pub fn uuid(&self) -> Uuid {
        let draw = self.drawn.fetch_add(1, Ordering::Relaxed);
        let bits = (u128::from(self.seed.draw(&[draw, 0])) << 64) | u128::from(self.seed.draw(&[draw, 1]));
        uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid()
    }

    /// A number of `[0, 1)`.
    pub fn unit(&self) -> f64 {
        self.seed.unit(&[self.drawn.fetch_add(1, Ordering::Relaxed), 2])
    }
}

/// A sequence's name with its schema and without quotes.
fn full_name(name: &str) -> String {
    let bare = name.replace('"', "");
    if bare.contains('.') { bare } else { format!("public.{bare}") }
}
