//! [`Made`]: a response that was made, and the `response` object at each of its stages.

use crate::upstream::openai::said::{Spoken, ToolCall, Usage};
use serde::Serialize;
use serde_json::value::RawValue;
use std::sync::Arc;

/// A response that was made, before it is decided whether it is streamed.
#[derive(Debug)]
pub struct Made {
    /// `resp_…`
    pub id: Arc<str>,
    /// Unix seconds.
    pub created: i64,
    /// The snapshot that answers.
    pub model: Arc<str>,
    /// What is repeated from the request.
    pub echo: Echo,
    /// What was said, in its order.
    pub output: Vec<Output>,
    /// How it ends.
    pub end: End,
    /// What is billed for it.
    pub usage: Usage,
}

/// What a response repeats from its request, defaults filled in.
#[derive(Clone, Debug, Serialize)]
pub struct Echo {
    pub background: bool,
    pub instructions: Option<String>,
    pub max_output_tokens: Option<i64>,
    pub max_tool_calls: Option<i64>,
    pub metadata: Box<RawValue>,
    pub parallel_tool_calls: bool,
    pub previous_response_id: Option<String>,
    pub prompt_cache_key: Option<String>,
    pub prompt_cache_retention: Option<String>,
    pub reasoning: ReasoningEcho,
    pub safety_identifier: Option<String>,
    pub service_tier: &'static str,
    pub store: bool,
    pub temperature: Option<f64>,
    pub text: Box<RawValue>,
    pub tool_choice: Box<RawValue>,
    pub tools: Vec<Box<RawValue>>,
    pub top_logprobs: u64,
    pub top_p: Option<f64>,
    pub truncation: &'static str,
    pub user: Option<String>,
}

/// `reasoning`
#[derive(Clone, Debug, Serialize)]
pub struct ReasoningEcho {
    pub effort: Option<String>,
    pub summary: Option<String>,
}

/// One item of the output.
#[derive(Debug)]
pub enum Output {
    /// What the model thought, in summary if that was asked for.
    Reasoning {
        /// `rs_…`
        id: String,
        /// The summary.
        summary: Option<Spoken>,
        /// What stands for the reasoning where it is to be sent back.
        encrypted: Option<String>,
    },
    /// A text.
    Text {
        /// `msg_…`
        id: String,
        /// What is said.
        text: Spoken,
        /// Whether the most tokens cut it.
        cut: bool,
    },
    /// A refusal.
    Refusal {
        /// `msg_…`
        id: String,
        /// Its words.
        words: Spoken,
        /// Whether the most tokens cut it.
        cut: bool,
    },
    /// A call of a function.
    Call {
        /// `fc_…`
        id: String,
        /// The call.
        call: ToolCall,
        /// Whether the most tokens cut it.
        cut: bool,
    },
}

/// How a response ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// With all that was to be said.
    Completed,
    /// Early, for this reason.
    Incomplete(&'static str),
    /// With an error: its code and what it says.
    Failed(String, String),
}

impl End {
    /// The status, which is also the last part of the last event's type.
    pub const fn status(&self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Incomplete(_) => "incomplete",
            Self::Failed(..) => "failed",
        }
    }
}

/// Where a response is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Waiting.
    Queued,
    /// Being made.
    InProgress,
    /// At its end.
    Ended,
}

/// The `response` object (WIRE-openai §6, and what the newest official client names as required).
#[derive(Debug, Serialize)]
pub struct Body<'a> {
    id: &'a str,
    object: &'static str,
    created_at: i64,
    status: &'static str,
    completed_at: Option<i64>,
    error: Option<ErrorBody<'a>>,
    incomplete_details: Option<Incomplete>,
    model: &'a str,
    output: Vec<ItemBody<'a>>,
    #[serde(flatten)]
    echo: &'a Echo,
    usage: Option<UsageBody>,
}

#[derive(Debug, Serialize)]
struct ErrorBody<'a> {
    code: &'a str,
    message: &'a str,
}

#[derive(Debug, Serialize)]
struct Incomplete {
    reason: &'static str,
}

/// An item as it stands in the output and in events.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ItemBody<'a> {
    /// A message.
    Message { id: &'a str, status: &'static str, role: &'static str, content: Vec<PartBody<'a>> },
    /// A call.
    FunctionCall { id: &'a str, status: &'static str, call_id: &'a str, name: &'a str, arguments: &'a str },
    /// Reasoning.
    Reasoning {
        id: &'a str,
        summary: Vec<SummaryBody<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        encrypted_content: Option<&'a str>,
    },
}

/// A part of a message.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum PartBody<'a> {
    /// A text.
    OutputText { annotations: [(); 0], logprobs: [(); 0], text: &'a str },
    /// A refusal.
    Refusal { refusal: &'a str },
}

/// A part of a summary.
#[derive(Debug, Serialize)]
pub struct SummaryBody<'a> {
    r#type: &'static str,
    text: &'a str,
}

impl<'a> SummaryBody<'a> {
    /// A part with this text.
    pub const fn new(text: &'a str) -> Self {
        Self { r#type: "summary_text", text }
    }
}

#[derive(Debug, Serialize)]
struct UsageBody {
    input_tokens: u64,
    input_tokens_details: InputDetails,
    output_tokens: u64,
    output_tokens_details: OutputDetails,
    total_tokens: u64,
}

#[derive(Debug, Serialize)]
struct InputDetails {
    cached_tokens: u64,
    cache_write_tokens: u64,
}

#[derive(Debug, Serialize)]
struct OutputDetails {
    reasoning_tokens: u64,
}

impl Made {
    /// The object at a stage. `now` is when it is complete, Unix seconds.
    pub fn body(&self, stage: Stage, now: i64) -> Body<'_> {
        let ended = stage == Stage::Ended;
        let failed = matches!(self.end, End::Failed(..));
        Body {
            id: &self.id,
            object: "response",
            created_at: self.created,
            status: match stage {
                Stage::Queued => "queued",
                Stage::InProgress => "in_progress",
                Stage::Ended => self.end.status(),
            },
            completed_at: (ended && self.end == End::Completed).then_some(now),
            error: match &self.end {
                End::Failed(code, message) if ended => Some(ErrorBody { code, message }),
                _ => None,
            },
            incomplete_details: match self.end {
                End::Incomplete(reason) if ended => Some(Incomplete { reason }),
                _ => None,
            },
            model: &self.model,
            output: if ended { self.output.iter().map(|item| item.body(true)).collect() } else { Vec::new() },
            echo: &self.echo,
            usage: (ended && !failed).then(|| UsageBody {
                input_tokens: self.usage.prompt,
                input_tokens_details: InputDetails { cached_tokens: self.usage.cached, cache_write_tokens: 0 },
                output_tokens: self.usage.completion,
                output_tokens_details: OutputDetails { reasoning_tokens: self.usage.reasoning },
                total_tokens: self.usage.prompt + self.usage.completion,
            }),
        }
    }
}

impl Output {
    /// Its identifier.
    pub fn id(&self) -> &str {
        match self {
            Self::Reasoning { id, .. } | Self::Text { id, .. } | Self::Refusal { id, .. } | Self::Call { id, .. } => id,
        }
    }

    /// The item, whole or as it is announced: empty and in progress.
    pub fn body(&self, whole: bool) -> ItemBody<'_> {
        let status = |cut: bool| match (whole, cut) {
            (false, _) => "in_progress",
            (true, false) => "completed",
            (true, true) => "incomplete",
        };
        match self {
            Self::Reasoning { id, summary, encrypted } => ItemBody::Reasoning {
                id,
                summary: summary.iter().filter(|_| whole).map(|text| SummaryBody::new(text.text())).collect(),
                encrypted_content: encrypted.as_deref(),
            },
            Self::Text { id, cut, .. } | Self::Refusal { id, cut, .. } => ItemBody::Message {
                id,
                status: status(*cut),
                role: "assistant",
                content: if whole { self.part(true).into_iter().collect() } else { Vec::new() },
            },
            Self::Call { id, call, cut } => ItemBody::FunctionCall {
                id,
                status: status(*cut),
                call_id: &call.id,
                name: &call.name,
                arguments: if whole { call.arguments.text() } else { "" },
            },
        }
    }

    /// The part of a message, whole or empty.
    pub fn part(&self, whole: bool) -> Option<PartBody<'_>> {
        match self {
            Self::Text { text, .. } => {
                let text = if whole { text.text() } else { "" };
                Some(PartBody::OutputText { annotations: [], logprobs: [], text })
            }
            Self::Refusal { words, .. } => Some(PartBody::Refusal { refusal: if whole { words.text() } else { "" } }),
            Self::Reasoning { .. } | Self::Call { .. } => None,
        }
    }

    /// What is streamed of it, token by token.
    pub const fn spoken(&self) -> Option<&Spoken> {
        match self {
            Self::Text { text: spoken, .. } | Self::Refusal { words: spoken, .. } => Some(spoken),
            Self::Call { call, .. } => Some(&call.arguments),
            Self::Reasoning { summary, .. } => summary.as_ref(),
        }
    }
}
