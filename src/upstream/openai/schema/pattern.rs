//! Texts that match a regular expression.

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, Hir, HirKind, Look};

/// No text gets longer.
const LONGEST: usize = 20_000;

/// A regular expression of JSON Schema (ECMA 262), made ready for making texts.
#[derive(Debug)]
pub struct Pattern {
    hir: Hir,
    /// Whether more may follow a match.
    open: bool,
}

impl Pattern {
    /// Reads an expression. Look-around is left out of account: what is made may not match, and must be checked.
    pub fn parse(pattern: &str) -> Option<Self> {
        let parse = |pattern: &str| ParserBuilder::new().nest_limit(64).build().parse(pattern).ok();
        let hir = parse(pattern).or_else(|| parse(&without_lookaround(pattern)?))?;
        let open = !hir.properties().look_set_suffix().contains(Look::End);
        Some(Self { hir, open })
    }

    /// A text that matches, of at least `shortest` characters if that can be.
    pub fn sample(&self, shortest: usize, rng: &mut ChaCha8Rng) -> String {
        let mut extra = 3_u32;
        loop {
            let mut text = String::new();
            write(&self.hir, extra, rng, &mut text);
            let length = text.chars().count();
            if length < shortest && self.open {
                text.extend((length..shortest.min(LONGEST)).map(|_| char::from(rng.random_range(b'a'..=b'z'))));
            }
            if length >= shortest || self.open || extra as usize > LONGEST {
                return text;
            }
            extra *= 4;
        }
    }
}

/// Writes a match; repetitions go at most `extra` times beyond what they must.
fn write(hir: &Hir, extra: u32, rng: &mut ChaCha8Rng, text: &mut String) {
    if text.len() > LONGEST {
        return;
    }
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => text.push_str(&String::from_utf8_lossy(&literal.0)),
        HirKind::Class(class) => text.extend(character(class, rng)),
        HirKind::Capture(capture) => write(&capture.sub, extra, rng, text),
        HirKind::Concat(parts) => parts.iter().for_each(|part| write(part, extra, rng, text)),
        HirKind::Alternation(parts) => write(&parts[rng.random_range(0..parts.len())], extra, rng, text),
        HirKind::Repetition(repetition) => {
            let most = repetition.max.unwrap_or(u32::MAX).min(repetition.min.saturating_add(extra));
            for _ in 0..rng.random_range(repetition.min..=most) {
                if text.len() > LONGEST {
                    return;
                }
                write(&repetition.sub, extra, rng, text);
            }
        }
    }
}

/// A character of a class: a letter or digit where there is one, else anything printable, else anything.
fn character(class: &Class, rng: &mut ChaCha8Rng) -> Option<char> {
    let ranges: Vec<(u32, u32)> = match class {
        Class::Unicode(class) => class.ranges().iter().map(|r| (u32::from(r.start()), u32::from(r.end()))).collect(),
        Class::Bytes(class) => class.ranges().iter().map(|r| (u32::from(r.start()), u32::from(r.end()))).collect(),
    };
    let kinds: [fn(&char) -> bool; 3] =
        [char::is_ascii_alphanumeric, |c| c.is_ascii_graphic() || *c == ' ', char::is_ascii];
    for kind in kinds {
        let ascii = ranges.iter().flat_map(|(from, to)| *from..=(*to).min(0x7f)).filter_map(char::from_u32);
        let choice: Vec<char> = ascii.filter(kind).collect();
        if !choice.is_empty() {
            return Some(choice[rng.random_range(0..choice.len())]);
        }
    }
    let (from, to) = *ranges.get(rng.random_range(0..ranges.len().max(1)))?;
    char::from_u32(rng.random_range(from..=to)).or_else(|| char::from_u32(from))
}

/// The expression without its look-around groups; `None` if it has none.
fn without_lookaround(pattern: &str) -> Option<String> {
    let mut rest = pattern;
    let mut kept = String::new();
    let begin = |text: &str| ["(?=", "(?!", "(?<=", "(?<!"].iter().filter_map(|group| text.find(group)).min();
    while let Some(start) = begin(rest) {
        kept.push_str(&rest[..start]);
        let (mut depth, mut escaped, mut in_class) = (0, false, false);
        let end = rest[start..].find(|c: char| {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '[' => in_class = true,
                ']' => in_class = false,
                '(' if !in_class => depth += 1,
                ')' if !in_class => depth -= 1,
                _ => {}
            }
            depth == 0
        })?;
        rest = &rest[start + end + 1..];
    }
    kept.push_str(rest);
    (kept != pattern).then_some(kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::rand_core::SeedableRng as _;
    use rstest::rstest;

    #[rstest]
    #[case(r"^[A-Z]{2}\d{4}$", 0)]
    #[case(r"^\d{3}-\d{4}$|^none$", 0)]
    #[case(r"^(?:[a-z]+\.)+com$", 30)]
    #[case(r"foo|bar", 0)]
    #[case(r"^#?([a-f0-9]{6}|[a-f0-9]{3})$", 0)]
    #[case(r"^\p{Greek}+$", 5)]
    #[case(r"^[^a-z0-9]$", 0)]
    #[case(r"x", 40)]
    #[case(r"^(http|https)://[\w.-]+(/.*)?$", 60)]
    fn texts_match_their_pattern(#[case] pattern: &str, #[case] shortest: usize) {
        let (check, ready) = (regex::Regex::new(pattern).unwrap(), Pattern::parse(pattern).unwrap());
        for seed in 0..200 {
            let text = ready.sample(shortest, &mut ChaCha8Rng::seed_from_u64(seed));
            assert!(check.is_match(&text), "{text:?}");
            assert!(text.chars().count() >= shortest, "{text:?}");
        }
    }

    #[test]
    fn lookaround_is_left_out_and_nonsense_refused() {
        assert_eq!(without_lookaround(r"^(?!a(b)[)])[a-z]+(?<=\))$").unwrap(), "^[a-z]+$");
        assert!(Pattern::parse(r"^(?=.*\d)[a-z\d]+$").is_some());
        assert!(Pattern::parse("(").is_none());
        assert!(Pattern::parse(&"(".repeat(100_000)).is_none());
    }

    #[test]
    fn endless_repetition_ends() {
        let pattern = Pattern::parse("^(a{1000}){1000}$").map(|p| p.sample(0, &mut ChaCha8Rng::seed_from_u64(1)));
        assert!(pattern.is_none_or(|text| text.len() < 2 * LONGEST));
    }
}
