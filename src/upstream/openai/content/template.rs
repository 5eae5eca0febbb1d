//! [`Templates`]: the texts of rules, filled in for a prompt. The language is that of Jinja templates (minijinja), with
//! what is known of the request and with draws from the run's seed; what a template may use up is bounded.

use crate::model::content::TemplateMistake;
use crate::units::Seed;
use minijinja::value::{Object, Rest};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, State, UndefinedBehavior, Value};
use rand::RngExt as _;
use rand::seq::IndexedRandom as _;
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

/// What a template may use up while it is filled in. An instruction costs one, 64 bytes cost about one (minijinja's
/// rule), so a text ends below 16 MiB and its making within milliseconds.
const FUEL: u64 = 250_000;
/// How the draws are passed to the functions; no template can spell it.
const DRAWS: &str = "\0draws";

/// What templates may name, beside the functions.
pub const NAMES: [&str; 7] = ["call", "captures", "model", "prompt", "request", "system", "tools"];

/// A text that may be a template.
#[derive(Clone, Debug)]
pub enum Text {
    /// It is none.
    Plain(Arc<str>),
    /// The template's name, and which of [`NAMES`] it uses.
    Template(String, BTreeSet<String>),
}

/// All templates of a mock.
#[derive(Debug)]
pub struct Templates {
    environment: Environment<'static>,
    count: usize,
}

/// The draws of one answer, one after the other.
#[derive(Debug)]
pub struct Draws(Mutex<ChaCha8Rng>);

impl Draws {
    /// The draws for a key.
    pub fn new(seed: Seed, key: &[u64]) -> Self {
        Self(Mutex::new(seed.rng(key)))
    }
}

impl Object for Draws {}

impl Templates {
    /// No templates yet.
    pub fn new() -> Self {
        Self { environment: environment(UndefinedBehavior::Strict), count: 0 }
    }

    /// Adds a text.
    ///
    /// # Errors
    /// When it is a template with a mistake.
    pub fn add(&mut self, text: &str) -> Result<Text, Error> {
        let text = text.trim_end();
        if is_plain(text) {
            return Ok(Text::Plain(Arc::from(text)));
        }
        let name = self.count.to_string();
        self.count += 1;
        self.environment.add_template_owned(name.clone(), text.to_owned())?;
        let uses = self.environment.get_template(&name)?.undeclared_variables(false);
        Ok(Text::Template(name, uses.into_iter().filter(|name| NAMES.contains(&name.as_str())).collect()))
    }

    /// Fills a text in; `known` gives the value of one of [`NAMES`] and is asked only for those that are used.
    ///
    /// # Errors
    /// When the template uses something that is not there, or too much of anything.
    pub fn fill(&self, text: &Text, draws: Draws, mut known: impl FnMut(&str) -> Value) -> Result<Arc<str>, Error> {
        match text {
            Text::Plain(text) => Ok(Arc::clone(text)),
            Text::Template(name, uses) => {
                let mut context: BTreeMap<&str, Value> = uses.iter().map(|name| (&**name, known(name))).collect();
                context.insert(DRAWS, Value::from_object(draws));
                let filled = self.environment.get_template(name)?.render(Value::from_pairs(context))?;
                Ok(Arc::from(filled))
            }
        }
    }
}

/// Whether a text holds nothing to be filled in.
pub fn is_plain(text: &str) -> bool {
    !["{{", "{%", "{#"].iter().any(|mark| text.contains(mark))
}

/// A JSON value with templates in its texts, as one template whose outcome is JSON.
pub fn of_json(value: &serde_json::Value) -> String {
    let mut out = String::new();
    write_json(value, &mut out);
    out
}

fn write_json(value: &serde_json::Value, out: &mut String) {
    use serde_json::Value as Json;
    match value {
        Json::String(text) if !is_plain(text) => match one_expression(text) {
            Some(expression) => {
                out.push_str("{{ (");
                out.push_str(expression);
                out.push_str(")|json }}");
            }
            None => {
                out.push_str("{% filter json %}");
                out.push_str(text);
                out.push_str("{% endfilter %}");
            }
        },
        Json::Array(list) => {
            out.push('[');
            for (index, one) in list.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_json(one, out);
            }
            out.push(']');
        }
        Json::Object(map) => {
            out.push('{');
            for (index, (key, one)) in map.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                out.push_str(&Json::from(key.as_str()).to_string());
                out.push(':');
                write_json(one, out);
            }
            out.push('}');
        }
        other => out.push_str(&other.to_string()),
    }
}

/// What stands in a text that is one `{{ expression }}`.
fn one_expression(text: &str) -> Option<&str> {
    let inner = text.trim().strip_prefix("{{")?.strip_suffix("}}")?;
    let one = !["{{", "}}", "{%", "{#"].iter().any(|mark| inner.contains(mark));
    // A dash is a mark of the tag (`{{-`), not of the expression.
    one.then(|| inner.trim_matches('-'))
}

/// Checks a template by itself; `captures` are the names that `captures` has.
///
/// # Errors
/// The first mistake: in its syntax, or a name, filter or test that there is not.
pub fn check(text: &str, captures: &[&str]) -> Result<(), TemplateMistake> {
    if is_plain(text) {
        return Ok(());
    }
    let mut environment = environment(UndefinedBehavior::Chainable);
    environment.set_debug(true);
    let mistake = |error: &Error| {
        let what =
            error.detail().map_or_else(|| error.kind().to_string(), |detail| format!("{}: {detail}", error.kind()));
        TemplateMistake { at: error.range().map(|at| whole_characters(text, at)), what, help: None }
    };
    let template = environment.template_from_str(text).map_err(|error| mistake(&error))?;
    let globals: BTreeSet<String> = environment.globals().map(|(name, _)| name.to_owned()).collect();
    let place = |name: &str| text.find(name).map(|at| at..at + name.len());
    let unknown = |name: &str, what: &str, known: &[&str]| {
        let near = known.iter().filter(|one| strsim::damerau_levenshtein(one, name) <= 2).copied();
        let guess = near.min_by_key(|one| strsim::damerau_levenshtein(one, name));
        let guess = guess.map_or_else(String::new, |guess| format!("did you mean `{guess}`? "));
        let help = Some(format!("{guess}there is {}", known.join(", ")));
        TemplateMistake { at: place(name), what: format!("there is no {what} `{name}`"), help }
    };
    let mut used: Vec<String> = template.undeclared_variables(true).into_iter().collect();
    used.sort();
    for name in &used {
        let (head, field) = name.split_once('.').map_or((name.as_str(), None), |(head, rest)| (head, Some(rest)));
        if !NAMES.contains(&head) && !globals.contains(head) {
            let known: Vec<&str> = NAMES.into_iter().chain(globals.iter().map(String::as_str)).collect();
            return Err(unknown(head, "name", &known));
        }
        if let ("captures", Some(field)) = (head, field) {
            let field = field.split('.').next().unwrap_or(field);
            if captures.is_empty() {
                let help = "a regular expression of `when` gives it one: { regex = \"…(?<name>…)…\" }".to_owned();
                let what = format!("there is no capture `{field}`");
                return Err(TemplateMistake { at: place(field), what, help: Some(help) });
            }
            if !captures.contains(&field) {
                return Err(unknown(field, "capture", captures));
            }
        }
    }
    // Filters and tests are looked up when they are used.
    let draws = Value::from_object(Draws::new(Seed(0), &[0]));
    match template.render(Value::from_pairs([(DRAWS, draws)])) {
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::UnknownFilter
                    | ErrorKind::UnknownTest
                    | ErrorKind::UnknownFunction
                    | ErrorKind::TooManyArguments
                    | ErrorKind::MissingArgument
                    | ErrorKind::OutOfFuel
                    | ErrorKind::SyntaxError
            ) =>
        {
            Err(mistake(&error))
        }
        _ => Ok(()),
    }
}

/// A range that begins and ends between characters; the engine's may not.
fn whole_characters(text: &str, mut at: Range<usize>) -> Range<usize> {
    at.end = at.end.min(text.len());
    at.start = at.start.min(at.end);
    while !text.is_char_boundary(at.start) {
        at.start -= 1;
    }
    while !text.is_char_boundary(at.end) {
        at.end += 1;
    }
    at
}

fn environment(undefined: UndefinedBehavior) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(undefined);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(64);
    environment.add_filter("json", json);
    environment.remove_global("debug");
    environment.add_filter("clock", clock);
    environment.add_filter("first_words", first_words);
    environment.add_function("pick", pick);
    environment.add_function("sample", sample);
    environment.add_function("int", |state: &State<'_, '_>, low: i64, high: i64| {
        draw(state, |rng| if low < high { rng.random_range(low..=high) } else { low })
    });
    environment.add_function("float", |state: &State<'_, '_>, low: f64, high: f64, places: Option<u32>| {
        let scale = 10_f64.powi(places.unwrap_or(2).min(12).cast_signed());
        draw(state, |rng| ((low + rng.random::<f64>() * (high - low)) * scale).round() / scale)
    });
    environment
        .add_function("chance", |state: &State<'_, '_>, share: f64| draw(state, |rng| rng.random::<f64>() < share));
    environment.add_function("uuid", |state: &State<'_, '_>| {
        draw(state, |rng| uuid::Builder::from_random_bytes(rng.random()).into_uuid().to_string())
    });
    environment.add_function("today", |days: Option<i64>| {
        let today = jiff::tz::TimeZone::UTC.to_datetime(jiff::Timestamp::now()).date();
        let there = jiff::Span::new().try_days(days.unwrap_or(0)).and_then(|days| today.checked_add(days));
        there.map(|date| date.to_string()).map_err(|error| Error::new(ErrorKind::InvalidOperation, error.to_string()))
    });
    environment.add_function("now", || jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
    environment
}

fn draw<T>(state: &State<'_, '_>, from: impl FnOnce(&mut ChaCha8Rng) -> T) -> Result<T, Error> {
    let draws = state.lookup(DRAWS);
    let draws = draws.as_ref().and_then(Value::downcast_object_ref::<Draws>);
    let draws = draws.ok_or_else(|| Error::new(ErrorKind::InvalidOperation, "nothing to draw from"))?;
    Ok(from(&mut draws.0.lock().unwrap_or_else(PoisonError::into_inner)))
}

/// The choices of `pick(a, b, c)` or `pick([a, b, c])`.
fn choices(given: &[Value]) -> Result<Vec<Value>, Error> {
    match given {
        [list] if list.kind() == minijinja::value::ValueKind::Seq => list.try_iter().map(Iterator::collect),
        given => Ok(given.to_vec()),
    }
}

fn pick(state: &State<'_, '_>, given: Rest<Value>) -> Result<Value, Error> {
    let choices = choices(&given)?;
    let picked = draw(state, |rng| choices.choose(rng).cloned())?;
    picked.ok_or_else(|| Error::new(ErrorKind::MissingArgument, "nothing to pick from"))
}

fn sample(state: &State<'_, '_>, list: Value, count: usize) -> Result<Value, Error> {
    let choices: Vec<Value> = list.try_iter()?.collect();
    draw(state, |rng| choices.sample(rng, count).cloned().collect())
}

fn json(value: &Value) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| Error::new(ErrorKind::BadSerialization, error.to_string()))
}

/// Minutes of a day as `HH:MM`; days wrap around.
fn clock(minutes: i64) -> String {
    format!("{:02}:{:02}", minutes.rem_euclid(1440) / 60, minutes.rem_euclid(60))
}

fn first_words(text: &str, count: usize) -> String {
    let mut words = text.split_whitespace();
    let mut first: Vec<&str> = words.by_ref().take(count).collect();
    if words.next().is_some() {
        first.push("…");
    }
    first.join(" ")
}
