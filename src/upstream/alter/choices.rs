//! `empty_choices`: an answer with nothing in it.

use super::json::Object;
use super::{Edit, Edited, sse};
use bytes::Bytes;

/// A list with nothing in it.
const NONE: [(); 0] = [];
/// The events of a Responses stream that hold nothing of what is said.
const FRAME: [&str; 6] = [
    "response.created",
    "response.queued",
    "response.in_progress",
    "response.completed",
    "response.incomplete",
    "response.failed",
];

/// Empties answers.
#[derive(Default)]
pub struct NoChoice {
    /// Events that were left out: those behind them move up.
    left_out: u64,
}

/// The list that an answer consists of.
fn list(body: &Object) -> Option<&'static str> {
    if body.is_filled("choices") {
        return Some("choices");
    }
    if body.is_filled("output") && body.text("object").as_deref() == Some("response") {
        return Some("output");
    }
    // A list of models is one too, but nobody chooses from it.
    let first = body.objects("data")?.into_iter().next()?;
    (first.text("object").as_deref() == Some("embedding")).then_some("data")
}

impl Edit for NoChoice {
    fn whole(&mut self, body: &Bytes) -> Option<Bytes> {
        let mut body = Object::read(body)?;
        let list = list(&body)?;
        body.set(list, &NONE);
        Some(Bytes::from(body.write()))
    }

    fn event(&mut self, event: Bytes) -> Edited {
        let Some(mut data) = sse::object(&event) else { return Edited::Same(event) };
        if data.is_filled("choices") {
            data.set("choices", &NONE);
            return Edited::Instead(vec![sse::with_data(&event, &data.write())]);
        }
        let Some(kind) = data.text("type").filter(|kind| kind.starts_with("response.")) else {
            return Edited::Same(event);
        };
        if !FRAME.contains(&kind.as_str()) {
            self.left_out += 1;
            return Edited::Instead(Vec::new());
        }
        let mut changed = false;
        if let Some(number) = data.number("sequence_number").filter(|_| self.left_out > 0) {
            data.set("sequence_number", &number.saturating_sub(self.left_out));
            changed = true;
        }
        if let Some(mut response) = data.object("response").filter(|response| response.is_filled("output")) {
            response.set("output", &NONE);
            data.set("response", &response);
            changed = true;
        }
        if changed { Edited::Instead(vec![sse::with_data(&event, &data.write())]) } else { Edited::Same(event) }
    }
}
