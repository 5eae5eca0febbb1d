//! The app's output: copied line by line into a bounded file, without secrets.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read, Seek as _, SeekFrom, Write};
use std::path::Path;

/// The longest piece of a line that is handled at once; longer lines are handled in several.
const LINE: u64 = 64 << 10;

/// Copies `from` into `log` until it ends, at most `limit` bytes; the rest is read and dropped, because an app whose
/// output nobody reads would stop. `look` sees every line.
pub(super) fn copy(from: impl Read, log: &mut impl Write, limit: u64, redact: &[String], mut look: impl FnMut(&[u8])) {
    let mut from = BufReader::with_capacity(LINE as usize, from);
    let mut line = Vec::new();
    let (mut written, mut full) = (0_u64, false);
    loop {
        line.clear();
        match (&mut from).take(LINE).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
        look(&line);
        if full {
            continue;
        }
        if written + line.len() as u64 > limit {
            full = true;
            // A full disk must not stop the app either, so write errors are of no consequence here.
            let _ = writeln!(log, "firedrill: the app's output exceeds {limit} bytes; the rest is not kept");
            continue;
        }
        written += line.len() as u64;
        let _ = log.write_all(&blank(&line, redact));
    }
    let _ = log.flush();
}

/// Replaces every secret. Very short values are left: they would blank ordinary text and protect nothing.
fn blank(line: &[u8], redact: &[String]) -> Vec<u8> {
    let mut line = line.to_vec();
    for secret in redact.iter().map(|s| s.as_bytes()).filter(|s| s.len() >= 4) {
        while let Some(at) = line.windows(secret.len()).position(|w| w == secret) {
            line.splice(at..at + secret.len(), *b"[-]");
        }
    }
    line
}

/// The last lines of a log, for an error.
pub(super) fn tail(log: &Path, lines: usize) -> Vec<String> {
    let read = || -> std::io::Result<String> {
        let mut file = File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(16 << 10)))?;
        let mut bytes = Vec::new();
        file.take(16 << 10).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let text = read().unwrap_or_default();
    let all: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let clip = |line: &&str| line.chars().filter(|c| !c.is_control() || *c == '\t').take(300).collect();
    all.iter().skip(all.len().saturating_sub(lines)).map(clip).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_bounded_and_keeps_reading() {
        let input = "0123456789\n".repeat(100);
        let (mut log, mut seen) = (Vec::new(), 0);
        copy(input.as_bytes(), &mut log, 100, &[], |_| seen += 1);
        let log = String::from_utf8(log).unwrap();
        assert_eq!(seen, 100);
        assert_eq!(log.matches("0123456789").count(), 9);
        assert_eq!(log.matches("not kept").count(), 1);
    }

    #[test]
    fn blanks_secrets() {
        let (mut log, redact) = (Vec::new(), ["sk-secret".to_owned(), "a".to_owned()]);
        copy(&b"a key sk-secret and sk-secret\nlast"[..], &mut log, 1000, &redact, |_| {});
        assert_eq!(String::from_utf8(log).unwrap(), "a key [-] and [-]\nlast");
    }

    #[test]
    fn a_line_without_end_is_cut() {
        let mut pieces = Vec::new();
        copy(std::io::repeat(b'x').take(LINE * 2 + 1), &mut Vec::new(), 10, &[], |line| pieces.push(line.len()));
        assert_eq!(pieces, [LINE as usize, LINE as usize, 1]);
    }
}
