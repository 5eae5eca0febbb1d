//! The body of a chat completion that is not streamed (WIRE-openai §5).

use super::super::completion::{FINGERPRINT, Identity, UsageBody};
use super::super::said::{Finish, Reply, Said, Spoken, ToolCall};
use super::logprobs::{Asked, Logprobs};
use crate::upstream::answer::Answer;
use http::StatusCode;
use serde::Serialize;

#[derive(Serialize)]
struct Body<'a> {
    id: &'a str,
    object: &'static str,
    created: i64,
    model: &'a str,
    choices: Vec<Choice<'a>>,
    usage: UsageBody,
    service_tier: &'static str,
    system_fingerprint: &'static str,
}

#[derive(Serialize)]
struct Choice<'a> {
    index: u64,
    message: Message<'a>,
    logprobs: Option<Logprobs<'a>>,
    finish_reason: &'static str,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<CallBody<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_call: Option<FunctionBody<'a>>,
    refusal: Option<&'a str>,
    annotations: [(); 0],
}

#[derive(Serialize)]
struct CallBody<'a> {
    id: &'a str,
    r#type: &'static str,
    function: FunctionBody<'a>,
}

#[derive(Serialize)]
struct FunctionBody<'a> {
    name: &'a str,
    arguments: &'a str,
}

/// The answer; `legacy` is one to a request that named `functions`.
pub fn whole(identity: &Identity, reply: &Reply, legacy: bool, asked: Option<Asked>) -> Answer {
    let choices = reply.choices.iter().zip(0..).map(|(said, index)| Choice {
        index,
        message: message(said, legacy),
        logprobs: asked.and_then(|asked| logprobs(asked, index, said)),
        finish_reason: finish(said, legacy),
    });
    Answer::json(
        StatusCode::OK,
        &Body {
            id: &identity.id,
            object: "chat.completion",
            created: identity.created,
            model: &identity.model,
            choices: choices.collect(),
            usage: reply.usage.into(),
            service_tier: identity.tier,
            system_fingerprint: FINGERPRINT,
        },
    )
}

/// The reason for the end, by the name that the request's kind knows.
pub fn finish(said: &Said, legacy: bool) -> &'static str {
    if legacy && said.finish == Finish::ToolCalls { "function_call" } else { said.finish.name() }
}

fn message(said: &Said, legacy: bool) -> Message<'_> {
    Message {
        role: "assistant",
        content: said.text.as_ref().map(Spoken::text),
        tool_calls: if legacy { Vec::new() } else { said.calls.iter().map(call).collect() },
        function_call: said.calls.first().filter(|_| legacy).map(function),
        refusal: said.refusal.as_ref().map(Spoken::text),
        annotations: [],
    }
}

fn call(call: &ToolCall) -> CallBody<'_> {
    CallBody { id: &call.id, r#type: "function", function: function(call) }
}

fn function(call: &ToolCall) -> FunctionBody<'_> {
    FunctionBody { name: &call.name, arguments: call.arguments.text() }
}

fn logprobs(asked: Asked, choice: u64, said: &Said) -> Option<Logprobs<'_>> {
    let spoken = said.text.as_ref().or(said.refusal.as_ref())?;
    Some(Logprobs::of(asked, choice, spoken, said.text.is_none(), 0..spoken.pieces()))
}
