//! [`Tokens`]: real token counts, by the vocabularies that OpenAI publishes (WIRE-openai §8).
//!
//! Counted by `bpe-openai`, whose cost is linear in the text whatever the text is, and checked in tests against
//! OpenAI's own implementation (`tiktoken`), which some inputs (a megabyte of spaces) make fail. Texts that come
//! again, such as system prompts, are counted once.

use super::generations::Generations;
use super::models::Encoding;
use super::said::Spoken;
use crate::upstream::heavy::making_way;
use bpe_openai::Tokenizer;
use std::sync::{Arc, Mutex, PoisonError};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Shorter texts are counted anew each time: that costs about what remembering them would.
const WORTH_REMEMBERING: usize = 24;
/// Shorter texts have no marks, and their counts are remembered by themselves, so that many of them do not make the
/// long ones forgotten.
const LONG: usize = 256;
/// How many short texts are remembered, by their counts.
const REMEMBERED_SHORT: usize = 8_192;
/// How many long texts of prompts are remembered, by their counts and marks.
const REMEMBERED_COUNTS: usize = 1_024;
/// Texts with more marks (some 130,000 tokens) are not remembered: 32 MiB in all, at the very most.
const MOST_MARKS: usize = 1_024;
/// How many answers are remembered, whole.
const REMEMBERED_ANSWERS: usize = 512;
/// Longer answers are not remembered: 32 MiB in all, at the very most.
const LONGEST_REMEMBERED: usize = 16 << 10;
/// From this size on counting would hold up other connections (about 10 ms): it makes way for them.
const HEAVY: usize = 256 << 10;
/// Prompts are cached by the provider in steps of so many tokens (OpenAI, prompt caching guide).
pub const CACHE_STEP: u64 = 128;

/// A text of a prompt, counted.
#[derive(Clone, Debug)]
pub struct Counted {
    /// Its tokens.
    pub tokens: u64,
    /// A hash of it.
    pub hash: u64,
    /// About every [`CACHE_STEP`] tokens a place in it, for finding how much of two texts is the same.
    pub marks: Arc<[Mark]>,
}

/// A place in a text.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    /// The tokens before it.
    pub tokens: u64,
    /// A hash of the text before it.
    pub hash: u64,
}

/// Counts tokens.
#[derive(Debug)]
pub struct Tokens {
    short: Mutex<Generations<u64, u64>>,
    counted: Mutex<Generations<u64, Counted>>,
    spoken: Mutex<Generations<u64, Spoken>>,
}

impl Tokens {
    /// Counts, after loading the vocabularies beside whatever else goes on: that takes some 50 ms.
    pub fn new() -> Self {
        // Whoever needs them before the thread is done waits for it; if it cannot start, the first count loads them.
        let _ = std::thread::Builder::new().name("vocabularies".to_owned()).spawn(|| {
            bpe_openai::o200k_base();
            bpe_openai::cl100k_base();
        });
        Self {
            short: Mutex::new(Generations::new(REMEMBERED_SHORT)),
            counted: Mutex::new(Generations::new(REMEMBERED_COUNTS)),
            spoken: Mutex::new(Generations::new(REMEMBERED_ANSWERS)),
        }
    }

    /// The tokens of a text.
    pub fn of(&self, encoding: Encoding, text: &str) -> u64 {
        match text.len() {
            0 => 0,
            1..LONG => self.short(encoding, text, hash(encoding, text)),
            _ => self.count(encoding, text).tokens,
        }
    }

    fn short(&self, encoding: Encoding, text: &str, hash: u64) -> u64 {
        let count = || vocabulary(encoding).count(text) as u64;
        if text.len() < WORTH_REMEMBERING {
            return count();
        }
        if let Some(known) = lock(&self.short).get(hash) {
            return known;
        }
        let tokens = count();
        lock(&self.short).insert(hash, tokens);
        tokens
    }

    /// The tokens of a text, by their numbers in the vocabulary.
    pub fn ids(&self, encoding: Encoding, text: &str) -> Vec<u32> {
        making_way(text.len() >= HEAVY, || vocabulary(encoding).encode(text))
    }

    /// Counts a text of a prompt.
    pub fn count(&self, encoding: Encoding, text: &str) -> Counted {
        let hash = hash(encoding, text);
        if text.len() < LONG {
            return Counted { tokens: self.short(encoding, text, hash), hash, marks: Arc::default() };
        }
        if let Some(known) = lock(&self.counted).get(hash) {
            return known;
        }
        let counted = Counted { hash, ..making_way(text.len() >= HEAVY, || marked(encoding, text)) };
        if counted.marks.len() <= MOST_MARKS {
            lock(&self.counted).insert(hash, counted.clone());
        }
        counted
    }

    /// A text that is answered, with its tokens.
    pub fn spoken(&self, encoding: Encoding, text: &Arc<str>) -> Spoken {
        let remember = (WORTH_REMEMBERING..LONGEST_REMEMBERED).contains(&text.len());
        let hash = hash(encoding, text);
        if remember && let Some(known) = lock(&self.spoken).get(hash) {
            return known;
        }
        let ends = making_way(text.len() >= HEAVY, || ends(encoding, text));
        let spoken = Spoken::new(Arc::clone(text), ends.into());
        if remember {
            lock(&self.spoken).insert(hash, spoken.clone());
        }
        spoken
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn hash(encoding: Encoding, text: &str) -> u64 {
    xxh3_64_with_seed(text.as_bytes(), encoding as u64)
}

fn vocabulary(encoding: Encoding) -> &'static Tokenizer {
    match encoding {
        Encoding::O200k => bpe_openai::o200k_base(),
        Encoding::Cl100k => bpe_openai::cl100k_base(),
    }
}

fn marked(encoding: Encoding, text: &str) -> Counted {
    let vocabulary = vocabulary(encoding);
    let mut hasher = xxhash_rust::xxh3::Xxh3::with_seed(encoding as u64);
    let (mut tokens, mut marks) = (0, Vec::new());
    let (mut from, mut to, mut next) = (0, 0, CACHE_STEP);
    for piece in vocabulary.split(text) {
        to += piece.len();
        tokens += vocabulary.bpe.count(piece.as_bytes()) as u64;
        if tokens >= next {
            hasher.update(&text.as_bytes()[from..to]);
            marks.push(Mark { tokens, hash: hasher.digest() });
            from = to;
            next = tokens + CACHE_STEP;
        }
    }
    Counted { tokens, hash: 0, marks: marks.into() }
}

/// Where each token ends, moved to the end of the character that it ends in.
fn ends(encoding: Encoding, text: &str) -> Vec<u32> {
    let vocabulary = vocabulary(encoding);
    let mut ends = Vec::with_capacity(text.len() / 3 + 1);
    let mut end = 0;
    for piece in vocabulary.split(text) {
        for token in vocabulary.bpe.encode_via_backtracking(piece.as_bytes()) {
            end += vocabulary.bpe.token_len(token);
            ends.push(u32::try_from(text.ceil_char_boundary(end)).unwrap_or(u32::MAX));
        }
    }
    ends
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tiktoken_rs::{CoreBPE, cl100k_base_singleton, o200k_base_singleton};

    const BOTH: [Encoding; 2] = [Encoding::O200k, Encoding::Cl100k];

    fn reference(encoding: Encoding) -> &'static CoreBPE {
        match encoding {
            Encoding::O200k => o200k_base_singleton(),
            Encoding::Cl100k => cl100k_base_singleton(),
        }
    }

    proptest! {
        #[test]
        fn counts_are_tiktokens(text in prop_oneof!["\\PC{0,300}", "[a-zA-Z0-9 \\n\\t.,'/!-]{0,600}", "(\\s|a|é|７|!){0,300}"]) {
            let tokens = Tokens::new();
            for encoding in BOTH {
                let expected = reference(encoding).encode_ordinary(&text).len() as u64;
                prop_assert_eq!(tokens.of(encoding, &text), expected);
                prop_assert_eq!(tokens.count(encoding, &text).tokens, expected);
                prop_assert_eq!(tokens.spoken(encoding, &Arc::from(&*text)).tokens(), expected);
            }
        }

        #[test]
        fn pieces_make_the_text_again(text in "\\PC{0,300}") {
            let spoken = Tokens::new().spoken(Encoding::O200k, &Arc::from(&*text));
            prop_assert_eq!((0..spoken.pieces()).map(|piece| spoken.piece(piece)).collect::<String>(), text);
        }
    }

    #[test]
    fn equal_beginnings_have_equal_marks_and_others_do_not() {
        let tokens = Tokens::new();
        let text = |tail: &str| format!("{}{tail}", "Every plan begins with a good night. ".repeat(100));
        let (one, two) = (tokens.count(Encoding::O200k, &text("One")), tokens.count(Encoding::O200k, &text("Two")));
        assert!(one.marks.len() >= 6, "{} marks in {} tokens", one.marks.len(), one.tokens);
        assert!(one.marks.iter().zip(&*two.marks).all(|(one, two)| one.hash == two.hash));
        let other = tokens.count(Encoding::O200k, &format!("!{}", text("One")));
        assert!(one.marks.iter().zip(&*other.marks).all(|(one, other)| one.hash != other.hash));
        assert_eq!(tokens.count(Encoding::O200k, &text("One")).tokens, one.tokens, "remembered");
    }

    #[test]
    fn hostile_texts_are_counted_in_linear_time() {
        // A megabyte each; tiktoken's own implementation needs up to a second, or fails.
        for text in ["a", " ", "\n ", "!", "7", "é"] {
            let text = text.repeat((1 << 20) / text.len());
            assert!(Tokens::new().count(Encoding::O200k, &text).tokens > 1_000);
        }
    }
}
