//! [`Reader`]: what the grammar is written with. It succeeds, fails and complains as Parsec does, the library that
//! PostgREST reads query strings with, so that what is accepted and what PGRST100 says about the rest are the same.
//!
//! Parsec's rules in short: an alternative is tried only if the one before failed without taking a character;
//! [`Reader::attempt`] makes a failure take none; of all complaints since the last character taken, those that got
//! furthest are told, together. Complaints cost time, so they are only collected on a second reading.

use std::fmt::Write as _;

/// A failure; what it was is in the reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failed;

/// What one reading gives.
pub type Read<T> = Result<T, Failed>;

/// A text that cannot be read, in the words of Parsec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// Where: `(line 1, column 3)`.
    pub place: String,
    /// What was met, and what would have been right.
    pub details: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Message {
    /// Met by a primitive; empty is the end.
    Met(String),
    /// Met, and said so on purpose.
    Unexpected(String),
    /// What would have been right.
    Expected(String),
}

/// How deep lists and trees may nest in each other.
const DEEPEST: usize = 64;

/// A text on its way through the grammar.
#[derive(Debug)]
pub struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// Complaints since the last character taken, and where they are.
    error_at: usize,
    messages: Vec<Message>,
    collects: bool,
    depth: usize,
}

/// Reads a whole text, or what comes of it; `grammar` decides whether the end must be reached.
pub fn read<T>(text: &str, grammar: impl Fn(&mut Reader<'_>) -> Read<T>) -> Result<T, Complaint> {
    if let Ok(value) = grammar(&mut Reader::new(text, false)) {
        return Ok(value);
    }
    let mut reader = Reader::new(text, true);
    grammar(&mut reader).map_err(|Failed| reader.complaint())
}

impl<'a> Reader<'a> {
    fn new(text: &'a str, collects: bool) -> Self {
        Self { text, at: 0, error_at: 0, messages: Vec::new(), collects, depth: 0 }
    }

    /// How far it is.
    pub fn position(&self) -> usize {
        self.at
    }

    /// All that is left.
    pub fn take_rest(&mut self) -> String {
        let rest = self.rest();
        self.take(rest.len());
        rest.to_owned()
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// The next character, left where it is.
    pub fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn take(&mut self, bytes: usize) {
        self.at += bytes;
        self.error_at = self.at;
        self.messages.clear();
    }

    fn complain(&mut self, at: usize, message: impl FnOnce() -> Message) {
        if !self.collects || at < self.error_at && !self.messages.is_empty() {
            return;
        }
        if at != self.error_at {
            self.messages.clear();
            self.error_at = at;
        }
        self.messages.push(message());
    }

    fn met(&mut self) {
        let met = self.peek().map_or_else(String::new, |c| show(c.encode_utf8(&mut [0; 4])));
        self.complain(self.at, || Message::Met(met));
    }

    /// One character that fits; nothing is said of what would have been right.
    pub fn satisfy(&mut self, fits: impl Fn(char) -> bool) -> Read<char> {
        match self.peek() {
            Some(c) if fits(c) => {
                self.take(c.len_utf8());
                Ok(c)
            }
            _ => {
                if self.collects {
                    self.met();
                }
                Err(Failed)
            }
        }
    }

    /// This character.
    pub fn char(&mut self, wanted: char) -> Read<char> {
        if self.collects {
            return self.labelled(&show(wanted.encode_utf8(&mut [0; 4])), |r| r.satisfy(|c| c == wanted));
        }
        self.satisfy(|c| c == wanted)
    }

    /// A letter.
    pub fn letter(&mut self) -> Read<char> {
        self.labelled("letter", |r| r.satisfy(char::is_alphabetic))
    }

    /// A digit.
    pub fn digit(&mut self) -> Read<char> {
        self.labelled("digit", |r| r.satisfy(|c| c.is_ascii_digit()))
    }

    /// This text. If only its beginning is there, characters count as taken.
    pub fn string(&mut self, wanted: &str) -> Read<()> {
        let rest = self.rest();
        if rest.starts_with(wanted) {
            self.take(wanted.len());
            return Ok(());
        }
        let same: usize = rest.chars().zip(wanted.chars()).take_while(|(a, b)| a == b).map(|(a, _)| a.len_utf8()).sum();
        if self.collects {
            let at = self.at;
            let met = rest[same..].chars().next().map_or_else(String::new, |c| show(c.encode_utf8(&mut [0; 4])));
            if same > 0 {
                // A consumed failure forgets what was pending.
                self.messages.clear();
                self.error_at = at;
            }
            self.complain(at, || Message::Met(met));
            self.complain(at, || Message::Expected(show(wanted)));
        }
        self.at += same;
        Err(Failed)
    }

    /// The same grammar, whose failure takes nothing.
    pub fn attempt<T>(&mut self, grammar: impl FnOnce(&mut Self) -> Read<T>) -> Read<T> {
        let start = self.at;
        let (pending_at, pending) = (self.error_at, if self.collects { self.messages.clone() } else { Vec::new() });
        grammar(self).inspect_err(|Failed| {
            let consumed = self.at != start;
            self.at = start;
            if consumed && self.collects {
                // What was pending before is merged again: the whole attempt counts as having taken nothing.
                let (at, own) = (self.error_at, std::mem::take(&mut self.messages));
                (self.error_at, self.messages) = merged((pending_at, pending), (at, own));
            }
        })
    }

    /// The first of two that does not fail without taking anything.
    pub fn either<T>(
        &mut self,
        first: impl FnOnce(&mut Self) -> Read<T>,
        second: impl FnOnce(&mut Self) -> Read<T>,
    ) -> Read<T> {
        let start = self.at;
        match first(self) {
            Err(Failed) if self.at == start => second(self),
            result => result,
        }
    }

    /// It, or nothing if it fails without taking anything.
    pub fn optional<T>(&mut self, grammar: impl FnOnce(&mut Self) -> Read<T>) -> Read<Option<T>> {
        self.either(|r| grammar(r).map(Some), |_| Ok(None))
    }

    /// As many as there are; each must take something.
    pub fn many<T>(&mut self, mut grammar: impl FnMut(&mut Self) -> Read<T>) -> Read<Vec<T>> {
        let mut all = Vec::new();
        loop {
            let start = self.at;
            match grammar(self) {
                Ok(value) if self.at != start => all.push(value),
                Ok(_) => return Ok(all),
                Err(Failed) if self.at == start => return Ok(all),
                Err(Failed) => return Err(Failed),
            }
        }
    }

    /// As many characters as fit, perhaps none.
    pub fn many_chars(&mut self, mut grammar: impl FnMut(&mut Self) -> Read<char>) -> Read<String> {
        let mut all = String::new();
        loop {
            let start = self.at;
            match grammar(self) {
                Ok(c) => all.push(c),
                Err(Failed) if self.at == start => return Ok(all),
                Err(Failed) => return Err(Failed),
            }
        }
    }

    /// One or more characters.
    pub fn some_chars(&mut self, mut grammar: impl FnMut(&mut Self) -> Read<char>) -> Read<String> {
        let first = grammar(self)?;
        let mut all = self.many_chars(grammar)?;
        all.insert(0, first);
        Ok(all)
    }

    /// One or more, with a separator between them.
    pub fn separated<T>(
        &mut self,
        mut grammar: impl FnMut(&mut Self) -> Read<T>,
        mut separator: impl FnMut(&mut Self) -> Read<()>,
    ) -> Read<Vec<T>> {
        let mut all = vec![grammar(self)?];
        loop {
            let start = self.at;
            match separator(self) {
                Ok(()) => all.push(grammar(self)?),
                Err(Failed) if self.at == start => return Ok(all),
                Err(Failed) => return Err(Failed),
            }
        }
    }

    /// The same grammar with a name for what would have been right, if it takes nothing.
    pub fn labelled<T>(&mut self, label: &str, grammar: impl FnOnce(&mut Self) -> Read<T>) -> Read<T> {
        if !self.collects {
            return grammar(self);
        }
        let start = self.at;
        let pending = (self.error_at, std::mem::take(&mut self.messages));
        self.error_at = start;
        let result = grammar(self);
        if self.at == start {
            let mut own = std::mem::take(&mut self.messages);
            if result.is_err() || !own.is_empty() {
                own.retain(|message| !matches!(message, Message::Expected(_)));
                own.push(Message::Expected(label.to_owned()));
            }
            (self.error_at, self.messages) = merged(pending, (self.error_at, own));
        }
        result
    }

    /// Whether it comes next; nothing is taken if so.
    pub fn look_ahead<T>(&mut self, grammar: impl FnOnce(&mut Self) -> Read<T>) -> Read<T> {
        let start = self.at;
        let pending = (self.error_at, if self.collects { self.messages.clone() } else { Vec::new() });
        let value = grammar(self)?;
        self.at = start;
        (self.error_at, self.messages) = pending;
        Ok(value)
    }

    /// Fails if such a character comes next, naming it.
    pub fn not_followed_by(&mut self, unwanted: impl Fn(char) -> bool) -> Read<()> {
        match self.peek() {
            Some(c) if unwanted(c) => {
                self.complain(self.at + c.len_utf8(), || Message::Unexpected(show_char(c)));
                Err(Failed)
            }
            _ => Ok(()),
        }
    }

    /// The end.
    pub fn end(&mut self) -> Read<()> {
        self.labelled("end of input", |r| match r.peek() {
            None => Ok(()),
            Some(c) => {
                r.complain(r.at, || Message::Unexpected(show_char(c)));
                Err(Failed)
            }
        })
    }

    /// Fails without a word.
    pub fn fail<T>(&mut self) -> Read<T> {
        Err(Failed)
    }

    /// The same grammar one level deeper; too deep is a failure. Parsec has no such bound, but a memory.
    pub fn deeper<T>(&mut self, grammar: impl FnOnce(&mut Self) -> Read<T>) -> Read<T> {
        if self.depth >= DEEPEST {
            self.complain(self.at, || Message::Unexpected("nesting".to_owned()));
            return Err(Failed);
        }
        self.depth += 1;
        let result = grammar(self);
        self.depth -= 1;
        result
    }

    fn complaint(&self) -> Complaint {
        let (mut line, mut column) = (1_usize, 1_usize);
        for c in self.text[..self.error_at].chars() {
            match c {
                '\n' => (line, column) = (line + 1, 1),
                '\t' => column += 8 - (column - 1) % 8,
                _ => column += 1,
            }
        }
        let place = format!("(line {line}, column {column})");
        Complaint { place, details: details(&self.messages) }
    }
}

/// Of two complaints the one that got further; both, if they are at one place.
fn merged(first: (usize, Vec<Message>), second: (usize, Vec<Message>)) -> (usize, Vec<Message>) {
    if first.1.is_empty() {
        return second;
    }
    if second.1.is_empty() {
        return first;
    }
    match first.0.cmp(&second.0) {
        std::cmp::Ordering::Greater => first,
        std::cmp::Ordering::Less => second,
        std::cmp::Ordering::Equal => {
            let (at, mut messages) = first;
            messages.extend(second.1);
            (at, messages)
        }
    }
}

fn details(messages: &[Message]) -> String {
    let unexpected: Vec<&str> =
        distinct(messages.iter().filter_map(|m| if let Message::Unexpected(text) = m { Some(&**text) } else { None }));
    let expected: Vec<&str> =
        distinct(messages.iter().filter_map(|m| if let Message::Expected(text) = m { Some(&**text) } else { None }));
    let met = messages.iter().find_map(|m| if let Message::Met(text) = m { Some(&**text) } else { None });
    let mut parts = Vec::new();
    if unexpected.is_empty() {
        match met {
            Some("") => parts.push("unexpected end of input".to_owned()),
            Some(met) => parts.push(format!("unexpected {met}")),
            None => {}
        }
    } else {
        parts.push(format!("unexpected {}", listed(&unexpected)));
    }
    if !expected.is_empty() {
        parts.push(format!("expecting {}", listed(&expected)));
    }
    if parts.is_empty() { "unknown parse error".to_owned() } else { parts.join(" ") }
}

fn distinct<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut all = Vec::new();
    for text in texts {
        if !text.is_empty() && !all.contains(&text) {
            all.push(text);
        }
    }
    all
}

fn listed(texts: &[&str]) -> String {
    match texts {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [some @ .., last] => format!("{} or {last}", some.join(", ")),
    }
}

/// A text as Haskell's `show` writes it.
fn show(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            c => show_inner(&mut out, c),
        }
    }
    out.push('"');
    out
}

fn show_char(c: char) -> String {
    let mut out = String::from("'");
    match c {
        '\'' => out.push_str("\\'"),
        c => show_inner(&mut out, c),
    }
    out.push('\'');
    out
}

fn show_inner(out: &mut String, c: char) {
    match c {
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\t' => out.push_str("\\t"),
        '\r' => out.push_str("\\r"),
        ' '..='~' => out.push(c),
        // Control characters have names there; nobody reads them.
        _ => {
            let _ = write!(out, "\\{}", c as u32);
        }
    }
}
