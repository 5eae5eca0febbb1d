//! Looking into JSON text without making a tree of it: the way of a JSON path, and the text without its nulls.
//!
//! The text is a stored `json` or `jsonb` value, so it is known to be JSON; on anything else this finds nothing.

use super::grammar::ast::{JsonKey, JsonStep};

/// The piece of `json` that a path leads to; `None` where it leads nowhere.
pub fn follow<'a>(json: &'a str, path: &[JsonStep]) -> Option<&'a str> {
    path.iter().try_fold(json.trim(), |json, step| match &step.to {
        JsonKey::Key(key) => field(json, key),
        JsonKey::Index(index) => element(json, *index),
    })
}

/// What `->>` makes of a piece: the text of a string, nothing of null, everything else as it is written.
pub fn as_text(json: &str) -> Option<String> {
    match json.as_bytes().first()? {
        b'"' => serde_json::from_str(json).ok(),
        b'n' => None,
        _ => Some(json.to_owned()),
    }
}

fn field<'a>(json: &'a str, wanted: &str) -> Option<&'a str> {
    let mut found = None;
    // Of a key that is there twice, the last counts.
    members(json, &mut |key, value| {
        let same = match key.get(1..key.len().checked_sub(1)?) {
            Some(plain) if !plain.contains('\\') => plain == wanted,
            _ => serde_json::from_str::<String>(key).is_ok_and(|key| key == wanted),
        };
        if same {
            found = Some(value);
        }
        Some(())
    })?;
    found
}

fn element(json: &str, index: i32) -> Option<&str> {
    let mut all = Vec::new();
    let wanted = usize::try_from(index).ok();
    elements(json, &mut |value| {
        if all.len() <= wanted.unwrap_or(usize::MAX) {
            all.push(value);
        }
        Some(())
    })?;
    let at = match wanted {
        Some(at) => at,
        None => all.len().checked_sub(index.unsigned_abs() as usize)?,
    };
    all.get(at).copied()
}

/// Calls `each` with every key (quoted) and value of an object; `None` if it is none.
pub fn members<'a>(json: &'a str, each: &mut dyn FnMut(&'a str, &'a str) -> Option<()>) -> Option<()> {
    let bytes = json.as_bytes();
    if bytes.first() != Some(&b'{') {
        return None;
    }
    let mut at = space(bytes, 1);
    while bytes.get(at)? != &b'}' {
        let key_end = value_end(bytes, at)?;
        let colon = space(bytes, key_end);
        let start = space(bytes, colon + 1);
        let end = value_end(bytes, start)?;
        each(json.get(at..key_end)?, json.get(start..end)?)?;
        at = space(bytes, end);
        if bytes.get(at) == Some(&b',') {
            at = space(bytes, at + 1);
        }
    }
    Some(())
}

/// Calls `each` with every element of an array; `None` if it is none.
pub fn elements<'a>(json: &'a str, each: &mut dyn FnMut(&'a str) -> Option<()>) -> Option<()> {
    let bytes = json.as_bytes();
    if bytes.first() != Some(&b'[') {
        return None;
    }
    let mut at = space(bytes, 1);
    while bytes.get(at)? != &b']' {
        let end = value_end(bytes, at)?;
        each(json.get(at..end)?)?;
        at = space(bytes, end);
        if bytes.get(at) == Some(&b',') {
            at = space(bytes, at + 1);
        }
    }
    Some(())
}

fn space(bytes: &[u8], mut at: usize) -> usize {
    while bytes.get(at).is_some_and(u8::is_ascii_whitespace) {
        at += 1;
    }
    at
}

/// Where the value that begins at `at` ends.
fn value_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    let start = at;
    let mut depth = 0_usize;
    loop {
        match *bytes.get(at)? {
            b'"' => {
                at += 1;
                while *bytes.get(at)? != b'"' {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.checked_sub(1)?,
            _ if depth == 0 => {
                let rest =
                    bytes[at..].iter().position(|b| matches!(b, b',' | b'}' | b']' | b':') || b.is_ascii_whitespace());
                let end = rest.map_or(bytes.len(), |rest| at + rest);
                return (end > start).then_some(end);
            }
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return Some(at);
        }
    }
}

/// Appends `json` without fields that are null, as `json_strip_nulls` does: no spaces, array elements stay.
pub fn strip_nulls(json: &str, out: &mut Vec<u8>) {
    let json = json.trim();
    match json.as_bytes().first() {
        Some(b'{') => {
            out.push(b'{');
            let mut first = true;
            let done = members(json, &mut |key, value| {
                if value != "null" {
                    if !std::mem::replace(&mut first, false) {
                        out.push(b',');
                    }
                    out.extend_from_slice(key.as_bytes());
                    out.push(b':');
                    strip_nulls(value, out);
                }
                Some(())
            });
            debug_assert!(done.is_some(), "our own text is JSON");
            out.push(b'}');
        }
        Some(b'[') => {
            out.push(b'[');
            let mut first = true;
            let done = elements(json, &mut |value| {
                if !std::mem::replace(&mut first, false) {
                    out.push(b',');
                }
                strip_nulls(value, out);
                Some(())
            });
            debug_assert!(done.is_some(), "our own text is JSON");
            out.push(b']');
        }
        _ => out.extend_from_slice(json.as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn path(keys: &[&str]) -> Vec<JsonStep> {
        let key = |key: &&str| match key.parse() {
            Ok(index) => JsonKey::Index(index),
            Err(_) => JsonKey::Key((*key).to_owned()),
        };
        keys.iter().map(|k| JsonStep { as_text: false, to: key(k) }).collect()
    }

    #[rstest]
    #[case(r#"{"a": {"b": [1, "x", null]}}"#, &["a", "b", "1"], Some("\"x\""))]
    #[case(r#"{"a": {"b": [1, "x", null]}}"#, &["a", "b", "-1"], Some("null"))]
    #[case(r#"{"a": {"b": [1, "x", null]}}"#, &["a", "b", "3"], None)]
    #[case(r#"{"a": {"b": [1, "x", null]}}"#, &["a", "b", "-4"], None)]
    #[case(r#"{"a":1,"a":2}"#, &["a"], Some("2"))]
    #[case(r#"{"a\"b": "}"}"#, &["a\"b"], Some("\"}\""))]
    #[case(r#"[1,2]"#, &["a"], None)]
    #[case(r#"{"1": 5}"#, &["1"], None)]
    #[case(" [ 1 , [ 2 ] ] ", &["1", "0"], Some("2"))]
    #[case("5", &["a"], None)]
    fn paths_lead_somewhere(#[case] json: &str, #[case] keys: &[&str], #[case] expected: Option<&str>) {
        assert_eq!(follow(json, &path(keys)), expected);
    }

    #[test]
    fn nulls_go_from_objects_and_stay_in_arrays() {
        let mut out = Vec::new();
        strip_nulls(r#"[{"a": null, "b": {"c": null, "d": "null"}}, null]"#, &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), r#"[{"b":{"d":"null"}},null]"#);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[\\[\\]{}\",:a0\\\\ nul]{0,40}", any in "\\PC{0,40}") {
            for text in [text, any] {
                let _ = follow(&text, &path(&["a", "0"]));
                let _ = follow(&text, &path(&["-1"]));
            }
        }
    }
}
