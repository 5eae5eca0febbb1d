//! The log of an app that firedrill started: how much it writes, and what of it are errors. Read a piece at a time from the
//! file that the app's guardian keeps, which is bounded and holds no secret of the run's headers and environment.

use super::context::ProbeContext;
use crate::model::checks::{LogSecond, Observation};
use crate::model::event::RunEvent;
use memchr::memmem;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;
use tokio::time::sleep;

/// How often the file is read.
const EVERY: Duration = Duration::from_secs(1);
/// How much is read at once.
const PIECE: usize = 256 << 10;
/// A line without end is taken to end here.
const LINE: usize = 64 << 10;
/// How much of an error line is kept.
const KEPT: usize = 300;

/// Follows the log until stopped.
pub(super) async fn run(ctx: Arc<ProbeContext>, log: std::path::PathBuf) {
    let mut reader = Reader { canaries: ctx.canaries.clone(), ..Reader::default() };
    let Ok(mut file) = open(&log).await else {
        ctx.warn("the app's log cannot be read".to_owned());
        return;
    };
    let mut piece = vec![0; PIECE];
    loop {
        let stopped = tokio::select! {
            biased;
            () = ctx.stop.cancelled() => true,
            () = sleep(EVERY) => false,
        };
        let second = ctx.clock.now().second();
        let mut seen = LogSecond { second, ..LogSecond::default() };
        // Bounded, so that an app that writes without end does not keep us from ending.
        for _ in 0..64 {
            match file.read(&mut piece).await {
                Ok(0) | Err(_) => break,
                Ok(length) => reader.take(&piece[..length], &mut seen),
            }
        }
        // Silent seconds are told too: a log that was read and held nothing is not one that was never read.
        ctx.events.emit(RunEvent::Observed { what: Observation::Log(seen) });
        if stopped {
            return;
        }
    }
}

async fn open(log: &Path) -> std::io::Result<File> {
    File::open(log).await
}

/// Bytes to counted lines.
#[derive(Default)]
struct Reader {
    rest: Vec<u8>,
    /// Whether the line before was an error's: the traceback below it is part of it.
    in_record: bool,
    canaries: Vec<(String, String)>,
}

impl Reader {
    fn take(&mut self, mut bytes: &[u8], seen: &mut LogSecond) {
        seen.bytes += bytes.len() as u64;
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            let (line, after) = (&bytes[..end], &bytes[end + 1..]);
            self.rest.extend_from_slice(line);
            self.line(seen);
            bytes = after;
        }
        self.rest.extend_from_slice(bytes);
        if self.rest.len() >= LINE {
            self.line(seen);
        }
    }

    fn line(&mut self, seen: &mut LogSecond) {
        let line = std::mem::take(&mut self.rest);
        seen.lines += 1;
        for (_, value) in self.canaries.iter().filter(|(_, value)| value.len() >= 8) {
            seen.secrets += memmem::find_iter(&line, value.as_bytes()).count() as u64;
        }
        let traceback = line.starts_with(b"Traceback (most recent call last)") || is_panic(&line);
        if is_error(&line) || (traceback && !self.in_record) {
            seen.errors += 1;
            seen.first.get_or_insert_with(|| self.clip(&line));
            self.in_record = true;
        } else if !traceback && !line.starts_with(b" ") && !line.is_empty() {
            self.in_record = false;
        }
    }

    fn clip(&self, line: &[u8]) -> String {
        let mut text = String::from_utf8_lossy(line).into_owned();
        for (_, value) in &self.canaries {
            text = text.replace(value.as_str(), "[secret]");
        }
        text.chars().filter(|c| !c.is_control()).take(KEPT).collect()
    }
}

/// Whether the line is of level ERROR or worse: the level as a word in capitals near its beginning (Python's logging, syslog,
/// most others), or as the level of a JSON record.
fn is_error(line: &[u8]) -> bool {
    let head = &line[..line.len().min(160)];
    if line.first() == Some(&b'{')
        && let Ok(serde_json::Value::Object(record)) = serde_json::from_slice(line)
    {
        let level = ["level", "levelname", "severity", "lvl"].iter().find_map(|name| record.get(*name)?.as_str());
        return level
            .is_some_and(|level| ["error", "critical", "fatal"].contains(&level.to_ascii_lowercase().as_str()));
    }
    ["ERROR", "CRITICAL", "FATAL"].iter().any(|level| {
        memmem::find_iter(head, level.as_bytes()).any(|at| {
            let word = |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
            !word(at.checked_sub(1).and_then(|before| head.get(before))) && !word(head.get(at + level.len()))
        })
    })
}

/// Whether the line begins a panic of a Rust program.
fn is_panic(line: &[u8]) -> bool {
    line.starts_with(b"thread '") && memmem::find(line, b"panicked at").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn read(text: &str) -> LogSecond {
        let canaries = vec![("key".to_owned(), "sk-canary-1234".to_owned())];
        let (mut reader, mut seen) = (Reader { canaries, ..Reader::default() }, LogSecond::default());
        reader.take(text.as_bytes(), &mut seen);
        seen
    }

    #[rstest]
    #[case("INFO:     127.0.0.1:1 - \"GET /x HTTP/1.1\" 500 Internal Server Error\n", 0)]
    #[case("2026-01-01 10:00:00,123 - app - ERROR - it broke\n", 1)]
    #[case(
        "ERROR:    Exception in ASGI application\nTraceback (most recent call last):\n  File \"x\"\nKeyError: 1\n",
        1
    )]
    #[case("Traceback (most recent call last):\n  File \"x\"\nKeyError: 1\n", 1)]
    #[case("{\"level\":\"error\",\"msg\":\"x\"}\n{\"level\":\"info\",\"msg\":\"ERROR\"}\n", 1)]
    #[case("thread 'main' panicked at src/x.rs:1:\nboom\n", 1)]
    #[case("INFO TERRORS and ERROR_COUNT=0 no\n", 0)]
    #[case("WARNING: slow\n", 0)]
    #[case("CRITICAL one\nERROR two\n", 2)]
    fn errors_are_counted_once_each(#[case] text: &str, #[case] errors: u64) {
        assert_eq!(read(text).errors, errors);
    }

    #[test]
    fn a_key_in_the_log_is_counted_and_not_kept() {
        let seen = read("ERROR calling with sk-canary-1234\n");
        assert_eq!((seen.secrets, seen.first.as_deref()), (1, Some("ERROR calling with [secret]")));
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(text in "(ERROR x\n|  at y\n|Traceback \\(most recent call last\\)\n|ok\n){0,12}", cut in 0..200_usize) {
            let (mut reader, mut seen) = (Reader::default(), LogSecond::default());
            let cut = cut.min(text.len());
            reader.take(&text.as_bytes()[..cut], &mut seen);
            reader.take(&text.as_bytes()[cut..], &mut seen);
            prop_assert_eq!((seen.lines, seen.errors), { let whole = read(&text); (whole.lines, whole.errors) });
        }
    }
}
