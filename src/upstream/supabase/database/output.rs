//! Writing values: as text as PostgreSQL's output functions do, and as JSON as `to_json` does.

use super::value::Value;

impl Value {
    /// Appends the value as JSON, as PostgREST answers it.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        let _ = out;
    }

    /// Appends the value as text, as a cast to `text`, `->>` and CSV give it; nothing for null.
    pub fn write_text(&self, out: &mut String) {
        let _ = out;
    }

    /// The value as text; `None` for null.
    pub fn to_text(&self) -> Option<String> {
        let mut text = String::new();
        self.write_text(&mut text);
        (!self.is_null()).then_some(text)
    }
}
