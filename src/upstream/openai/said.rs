//! [`Said`]: what a model answers, before it is decided which API frames it and whether it is streamed.

use std::sync::Arc;

/// What a rule wants to be said to a prompt, in place of what would be made up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scripted {
    /// This text. Where a schema was sent and the text is not valid for it, the schema wins.
    Text(Arc<str>),
    /// A refusal, in these words.
    Refusal(Arc<str>),
    /// Calls of functions: names and arguments (JSON as a text).
    Calls(Vec<(String, String)>),
}

/// What the rules say to a prompt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    /// What is said; `None` if no rule fits.
    pub says: Option<Scripted>,
    /// Why a text ends, if not because it is complete.
    pub finish: Option<Finish>,
    /// Why a rule that fits could not be used.
    pub warning: Option<String>,
}

/// A text with its tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spoken {
    text: Arc<str>,
    /// Where each token ends, in bytes, ascending; tokens that end inside a character end with it.
    ends: Arc<[u32]>,
}

impl Spoken {
    /// A text whose tokens end at these bytes: ascending, the last at its end, each at the border of a character.
    #[must_use]
    pub const fn new(text: Arc<str>, ends: Arc<[u32]>) -> Self {
        Self { text, ends }
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// How many tokens it has.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.ends.len() as u64
    }

    /// Its beginning, of so many tokens.
    #[must_use]
    pub fn cut(&self, tokens: u64) -> Self {
        let kept = usize::try_from(tokens).unwrap_or(usize::MAX);
        if kept >= self.ends.len() {
            return self.clone();
        }
        let end = kept.checked_sub(1).map_or(0, |last| self.ends[last] as usize);
        Self { text: Arc::from(&self.text[..end]), ends: Arc::from(&self.ends[..kept]) }
    }

    /// How many pieces a stream delivers it in: one for each token.
    #[must_use]
    pub fn pieces(&self) -> usize {
        self.ends.len()
    }

    /// The piece at `index`; empty where its token ends inside a character or there is none.
    #[must_use]
    pub fn piece(&self, index: usize) -> &str {
        let start = index.checked_sub(1).and_then(|before| self.ends.get(before)).map_or(0, |end| *end as usize);
        let end = self.ends.get(index).map_or(start, |end| *end as usize);
        self.text.get(start..end).unwrap_or_default()
    }
}

/// A call that the model asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolCall {
    /// `call_…`, by which the result will be known.
    pub id: String,
    /// The function.
    pub name: String,
    /// Its arguments, JSON as a text.
    pub arguments: Spoken,
}

/// Why an answer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// It is complete, or one of the stop texts came.
    Stop,
    /// The most tokens were reached.
    Length,
    /// Functions are to be called.
    ToolCalls,
    /// The provider held something back.
    ContentFilter,
}

impl Finish {
    /// The `finish_reason` of chat completions.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ToolCalls => "tool_calls",
            Self::ContentFilter => "content_filter",
        }
    }
}

/// One answer. At most one of text, refusal and calls is there; none of them if every token went into reasoning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The text.
    pub text: Option<Spoken>,
    /// The refusal.
    pub refusal: Option<Spoken>,
    /// The calls.
    pub calls: Vec<ToolCall>,
    /// Why it ends.
    pub finish: Finish,
    /// Its tokens as billed, those of reasoning included.
    pub tokens: u64,
    /// Of those, spent on reasoning.
    pub reasoning_tokens: u64,
}

/// Tokens of a request as billed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens of the prompt.
    pub prompt: u64,
    /// Of those, found in the provider's prompt cache.
    pub cached: u64,
    /// Tokens of all answers, those of reasoning included.
    pub completion: u64,
    /// Of those, spent on reasoning.
    pub reasoning: u64,
}

/// All that is answered to a prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// As many answers as were asked for, at least one.
    pub choices: Vec<Said>,
    /// What is billed for them.
    pub usage: Usage,
    /// Something about the prompt that could not be done faithfully.
    pub warning: Option<String>,
}
