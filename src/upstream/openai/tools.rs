//! Calls of functions: which of them a model would make, and the tokens that offering them costs.

use super::models::{Encoding, Reasoning};
use super::prompt::{Prompt, Role, Tool, ToolChoice};
use super::tokens::Tokens;
use serde_json::Value;
use std::collections::HashSet;

/// How much of a message is looked at.
const READ: usize = 4_096;
/// No more functions are called at once.
const MOST_CALLS: usize = 3;
/// Words that say nothing of what a function is for.
const COMMON: [&str; 34] = [
    "the", "and", "for", "from", "with", "that", "this", "get", "set", "use", "user", "given", "into", "its", "all",
    "any", "are", "can", "what", "which", "when", "you", "your", "will", "should", "returns", "return", "function",
    "tool", "call", "please", "value", "values", "data",
];

/// The functions that a model would call, by their place among the tools; none is to answer with a text.
///
/// Where the model may choose, it calls those whose name or description speaks of what the user last asked, and
/// answers with a text once there are results. A rule can always say otherwise.
pub fn choose(prompt: &Prompt<'_>) -> Vec<usize> {
    match &prompt.tool_choice {
        ToolChoice::None => Vec::new(),
        ToolChoice::Named(name) => prompt.tools.iter().position(|tool| tool.name == *name).into_iter().collect(),
        ToolChoice::Required => {
            let matching = matching(prompt);
            if matching.is_empty() && !prompt.tools.is_empty() { vec![0] } else { matching }
        }
        ToolChoice::Auto if prompt.turns.last().is_some_and(|turn| turn.role != Role::User) => Vec::new(),
        ToolChoice::Auto => matching(prompt),
    }
}

fn matching(prompt: &Prompt<'_>) -> Vec<usize> {
    if prompt.tools.is_empty() {
        return Vec::new();
    }
    let asked = prompt.turns.iter().rev().find(|turn| turn.role == Role::User).map_or("", |turn| &*turn.text);
    let asked = words(&asked[asked.ceil_char_boundary(asked.len().saturating_sub(READ))..]);
    let score = |tool: &Tool<'_>| {
        let hits = |text: &str| words(text).intersection(&asked).count();
        let (name, description) = (hits(&tool.name), tool.description.as_deref().map_or(0, hits));
        if name > 0 || description > 1 { 3 * name + description } else { 0 }
    };
    let scores: Vec<usize> = prompt.tools.iter().map(score).collect();
    let best = scores.iter().copied().max().unwrap_or(0);
    let mut chosen: Vec<usize> =
        (0..scores.len()).filter(|tool| scores[*tool] > 0 && 2 * scores[*tool] >= best).collect();
    chosen.sort_by_key(|tool| usize::MAX - scores[*tool]);
    chosen.truncate(if prompt.parallel { MOST_CALLS } else { 1 });
    chosen
}

/// The words of a text or of a name, in lower case and without plurals.
fn words(text: &str) -> HashSet<String> {
    let mut apart = String::with_capacity(text.len());
    let mut before_is_lower = false;
    for letter in text.chars() {
        if letter.is_uppercase() && before_is_lower {
            apart.push(' ');
        }
        before_is_lower = letter.is_lowercase();
        apart.extend(letter.to_lowercase());
    }
    apart
        .split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| word.chars().count() > 2 && !COMMON.contains(word))
        .map(|word| word.strip_suffix('s').unwrap_or(word).to_owned())
        .collect()
}

/// The tokens that functions add to a prompt, by the rule of OpenAI's cookbook ("How to count tokens with tiktoken",
/// tool calls). Functions within functions' objects are counted like those at the top.
pub fn tokens(tokens: &Tokens, prompt: &Prompt<'_>) -> u64 {
    if prompt.tools.is_empty() || prompt.tool_choice == ToolChoice::None {
        return 0;
    }
    let encoding = prompt.named.model.encoding;
    // The cookbook's constants for gpt-4o and newer, and for those before.
    let newer = encoding == Encoding::O200k || prompt.named.model.reasoning != Reasoning::Never;
    let each = if newer { 7 } else { 10 };
    let functions: u64 = prompt.tools.iter().map(|tool| each + function(tokens, encoding, tool)).sum();
    functions + 12
}

fn function(tokens: &Tokens, encoding: Encoding, tool: &Tool<'_>) -> u64 {
    let description = tool.description.as_deref().unwrap_or("").trim_end_matches('.');
    let line = tokens.of(encoding, &format!("{}:{description}", tool.name));
    let Some(parameters) = tool.parameters else { return line };
    let parameters: Value = serde_json::from_str(parameters.get()).unwrap_or_default();
    line + properties(tokens, encoding, &parameters)
}

fn properties(tokens: &Tokens, encoding: Encoding, schema: &Value) -> u64 {
    let Some(properties) = schema["properties"].as_object().filter(|properties| !properties.is_empty()) else {
        return 0;
    };
    let each = properties.iter().map(|(name, property)| {
        let text = |key: &str| property[key].as_str().unwrap_or("").trim_end_matches('.').to_owned();
        let line = tokens.of(encoding, &format!("{name}:{}:{}", text("type"), text("description")));
        let listed = property["enum"].as_array().map_or(0, |values| {
            let values = values.iter().map(|value| {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                3 + tokens.of(encoding, &text)
            });
            values.sum::<u64>().saturating_sub(3)
        });
        let inner = if property["items"].is_object() { &property["items"] } else { property };
        3 + line + listed + self::properties(tokens, encoding, inner)
    });
    3 + each.sum::<u64>()
}
