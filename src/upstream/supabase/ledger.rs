//! [`Ledger`]: which rows were written with the app's knowledge, so that a loss can be proven later.

use crate::upstream::answer::Write;
use std::collections::VecDeque;

/// How many acknowledged writes are kept; older ones are counted and forgotten.
const KEPT: usize = 100_000;

/// The acknowledged writes of one mock.
#[derive(Debug, Default)]
pub struct Ledger {
    entries: VecDeque<Write>,
    left_out: u64,
}

impl Ledger {
    /// Notes rows as acknowledged.
    pub fn note(&mut self, writes: Vec<Write>) {
        for write in writes {
            if self.entries.len() == KEPT {
                self.entries.pop_front();
                self.left_out += 1;
            }
            self.entries.push_back(write);
        }
    }

    /// Writes acknowledged in all.
    pub fn acknowledged(&self) -> u64 {
        self.entries.len() as u64 + self.left_out
    }

    /// Of those, the ones no longer kept.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// The latest entry.
    pub fn latest(&self) -> Option<&Write> {
        self.entries.back()
    }
}
