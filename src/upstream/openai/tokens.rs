//! Token counts. An estimate for now: four characters to a token, OpenAI's own rule of thumb for English text.
//! Real counts (tiktoken) are to replace [`of_text`] and nothing else.

/// What OpenAI adds for each message of a chat (cookbook, "How to count tokens").
pub const PER_MESSAGE: u64 = 3;
/// What OpenAI adds for the beginning of the reply (same source).
pub const REPLY_PRIMER: u64 = 3;
/// Characters to a token.
const CHARS_PER_TOKEN: u64 = 4;

/// The tokens of a text, at least one if there is any text.
#[must_use]
pub fn of_text(text: &str) -> u64 {
    of_chars(text.chars().count())
}

/// The tokens of so many characters.
#[must_use]
pub fn of_chars(chars: usize) -> u64 {
    (chars as u64).div_ceil(CHARS_PER_TOKEN)
}

/// The beginning of `text` that makes at most `tokens` tokens.
#[must_use]
pub fn truncated(text: &str, tokens: u64) -> &str {
    let chars = usize::try_from(tokens.saturating_mul(CHARS_PER_TOKEN)).unwrap_or(usize::MAX);
    text.char_indices().nth(chars).map_or(text, |(end, _)| &text[..end])
}

/// Cuts a text into pieces of about a token each, as a stream delivers it.
pub fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (piece, after) = rest.split_at(truncated(rest, 1).len());
        rest = after;
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn pieces_make_the_text_again(text in "\\PC{0,64}") {
            prop_assert_eq!(pieces(&text).collect::<String>(), text.clone());
            prop_assert!(pieces(&text).count() as u64 == of_text(&text));
        }

        #[test]
        fn truncated_is_within_its_tokens(text in "\\PC{0,64}", tokens in 0_u64..20) {
            let short = truncated(&text, tokens);
            prop_assert!(text.starts_with(short) && of_text(short) <= tokens);
        }
    }
}
