//! Strings that satisfy `pattern`, `format`, `minLength` and `maxLength`.

use super::expressions::Expressions;
use super::fail::Fail;
use super::json::Json;
use super::shape::{largest, smallest};
use super::words;
use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

/// How many texts are made of a pattern to find one of the right length.
const SAMPLES: usize = 40;
/// No string is made longer; what asks for more cannot be satisfied.
const LONGEST: usize = 100_000;

/// A string for a property of this name.
pub fn make<'s>(
    plain: &[&'s Json],
    name: &str,
    expressions: &mut Expressions<'s>,
    rng: &mut ChaCha8Rng,
) -> Result<String, Fail> {
    let (least, most) = (largest(plain, "minLength"), smallest(plain, "maxLength"));
    if least > most || least > LONGEST {
        return Err(Fail::Impossible);
    }
    let fits = |text: &String| (least..=most).contains(&text.chars().count());
    let all = |key: &'static str| plain.iter().filter_map(move |schema| schema.get(key)?.text());
    if let Some(pattern) = all("pattern").next() {
        // What the expression parser does not know is left to chance and to the check of the whole.
        let Some(ready) = expressions.pattern(pattern) else {
            return Ok(sized(words::text(name, rng), least, most, rng));
        };
        let others: Vec<&'s str> = all("pattern").skip(1).collect();
        let suits = |text: &String| fits(text) && others.iter().all(|other| expressions.matches(other, text));
        return (0..SAMPLES).map(|_| ready.sample(least, rng)).find(suits).ok_or(Fail::Impossible);
    }
    if let Some(format) = all("format").find_map(|format| formatted(format, rng)) {
        // Those that cannot be of any length are given up, unless something without a format will do.
        return if fits(&format) { Ok(format) } else { Err(Fail::Impossible) };
    }
    Ok(sized(words::text(name, rng), least, most, rng))
}

/// A text of a length, in characters.
fn sized(mut text: String, least: usize, most: usize, rng: &mut ChaCha8Rng) -> String {
    let mut length = text.chars().count();
    if length < least {
        while length < least {
            let word = words::word(rng);
            text.push(' ');
            text.push_str(word);
            length += 1 + word.len();
        }
    }
    // What is longer than it may be, or than was asked for by then, is cut.
    let wanted = if length > most { most } else { length };
    match text.char_indices().nth(wanted) {
        Some((end, _)) => text.truncate(end),
        None => return text,
    }
    // A blank at the end is better a letter.
    if text.ends_with(' ') {
        text.pop();
        text.push('s');
    }
    text
}

/// A string of a format (JSON Schema 2020-12 §7.3); `None` if the format says nothing to us.
fn formatted(format: &str, rng: &mut ChaCha8Rng) -> Option<String> {
    Some(match format {
        "date-time" => words::date_time(rng),
        "date" => words::date(rng),
        "time" => words::time(rng),
        "duration" => format!("PT{}M", rng.random_range(5..120)),
        "email" | "idn-email" => words::email(rng),
        "hostname" | "idn-hostname" => format!("{}.example.com", words::word(rng)),
        "ipv4" => format!("192.0.2.{}", rng.random_range(1..255)),
        "ipv6" => format!("2001:db8::{:x}", rng.random_range(1..0xffff)),
        "uuid" => words::uuid(rng),
        "uri" | "uri-reference" | "iri" | "iri-reference" | "url" => words::url(rng),
        "uri-template" => "https://example.com/{id}".to_owned(),
        "json-pointer" => format!("/{}", words::word(rng)),
        "relative-json-pointer" => format!("0/{}", words::word(rng)),
        "regex" => "^[a-z]+$".to_owned(),
        _ => return None,
    })
}
