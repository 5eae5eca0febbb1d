//! `garbage`: puts random bytes in the place of the body's rest.
//!
//! Keys: `after` so many bytes (0 B if absent), or so many `events` of a stream; `bytes`: how many random ones (1 KB
//! if absent, at most 16 MB).
//!
//! On the wire: the answer up to the place, then bytes that are no text, then the end in good order: length and
//! coding fit. They are drawn from the seed. A shorter body is not hit.
//!
//! Imitates: a decompression fault, memory overwritten in a proxy (WireMock's RANDOM_DATA_THEN_CLOSE, MockServer's
//! connection errors).
//!
//! Clients see: Python: a raw UnicodeDecodeError, also in a stream (supabase-py gives the garbage as `data`, without
//! an error). Node: a SyntaxError, but in a stream nothing: it ends as if it were complete. Never retried
//! (docs/fidelity.md).

use super::super::body::BodyPoint;
use crate::units::ByteSize;
use serde::{Deserialize, Serialize};

/// How much garbage comes, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Garbage {
    /// What gets through first: bytes of the body as its maker made it, or events of a stream.
    pub after: BodyPoint,
    /// How many random bytes come.
    pub bytes: ByteSize,
}
