//! [`RequestLines`]: lets requests through whose clients did not encode `"`, `<` and `>` in what they ask for.
//!
//! PostgREST's own examples for curl write filters so, and the real gateways take them; `http::Uri` does not, and hyper
//! would answer 400 by itself, uncounted and out of reach of faults.

/// Methods with which a request line can begin.
const METHODS: [&[u8]; 7] = [b"GET /", b"HEAD /", b"POST /", b"PUT /", b"PATCH /", b"DELETE /", b"OPTIONS /"];

/// Looks at what a connection of HTTP/1 reads, for its request lines.
#[derive(Debug)]
pub struct RequestLines {
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// A request may begin next: at the start, and after something was answered.
    Between,
    /// The end of a request line has not come yet.
    Within,
    /// Headers and bodies.
    Beyond,
    /// Never: the connection does not speak HTTP/1.
    Never,
}

impl RequestLines {
    /// Before the first request.
    pub const fn new() -> Self {
        Self { state: State::Between }
    }

    /// For a connection that does not speak HTTP/1.
    pub const fn none() -> Self {
        Self { state: State::Never }
    }

    /// Whether what is read next must be looked at.
    pub fn is_looking(&self) -> bool {
        matches!(self.state, State::Between | State::Within)
    }

    /// Something was answered: what is read next may be another request.
    pub fn answered(&mut self) {
        if self.state == State::Beyond {
            self.state = State::Between;
        }
    }

    /// What was read, with the request line encoded as it ought to be; `None` if it is right as it is, as nearly
    /// always.
    pub fn mended(&mut self, read: &[u8]) -> Option<Vec<u8>> {
        if read.is_empty() || !self.is_looking() {
            return None;
        }
        if self.state == State::Between && !METHODS.iter().any(|method| read.starts_with(method)) {
            self.state = State::Beyond;
            return None;
        }
        let end = read.iter().position(|byte| *byte == b'\n');
        self.state = if end.is_some() { State::Beyond } else { State::Within };
        let (line, rest) = read.split_at(end.unwrap_or(read.len()));
        if !line.iter().any(|byte| encoded(*byte).is_some()) {
            return None;
        }
        let mut mended = Vec::with_capacity(read.len() + 16);
        for byte in line {
            match encoded(*byte) {
                Some(code) => mended.extend_from_slice(code),
                None => mended.push(*byte),
            }
        }
        mended.extend_from_slice(rest);
        Some(mended)
    }
}

const fn encoded(byte: u8) -> Option<&'static [u8]> {
    match byte {
        b'"' => Some(b"%22"),
        b'<' => Some(b"%3C"),
        b'>' => Some(b"%3E"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_request_lines_are_mended() {
        let mut lines = RequestLines::new();
        let request = b"GET /a?b->>c=eq.\"x\" HTTP/1.1\r\nx: \"<>\"\r\n\r\n";
        let mended = lines.mended(request).unwrap();
        assert_eq!(mended, b"GET /a?b-%3E%3Ec=eq.%22x%22 HTTP/1.1\r\nx: \"<>\"\r\n\r\n");
        assert_eq!(lines.mended(request), None, "that is its body");
        lines.answered();
        assert_eq!(lines.mended(b"GET /a?b HTTP/1.1\r\n"), None, "nothing to mend");
        lines.answered();
        assert_eq!(lines.mended(b"{\"a\": \"GET /<\"}"), None, "no request");
    }

    proptest! {
        /// However a request is cut into reads, they hold together what the whole holds.
        #[test]
        fn cuts_change_nothing(cut in 8_usize..40) {
            let request = b"PATCH /a?b->c=eq.\"d\"&e=lt.<1> HTTP/1.1\r\n\r\n\"<>";
            let whole = RequestLines::new().mended(request).unwrap();
            let mut lines = RequestLines::new();
            let (first, second) = request.split_at(cut);
            let mut parts = lines.mended(first).unwrap_or_else(|| first.to_vec());
            parts.extend(lines.mended(second).unwrap_or_else(|| second.to_vec()));
            prop_assert_eq!(parts, whole);
        }

        #[test]
        fn nothing_panics(reads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..6)) {
            let mut lines = RequestLines::new();
            for read in reads {
                let _ = lines.mended(&read);
                lines.answered();
            }
        }
    }
}
