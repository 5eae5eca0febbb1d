//! [`ProviderError`]: one entry of a provider's catalogue of errors, and how it becomes an answer.

use super::answer::Answer;
use http::StatusCode;

/// An error as a provider really sends it.
#[derive(Debug)]
pub struct ProviderError {
    /// Its name in fault profiles (`abort.error`).
    pub name: &'static str,
    /// The status.
    pub status: u16,
    /// The content type.
    pub content_type: &'static str,
    /// Further headers.
    pub headers: &'static [(&'static str, &'static str)],
    /// The body; `{name}` stands for what the provider fills in.
    pub body: &'static str,
}

impl ProviderError {
    /// The answer, with every `{name}` of `values` filled in. In JSON bodies the values are escaped.
    #[must_use]
    pub fn answer(&self, values: &[(&str, &str)]) -> Answer {
        let is_json = self.content_type.starts_with("application/json");
        let mut body = self.body.to_owned();
        for (name, value) in values {
            let value = if is_json { json_escaped(value) } else { (*value).to_owned() };
            body = body.replace(&format!("{{{name}}}"), &value);
        }
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        self.headers
            .iter()
            .fold(Answer::text(status, self.content_type, body), |answer, (name, value)| answer.with(name, value))
    }
}

/// A text as the inside of a JSON string.
fn json_escaped(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted.get(1..quoted.len() - 1).unwrap_or_default().to_owned()
}

/// The names of a catalogue, in its order.
pub const fn names<const N: usize>(catalogue: &[ProviderError; N]) -> [&'static str; N] {
    let mut names = [""; N];
    let mut index = 0;
    while index < N {
        names[index] = catalogue[index].name;
        index += 1;
    }
    names
}
