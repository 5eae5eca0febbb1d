//! Cutting an SQL script into statements, as `psql` does: `pg_dump`'s `COPY` blocks and backslash commands included.

/// One statement of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement<'a> {
    /// The line that it begins on, from 1.
    pub line: usize,
    /// Its text, without the semicolon.
    pub text: &'a str,
    /// The lines of a `COPY … FROM stdin`, each with its number.
    pub data: Vec<(usize, &'a str)>,
}

/// The statements of a script, in order.
pub fn statements(script: &str) -> Vec<Statement<'_>> {
    let bytes = script.as_bytes();
    let mut found = Vec::new();
    let (mut at, mut line) = (0, 1);
    while let Some((start, start_line)) = skip(script, at, line) {
        if bytes[start] == b'\\' {
            // A command to psql: to the end of its line.
            let end = script[start..].find('\n').map_or(script.len(), |length| start + length);
            (at, line) = (end, start_line);
            continue;
        }
        let end = end_of(script, start);
        let text = script[start..end].trim_end();
        line = start_line + count_lines(&script[start..end]);
        at = (end + 1).min(script.len());
        let mut data = Vec::new();
        if is_copy_from_stdin(text) {
            (at, line) = copy_lines(script, at, line, &mut data);
        }
        found.push(Statement { line: start_line, text, data });
    }
    found
}

fn count_lines(text: &str) -> usize {
    text.bytes().filter(|byte| *byte == b'\n').count()
}

/// The next place that is neither space, comment nor semicolon, with its line.
fn skip(script: &str, mut at: usize, mut line: usize) -> Option<(usize, usize)> {
    let bytes = script.as_bytes();
    loop {
        match bytes.get(at)? {
            b'\n' => {
                line += 1;
                at += 1;
            }
            b' ' | b'\t' | b'\r' | b';' => at += 1,
            0xEF if script[at..].starts_with('\u{feff}') => at += 3,
            b'-' if bytes.get(at + 1) == Some(&b'-') => {
                at = script[at..].find('\n').map_or(script.len(), |length| at + length);
            }
            b'/' if bytes.get(at + 1) == Some(&b'*') => {
                let end = comment_end(bytes, at);
                line += count_lines(&script[at..end]);
                at = end;
            }
            _ => return Some((at, line)),
        }
    }
}

/// Behind a comment; they nest.
fn comment_end(bytes: &[u8], start: usize) -> usize {
    let (mut at, mut depth) = (start + 2, 1);
    while at < bytes.len() && depth > 0 {
        match (bytes[at], bytes.get(at + 1)) {
            (b'/', Some(b'*')) => {
                depth += 1;
                at += 2;
            }
            (b'*', Some(b'/')) => {
                depth -= 1;
                at += 2;
            }
            _ => at += 1,
        }
    }
    // The end of a comment is ASCII, so this is no place inside a character.
    at.min(bytes.len())
}

/// The place of the semicolon that ends a statement, or the end of the script.
fn end_of(script: &str, start: usize) -> usize {
    let bytes = script.as_bytes();
    let mut at = start;
    while at < bytes.len() {
        match bytes[at] {
            b';' => return at,
            b'\'' => {
                let escapes = at > start && matches!(bytes[at - 1], b'E' | b'e');
                at = quoted_end(bytes, at, b'\'', escapes);
            }
            b'"' => at = quoted_end(bytes, at, b'"', false),
            b'-' if bytes.get(at + 1) == Some(&b'-') => {
                at = script[at..].find('\n').map_or(script.len(), |length| at + length);
            }
            b'/' if bytes.get(at + 1) == Some(&b'*') => at = comment_end(bytes, at),
            b'$' => at = dollar_end(script, at).unwrap_or(at + 1),
            _ => at += 1,
        }
    }
    script.len()
}

fn quoted_end(bytes: &[u8], start: usize, quote: u8, escapes: bool) -> usize {
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if escapes => at += 2,
            byte if byte == quote && bytes.get(at + 1) == Some(&quote) => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// Behind a dollar-quoted text; `None` if none begins here.
fn dollar_end(script: &str, start: usize) -> Option<usize> {
    let rest = &script[start + 1..];
    let length = rest.find('$')?;
    let tag = &rest[..length];
    let name = tag.chars().all(|c| c.is_alphanumeric() || c == '_') && !tag.starts_with(|c: char| c.is_ascii_digit());
    if !name {
        return None;
    }
    let quote = &script[start..start + length + 2];
    let inside = start + quote.len();
    Some(script[inside..].find(quote).map_or(script.len(), |length| inside + length + quote.len()))
}

fn is_copy_from_stdin(text: &str) -> bool {
    let begins = text.get(..5).is_some_and(|word| word.eq_ignore_ascii_case("copy "));
    begins && text.to_ascii_lowercase().contains("from stdin")
}

/// The lines up to `\.`; gives the place and the line behind them.
fn copy_lines<'a>(script: &'a str, at: usize, mut line: usize, data: &mut Vec<(usize, &'a str)>) -> (usize, usize) {
    // The rest of the statement's own line is nothing.
    let mut at = script[at..].find('\n').map_or(script.len(), |length| at + length + 1);
    line += 1;
    while at < script.len() {
        let end = script[at..].find('\n').map_or(script.len(), |length| at + length);
        let text = script[at..end].strip_suffix('\r').unwrap_or(&script[at..end]);
        at = (end + 1).min(script.len());
        if text == "\\." {
            return (at, line + 1);
        }
        data.push((line, text));
        line += 1;
    }
    (at, line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn cuts_as_psql_does() {
        let script = "-- a; comment\nCREATE TABLE a (b text DEFAULT ';' /* ; */);\n\\connect x\nCREATE FUNCTION f() AS $$\n\
                      begin; end;\n$$;\nCOPY a (b) FROM stdin;\none;\ntwo\n\\.\nINSERT INTO a VALUES (E'\\';');";
        let found = statements(script);
        let lines: Vec<usize> = found.iter().map(|statement| statement.line).collect();
        assert_eq!(lines, [2, 4, 7, 11]);
        assert_eq!(found[2].data, [(8, "one;"), (9, "two")]);
        assert!(found[1].text.ends_with("$$"));
        assert_eq!(found[3].text, "INSERT INTO a VALUES (E'\\';')");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,60}", shaped in "[a-c'\";$*/\\\\\n -]{0,60}") {
            let _ = statements(&text);
            for statement in statements(&shaped) {
                prop_assert!(!statement.text.is_empty());
            }
        }
    }
}
