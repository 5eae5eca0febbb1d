//! `malformed_json`: the last bracket is a comma.

use super::{Edit, Edited, sse};
use crate::model::fault::MalformedJson;
use bytes::Bytes;
use serde::de::IgnoredAny;

/// Breaks JSON.
pub struct Malformed {
    settings: MalformedJson,
    events: u64,
}

impl Malformed {
    /// As the rule says.
    pub fn new(settings: MalformedJson) -> Self {
        Self { settings, events: 0 }
    }
}

/// JSON with its last bracket replaced; `None` if it is none, or has no brackets.
fn broken(json: &[u8]) -> Option<Vec<u8>> {
    let end = json.trim_ascii_end();
    let brackets =
        matches!((end.trim_ascii_start().first(), end.last()), (Some(b'{'), Some(b'}')) | (Some(b'['), Some(b']')));
    if !brackets || serde_json::from_slice::<IgnoredAny>(json).is_err() {
        return None;
    }
    let mut broken = end.to_vec();
    *broken.last_mut()? = b',';
    Some(broken)
}

impl Edit for Malformed {
    fn whole(&mut self, body: &Bytes) -> Option<Bytes> {
        broken(body).map(Bytes::from)
    }

    fn event(&mut self, event: Bytes) -> Edited {
        let due = self.events == self.settings.events;
        let broken = if due { sse::data(&event).and_then(|at| broken(&event[at])) } else { None };
        match broken {
            Some(data) => {
                self.events += 1;
                Edited::Instead(vec![sse::with_data(&event, &data)])
            }
            // An event without JSON, such as a comment, is none that could be broken: the next one is.
            None => {
                self.events += u64::from(!due);
                Edited::Same(event)
            }
        }
    }
}
