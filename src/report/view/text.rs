//! Text from outside, made harmless to look at: clipped, and with nothing invisible or direction-changing in it.
//!
//! Escaping for HTML is the template's business; this is about what escaping does not catch.

/// The most combining marks that a character keeps: stacks of them draw over neighbouring lines.
const MARKS: usize = 3;

/// One line of text: line breaks and tabs become spaces, at most `max` characters.
pub fn line(text: &str, max: usize) -> String {
    clean(text, max, false)
}

/// A block of text: line breaks and tabs stay, at most `max` characters.
pub fn block(text: &str, max: usize) -> String {
    clean(text, max, true)
}

fn clean(text: &str, max: usize, block: bool) -> String {
    let mut out = String::with_capacity(text.len().min(max * 4));
    let mut marks = 0;
    let mut taken = 0;
    let mut chars = text.trim_end().chars();
    for c in chars.by_ref().take(max) {
        taken += 1;
        marks = if is_combining(c) { marks + 1 } else { 0 };
        if marks <= MARKS {
            push_visible(&mut out, c, block);
        }
    }
    let left = chars.count();
    if left > 0 {
        out.push_str(&format!("… ({left} more characters)"));
    } else if taken == 0 {
        return String::new();
    }
    out
}

/// Adds `c`, or what stands for it where it would not be seen or would move other text.
fn push_visible(out: &mut String, c: char, block: bool) {
    match c {
        '\n' | '\t' if block => out.push(c),
        '\n' | '\t' | '\u{2028}' | '\u{2029}' => out.push(' '),
        _ if is_hidden(c) => out.push_str(&format!("⟨U+{:04X}⟩", c as u32)),
        _ => out.push(c),
    }
}

/// Controls, bidirectional marks, overrides and isolates (Unicode TR9), zero-width characters and tags.
const fn is_hidden(c: char) -> bool {
    matches!(c,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
        | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}')
}

const fn is_combining(c: char) -> bool {
    matches!(c,
        '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}'
        | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn shows_what_would_hide() {
        assert_eq!(line("a\u{202e}b\u{1b}[31m\nc", 40), "a⟨U+202E⟩b⟨U+001B⟩[31m c");
        assert_eq!(block("a\n\tb\r", 40), "a\n\tb");
        assert_eq!(line("abcdef", 3), "abc… (3 more characters)");
    }

    proptest! {
        #[test]
        fn output_is_bounded_and_visible(text in any::<String>(), max in 0_usize..60) {
            let out = line(&text, max);
            prop_assert!(out.chars().count() <= max * 9 + 40);
            prop_assert!(!out.chars().any(|c| c.is_control() || is_hidden(c)));
        }
    }
}
