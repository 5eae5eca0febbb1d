//! `stream_error` in the form `failed`, on a stream of a real service: the response that it began has failed.

use super::json::Object;
use super::{Edit, Edited, sse};
use bytes::Bytes;
use serde_json::json;

/// Ends a Responses stream with `response.failed`.
pub struct Failed {
    events: u64,
    seen: u64,
    code: String,
    message: String,
    /// The response as the stream began it.
    response: Option<Object>,
    over: bool,
}

impl Failed {
    /// Behind so many events, for this reason.
    pub fn new(events: u64, code: String, message: String) -> Self {
        Self { events, seen: 0, code, message, response: None, over: false }
    }
}

impl Edit for Failed {
    fn event(&mut self, event: Bytes) -> Edited {
        if self.over {
            return Edited::Instead(Vec::new());
        }
        if self.response.is_none() {
            self.response = sse::object(&event).and_then(|data| data.object("response"));
        }
        self.seen += 1;
        if self.seen <= self.events {
            return Edited::Same(event);
        }
        // Without a response that began, it is no stream that could say so.
        let Some(mut response) = self.response.take() else { return Edited::Same(event) };
        self.over = true;
        response.set("status", "failed");
        response.set("error", &json!({"code": self.code, "message": self.message}));
        let mut data = Object::default();
        data.set("type", "response.failed");
        data.set("sequence_number", &self.events);
        data.set("response", &response);
        let mut failed = b"event: response.failed\ndata: ".to_vec();
        failed.extend_from_slice(&data.write());
        failed.extend_from_slice(b"\n\n");
        Edited::Instead(vec![Bytes::from(failed)])
    }

    fn is_over(&self) -> bool {
        self.over
    }
}
