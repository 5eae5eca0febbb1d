//! The tokens that an answer of OpenAI says were billed, so that a real answer counts as one of the mock's does.

use memchr::memmem;
use serde::Deserialize;

/// `usage` of chat completions and of responses (WIRE-openai §5, §6).
#[derive(Deserialize)]
struct Usage {
    #[serde(alias = "prompt_tokens")]
    input_tokens: u64,
    #[serde(default, alias = "completion_tokens")]
    output_tokens: u64,
}

/// Prompt and completion tokens of an answer, whole or a stream; 0 where it says nothing.
pub fn tokens<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (u64, u64) {
    let mut body = Vec::new();
    pieces.for_each(|piece| body.extend_from_slice(piece));
    of(&body)
}

/// Prompt and completion tokens of a body; the last usage that it gives, since a stream gives its own at its end.
pub fn of(body: &[u8]) -> (u64, u64) {
    for at in memmem::rfind_iter(body, b"\"usage\"") {
        let rest = body[at + b"\"usage\"".len()..].trim_ascii_start();
        let Some(value) = rest.strip_prefix(b":") else { continue };
        let mut values = serde_json::Deserializer::from_slice(value).into_iter::<Usage>();
        if let Some(Ok(usage)) = values.next() {
            return (usage.input_tokens, usage.output_tokens);
        }
    }
    (0, 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_last_usage_counts() {
        let stream = b"data: {\"usage\":null}\n\ndata: {\"choices\":[],\"usage\": {\"prompt_tokens\":7,\"completion_tokens\":3,\"total_tokens\":10}}\n\ndata: [DONE]\n\n";
        assert_eq!(of(stream), (7, 3));
        assert_eq!(of(br#"{"usage":{"input_tokens":5,"output_tokens":2,"total_tokens":7}}"#), (5, 2));
        assert_eq!(of(br#"{"usage":{"prompt_tokens":5,"total_tokens":5}}"#), (5, 0));
        assert_eq!(of(b"<html>"), (0, 0));
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(body in "(\"usage\"|:|\\{|\\}|[a-z0-9\", ]){0,60}") {
            of(body.as_bytes());
        }
    }
}
