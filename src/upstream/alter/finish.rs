//! `finish_reason`: an answer that ends before it is finished, and says so.

use super::json::Object;
use super::{Edit, Edited, sse};
use crate::model::fault::FinishReason;
use bytes::Bytes;
use std::collections::HashMap;

/// Breaks answers off.
pub struct BrokenOff {
    settings: FinishReason,
    /// By choice (or output) and what of it: deltas so far, and what they said.
    said: HashMap<(u64, Part), (u64, String)>,
    /// Events that were left out: those behind them move up.
    left_out: u64,
}

/// What deltas are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Part {
    Text,
    Arguments,
}

impl BrokenOff {
    /// As the rule says.
    pub fn new(settings: FinishReason) -> Self {
        Self { settings, said: HashMap::new(), left_out: 0 }
    }

    /// The part of a text that is kept.
    fn cut(&self, text: &str) -> String {
        let kept = (text.chars().count() as f64 * self.settings.keep.fraction()).floor();
        text.chars().take(kept as usize).collect()
    }

    /// Cuts a member that is a text.
    fn cut_text(&self, of: &mut Object, name: &str) {
        if let Some(text) = of.text(name) {
            of.set(name, &self.cut(&text));
        }
    }

    /// Cuts a choice of chat or completions.
    fn choice(&self, choice: &mut Object) {
        choice.set("finish_reason", &self.settings.reason);
        self.cut_text(choice, "text");
        let Some(mut message) = choice.object("message") else { return };
        self.cut_text(&mut message, "content");
        self.cut_text(&mut message, "refusal");
        if let Some(mut calls) = message.objects("tool_calls") {
            for call in &mut calls {
                if let Some(mut function) = call.object("function") {
                    self.cut_text(&mut function, "arguments");
                    call.set("function", &function);
                }
            }
            message.set("tool_calls", &calls);
        }
        if let Some(mut function) = message.object("function_call") {
            self.cut_text(&mut function, "arguments");
            message.set("function_call", &function);
        }
        choice.set("message", &message);
    }

    /// Says of a response that it is not complete. `text` gives what is kept of each output, by its place.
    fn incomplete(&self, response: &mut Object, text: &dyn Fn(u64, Part, &str) -> String) {
        let reason = if self.settings.reason == "length" { "max_output_tokens" } else { &self.settings.reason };
        response.set("status", "incomplete");
        response.set("incomplete_details", &serde_json::json!({"reason": reason}));
        let Some(mut output) = response.objects("output") else { return };
        for (place, item) in (0..).zip(&mut output) {
            cut_item(item, &|part, whole| text(place, part, whole));
        }
        response.set("output", &output);
    }

    /// Whether the next delta gets through; if so, it is noted.
    fn passes(&mut self, of: (u64, Part), delta: &str) -> bool {
        let most = self.settings.events;
        let (count, said) = self.said.entry(of).or_default();
        *count += 1;
        if *count <= most {
            said.push_str(delta);
        }
        *count <= most
    }

    /// What got through of an output.
    fn kept(&self, of: (u64, Part)) -> String {
        self.said.get(&of).map(|(_, said)| said.clone()).unwrap_or_default()
    }

    /// An event of chat or completions: its choices, those that say nothing more left out.
    fn chunk(&mut self, event: Bytes, mut data: Object, choices: Vec<Object>) -> Edited {
        let before = choices.len();
        let mut changed = false;
        let mut left = Vec::with_capacity(before);
        for mut choice in choices {
            let index = choice.number("index").unwrap_or(0);
            let ends = choice.some("finish_reason").is_some();
            if ends && choice.text("finish_reason").as_deref() != Some(&self.settings.reason) {
                choice.set("finish_reason", &self.settings.reason);
                changed = true;
            }
            if speaks(&choice) && !self.passes((index, Part::Text), "") {
                changed = true;
                if !ends {
                    continue;
                }
                silence(&mut choice);
            }
            left.push(choice);
        }
        match (changed, left.is_empty()) {
            (false, _) => Edited::Same(event),
            (true, true) => Edited::Instead(Vec::new()),
            (true, false) => {
                data.set("choices", &left);
                Edited::Instead(vec![sse::with_data(&event, &data.write())])
            }
        }
    }

    /// An event of the Responses API.
    fn of_response(&mut self, event: Bytes, mut data: Object, kind: &str) -> Edited {
        let output = data.number("output_index").unwrap_or(0);
        let mut changed = false;
        let mut name = None;
        match kind {
            "response.output_text.delta" | "response.refusal.delta" | "response.function_call_arguments.delta" => {
                let part = if kind.contains("arguments") { Part::Arguments } else { Part::Text };
                if !self.passes((output, part), &data.text("delta").unwrap_or_default()) {
                    self.left_out += 1;
                    return Edited::Instead(Vec::new());
                }
            }
            "response.output_text.done" | "response.refusal.done" | "response.function_call_arguments.done" => {
                let (member, part) = match kind {
                    "response.output_text.done" => ("text", Part::Text),
                    "response.refusal.done" => ("refusal", Part::Text),
                    _ => ("arguments", Part::Arguments),
                };
                data.set(member, &self.kept((output, part)));
                changed = true;
            }
            "response.content_part.done" => {
                if let Some(mut part) = data.object("part") {
                    let kept = self.kept((output, Part::Text));
                    cut_part(&mut part, &|_| kept.clone());
                    data.set("part", &part);
                    changed = true;
                }
            }
            "response.output_item.done" => {
                if let Some(mut item) = data.object("item") {
                    cut_item(&mut item, &|part, _| self.kept((output, part)));
                    data.set("item", &item);
                    changed = true;
                }
            }
            "response.completed" => {
                if let Some(mut response) = data.object("response") {
                    self.incomplete(&mut response, &|place, part, _| self.kept((place, part)));
                    data.set("response", &response);
                    data.set("type", "response.incomplete");
                    name = Some("response.incomplete");
                    changed = true;
                }
            }
            _ => {}
        }
        if let Some(number) = data.number("sequence_number").filter(|_| self.left_out > 0) {
            data.set("sequence_number", &number.saturating_sub(self.left_out));
            changed = true;
        }
        if !changed {
            return Edited::Same(event);
        }
        let event = sse::with_data(&event, &data.write());
        Edited::Instead(vec![match name {
            Some(name) => sse::renamed(&event, kind, name),
            None => event,
        }])
    }
}

/// Whether a choice of a chunk says something.
fn speaks(choice: &Object) -> bool {
    let filled = |of: &Object, name: &str| of.text(name).is_some_and(|text| !text.is_empty());
    if filled(choice, "text") {
        return true;
    }
    choice.object("delta").is_some_and(|delta| {
        let calls = delta.some("tool_calls").is_some() || delta.some("function_call").is_some();
        filled(&delta, "content") || filled(&delta, "refusal") || (calls && delta.some("role").is_none())
    })
}

/// Takes out of a choice what it says.
fn silence(choice: &mut Object) {
    if choice.get("text").is_some() {
        choice.set("text", "");
    }
    if choice.get("delta").is_some() {
        choice.set("delta", &Object::default());
    }
}

/// Cuts what an item of a response says.
fn cut_item(item: &mut Object, kept: &dyn Fn(Part, &str) -> String) {
    if let Some(arguments) = item.text("arguments") {
        item.set("arguments", &kept(Part::Arguments, &arguments));
        item.set("status", "incomplete");
    }
    if let Some(mut parts) = item.objects("content") {
        for part in &mut parts {
            cut_part(part, &|text| kept(Part::Text, text));
        }
        item.set("content", &parts);
        item.set("status", "incomplete");
    }
}

fn cut_part(part: &mut Object, kept: &dyn Fn(&str) -> String) {
    for name in ["text", "refusal"] {
        if let Some(text) = part.text(name) {
            part.set(name, &kept(&text));
        }
    }
}

impl Edit for BrokenOff {
    fn whole(&mut self, body: &Bytes) -> Option<Bytes> {
        let mut body = Object::read(body)?;
        if body.text("object").as_deref() == Some("response") && body.text("status").as_deref() == Some("completed") {
            self.incomplete(&mut body, &|_, _, text| self.cut(text));
        } else {
            let mut choices = body.objects("choices").filter(|choices| !choices.is_empty())?;
            choices.iter_mut().for_each(|choice| self.choice(choice));
            body.set("choices", &choices);
        }
        Some(Bytes::from(body.write()))
    }

    fn event(&mut self, event: Bytes) -> Edited {
        let Some(data) = sse::object(&event) else { return Edited::Same(event) };
        if let Some(kind) = data.text("type").filter(|kind| kind.starts_with("response.")) {
            return self.of_response(event, data, &kind);
        }
        match data.objects("choices") {
            Some(choices) if !choices.is_empty() => self.chunk(event, data, choices),
            _ => Edited::Same(event),
        }
    }
}
