//! [`Padding`]: bytes without a meaning that make a body huge, made while they are sent.

use crate::upstream::fire::Fire;
use bytes::Bytes;

/// How much goes at a time, in bytes.
const BLOCK: usize = 16 << 10;
/// How long a comment of an event stream is, with its line end.
const COMMENT: usize = 1 << 10;

static BLANKS: [u8; BLOCK] = [b' '; BLOCK];
static COMMENTS: [u8; BLOCK] = comments();

const fn comments() -> [u8; BLOCK] {
    let mut block = [b' '; BLOCK];
    let mut at = 0;
    while at < BLOCK {
        block[at] = b':';
        block[at + COMMENT - 1] = b'\n';
        at += COMMENT;
    }
    block
}

/// What is added to a body: in front of an event stream, whose clients stop reading at its end, and behind all others.
#[derive(Debug)]
pub struct Padding {
    left: u64,
    /// Whether it is for an event stream.
    pub in_front: bool,
    fire: Fire,
}

impl Padding {
    /// So many bytes.
    pub fn new(bytes: u64, in_front: bool, fire: Fire) -> Self {
        Self { left: bytes, in_front, fire }
    }

    /// How many bytes are still to come.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// The next of them; nothing at the end.
    pub fn next(&mut self) -> Option<Bytes> {
        if self.left == 0 {
            return None;
        }
        self.fire.now();
        let length = usize::try_from(self.left).unwrap_or(BLOCK).min(BLOCK);
        self.left -= length as u64;
        let block = if self.in_front { &COMMENTS } else { &BLANKS };
        Some(Bytes::from_static(&block[..length]))
    }
}
