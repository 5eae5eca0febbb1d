//! `missing_usage`: nobody says how many tokens were used.

use super::json::Object;
use super::{Edit, Edited, sse};
use bytes::Bytes;

/// Leaves `usage` out.
pub struct Uncounted;

impl Edit for Uncounted {
    fn whole(&mut self, body: &Bytes) -> Option<Bytes> {
        let mut body = Object::read(body)?;
        body.some("usage")?;
        // A response without the member is none; a completion may lack it.
        if body.text("object").as_deref() == Some("response") {
            body.set("usage", &());
        } else {
            body.remove("usage");
        }
        Some(Bytes::from(body.write()))
    }

    fn event(&mut self, event: Bytes) -> Edited {
        let Some(mut data) = sse::object(&event) else { return Edited::Same(event) };
        if data.some("usage").is_some() {
            if !data.is_filled("choices") {
                return Edited::Instead(Vec::new());
            }
            data.set("usage", &());
        } else if let Some(mut response) = data.object("response").filter(|response| response.some("usage").is_some()) {
            response.set("usage", &());
            data.set("response", &response);
        } else {
            return Edited::Same(event);
        }
        Edited::Instead(vec![sse::with_data(&event, &data.write())])
    }
}
