//! A file of content rules → [`ContentFile`].

use super::collector::Collector;
use super::content_file::{AnswerFile, CallFile, ContentRulesFile, RuleFile, WhenFile};
use super::document;
use super::find;
use super::request::World;
use super::resolve_journeys::pointer;
use super::template::narrow;
use super::value::Node;
use crate::model::content::{
    ContentAnswer, ContentCall, ContentExists, ContentFile, ContentRegex, ContentRule, ContentText, ContentValue,
    ContentWhen,
};
use regex::RegexBuilder;
use std::collections::{BTreeMap, HashSet};
use std::io::Read as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use toml::Spanned;

/// How large a compiled regular expression may be, in bytes; the mock compiles with the same bound.
const REGEX_SIZE: usize = 1 << 20;
/// Answers of models are far smaller; this keeps a wrong path from filling the memory.
const MAX_ANSWER: u64 = 1 << 20;
/// No model answers more tokens.
const MAX_TOKENS: u64 = 1_000_000;

/// The rules of a file that a scenario names, with all that is wrong with it.
pub(super) fn read(
    out: &mut Collector,
    written: &Spanned<String>,
    folder: Option<&Path>,
    world: &World<'_>,
) -> Option<ContentFile> {
    let path = beside(written.get_ref(), folder);
    let source = match find::read(&path) {
        Ok(source) => Arc::new(source),
        Err(error) => {
            out.error(written.span(), error.to_string())
                .help("its path counts from the scenario's folder, or from the working folder");
            return None;
        }
    };
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or("unnamed").to_owned();
    match document::read::<ContentRulesFile>(&source) {
        Ok(file) => {
            let mut its = Collector::new(source);
            let rules = resolve(&mut its, &file, &stem, path.parent(), world);
            out.take_over(its.finish());
            Some(rules)
        }
        Err(diagnostic) => {
            out.take_over((vec![*diagnostic], Vec::new()));
            None
        }
    }
}

/// A path as written in a file: beside that file if there is such a file, else from the working folder.
fn beside(written: &str, folder: Option<&Path>) -> PathBuf {
    folder.map(|folder| folder.join(written)).filter(|path| path.is_file()).unwrap_or_else(|| written.into())
}

/// The rules of a file.
pub(super) fn resolve(
    out: &mut Collector,
    file: &ContentRulesFile,
    stem: &str,
    folder: Option<&Path>,
    world: &World<'_>,
) -> ContentFile {
    if file.rule.is_empty() {
        out.missing("the file has no rule").help("add one: [[rule]] with name, when and answer");
    }
    let mut names = HashSet::new();
    let mut seen: Vec<(ContentWhen, &str)> = Vec::new();
    let mut rules = Vec::new();
    for written in &file.rule {
        let rule = written.get_ref();
        let name = rule.name.get_ref();
        if !names.insert(name.as_str()) {
            out.error(rule.name.span(), format!("two rules are called `{name}`")).help("give each a name of its own");
        }
        let mut captures = Vec::new();
        let when: Vec<ContentWhen> = rule.when.0.iter().map(|when| self::when(out, when, &mut captures)).collect();
        // The first of two rules with the same conditions always wins.
        let conditions = if when.is_empty() { vec![ContentWhen::default()] } else { when.clone() };
        let earlier = conditions.iter().map(|when| seen.iter().find(|(known, _)| known == when).map(|(_, name)| *name));
        if let Some(earlier) = earlier.collect::<Option<Vec<&str>>>().as_deref().and_then(<[&str]>::first) {
            out.warn(rule.name.span(), format!("the rule `{name}` never answers: `{earlier}` has the same conditions"));
        }
        seen.extend(conditions.into_iter().map(|when| (when, name.as_str())));
        let answer = answer(out, rule, &captures, folder, world);
        if let Some(finish) = &rule.finish
            && !matches!(answer, ContentAnswer::Text(_) | ContentAnswer::Json(_))
        {
            out.error(finish.span(), "only a text or JSON can end early").help("leave `finish` away here");
        }
        let finish = rule.finish.as_ref().map(|finish| *finish.get_ref());
        rules.push(ContentRule { name: name.clone(), when, answer, finish });
    }
    ContentFile {
        name: file.name.clone().unwrap_or_else(|| stem.to_owned()),
        describe: file.describe.clone(),
        rule: rules,
    }
}

fn when(out: &mut Collector, file: &WhenFile, captures: &mut Vec<String>) -> ContentWhen {
    for written in [&file.model, &file.tool].into_iter().flatten() {
        if written.get_ref().trim().is_empty() {
            out.error(written.span(), "an empty name fits nothing").help("leave the key away for any name");
        }
    }
    let about = file.about.as_ref().map(|about| {
        if about.get_ref().is_empty() {
            out.error(about.span(), "a subject without words").help("name some: about = [\"invoice\", \"billing\"]");
        }
        about.get_ref().iter().map(|word| self::word(out, word.get_ref(), word.span())).collect()
    });
    let mut text = |written: &Option<Spanned<Node>>| written.as_ref().map(|node| self::text(out, node, captures));
    let (system, prompt, last) = (text(&file.system), text(&file.prompt), text(&file.last));
    ContentWhen {
        endpoint: file.endpoint,
        model: file.model.as_ref().map(|model| model.get_ref().clone()),
        json: file.json,
        max_tokens: file.max_tokens.as_ref().map(|most| out.number(most, "`max-tokens`", 1, MAX_TOKENS)),
        system,
        prompt,
        last,
        last_from: file.last_from,
        tool: file.tool.as_ref().map(|tool| tool.get_ref().clone()),
        about: about.unwrap_or_default(),
        pointer: pointers(out, file),
    }
}

fn word(out: &mut Collector, word: &str, span: Range<usize>) -> String {
    if word.trim().is_empty() {
        out.error(span, "an empty word is in every text").help("write what the text must hold");
    }
    word.to_owned()
}

/// `"word"`, `["one", "another"]` or `{ regex = "…" }`.
fn text(out: &mut Collector, written: &Spanned<Node>, captures: &mut Vec<String>) -> ContentText {
    match written.get_ref() {
        Node::Text(one) => ContentText::Contains(word(out, one, written.span())),
        Node::List(many) if !many.is_empty() => {
            let mut words = Vec::with_capacity(many.len());
            for one in many {
                match one.get_ref() {
                    Node::Text(text) => words.push(word(out, text, one.span())),
                    other => {
                        let title = format!("{} stands where a text belongs", other.kind());
                        out.error(one.span(), title).help("a text fits if it holds any of the list's texts");
                    }
                }
            }
            ContentText::Any(words)
        }
        Node::Table(table) if table.len() == 1 && table[0].0 == "regex" => {
            ContentText::Regex(regex(out, &table[0].1, Some(captures)))
        }
        _ => {
            out.error(written.span(), "this says nothing about a text").help(
                "write a text that it must hold, a list of texts of which it must hold one, or { regex = \"…\" }",
            );
            ContentText::Any(Vec::new())
        }
    }
}

fn regex(out: &mut Collector, written: &Spanned<Node>, captures: Option<&mut Vec<String>>) -> ContentRegex {
    let Node::Text(expression) = written.get_ref() else {
        let title = format!("{} stands where a regular expression belongs", written.get_ref().kind());
        out.error(written.span(), title).help("write it as a text, best between ' and '");
        return ContentRegex { regex: String::new() };
    };
    match RegexBuilder::new(expression).size_limit(REGEX_SIZE).build() {
        Ok(regex) => {
            if let Some(captures) = captures {
                captures.extend(regex.capture_names().flatten().map(str::to_owned));
            }
        }
        Err(regex::Error::CompiledTooBig(_)) => {
            out.error(written.span(), "this regular expression becomes too large")
                .help("repeat less: \\w{1000} is a thousand states for each letter there is");
        }
        Err(error) => {
            let error = error.to_string();
            let why = error.lines().last().unwrap_or("").trim().trim_start_matches("error: ");
            out.error(written.span(), format!("this is no regular expression: {why}"))
                .help("look-around and back-references are not supported: matching takes linear time");
        }
    }
    ContentRegex { regex: expression.clone() }
}

fn pointers(out: &mut Collector, file: &WhenFile) -> BTreeMap<String, ContentValue> {
    let mut all = BTreeMap::new();
    for (place, value) in &file.pointer {
        pointer(out, place.get_ref(), place.span());
        let value = match value.get_ref() {
            Node::Text(text) => ContentValue::Text(text.clone()),
            Node::Bool(yes) => ContentValue::Bool(*yes),
            #[expect(clippy::cast_precision_loss, reason = "JSON numbers of requests are small")]
            Node::Integer(number) => ContentValue::Number(*number as f64),
            Node::Float(number) => ContentValue::Number(*number),
            Node::Table(table) if table.len() == 1 && table[0].0 == "regex" => {
                ContentValue::Regex(regex(out, &table[0].1, None))
            }
            Node::Table(table) if table.len() == 1 && table[0].0 == "exists" => match table[0].1.get_ref() {
                Node::Bool(exists) => ContentValue::Exists(ContentExists { exists: *exists }),
                _ => {
                    out.error(table[0].1.span(), "`exists` is true or false");
                    continue;
                }
            },
            _ => {
                out.error(value.span(), "this cannot be compared with a place of the request").help(
                    "write a text (`*` is any characters), a number, true or false, { regex = \"…\" } or { exists = true }",
                );
                continue;
            }
        };
        all.insert(place.get_ref().clone(), value);
    }
    all
}

/// What the templates of a rule are checked with.
struct Check<'a> {
    captures: Vec<&'a str>,
    world: &'a World<'a>,
}

fn answer(
    out: &mut Collector,
    rule: &RuleFile,
    captures: &[String],
    folder: Option<&Path>,
    world: &World<'_>,
) -> ContentAnswer {
    let check = Check { captures: captures.iter().map(String::as_str).collect(), world };
    match rule.answer.get_ref() {
        AnswerFile::Text(text) => ContentAnswer::Text(check.said(out, text)),
        AnswerFile::Refusal(text) => ContentAnswer::Refusal(check.said(out, text)),
        AnswerFile::Json(node) => {
            check.json(out, node);
            ContentAnswer::Json(node.get_ref().to_json())
        }
        AnswerFile::TextFile(path) => ContentAnswer::Text(text_file(out, path, folder, &check)),
        AnswerFile::ToolCalls(calls) => {
            if calls.get_ref().is_empty() {
                out.error(calls.span(), "no function is called")
                    .help("name one: tool-calls = [{ name = \"get_weather\", arguments = { city = \"Oslo\" } }]");
            }
            ContentAnswer::ToolCalls(calls.get_ref().iter().map(|call| check.call(out, call)).collect())
        }
    }
}

fn text_file(out: &mut Collector, written: &Spanned<String>, folder: Option<&Path>, check: &Check<'_>) -> String {
    let path = beside(written.get_ref(), folder);
    let mut text = String::new();
    let read = std::fs::File::open(&path).and_then(|file| file.take(MAX_ANSWER + 1).read_to_string(&mut text));
    let title = match read {
        Err(error) => format!("cannot read `{}`: {error}", written.get_ref()),
        Ok(length) if length as u64 > MAX_ANSWER => format!("`{}` is larger than 1 MiB", written.get_ref()),
        Ok(_) => match (check.world.check_template)(&text, &check.captures) {
            Ok(()) => return text,
            Err(mistake) => {
                let line = mistake.at.map_or(1, |at| text[..at.start.min(text.len())].matches('\n').count() + 1);
                let error = out.error(written.span(), format!("{}:{line}: {}", path.display(), mistake.what));
                if let Some(help) = mistake.help {
                    error.help(help);
                }
                return text;
            }
        },
    };
    out.error(written.span(), title).help("its path counts from the folder of the rules, or from the working folder");
    text
}

impl Check<'_> {
    /// A text that is said.
    fn said(&self, out: &mut Collector, written: &Spanned<String>) -> String {
        if written.get_ref().trim().is_empty() {
            out.error(written.span(), "an answer that says nothing").help("write what is to be said");
        }
        self.template(out, written.get_ref(), written.span());
        written.get_ref().clone()
    }

    fn template(&self, out: &mut Collector, text: &str, span: Range<usize>) {
        if let Err(mistake) = (self.world.check_template)(text, &self.captures) {
            let place = mistake.at.map_or_else(|| span.clone(), |at| narrow(out, &span, text, at));
            let error = out.error(place, mistake.what);
            if let Some(help) = mistake.help {
                error.help(help);
            }
        }
    }

    /// The templates in a JSON value.
    fn json(&self, out: &mut Collector, written: &Spanned<Node>) {
        match written.get_ref() {
            Node::Text(text) => self.template(out, text, written.span()),
            Node::List(all) => all.iter().for_each(|one| self.json(out, one)),
            Node::Table(all) => all.iter().for_each(|(_, one)| self.json(out, one)),
            Node::Integer(_) | Node::Float(_) | Node::Bool(_) => {}
        }
    }

    fn call(&self, out: &mut Collector, file: &CallFile) -> ContentCall {
        let name = file.name.get_ref();
        // OpenAI's rule for the names of functions (WIRE-openai §5).
        let valid = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if name.is_empty() || name.len() > 64 || !name.chars().all(valid) {
            out.error(file.name.span(), format!("`{name}` cannot be the name of a function"))
                .help("up to 64 letters, digits, `_` and `-`");
        }
        let arguments = file.arguments.as_ref().map(|arguments| {
            if !matches!(arguments.get_ref(), Node::Table(_)) {
                let title = format!("{} stands where a table of arguments belongs", arguments.get_ref().kind());
                out.error(arguments.span(), title).help("write arguments = { city = \"Oslo\" }");
            }
            self.json(out, arguments);
            arguments.get_ref().to_json()
        });
        ContentCall { name: name.clone(), arguments: arguments.unwrap_or_default() }
    }
}
