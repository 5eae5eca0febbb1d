//! [`Inference`]: from a [`Prompt`] to a [`Reply`]: the tokens are counted, the rules are asked what to say, and what
//! they say is brought into the form and the length that was asked for.

use super::completion::identifier;
use super::content::Content;
use super::prompt::{Format, Prompt};
use super::said::{Finish, Reply, Said, Script, Scripted, Spoken, ToolCall, Usage};
use super::tokens;
use crate::units::Seed;
use std::sync::Arc;

const GENERIC_TEXT: &str = "This is an answer of firedrill's OpenAI mock. It has nothing to say about your prompt, \
                            but it arrives in the form, with the headers and at the pace of a real one.";
const GENERIC_JSON: &str = r#"{"answer":"This is an answer of firedrill's OpenAI mock.","status":"ok"}"#;

/// What stands in for a model.
#[derive(Debug)]
pub struct Inference {
    content: Content,
    seed: Seed,
}

/// A schema that the real service refuses.
#[derive(Debug)]
pub struct BadSchema {
    /// The index of the function whose parameters it describes; none is the answer's own schema.
    pub tool: Option<usize>,
    /// What is wrong, as OpenAI says it.
    pub message: String,
}

impl Inference {
    /// An inference that says what `content` says.
    pub fn new(content: Content, seed: Seed) -> Self {
        Self { content, seed }
    }

    /// Checks the schemas of a prompt: that of the answer and those of functions.
    ///
    /// # Errors
    /// The first schema that the real service refuses.
    pub fn check(&self, _prompt: &Prompt<'_>) -> Result<(), BadSchema> {
        Ok(())
    }

    /// The tokens of a prompt.
    pub fn prompt_tokens(&self, prompt: &Prompt<'_>) -> u64 {
        let text: u64 = prompt.turns.iter().map(|turn| tokens::of_text(&turn.text) + turn.media_tokens).sum();
        text + prompt.turns.len() as u64 * tokens::PER_MESSAGE + tokens::REPLY_PRIMER
    }

    /// Answers a prompt that passed [`Inference::check`], `choices` times.
    pub fn reply(&self, prompt: &Prompt<'_>, prompt_tokens: u64, choices: u64) -> Reply {
        let Script { says, finish, warning } = self.content.answer(prompt);
        let said = self.say(prompt, says, finish);
        let usage = Usage {
            prompt: prompt_tokens,
            cached: 0,
            completion: said.tokens * choices,
            reasoning: said.reasoning_tokens * choices,
        };
        let choices = (0..choices).map(|_| said.clone()).collect();
        let warning = if warning.is_some() {
            warning
        } else if matches!(prompt.format, Format::JsonSchema { .. }) {
            Some("the OpenAI mock does not yet obey `json_schema`: its JSON may not fit the schema".to_owned())
        } else if !prompt.tools.is_empty() {
            Some("the OpenAI mock does not yet call tools: it answers with text".to_owned())
        } else {
            None
        };
        Reply { choices, usage, warning }
    }

    fn say(&self, prompt: &Prompt<'_>, says: Option<Scripted>, scripted: Option<Finish>) -> Said {
        let generic = if prompt.wants_json() { GENERIC_JSON } else { GENERIC_TEXT };
        match says.unwrap_or_else(|| Scripted::Text(Arc::from(generic))) {
            Scripted::Text(full) => {
                let stopped = prompt.stop.iter().filter(|stop| !stop.is_empty()).filter_map(|s| full.find(&**s)).min();
                let wanted = stopped.map_or(&*full, |end| &full[..end]);
                let said = prompt.max_tokens.map_or(wanted, |most| tokens::truncated(wanted, most));
                let finish = if said.len() < wanted.len() { Finish::Length } else { scripted.unwrap_or(Finish::Stop) };
                let text = spoken(said);
                Said { tokens: text.tokens(), text: Some(text), finish, ..NOTHING }
            }
            Scripted::Refusal(words) => {
                let refusal = spoken(&words);
                Said { tokens: refusal.tokens(), refusal: Some(refusal), ..NOTHING }
            }
            Scripted::Calls(calls) => {
                let calls: Vec<ToolCall> = calls
                    .into_iter()
                    .zip(0_u64..)
                    .map(|((name, arguments), index)| ToolCall {
                        id: identifier("call_", self.seed.derive("call"), prompt.key.wrapping_mul(128) + index),
                        name,
                        arguments: spoken(&arguments),
                    })
                    .collect();
                let tokens = calls.iter().map(|call| call.arguments.tokens()).sum();
                Said { calls, finish: Finish::ToolCalls, tokens, ..NOTHING }
            }
        }
    }
}

const NOTHING: Said =
    Said { text: None, refusal: None, calls: Vec::new(), finish: Finish::Stop, tokens: 0, reasoning_tokens: 0 };

fn spoken(text: &str) -> Spoken {
    let mut end = 0;
    let ends = tokens::pieces(text).map(|piece| {
        end += piece.len();
        u32::try_from(end).unwrap_or(u32::MAX)
    });
    Spoken::new(Arc::from(text), ends.collect())
}
