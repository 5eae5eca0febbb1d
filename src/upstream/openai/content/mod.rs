//! [`Content`]: what the model says to a prompt, by rules: those of the user's files first, file by file, then those
//! that are built in (`content/*.toml`).
//!
//! Of the rules of a file that fit, the most specific one (with the most conditions) wins; among equals the one whose
//! `about` words occur most, in system messages first; then the first. `matching` holds a rule's conditions, `texts`
//! searches the prompt, `template` fills the answer in.

mod matching;
mod template;
mod texts;

pub use template::check as check_template;

use super::prompt::Prompt;
use super::said::{Finish, Script, Scripted};
use crate::model::content::{ContentAnswer, ContentFile, ContentFinish, ContentRule};
use crate::units::Seed;
use matching::{Request, When};
use minijinja::Value;
use std::sync::Arc;
use template::{Draws, Templates, Text};
use texts::{Part, Texts};

/// The rules that are built in.
const BUILT_IN: [&str; 1] = [include_str!("../../../../content/holisticos.toml")];

/// The rules of a mock.
#[derive(Debug)]
pub struct Content {
    files: Vec<Rules>,
    templates: Templates,
    /// Rules that could not be used at all.
    mistakes: Vec<String>,
    seed: Seed,
}

/// The rules of one file.
#[derive(Debug)]
struct Rules {
    name: String,
    rules: Vec<Rule>,
    /// Each rule's alternatives, the most specific first, in the file's order otherwise: rule, conditions.
    ranked: Vec<(usize, When)>,
}

#[derive(Debug)]
struct Rule {
    name: String,
    answer: Answer,
    finish: Option<Finish>,
}

#[derive(Debug)]
enum Answer {
    Text(Text),
    Refusal(Text),
    Calls(Vec<(String, Text)>),
}

impl Content {
    /// The rules of these files, then those that are built in.
    pub fn new(files: &[ContentFile], seed: Seed) -> Self {
        let mut templates = Templates::new();
        let mut mistakes = Vec::new();
        // All were checked: a user's files when they were resolved, ours by a test. A rule that cannot be used all the
        // same (from a plan that was written by hand) is left out and named.
        let built_in = BUILT_IN.iter().filter_map(|text| toml::from_str::<ContentFile>(text).ok());
        let all = files.iter().cloned().chain(built_in);
        let files = all.map(|file| Rules::new(file, &mut templates, &mut mistakes)).collect();
        Self { files, templates, mistakes, seed: seed.derive("content") }
    }

    /// What the rules say to a prompt.
    pub fn answer(&self, prompt: &Prompt<'_>) -> Script {
        let (texts, request) = (Texts::new(prompt), Request::default());
        let mut warning = self.mistakes.first().cloned();
        for file in &self.files {
            let Some((rule, when)) = file.choose(prompt, &texts, &request) else { continue };
            match self.say(rule, when, prompt, &texts) {
                Ok(says) => return Script { says: Some(says), finish: rule.finish, warning },
                Err(error) => {
                    let detail = error.detail().map_or_else(String::new, |detail| format!(": {detail}"));
                    let what = format!(
                        "the rule `{}` of {} could not be filled in: {}{detail}",
                        rule.name,
                        file.name,
                        error.kind()
                    );
                    warning.get_or_insert(what);
                }
            }
        }
        Script { says: None, finish: None, warning }
    }

    fn say(
        &self,
        rule: &Rule,
        when: &When,
        prompt: &Prompt<'_>,
        texts: &Texts<'_>,
    ) -> Result<Scripted, minijinja::Error> {
        let known = |name: &str| match name {
            "call" => Value::from(prompt.key),
            "captures" => Value::from_pairs(when.captures(texts)),
            "model" => Value::from(prompt.asked),
            "prompt" => Value::from(texts.of(Part::Other).join("\n")),
            "system" => Value::from(texts.of(Part::System).join("\n")),
            "tools" => prompt.tools.iter().map(|tool| Value::from(&*tool.name)).collect(),
            // A request of no JSON never comes here; it has no prompt.
            _ => serde_json::from_slice(prompt.body).unwrap_or_default(),
        };
        let fill = |text: &Text, part: u64| match text {
            Text::Plain(text) => Ok(Arc::clone(text)),
            template => self.templates.fill(template, Draws::new(self.seed, &[texts.key(), part]), known),
        };
        Ok(match &rule.answer {
            Answer::Text(text) => Scripted::Text(fill(text, 0)?),
            Answer::Refusal(text) => Scripted::Refusal(fill(text, 0)?),
            Answer::Calls(calls) => {
                let filled = calls
                    .iter()
                    .zip(0..)
                    .map(|((name, arguments), part)| Ok((name.clone(), fill(arguments, part)?.to_string())));
                Scripted::Calls(filled.collect::<Result<_, minijinja::Error>>()?)
            }
        })
    }
}

impl Rules {
    fn new(file: ContentFile, templates: &mut Templates, mistakes: &mut Vec<String>) -> Self {
        let (mut rules, mut ranked) = (Vec::new(), Vec::new());
        for rule in file.rule {
            let always = [crate::model::content::ContentWhen::default()];
            let when = if rule.when.is_empty() { &always[..] } else { &rule.when };
            let when: Result<Vec<When>, _> = when.iter().map(When::new).collect();
            if let (Ok(when), Some(compiled)) = (when, Rule::new(&rule, templates)) {
                ranked.extend(when.into_iter().map(|when| (rules.len(), when)));
                rules.push(compiled);
            } else {
                mistakes.push(format!("the rule `{}` of {} cannot be used", rule.name, file.name));
            }
        }
        ranked.sort_by_key(|(_, when)| std::cmp::Reverse(when.conditions));
        Self { name: file.name, rules, ranked }
    }

    /// The rule that wins, with the alternative that fits.
    fn choose(&self, prompt: &Prompt<'_>, texts: &Texts<'_>, request: &Request) -> Option<(&Rule, &When)> {
        for equals in self.ranked.chunk_by(|(_, a), (_, b)| a.conditions == b.conditions) {
            let fitting: Vec<&(usize, When)> =
                equals.iter().filter(|(_, when)| when.holds(prompt, texts, request)).collect();
            if let Some((rule, when)) = most_about(&fitting, texts) {
                return Some((&self.rules[*rule], when));
            }
        }
        None
    }
}

/// Of rules that fit apart from their subject, the one that the prompt is about.
fn most_about<'a>(fitting: &[&'a (usize, When)], texts: &Texts<'_>) -> Option<&'a (usize, When)> {
    // One needs no comparison, and counting costs more than finding.
    if let [only] = fitting {
        let words = &only.1.about;
        let occurs = words.is_empty() || texts.hold(Part::System, words) || texts.hold(Part::Other, words);
        return occurs.then_some(only);
    }
    let counts = |part| fitting.iter().map(move |(_, when)| texts.count(part, &when.about));
    let by_system: Vec<usize> = counts(Part::System).collect();
    let most = by_system.iter().copied().max()?;
    let mut leaders = (0..fitting.len()).filter(|index| by_system[*index] == most);
    // What system messages speak of settles it; the others, in which agents quote each other, need no reading then.
    if let (true, Some(first), None) = (most > 0, leaders.next(), leaders.next()) {
        return Some(fitting[first]);
    }
    let by_other: Vec<usize> = counts(Part::Other).collect();
    (0..fitting.len())
        .filter(|index| by_system[*index] == most)
        .filter(|index| most + by_other[*index] > 0 || fitting[*index].1.about.is_empty())
        .min_by_key(|index| std::cmp::Reverse(by_other[*index]))
        .map(|index| fitting[index])
}

impl Rule {
    fn new(rule: &ContentRule, templates: &mut Templates) -> Option<Self> {
        let answer = match &rule.answer {
            ContentAnswer::Text(text) => Answer::Text(templates.add(text).ok()?),
            ContentAnswer::Json(value) => Answer::Text(templates.add(&template::of_json(value)).ok()?),
            ContentAnswer::Refusal(text) => Answer::Refusal(templates.add(text).ok()?),
            ContentAnswer::ToolCalls(calls) => {
                let compiled = calls.iter().map(|call| {
                    // A function without arguments is called with an empty object.
                    let arguments =
                        if call.arguments.is_null() { "{}".to_owned() } else { template::of_json(&call.arguments) };
                    Some((call.name.clone(), templates.add(&arguments).ok()?))
                });
                Answer::Calls(compiled.collect::<Option<_>>()?)
            }
        };
        let finish = rule.finish.map(|finish| match finish {
            ContentFinish::Length => Finish::Length,
            ContentFinish::ContentFilter => Finish::ContentFilter,
        });
        Some(Self { name: rule.name.clone(), answer, finish })
    }
}
