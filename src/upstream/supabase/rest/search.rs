//! Text search: `to_tsvector(…) @@ to_tsquery(…)` as far as English and plain words go.
//!
//! Words are told apart, stemmed (Snowball, as PostgreSQL does) and stripped of PostgreSQL's English stop words.
//! Dictionaries other than `english` and `simple` stem by their language but know no stop words; URLs and file names
//! are taken apart by simpler rules than PostgreSQL's parser has.

use super::grammar::ast::SearchKind;
use super::scan;
use crate::upstream::supabase::database::error::SqlError;
use crate::upstream::supabase::database::value::Value;
use rust_stemmers::{Algorithm, Stemmer};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// PostgreSQL's `english.stop`.
const STOP_WORDS: &str = "i me my myself we our ours ourselves you your yours yourself yourselves he him his himself \
    she her hers herself it its itself they them their theirs themselves what which who whom this that these those \
    am is are was were be been being have has had having do does did doing a an the and but if or because as until \
    while of at by for with about against between into through during before after above below to from up down in \
    out on off over under again further then once here there when where why how all any both each few more most \
    other some such no nor not only own same so than too very s t can will just don should now";

/// How deep parentheses may nest in a query.
const DEEPEST: usize = 64;

/// The words of a text with their places.
type Words = BTreeMap<String, Vec<usize>>;

/// What words are reduced by.
struct Dictionary {
    stemmer: Option<Stemmer>,
    stops: bool,
}

impl fmt::Debug for Dictionary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dictionary").field("stops", &self.stops).finish_non_exhaustive()
    }
}

impl Dictionary {
    fn named(name: &str) -> Result<Self, SqlError> {
        let language = name.strip_prefix("pg_catalog.").unwrap_or(name);
        let algorithm = match language {
            "simple" => return Ok(Self { stemmer: None, stops: false }),
            "english" => return Ok(Self { stemmer: Some(Stemmer::create(Algorithm::English)), stops: true }),
            "arabic" => Algorithm::Arabic,
            "danish" => Algorithm::Danish,
            "dutch" => Algorithm::Dutch,
            "finnish" => Algorithm::Finnish,
            "french" => Algorithm::French,
            "german" => Algorithm::German,
            "greek" => Algorithm::Greek,
            "hungarian" => Algorithm::Hungarian,
            "italian" => Algorithm::Italian,
            "norwegian" => Algorithm::Norwegian,
            "portuguese" => Algorithm::Portuguese,
            "romanian" => Algorithm::Romanian,
            "russian" => Algorithm::Russian,
            "spanish" => Algorithm::Spanish,
            "swedish" => Algorithm::Swedish,
            "tamil" => Algorithm::Tamil,
            "turkish" => Algorithm::Turkish,
            _ => {
                return Err(SqlError::new("42704", format!("text search configuration \"{name}\" does not exist")));
            }
        };
        Ok(Self { stemmer: Some(Stemmer::create(algorithm)), stops: false })
    }

    /// The word as it is stored; `None` for a stop word.
    fn reduce(&self, word: &str) -> Option<String> {
        let word = word.to_lowercase();
        if self.stops && STOP_WORDS.split_ascii_whitespace().any(|stop| stop == word) {
            return None;
        }
        match &self.stemmer {
            Some(stemmer) if word.chars().all(char::is_alphabetic) => Some(stemmer.stem(&word).into_owned()),
            _ => Some(word),
        }
    }
}

/// A query of a text search.
#[derive(Debug)]
pub struct Query {
    dictionary: Dictionary,
    wanted: Option<Wanted>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Wanted {
    Word { word: String, prefix: bool },
    And(Box<Wanted>, Box<Wanted>),
    Or(Box<Wanted>, Box<Wanted>),
    Not(Box<Wanted>),
    Phrase(Box<Wanted>, Box<Wanted>, usize),
}

impl Query {
    /// Reads a query.
    ///
    /// # Errors
    /// 42704 for an unknown configuration, 42601 for what `to_tsquery` cannot read.
    pub fn new(kind: SearchKind, config: Option<&str>, text: &str) -> Result<Self, SqlError> {
        let dictionary = Dictionary::named(config.unwrap_or("english"))?;
        let wanted = match kind {
            SearchKind::Plain => all(words(text).into_iter().filter_map(|word| one(&dictionary, &word, false))),
            SearchKind::Phrase => phrase(&dictionary, text),
            SearchKind::Web => web(&dictionary, text),
            SearchKind::Query => {
                let mut reader = QueryReader { rest: text, whole: text, dictionary: &dictionary, depth: 0 };
                let wanted = reader.any()?;
                reader.skip_space();
                if !reader.rest.is_empty() {
                    return Err(reader.fail());
                }
                wanted
            }
        };
        Ok(Self { dictionary, wanted })
    }

    /// Whether a text, a JSON document or a `tsvector` has what is wanted.
    pub fn matches(&self, value: &Value) -> bool {
        let Some(wanted) = &self.wanted else { return false };
        let mut found = Words::new();
        match value {
            Value::Json(json) | Value::Jsonb(json) => self.add_json(&mut found, json),
            other => {
                let text = other.to_text().unwrap_or_default();
                if text.starts_with('\'') {
                    read_vector(&mut found, &text);
                } else {
                    self.add_text(&mut found, &text);
                }
            }
        }
        holds(wanted, &found)
    }

    fn add_text(&self, found: &mut Words, text: &str) {
        let start = found.values().flatten().max().map_or(0, |last| last + 1);
        for (at, word) in words(text).into_iter().enumerate() {
            if let Some(word) = self.dictionary.reduce(&word) {
                found.entry(word).or_default().push(start + at + 1);
            }
        }
    }

    fn add_json(&self, found: &mut Words, json: &str) {
        let json = json.trim();
        match json.as_bytes().first() {
            Some(b'"') => self.add_text(found, &scan::as_text(json).unwrap_or_default()),
            Some(b'{') => {
                let _ = scan::members(json, &mut |_, value| {
                    self.add_json(found, value);
                    Some(())
                });
            }
            Some(b'[') => {
                let _ = scan::elements(json, &mut |value| {
                    self.add_json(found, value);
                    Some(())
                });
            }
            _ => {}
        }
    }
}

/// `'cat':3 'fat':2,11A`.
fn read_vector(found: &mut Words, text: &str) {
    let mut rest = text;
    while let Some(start) = rest.find('\'') {
        let Some(end) = rest[start + 1..].find('\'') else { return };
        let word = rest[start + 1..start + 1 + end].to_owned();
        rest = &rest[start + end + 2..];
        let places = rest.strip_prefix(':').map_or("", |r| r.split(' ').next().unwrap_or_default());
        let numbers = places
            .split(',')
            .filter_map(|place| place.trim_end_matches(|c: char| c.is_ascii_alphabetic()).parse::<usize>().ok());
        found.entry(word).or_default().extend(numbers);
    }
}

/// The words of a text: letters and digits; a hyphenated word is also its parts, as in PostgreSQL.
fn words(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    for chunk in text.split(|c: char| !(c.is_alphanumeric() || c == '-' || c == '.')) {
        let chunk = chunk.trim_matches(['-', '.']);
        if chunk.is_empty() {
            continue;
        }
        let numeric = chunk.chars().all(|c| c.is_ascii_digit() || c == '.') && chunk.matches('.').count() <= 1;
        if numeric {
            all.push(chunk.to_owned());
            continue;
        }
        for part in chunk.split('.').filter(|part| !part.is_empty()) {
            if part.contains('-') {
                all.push(part.to_owned());
            }
            all.extend(part.split('-').filter(|part| !part.is_empty()).map(str::to_owned));
        }
    }
    all
}

fn one(dictionary: &Dictionary, word: &str, prefix: bool) -> Option<Wanted> {
    dictionary.reduce(word).map(|word| Wanted::Word { word, prefix })
}

fn all(parts: impl Iterator<Item = Wanted>) -> Option<Wanted> {
    parts.reduce(|a, b| Wanted::And(Box::new(a), Box::new(b)))
}

fn phrase(dictionary: &Dictionary, text: &str) -> Option<Wanted> {
    let mut result: Option<Wanted> = None;
    let mut distance = 1;
    for word in words(text) {
        match (result.take(), one(dictionary, &word, false)) {
            (None, next) => result = next,
            (Some(before), None) => {
                distance += 1;
                result = Some(before);
            }
            (Some(before), Some(next)) => {
                result = Some(Wanted::Phrase(Box::new(before), Box::new(next), distance));
                distance = 1;
            }
        }
    }
    result
}

/// `"a phrase" word or -other`: never an error.
fn web(dictionary: &Dictionary, text: &str) -> Option<Wanted> {
    let mut alternatives: Vec<Option<Wanted>> = vec![None];
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let negated = rest.starts_with('-');
        rest = rest.trim_start_matches('-');
        let (part, next) = match rest.strip_prefix('"') {
            Some(quoted) => {
                let end = quoted.find('"').unwrap_or(quoted.len());
                (phrase(dictionary, &quoted[..end]), quoted.get(end + 1..).unwrap_or_default())
            }
            None => {
                let end = rest.find(|c: char| c.is_whitespace() || c == '"').unwrap_or(rest.len());
                let word = &rest[..end];
                if word.eq_ignore_ascii_case("or") && !negated && alternatives.last().is_some_and(Option::is_some) {
                    alternatives.push(None);
                    rest = rest[end..].trim_start();
                    continue;
                }
                (phrase(dictionary, word), &rest[end..])
            }
        };
        rest = next.trim_start();
        if let Some(part) = part {
            let part = if negated { Wanted::Not(Box::new(part)) } else { part };
            if let Some(last) = alternatives.last_mut() {
                *last = all(last.take().into_iter().chain([part]));
            }
        }
    }
    alternatives.into_iter().flatten().reduce(|a, b| Wanted::Or(Box::new(a), Box::new(b)))
}

/// The grammar of `to_tsquery`. A stop word is nothing, and what is combined with nothing is what is left.
struct QueryReader<'a> {
    rest: &'a str,
    whole: &'a str,
    dictionary: &'a Dictionary,
    depth: usize,
}

impl QueryReader<'_> {
    fn fail(&self) -> SqlError {
        SqlError::new("42601", format!("syntax error in tsquery: \"{}\"", self.whole))
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn eat(&mut self, token: &str) -> bool {
        self.skip_space();
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn any(&mut self) -> Result<Option<Wanted>, SqlError> {
        let mut left = self.every()?;
        while self.eat("|") {
            let right = self.every()?;
            left = joined(left, right, |a, b| Wanted::Or(Box::new(a), Box::new(b)));
        }
        Ok(left)
    }

    fn every(&mut self) -> Result<Option<Wanted>, SqlError> {
        let mut left = self.followed()?;
        while self.eat("&") {
            let right = self.followed()?;
            left = joined(left, right, |a, b| Wanted::And(Box::new(a), Box::new(b)));
        }
        Ok(left)
    }

    fn followed(&mut self) -> Result<Option<Wanted>, SqlError> {
        let mut left = self.single()?;
        loop {
            self.skip_space();
            let Some(rest) = self.rest.strip_prefix('<') else { return Ok(left) };
            let (distance, rest) = rest.split_once('>').ok_or_else(|| self.fail())?;
            let distance = if distance == "-" { 1 } else { distance.parse().map_err(|_| self.fail())? };
            self.rest = rest;
            let right = self.single()?;
            left = joined(left, right, |a, b| Wanted::Phrase(Box::new(a), Box::new(b), distance));
        }
    }

    fn single(&mut self) -> Result<Option<Wanted>, SqlError> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(SqlError::new("54001", "stack depth limit exceeded"));
        }
        let result = self.single_inner();
        self.depth -= 1;
        result
    }

    fn single_inner(&mut self) -> Result<Option<Wanted>, SqlError> {
        if self.eat("!") {
            return Ok(self.single()?.map(|inner| Wanted::Not(Box::new(inner))));
        }
        if self.eat("(") {
            let inner = self.any()?;
            return if self.eat(")") { Ok(inner) } else { Err(self.fail()) };
        }
        self.skip_space();
        let quoted = self.rest.strip_prefix('\'');
        let word = match quoted {
            Some(quoted) => {
                let end = quoted.find('\'').ok_or_else(|| self.fail())?;
                self.rest = &quoted[end + 1..];
                &quoted[..end]
            }
            None => {
                let stop = |c: char| c.is_whitespace() || matches!(c, '&' | '|' | '!' | '(' | ')' | '<' | ':' | '\'');
                let end = self.rest.find(stop).unwrap_or(self.rest.len());
                let word = &self.rest[..end];
                self.rest = &self.rest[end..];
                word
            }
        };
        if word.is_empty() {
            return Err(self.fail());
        }
        let mut prefix = false;
        if let Some(rest) = self.rest.strip_prefix(':') {
            let end = rest.find(|c: char| !matches!(c, '*' | 'a'..='d' | 'A'..='D')).unwrap_or(rest.len());
            if end == 0 {
                return Err(self.fail());
            }
            prefix = rest[..end].contains('*');
            self.rest = &rest[end..];
        }
        let mut parts = words(word).into_iter().filter_map(|word| one(self.dictionary, &word, prefix));
        let first = parts.next();
        Ok(parts.fold(first, |a, b| joined(a, Some(b), |a, b| Wanted::Phrase(Box::new(a), Box::new(b), 1))))
    }
}

fn joined(left: Option<Wanted>, right: Option<Wanted>, join: impl FnOnce(Wanted, Wanted) -> Wanted) -> Option<Wanted> {
    match (left, right) {
        (Some(left), Some(right)) => Some(join(left, right)),
        (left, right) => left.or(right),
    }
}

fn holds(wanted: &Wanted, found: &Words) -> bool {
    match wanted {
        Wanted::Word { word, prefix: false } => found.contains_key(word),
        Wanted::Word { word, prefix: true } => {
            found.range(word.clone()..).next().is_some_and(|(w, _)| w.starts_with(word))
        }
        Wanted::And(a, b) => holds(a, found) && holds(b, found),
        Wanted::Or(a, b) => holds(a, found) || holds(b, found),
        Wanted::Not(inner) => !holds(inner, found),
        Wanted::Phrase(..) => !places(wanted, found).is_empty(),
    }
}

/// Where something ends.
fn places(wanted: &Wanted, found: &Words) -> BTreeSet<usize> {
    match wanted {
        Wanted::Word { word, prefix: false } => found.get(word).into_iter().flatten().copied().collect(),
        Wanted::Word { word, prefix: true } => {
            let matching = found.range(word.clone()..).take_while(|(w, _)| w.starts_with(word));
            matching.flat_map(|(_, at)| at.iter().copied()).collect()
        }
        Wanted::Phrase(a, b, distance) => {
            let before = places(a, found);
            let after = places(b, found).into_iter();
            after.filter(|at| at.checked_sub(*distance).is_some_and(|start| before.contains(&start))).collect()
        }
        Wanted::Or(a, b) => places(a, found).union(&places(b, found)).copied().collect(),
        Wanted::And(a, b) => places(a, found).intersection(&places(b, found)).copied().collect(),
        Wanted::Not(_) => BTreeSet::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    const TEXT: &str = "The fat cats sat on a mat and ate two well-fed rats";

    #[rstest]
    #[case(SearchKind::Query, "cat", true)]
    #[case(SearchKind::Query, "cat & dog", false)]
    #[case(SearchKind::Query, "cat | dog", true)]
    #[case(SearchKind::Query, "!dog & (rat | mouse)", true)]
    #[case(SearchKind::Query, "fat <-> cat", true)]
    #[case(SearchKind::Query, "fat <-> rat", false)]
    #[case(SearchKind::Query, "the", false)]
    #[case(SearchKind::Query, "ma:*", true)]
    #[case(SearchKind::Plain, "cats and rats", true)]
    #[case(SearchKind::Plain, "cats dogs", false)]
    #[case(SearchKind::Phrase, "fat cats sat", true)]
    #[case(SearchKind::Phrase, "cat on mat", false)]
    #[case(SearchKind::Phrase, "sat on a mat", true)]
    #[case(SearchKind::Web, "\"fat cats\" -dogs", true)]
    #[case(SearchKind::Web, "dogs or rats", true)]
    #[case(SearchKind::Web, "cats -rats", false)]
    #[case(SearchKind::Query, "fed", true)]
    fn texts_are_found(#[case] kind: SearchKind, #[case] query: &str, #[case] expected: bool) {
        let query = Query::new(kind, Some("english"), query).unwrap();
        assert_eq!(query.matches(&Value::Text(TEXT.into())), expected);
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let error = Query::new(SearchKind::Query, None, "cat dog").unwrap_err();
        assert_eq!((error.code, error.message.as_str()), ("42601", "syntax error in tsquery: \"cat dog\""));
        assert_eq!(Query::new(SearchKind::Web, Some("klingon"), "x").unwrap_err().code, "42704");
    }

    #[test]
    fn vectors_are_taken_as_they_are() {
        let vector = Value::Text("'cat':3 'fat':2,11A".into());
        assert!(Query::new(SearchKind::Query, None, "fat <-> cat").unwrap().matches(&vector));
        assert!(!Query::new(SearchKind::Query, None, "cat <-> fat").unwrap().matches(&vector));
    }

    proptest! {
        #[test]
        fn no_query_panics(any in "\\PC{0,40}", shaped in "[ab&|!()<>:*'\" -]{0,40}") {
            for text in [any, shaped] {
                for kind in [SearchKind::Query, SearchKind::Plain, SearchKind::Phrase, SearchKind::Web] {
                    if let Ok(query) = Query::new(kind, None, &text) {
                        let _ = query.matches(&Value::Text(text.clone().into()));
                    }
                }
            }
        }
    }
}
