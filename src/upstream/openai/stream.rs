//! The events of a streamed chat completion, in OpenAI's order, each made when it is about to be sent.

use super::completion::{Completion, FINGERPRINT};
use super::tokens;
use bytes::Bytes;
use serde_json::{Value, json};

enum Next {
    Role,
    /// Content from this byte on.
    Content(usize),
    Finish,
    Usage,
    Done,
    Nothing,
}

/// First the role, then content by about a token each, then the reason for the end, choice after choice; then the
/// usage if it was asked for; then `[DONE]`.
pub fn events(completion: Completion, include_usage: bool) -> impl Iterator<Item = Bytes> + Send {
    let (mut choice, mut next) = (0, Next::Role);
    std::iter::from_fn(move || {
        let chunk = |delta: Value, finish: Value| {
            let choices = json!([{"index": choice, "delta": delta, "logprobs": null, "finish_reason": finish}]);
            Some(event(&completion, choices, include_usage.then_some(Value::Null)))
        };
        match next {
            Next::Role => {
                next = Next::Content(0);
                chunk(json!({"role": "assistant", "content": "", "refusal": null}), Value::Null)
            }
            Next::Content(from) => match tokens::pieces(&completion.content[from..]).next() {
                Some(piece) => {
                    next = Next::Content(from + piece.len());
                    chunk(json!({"content": piece}), Value::Null)
                }
                None => {
                    next = Next::Finish;
                    // Nothing is sent for the end of the content itself; an empty piece is skipped by the sender.
                    Some(Bytes::new())
                }
            },
            Next::Finish => {
                let last = chunk(json!({}), Value::from(completion.finish));
                choice += 1;
                next = match (choice < completion.choices, include_usage) {
                    (true, _) => Next::Role,
                    (false, true) => Next::Usage,
                    (false, false) => Next::Done,
                };
                last
            }
            Next::Usage => {
                next = Next::Done;
                Some(event(&completion, json!([]), Some(completion.usage())))
            }
            Next::Done => {
                next = Next::Nothing;
                Some(Bytes::from_static(b"data: [DONE]\n\n"))
            }
            Next::Nothing => None,
        }
    })
}

fn event(completion: &Completion, choices: Value, usage: Option<Value>) -> Bytes {
    let mut chunk = json!({
        "id": completion.id, "object": "chat.completion.chunk", "created": completion.created,
        "model": completion.model, "service_tier": "default", "system_fingerprint": FINGERPRINT, "choices": choices,
    });
    if let Some(usage) = usage {
        chunk["usage"] = usage;
    }
    Bytes::from(format!("data: {chunk}\n\n"))
}
