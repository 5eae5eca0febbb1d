//! [`Inference`]: from a [`Prompt`] to a [`Reply`]: the tokens are counted, the rules are asked what to say, and what
//! they say is brought into the form and the length that was asked for.

use super::completion::identifier;
use super::content::Content;
use super::models::Reasoning;
use super::prefixes::{Places, Prefixes};
use super::prompt::{Format, Prompt, ToolChoice, Turn};
use super::said::{Finish, Reply, Said, Script, Scripted, Spoken, ToolCall, Usage};
use super::schemas::Schemas;
use super::tokens::Tokens;
use super::tools;
use crate::units::Seed;
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64;

const GENERIC_TEXT: &str = "This is an answer of firedrill's OpenAI mock. It has nothing to say about your prompt, \
                            but it arrives in the form, with the headers and at the pace of a real one.";
const GENERIC_JSON: &str = r#"{"answer":"This is an answer of firedrill's OpenAI mock.","status":"ok"}"#;

/// What each message costs beside its text (OpenAI's cookbook, "How to count tokens with tiktoken"), and what its
/// role does: every role is one token.
const PER_MESSAGE: u64 = 3 + 1;
/// What the name of a message's author costs beside its text (same source).
const PER_NAME: u64 = 1;
/// What the beginning of the reply costs (same source).
const REPLY_PRIMER: u64 = 3;
/// What a call costs beside the function's name and its arguments, by answers seen publicly.
const PER_CALL: u64 = 7;
/// Reasoning is billed in steps of so many tokens, by answers seen publicly.
const REASONING_STEP: u64 = 64;
/// Answers of one request get numbers of their own from the request's.
const CHOICES: u64 = 1_024;

/// What stands in for a model.
#[derive(Debug)]
pub struct Inference {
    content: Content,
    tokens: Tokens,
    schemas: Schemas,
    prefixes: Prefixes,
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
        let (schemas, prefixes) = (Schemas::new(), Prefixes::new());
        Self { content, tokens: Tokens::new(), schemas, prefixes, seed: seed.derive("inference") }
    }

    /// Counts tokens.
    pub fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// Checks the schemas of a prompt: that of the answer and those of functions.
    ///
    /// # Errors
    /// The first schema that the real service refuses.
    pub fn check(&self, prompt: &Prompt<'_>) -> Result<(), BadSchema> {
        if let Format::JsonSchema { name, strict, schema } = &prompt.format {
            self.check_one(schema.get(), *strict).map_err(|why| BadSchema {
                tool: None,
                message: format!("Invalid schema for response_format '{name}': {why}"),
            })?;
        }
        for (index, tool) in prompt.tools.iter().enumerate() {
            let Some(parameters) = tool.parameters else { continue };
            let lists = || match self.schemas.get(parameters.get()).as_ref() {
                Ok(schema) => schema.of_function(),
                Err(_) => Ok(()),
            };
            self.check_one(parameters.get(), tool.strict).and_then(|()| lists()).map_err(|why| BadSchema {
                tool: Some(index),
                message: format!("Invalid schema for function '{}': {why}", tool.name),
            })?;
        }
        Ok(())
    }

    fn check_one(&self, text: &str, strict: bool) -> Result<(), String> {
        let read = self.schemas.get(text);
        let schema = read.as_ref().as_ref().map_err(Clone::clone)?;
        if strict { schema.strict() } else { Ok(()) }
    }

    /// The tokens of a prompt: those of its messages, of its functions and of its schema.
    pub fn prompt_tokens(&self, prompt: &Prompt<'_>) -> u64 {
        let messages: u64 = prompt.turns.iter().map(|turn| self.turn_tokens(prompt, turn)).sum();
        messages + REPLY_PRIMER + self.function_tokens(prompt) + self.format_tokens(prompt)
    }

    /// Of the tokens of a prompt, those of its functions.
    pub fn function_tokens(&self, prompt: &Prompt<'_>) -> u64 {
        tools::tokens(&self.tokens, prompt)
    }

    fn format_tokens(&self, prompt: &Prompt<'_>) -> u64 {
        match &prompt.format {
            Format::JsonSchema { schema, .. } => self.tokens.of(prompt.named.model.encoding, schema.get()),
            Format::Text | Format::JsonObject => 0,
        }
    }

    fn turn_tokens(&self, prompt: &Prompt<'_>, turn: &Turn<'_>) -> u64 {
        self.tokens.of(prompt.named.model.encoding, &turn.text) + self.beside_text(prompt, turn)
    }

    /// The tokens of a message beside those of its text.
    fn beside_text(&self, prompt: &Prompt<'_>, turn: &Turn<'_>) -> u64 {
        let of = |text: &str| self.tokens.of(prompt.named.model.encoding, text);
        let name = turn.name.as_deref().map_or(0, |name| of(name) + PER_NAME);
        let calls: u64 = turn.calls.iter().map(|call| of(&call.name) + of(&call.arguments) + PER_CALL).sum();
        PER_MESSAGE + name + calls + turn.media_tokens
    }

    /// How many tokens of a prompt the provider has cached; from now on it has all.
    fn cached(&self, prompt: &Prompt<'_>) -> u64 {
        let mut head = prompt.named.model.id.to_owned();
        for tool in &prompt.tools {
            head.push_str(&tool.name);
            head.push_str(tool.parameters.map_or("", |parameters| parameters.get()));
        }
        if let Format::JsonSchema { schema, .. } = &prompt.format {
            head.push_str(schema.get());
        }
        let before = self.function_tokens(prompt) + self.format_tokens(prompt);
        let mut places = Places::new(xxh3_64(head.as_bytes()), before);
        for turn in &prompt.turns {
            let counted = self.tokens.count(prompt.named.model.encoding, &turn.text);
            let mut about = vec![turn.role as u8];
            turn.calls.iter().for_each(|call| about.extend(call.arguments.as_bytes()));
            places.message(xxh3_64(&about), &counted, counted.tokens + self.beside_text(prompt, turn));
        }
        self.prefixes.cached(&places)
    }

    /// Answers a prompt that passed [`Inference::check`], `choices` times.
    pub fn reply(&self, prompt: &Prompt<'_>, prompt_tokens: u64, choices: u64) -> Reply {
        let Script { says, finish, mut warning } = self.content.answer(prompt);
        let choices: Vec<Said> = (0..choices)
            .map(|choice| {
                let said = self.say(prompt, prompt_tokens, says.as_ref(), choice, &mut warning);
                // A rule may say why an answer ends, unless it was really cut.
                let finish = finish.filter(|_| said.finish != Finish::Length).unwrap_or(said.finish);
                Said { finish, ..said }
            })
            .collect();
        // Prompt caching came with gpt-4o; shorter prompts are never cached.
        let caches = prompt.named.model.encoding == super::models::Encoding::O200k && prompt_tokens >= 1_024;
        let usage = Usage {
            prompt: prompt_tokens,
            cached: if caches { self.cached(prompt).min(prompt_tokens) } else { 0 },
            completion: choices.iter().map(|said| said.tokens).sum(),
            reasoning: choices.iter().map(|said| said.reasoning_tokens).sum(),
        };
        Reply { choices, usage, warning }
    }

    /// One answer.
    fn say(
        &self,
        prompt: &Prompt<'_>,
        prompt_tokens: u64,
        scripted: Option<&Scripted>,
        choice: u64,
        warning: &mut Option<String>,
    ) -> Said {
        let key = prompt.key.wrapping_mul(CHOICES).wrapping_add(choice);
        let model = prompt.named.model;
        let room = model.context.saturating_sub(prompt_tokens).min(model.max_output);
        let most = prompt.max_tokens.unwrap_or(u64::MAX).min(room);
        let thought = self.reasoning(prompt, key).min(most);
        if thought == most && thought > 0 {
            // All of it went into reasoning; the answer is there, and empty.
            let text = Some(Spoken::new(Arc::from(""), Arc::from([])));
            return Said { text, finish: Finish::Length, tokens: thought, reasoning_tokens: thought, ..NOTHING };
        }
        let said = match scripted {
            Some(Scripted::Refusal(words)) => Said { refusal: Some(self.spoken(prompt, words)), ..NOTHING },
            Some(Scripted::Calls(calls)) => Said {
                calls: calls
                    .iter()
                    .zip(0..)
                    .map(|((name, arguments), n)| self.call(prompt, name, arguments, key, n))
                    .collect(),
                finish: Finish::ToolCalls,
                ..NOTHING
            },
            scripted => {
                let forced = matches!(prompt.tool_choice, ToolChoice::Required | ToolChoice::Named(_));
                let chosen = if scripted.is_none() || forced { tools::choose(prompt) } else { Vec::new() };
                if chosen.is_empty() {
                    let (text, finish) = self.text(prompt, scripted, key, warning);
                    Said { text: Some(text), finish, ..NOTHING }
                } else {
                    self.calls(prompt, &chosen, key, warning)
                }
            }
        };
        self.within(prompt, said, most - thought, thought)
    }

    /// The text of an answer, up to where a stop text cuts it.
    fn text(
        &self,
        prompt: &Prompt<'_>,
        scripted: Option<&Scripted>,
        key: u64,
        warning: &mut Option<String>,
    ) -> (Spoken, Finish) {
        let scripted = match scripted {
            Some(Scripted::Text(text)) => Some(Arc::clone(text)),
            _ => None,
        };
        let mut finish = Finish::Stop;
        let text: Arc<str> = match &prompt.format {
            Format::Text => scripted.unwrap_or_else(|| Arc::from(GENERIC_TEXT)),
            Format::JsonObject => scripted.unwrap_or_else(|| Arc::from(GENERIC_JSON)),
            Format::JsonSchema { name, schema, .. } => {
                let read = self.schemas.get(schema.get());
                match read.as_ref() {
                    Ok(schema) => match scripted.filter(|text| schema.accepts(text)) {
                        Some(text) => text,
                        None => schema.example(self.seed, key).map_or_else(
                            || {
                                *warning = Some(format!(
                                    "the OpenAI mock found no value for the schema `{name}`: it broke off as if the most \
                                     tokens were reached"
                                ));
                                finish = Finish::Length;
                                Arc::from("{")
                            },
                            Arc::from,
                        ),
                    },
                    Err(_) => Arc::from(GENERIC_JSON),
                }
            }
        };
        let stop = prompt.stop.iter().filter(|stop| !stop.is_empty()).filter_map(|stop| text.find(&**stop)).min();
        let text = stop.map_or(text.clone(), |end| Arc::from(&text[..end]));
        (self.spoken(prompt, &text), finish)
    }

    /// Calls of the functions at these places.
    fn calls(&self, prompt: &Prompt<'_>, chosen: &[usize], key: u64, warning: &mut Option<String>) -> Said {
        let calls = chosen.iter().zip(0_u64..).map(|(tool, n)| {
            let tool = &prompt.tools[*tool];
            let arguments = tool.parameters.map_or_else(
                || Some("{}".to_owned()),
                |parameters| {
                    let read = self.schemas.get(parameters.get());
                    read.as_ref().as_ref().ok().and_then(|schema| schema.example(self.seed, key.wrapping_add(n << 32)))
                },
            );
            let arguments = arguments.unwrap_or_else(|| {
                *warning = Some(format!("the OpenAI mock found no arguments for the function `{}`", tool.name));
                "{}".to_owned()
            });
            self.call(prompt, &tool.name, &arguments, key, n)
        });
        let calls = calls.collect();
        // A call that was asked for by name ends with `stop` (OpenAI's function calling guide, edge cases).
        let named = matches!(prompt.tool_choice, ToolChoice::Named(_));
        Said { calls, finish: if named { Finish::Stop } else { Finish::ToolCalls }, ..NOTHING }
    }

    fn call(&self, prompt: &Prompt<'_>, name: &str, arguments: &str, key: u64, n: u64) -> ToolCall {
        let id = identifier("call_", self.seed.derive("call"), key.wrapping_mul(CHOICES).wrapping_add(n));
        // As long as OpenAI's own: `call_` and 24 characters.
        let id = id.get(..29).unwrap_or(&id).to_owned();
        ToolCall { id, name: name.to_owned(), arguments: self.spoken(prompt, &Arc::from(arguments)) }
    }

    fn spoken(&self, prompt: &Prompt<'_>, text: &Arc<str>) -> Spoken {
        self.tokens.spoken(prompt.named.model.encoding, text)
    }

    /// Counts an answer, and cuts it to the tokens that are left for it.
    fn within(&self, prompt: &Prompt<'_>, mut said: Said, most: u64, thought: u64) -> Said {
        let mut left = most;
        for text in [&mut said.text, &mut said.refusal].into_iter().flatten() {
            if text.tokens() > left {
                *text = text.cut(left);
                said.finish = Finish::Length;
            }
            left -= text.tokens();
        }
        let mut kept = Vec::with_capacity(said.calls.len());
        for mut call in std::mem::take(&mut said.calls) {
            let head = PER_CALL + self.tokens.of(prompt.named.model.encoding, &call.name);
            let whole = head + call.arguments.tokens();
            if whole > left {
                said.finish = Finish::Length;
                call.arguments = call.arguments.cut(left.saturating_sub(head));
                left = 0;
                kept.push(call);
                break;
            }
            left -= whole;
            kept.push(call);
        }
        said.calls = kept;
        said.tokens = most - left + thought;
        said.reasoning_tokens = thought;
        said
    }

    /// The tokens spent on reasoning: more with more effort, none by models that do not reason.
    fn reasoning(&self, prompt: &Prompt<'_>, key: u64) -> u64 {
        let usual = match prompt.named.model.reasoning {
            Reasoning::Never => return 0,
            Reasoning::Always => "medium",
            Reasoning::Asked => "none",
        };
        let steps = match prompt.effort.as_deref().unwrap_or(usual) {
            "low" => 1..4,
            "medium" => 3..16,
            "high" => 12..64,
            "xhigh" => 32..160,
            _ => return 0,
        };
        let drawn = self.seed.derive("reasoning").draw(&[key]) % (steps.end - steps.start);
        (steps.start + drawn) * REASONING_STEP
    }
}

const NOTHING: Said =
    Said { text: None, refusal: None, calls: Vec::new(), finish: Finish::Stop, tokens: 0, reasoning_tokens: 0 };
