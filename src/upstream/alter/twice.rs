//! `duplicate_chunk`: an event comes twice.

use super::{Edit, Edited};
use crate::model::fault::DuplicateChunk;
use bytes::Bytes;

/// Doubles one event.
pub struct Twice {
    settings: DuplicateChunk,
    events: u64,
}

impl Twice {
    /// As the rule says.
    pub fn new(settings: DuplicateChunk) -> Self {
        Self { settings, events: 0 }
    }
}

impl Edit for Twice {
    fn event(&mut self, event: Bytes) -> Edited {
        let due = self.events == self.settings.events;
        self.events += 1;
        if due { Edited::Instead(vec![event.clone(), event]) } else { Edited::Same(event) }
    }
}
