//! [`Prefixes`]: the beginnings of prompts that were seen lately, for billing cached tokens as the provider does.
//!
//! OpenAI's prompt caching guide: prompts of 1,024 tokens or more, the longest beginning seen before, counted in
//! steps of 128 tokens, forgotten after 5 to 10 minutes without use. Where two prompts part is found to within one
//! step per message.

use super::generations::Generations;
use super::tokens::{CACHE_STEP, Counted};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Shorter beginnings are not cached.
const SHORTEST: u64 = 1_024;
/// How long a beginning is kept without being used.
const KEPT: Duration = Duration::from_secs(5 * 60);
/// How many places in prompts are remembered; 32 bytes each.
const REMEMBERED: usize = 1 << 16;

/// The beginnings seen.
#[derive(Debug)]
pub struct Prefixes {
    seen: Mutex<Generations<u64, Instant>>,
}

/// Places in one prompt, in their order: a hash of everything before each, and the tokens of that.
#[derive(Debug)]
pub struct Places {
    hash: u64,
    tokens: u64,
    found: Vec<(u64, u64)>,
}

impl Places {
    /// The beginning of a prompt; `hash` stands for the model and for what comes before the messages, which has
    /// so many tokens.
    pub fn new(hash: u64, tokens: u64) -> Self {
        Self { hash, tokens, found: Vec::new() }
    }

    /// Goes on with a message: what is said of it besides its text (hashed), its text, and its tokens in all.
    pub fn message(&mut self, about: u64, text: &Counted, tokens: u64) {
        let before = mix(self.hash, about);
        for mark in &*text.marks {
            self.place(mix(before, mark.hash), self.tokens + mark.tokens);
        }
        self.hash = mix(before, text.hash);
        self.tokens += tokens;
        self.place(self.hash, self.tokens);
    }

    fn place(&mut self, hash: u64, tokens: u64) {
        if tokens >= SHORTEST {
            self.found.push((hash, tokens));
        }
    }
}

fn mix(one: u64, other: u64) -> u64 {
    xxhash_rust::xxh3::xxh3_64_with_seed(&one.to_le_bytes(), other)
}

impl Prefixes {
    /// No beginnings yet.
    pub fn new() -> Self {
        Self { seen: Mutex::new(Generations::new(REMEMBERED)) }
    }

    /// How many tokens of a prompt are cached; from now on all of its beginnings are.
    pub fn cached(&self, places: &Places) -> u64 {
        let now = Instant::now();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let longest = places
            .found
            .iter()
            .rev()
            .find(|(hash, _)| seen.get(*hash).is_some_and(|at| now.saturating_duration_since(at) <= KEPT))
            .map_or(0, |(_, tokens)| tokens - tokens % CACHE_STEP);
        for (hash, _) in &places.found {
            seen.insert(*hash, now);
        }
        longest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::openai::models::Encoding;
    use crate::upstream::openai::tokens::Tokens;

    fn places(tokens: &Tokens, texts: &[&str]) -> Places {
        let mut places = Places::new(7, 3);
        for text in texts {
            let counted = tokens.count(Encoding::O200k, text);
            places.message(1, &counted, counted.tokens + 4);
        }
        places
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_beginning_seen_before_is_cached_for_a_while() {
        let (tokens, prefixes) = (Tokens::new(), Prefixes::new());
        let system = "Every plan begins with a good night. ".repeat(400);
        let length = tokens.of(Encoding::O200k, &system);
        let ask = |texts: &[&str]| prefixes.cached(&places(&tokens, texts));
        assert_eq!(ask(&[&system, "one"]), 0);
        let again = ask(&[&system, "two"]);
        assert_eq!(again % 128, 0);
        assert!(again <= length + 7 && again + 128 > length, "{again} of {length}");
        assert_eq!(ask(&["another", &system]), 0, "it must be the beginning");
        let half = &system[..system.len() / 2];
        let of_half = ask(&[&format!("{half}, but then something else. {half}")]);
        assert!(of_half >= 1_024 - 128 && of_half <= length / 2 + 128, "{of_half} of {length}");
        tokio::time::advance(Duration::from_secs(301)).await;
        assert_eq!(ask(&[&system, "three"]), 0, "forgotten");
        assert_eq!(ask(&["short", "short"]) + ask(&["short", "short"]), 0);
    }
}
