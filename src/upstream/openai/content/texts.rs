//! [`Texts`]: the texts of a prompt, made ready for searching once and only as far as rules ask.

use crate::upstream::openai::prompt::{Prompt, Role};
use memchr::memmem::Finder;
use std::cell::OnceCell;
use xxhash_rust::xxh3::Xxh3;

/// How many bytes of system messages, and how many of all others, are searched. No model reads as much.
const SEARCHED: usize = 4 << 20;

/// The texts of a prompt.
pub struct Texts<'a> {
    system: Vec<&'a str>,
    other: Vec<&'a str>,
    last: &'a str,
    lower: [OnceCell<Vec<String>>; 3],
}

/// Which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Those of system messages.
    System,
    /// All others.
    Other,
    /// The last.
    Last,
}

impl<'a> Texts<'a> {
    /// The texts of a prompt.
    pub fn new(prompt: &'a Prompt<'_>) -> Self {
        let (mut system, mut other) = ((Vec::new(), SEARCHED), (Vec::new(), SEARCHED));
        for turn in &prompt.turns {
            let (texts, room) = if turn.role == Role::System { &mut system } else { &mut other };
            let text = head(&turn.text, *room);
            *room -= text.len();
            texts.push(text);
        }
        let last = prompt.turns.last().map_or("", |turn| head(&turn.text, SEARCHED));
        Self { system: system.0, other: other.0, last, lower: Default::default() }
    }

    /// The texts of a part, as they are.
    pub fn of(&self, part: Part) -> &[&'a str] {
        match part {
            Part::System => &self.system,
            Part::Other => &self.other,
            Part::Last => std::slice::from_ref(&self.last),
        }
    }

    /// The texts of a part, in lower case (of ASCII).
    fn lower(&self, part: Part) -> &[String] {
        self.lower[part as usize].get_or_init(|| self.of(part).iter().map(|text| text.to_ascii_lowercase()).collect())
    }

    /// Whether a part holds any of these words (in lower case).
    pub fn hold(&self, part: Part, words: &[Finder<'static>]) -> bool {
        self.lower(part).iter().any(|text| words.iter().any(|word| word.find(text.as_bytes()).is_some()))
    }

    /// How often a part holds these words (in lower case).
    pub fn count(&self, part: Part, words: &[Finder<'static>]) -> usize {
        let texts = self.lower(part);
        words.iter().map(|word| texts.iter().map(|text| word.find_iter(text.as_bytes()).count()).sum::<usize>()).sum()
    }

    /// A key for draws that is the same for the same texts.
    pub fn key(&self) -> u64 {
        let mut hash = Xxh3::new();
        for text in self.system.iter().chain(&self.other) {
            hash.update(text.as_bytes());
            hash.update(&[0]);
        }
        hash.digest()
    }
}

/// As much of a text's beginning as there is room for.
fn head(text: &str, room: usize) -> &str {
    let mut end = room.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
