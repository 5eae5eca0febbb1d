//! `invalid_output`: structured answers whose text is not the JSON that it should be.

use super::json::Object;
use super::{Edit, Edited, sse};
use crate::model::fault::InvalidOutput;
use bytes::Bytes;
use serde::de::IgnoredAny;
use std::collections::HashMap;

const FENCE: &str = "```json\n";
const FENCE_END: &str = "\n```";
const PROSE: &str = "Here is the JSON that you asked for:\n\n";

/// Spoils structured output.
pub struct Spoilt {
    how: InvalidOutput,
    /// Where each choice (or output) of a stream is.
    texts: HashMap<u64, Reader>,
}

/// Follows JSON as it comes in pieces.
#[derive(Debug, Default)]
struct Reader {
    at: At,
    depth: u64,
    in_text: bool,
    escaped: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum At {
    #[default]
    Start,
    Inside,
    /// Behind the last bracket, or where there never was one.
    Over,
}

impl Reader {
    /// Takes the next character; whether it is the last bracket.
    fn closes(&mut self, character: char) -> bool {
        if self.in_text {
            (self.in_text, self.escaped) = match character {
                _ if self.escaped => (true, false),
                '\\' => (true, true),
                '"' => (false, false),
                _ => (true, false),
            };
            return false;
        }
        match character {
            '"' => self.in_text = true,
            '{' | '[' => self.depth += 1,
            '}' | ']' => {
                self.depth = self.depth.saturating_sub(1);
                return self.depth == 0;
            }
            _ => {}
        }
        false
    }

    /// The next piece of a text, spoilt; `None` if it stays.
    fn spoil(&mut self, piece: &str, how: InvalidOutput) -> Option<String> {
        let mut spoilt = String::with_capacity(piece.len() + PROSE.len());
        let mut changed = false;
        for character in piece.chars() {
            if self.at == At::Start && !character.is_whitespace() {
                self.at = if matches!(character, '{' | '[') { At::Inside } else { At::Over };
                let before = match how {
                    _ if self.at == At::Over => "",
                    InvalidOutput::Cut => "",
                    InvalidOutput::Fence => FENCE,
                    InvalidOutput::Prose => PROSE,
                };
                spoilt.push_str(before);
                changed |= !before.is_empty();
            }
            if self.at == At::Inside && self.closes(character) {
                self.at = At::Over;
                match how {
                    InvalidOutput::Cut => {
                        changed = true;
                        continue;
                    }
                    InvalidOutput::Fence => {
                        spoilt.push(character);
                        spoilt.push_str(FENCE_END);
                        changed = true;
                        continue;
                    }
                    InvalidOutput::Prose => {}
                }
            }
            spoilt.push(character);
        }
        changed.then_some(spoilt)
    }
}

impl Spoilt {
    /// In this way.
    pub fn new(how: InvalidOutput) -> Self {
        Self { how, texts: HashMap::new() }
    }

    /// Spoils a member that is a whole text of JSON; whether it was one.
    fn member(&self, of: &mut Object, name: &str) -> bool {
        let Some(text) = of.text(name) else { return false };
        let is_json = text.trim_start().starts_with(['{', '[']) && serde_json::from_str::<IgnoredAny>(&text).is_ok();
        let Some(spoilt) = is_json.then(|| Reader::default().spoil(&text, self.how)).flatten() else { return false };
        of.set(name, &spoilt);
        true
    }

    /// Spoils the texts in the parts of a response's item.
    fn item(&self, item: &mut Object) -> bool {
        let Some(mut parts) = item.objects("content") else { return false };
        let changed = parts.iter_mut().fold(false, |changed, part| self.member(part, "text") | changed);
        if changed {
            item.set("content", &parts);
        }
        changed
    }

    fn response(&self, response: &mut Object) -> bool {
        let Some(mut output) = response.objects("output") else { return false };
        let changed = output.iter_mut().fold(false, |changed, item| self.item(item) | changed);
        if changed {
            response.set("output", &output);
        }
        changed
    }

    /// Spoils the next piece of a stream's text, which is a member.
    fn piece(&mut self, index: u64, of: &mut Object, name: &str) -> bool {
        let Some(piece) = of.text(name) else { return false };
        let Some(spoilt) = self.texts.entry(index).or_default().spoil(&piece, self.how) else { return false };
        of.set(name, &spoilt);
        true
    }

    fn of_response(&mut self, data: &mut Object, kind: &str) -> bool {
        match kind {
            "response.output_text.delta" => {
                let index = data.number("output_index").unwrap_or(0);
                self.piece(index, data, "delta")
            }
            "response.output_text.done" => self.member(data, "text"),
            "response.content_part.done" => within(data, "part", |part| self.member(part, "text")),
            "response.output_item.done" => within(data, "item", |item| self.item(item)),
            "response.completed" => within(data, "response", |response| self.response(response)),
            _ => false,
        }
    }

    fn chunk(&mut self, data: &mut Object) -> bool {
        let Some(mut choices) = data.objects("choices") else { return false };
        let mut changed = false;
        for choice in &mut choices {
            let index = choice.number("index").unwrap_or(0);
            changed |= self.piece(index, choice, "text");
            changed |= within(choice, "delta", |delta| self.piece(index, delta, "content"));
        }
        if changed {
            data.set("choices", &choices);
        }
        changed
    }
}

/// Changes a member that is an object; whether it did.
fn within(of: &mut Object, name: &str, change: impl FnOnce(&mut Object) -> bool) -> bool {
    let Some(mut member) = of.object(name) else { return false };
    let changed = change(&mut member);
    if changed {
        of.set(name, &member);
    }
    changed
}

impl Edit for Spoilt {
    fn whole(&mut self, body: &Bytes) -> Option<Bytes> {
        let mut body = Object::read(body)?;
        let changed = match body.objects("choices") {
            Some(mut choices) => {
                let changed = choices.iter_mut().fold(false, |changed, choice| {
                    let said = within(choice, "message", |message| self.member(message, "content"));
                    said | self.member(choice, "text") | changed
                });
                body.set("choices", &choices);
                changed
            }
            None => self.response(&mut body),
        };
        changed.then(|| Bytes::from(body.write()))
    }

    fn event(&mut self, event: Bytes) -> Edited {
        let Some(mut data) = sse::object(&event) else { return Edited::Same(event) };
        let changed = match data.text("type").filter(|kind| kind.starts_with("response.")) {
            Some(kind) => self.of_response(&mut data, &kind),
            None => self.chunk(&mut data),
        };
        if changed { Edited::Instead(vec![sse::with_data(&event, &data.write())]) } else { Edited::Same(event) }
    }
}
