//! Items as they come in: those of a request's `input`, and those of earlier responses, read into turns.

use crate::upstream::openai::prompt::{PastCall, Role, Turn};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Item types that a request may hold beside messages, calls and reasoning (OpenAI's API description). They are taken
/// as they are and say nothing to the model that stands in.
const OTHER_TYPES: [&str; 27] = [
    "reasoning",
    "file_search_call",
    "computer_call",
    "computer_call_output",
    "web_search_call",
    "tool_search_call",
    "tool_search_output",
    "additional_tools",
    "configuration_update",
    "compaction",
    "compaction_trigger",
    "image_generation_call",
    "code_interpreter_call",
    "local_shell_call",
    "local_shell_call_output",
    "shell_call",
    "shell_call_output",
    "apply_patch_call",
    "apply_patch_call_output",
    "mcp_list_tools",
    "mcp_approval_request",
    "mcp_approval_response",
    "mcp_call",
    "custom_tool_call",
    "custom_tool_call_output",
    "program",
    "program_output",
];
/// What an image is billed with at low detail (OpenAI's guide to images, gpt-4o).
const IMAGE_LOW: u64 = 85;
/// What an image of 1024 × 1024 is billed with otherwise (same source); sizes are not looked at.
const IMAGE_HIGH: u64 = 765;

/// An item, unread as far as possible.
#[derive(Debug, Deserialize)]
pub struct Item<'a> {
    /// A message, if absent.
    #[serde(borrow)]
    pub r#type: Option<Cow<'a, str>>,
    /// Its identifier, if it has one.
    pub id: Option<Cow<'a, str>>,
    /// Who says a message.
    pub role: Option<Cow<'a, str>>,
    /// A text or a list of parts.
    #[serde(borrow)]
    pub content: Option<&'a RawValue>,
    /// The call that it makes or answers.
    pub call_id: Option<Cow<'a, str>>,
    /// The function that is called.
    pub name: Option<Cow<'a, str>>,
    /// Its arguments.
    #[serde(borrow)]
    pub arguments: Option<Text<'a>>,
    /// What a call gave: a text or a list of parts.
    #[serde(borrow)]
    pub output: Option<&'a RawValue>,
}

/// A text that is borrowed where it needs no unescaping.
#[derive(Debug, Deserialize)]
pub struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Deserialize)]
struct Part<'a> {
    #[serde(borrow)]
    r#type: Option<Cow<'a, str>>,
    #[serde(borrow)]
    text: Option<Text<'a>>,
    #[serde(borrow)]
    refusal: Option<Text<'a>>,
    detail: Option<Cow<'a, str>>,
}

/// What is wrong with an item.
#[derive(Debug, PartialEq, Eq)]
pub struct BadItem {
    /// The place, such as `input[2].role`.
    pub param: String,
    /// What OpenAI says.
    pub message: String,
    /// OpenAI's code.
    pub code: &'static str,
}

/// What items become on their way into a prompt.
#[derive(Debug, Default)]
pub struct Conversation<'a> {
    /// The turns.
    pub turns: Vec<Turn<'a>>,
    /// Calls that were made, with whether their result came.
    calls: Vec<(Cow<'a, str>, bool)>,
    /// The first result whose call was not made.
    stray: Option<Cow<'a, str>>,
}

impl<'a> Conversation<'a> {
    /// Adds a text of the user's.
    pub fn text(&mut self, role: Role, text: Cow<'a, str>) {
        self.turns.push(Turn { role, text, name: None, calls: Vec::new(), media_tokens: 0 });
    }

    /// Adds an item; `place` is where it stands.
    ///
    /// # Errors
    /// When it is none.
    pub fn item(&mut self, item: Item<'a>, place: impl Fn(&str) -> String) -> Result<(), BadItem> {
        let missing = |name: &str| BadItem {
            param: place(name),
            message: format!("Missing required parameter: '{}'.", place(name)),
            code: "missing_required_parameter",
        };
        match item.r#type.as_deref().unwrap_or("message") {
            "message" => {
                let role = item.role.ok_or_else(|| missing(".role"))?;
                let role = match &*role {
                    "user" => Role::User,
                    "assistant" => Role::Assistant,
                    "system" | "developer" => Role::System,
                    other => {
                        return Err(unsupported(place(".role"), other, &["assistant", "system", "developer", "user"]));
                    }
                };
                let content = item.content.ok_or_else(|| missing(".content"))?;
                let (text, media_tokens) = read(content, || place(".content"))?;
                self.turns.push(Turn { role, text, name: None, calls: Vec::new(), media_tokens });
            }
            "function_call" => {
                let id = item.call_id.ok_or_else(|| missing(".call_id"))?;
                let name = item.name.ok_or_else(|| missing(".name"))?;
                let arguments = item.arguments.ok_or_else(|| missing(".arguments"))?.0;
                self.calls.push((id, false));
                let call = PastCall { name, arguments };
                // Calls that a model made at once are one message of it.
                match self.turns.last_mut() {
                    Some(turn) if turn.role == Role::Assistant => turn.calls.push(call),
                    _ => self.turns.push(Turn {
                        role: Role::Assistant,
                        text: Cow::Borrowed(""),
                        name: None,
                        calls: vec![call],
                        media_tokens: 0,
                    }),
                }
            }
            "function_call_output" => {
                let id = item.call_id.ok_or_else(|| missing(".call_id"))?;
                let output = item.output.ok_or_else(|| missing(".output"))?;
                let (text, media_tokens) = read(output, || place(".output"))?;
                match self.calls.iter_mut().find(|(call, _)| *call == id) {
                    Some((_, answered)) => *answered = true,
                    None => self.stray = self.stray.take().or(Some(id)),
                }
                self.turns.push(Turn { role: Role::Tool, text, name: None, calls: Vec::new(), media_tokens });
            }
            other if OTHER_TYPES.contains(&other) => {}
            other => {
                let known: Vec<&str> = ["message", "function_call", "function_call_output", "item_reference"]
                    .into_iter()
                    .chain(OTHER_TYPES)
                    .collect();
                return Err(unsupported(place(".type"), other, &known));
            }
        }
        Ok(())
    }

    /// Checks that calls and their results go together, as the real service does.
    ///
    /// # Errors
    /// A result without its call, or a call without its result.
    pub fn check(&self) -> Result<(), BadItem> {
        let bad = |message: String| BadItem { param: "input".to_owned(), message, code: "" };
        if let Some(id) = &self.stray {
            return Err(bad(format!("No tool call found for function call output with call_id {}.", short(id))));
        }
        match self.calls.iter().find(|(_, answered)| !answered) {
            Some((id, _)) => Err(bad(format!("No tool output found for function call {}.", short(id)))),
            None => Ok(()),
        }
    }
}

/// What comes from outside and goes into a message: no identifier is longer.
fn short(text: &str) -> String {
    text.chars().take(100).collect()
}

fn unsupported(param: String, typed: &str, valid: &[&str]) -> BadItem {
    let quoted: Vec<String> = valid.iter().map(|name| format!("'{name}'")).collect();
    let (last, head) = quoted.split_last().map_or(("", &[][..]), |(last, head)| (last.as_str(), head));
    let message = format!("Invalid value: '{}'. Supported values are: {}, and {last}.", short(typed), head.join(", "));
    BadItem { param, message, code: "invalid_value" }
}

/// The text of a text or of a list of parts, and what its images and files are billed with.
fn read<'a>(raw: &'a RawValue, place: impl Fn() -> String) -> Result<(Cow<'a, str>, u64), BadItem> {
    let text = raw.get();
    let wrong = || BadItem {
        param: place(),
        message: format!("Invalid type for '{}': expected one of a string or array of objects.", place()),
        code: "invalid_type",
    };
    if text.starts_with('"') {
        return serde_json::from_str::<Text<'_>>(text).map(|text| (text.0, 0)).map_err(|_| wrong());
    }
    let parts: Vec<Part<'_>> = serde_json::from_str(text).map_err(|_| wrong())?;
    let mut media = 0;
    let mut all: Option<Cow<'a, str>> = None;
    for (index, part) in parts.into_iter().enumerate() {
        let part_text = match part.r#type.as_deref().unwrap_or_default() {
            "input_text" | "output_text" | "text" => part.text.map(|text| text.0),
            "refusal" => part.refusal.map(|text| text.0),
            "input_image" => {
                media += if part.detail.as_deref() == Some("low") { IMAGE_LOW } else { IMAGE_HIGH };
                continue;
            }
            "input_file" | "input_audio" => continue,
            other => {
                let valid = ["input_text", "input_image", "output_text", "refusal", "input_file", "input_audio"];
                return Err(unsupported(format!("{}[{index}].type", place()), other, &valid));
            }
        };
        let Some(part_text) = part_text else { return Err(wrong()) };
        all = Some(match all {
            None => part_text,
            Some(before) => Cow::Owned(before.into_owned() + &part_text),
        });
    }
    Ok((all.unwrap_or_default(), media))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn conversation(items: &[&'static str]) -> Result<Vec<(Role, String, usize)>, BadItem> {
        let mut all = Conversation::default();
        for (index, text) in items.iter().enumerate() {
            all.item(serde_json::from_str(text).unwrap(), |part| format!("input[{index}]{part}"))?;
        }
        all.check()?;
        Ok(all.turns.into_iter().map(|turn| (turn.role, turn.text.into_owned(), turn.calls.len())).collect())
    }

    #[test]
    fn items_become_turns() {
        let turns = conversation(&[
            r#"{"role":"developer","content":"be\nbrief"}"#,
            r#"{"type":"message","role":"user","content":[{"type":"input_text","text":"a"},{"type":"input_text","text":"b"}]}"#,
            r#"{"type":"reasoning","id":"rs_1","summary":[]}"#,
            r#"{"type":"function_call","call_id":"c1","name":"f","arguments":"{}"}"#,
            r#"{"type":"function_call","call_id":"c2","name":"g","arguments":"{}"}"#,
            r#"{"type":"function_call_output","call_id":"c2","output":"two"}"#,
            r#"{"type":"function_call_output","call_id":"c1","output":[{"type":"input_text","text":"one"}]}"#,
        ]);
        let turn = |role, text: &str, calls| (role, text.to_owned(), calls);
        assert_eq!(
            turns.unwrap(),
            [
                turn(Role::System, "be\nbrief", 0),
                turn(Role::User, "ab", 0),
                turn(Role::Assistant, "", 2),
                turn(Role::Tool, "two", 0),
                turn(Role::Tool, "one", 0)
            ]
        );
    }

    #[test]
    fn calls_and_results_go_together() {
        let call = r#"{"type":"function_call","call_id":"c1","name":"f","arguments":"{}"}"#;
        let output = r#"{"type":"function_call_output","call_id":"c2","output":"x"}"#;
        let says = |items: &[&'static str]| conversation(items).unwrap_err().message;
        assert_eq!(says(&[call]), "No tool output found for function call c1.");
        assert_eq!(says(&[output]), "No tool call found for function call output with call_id c2.");
    }

    proptest! {
        #[test]
        fn no_item_makes_it_panic(
            kind in prop_oneof![Just("message"), Just("function_call"), Just("function_call_output"), Just("x")],
            role in "[a-z]{0,5}",
            content in prop_oneof![Just("null".to_owned()), Just("[]".to_owned()), Just("[{}]".to_owned()),
                                   Just("[[[".to_owned() + "]]]"), "\\PC{0,12}".prop_map(|t| serde_json::to_string(&t).unwrap())],
        ) {
            let text = format!(r#"{{"type":"{kind}","role":"{role}","content":{content},"output":{content},"call_id":"c"}}"#);
            let mut all = Conversation::default();
            let _ = all.item(serde_json::from_str(&text).unwrap(), str::to_owned);
            let _ = all.check();
        }
    }
}
