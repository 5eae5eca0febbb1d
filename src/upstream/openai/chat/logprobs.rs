//! The `logprobs` of an answer: made up, but consistent with its tokens and with what probabilities can be.

use super::super::said::Spoken;
use crate::units::Seed;
use serde::Serialize;

/// Tokens that stand for what else might have been said.
const OTHERS: [&str; 20] = [
    " the", " a", ",", " and", " to", " of", " in", ".", " is", " for", " that", " with", " on", " it", " as", " be",
    " at", " or", "\n", " an",
];

/// What `logprobs` were asked for.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// How many alternatives of each token, `top_logprobs`.
    pub top: usize,
    /// Where they are drawn from.
    pub seed: Seed,
    /// The request's key.
    pub key: u64,
}

/// The `logprobs` of a choice.
#[derive(Serialize)]
pub struct Logprobs<'a> {
    content: Option<Vec<Token<'a>>>,
    refusal: Option<Vec<Token<'a>>>,
}

#[derive(Serialize)]
struct Token<'a> {
    token: &'a str,
    logprob: f64,
    bytes: &'a [u8],
    top_logprobs: Vec<Alternative<'a>>,
}

#[derive(Serialize)]
struct Alternative<'a> {
    token: &'a str,
    logprob: f64,
    bytes: &'a [u8],
}

impl<'a> Logprobs<'a> {
    /// Those of the pieces `from..to` of a text or of a refusal.
    pub fn of(asked: Asked, choice: u64, spoken: &'a Spoken, refusal: bool, pieces: std::ops::Range<usize>) -> Self {
        let tokens = pieces.map(|at| (at, spoken.piece(at))).filter(|(_, piece)| !piece.is_empty());
        let tokens = Some(tokens.map(|(at, piece)| token(asked, choice, at as u64, piece)).collect());
        if refusal { Self { content: None, refusal: tokens } } else { Self { content: tokens, refusal: None } }
    }
}

fn token(asked: Asked, choice: u64, at: u64, piece: &str) -> Token<'_> {
    // What is said is the likeliest by far: between one half and one.
    let unit = asked.seed.unit(&[asked.key, choice, at]);
    let likely = 1.0 - 0.5 * unit * unit * unit;
    let first = asked.seed.draw(&[asked.key, choice, at, 1]) as usize % OTHERS.len();
    let others = (0..OTHERS.len()).map(|n| OTHERS[(first + n) % OTHERS.len()]).filter(|other| *other != piece);
    // Each alternative is half as likely as the one before: together they never exceed what is left.
    let mut left = 1.0 - likely;
    let alternatives = std::iter::once((piece, likely)).chain(others.map(|other| {
        left /= 2.0;
        (other, left.max(1e-9))
    }));
    let top_logprobs = alternatives
        .take(asked.top)
        .map(|(token, likely)| Alternative { token, logprob: likely.ln(), bytes: token.as_bytes() })
        .collect();
    Token { token: piece, logprob: likely.ln(), bytes: piece.as_bytes(), top_logprobs }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn probabilities_descend_and_stay_below_one(key: u64, at: u64, top in 0_usize..=20) {
            let token = token(Asked { top, seed: Seed(1), key }, 0, at, " plan");
            prop_assert!(token.logprob <= 0.0 && token.logprob >= 0.5_f64.ln());
            prop_assert_eq!(token.top_logprobs.len(), top);
            let likely: Vec<f64> = token.top_logprobs.iter().map(|other| other.logprob.exp()).collect();
            prop_assert!(likely.iter().sum::<f64>() <= 1.0 + 1e-6);
            prop_assert!(likely.is_sorted_by(|one, next| one >= next));
            prop_assert!(top == 0 || token.top_logprobs[0].token == " plan");
        }
    }
}
