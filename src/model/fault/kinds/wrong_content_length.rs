//! `wrong_content_length`: declares another length than the body has.
//!
//! Keys: `off`: by how many bytes, such as `10` (too long) or `-10` (too short).
//!
//! On the wire: too long: the whole body, then nothing; the connection stays open, as that of a server which believes
//! that it is done. Too short: the declared part is followed by the rest of the bytes and FIN, which HTTP/1.1 takes
//! for the beginning of another answer; over TLS the rest stays away. HTTP/2: a declared length that the data frames
//! contradict, a stream error. A body whose length is not declared (a stream), or is no longer than `off`, is not
//! hit.
//!
//! Imitates: middleware that rewrites bodies and forgets the header; compressing proxies that keep the length of the
//! plain body.
//!
//! Clients see: too long: a read timeout, or for ever in clients without one. Too short: a body cut in its middle (an
//! error of the JSON parser, not retried), and a connection that is thrown away. HTTP/2: a protocol error.

use serde::{Deserialize, Serialize};

/// How wrong the length is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrongContentLength {
    /// Declared minus true length, in bytes; never zero.
    pub off: i64,
}
