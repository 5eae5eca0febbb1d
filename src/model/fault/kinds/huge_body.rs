//! `huge_body`: makes an answer very large.
//!
//! Keys: `size`: how much is added, at most 4 GB.
//!
//! On the wire: the answer and that many bytes that mean nothing: blanks behind JSON, comments in front of an event
//! stream, whose clients stop reading at its end. They are made while they are sent and never held, and nothing is
//! compressed. The declared length is the true one. An answer that is neither JSON nor an event stream, and one whose
//! status is no 2xx, is not hit.
//!
//! Imitates: a select without a limit, a join that multiplies rows, a debugging dump left in an answer.
//!
//! Clients see: the right answer, late, and that much memory: clients hold a whole body before they parse it.

use crate::units::ByteSize;
use serde::{Deserialize, Serialize};

/// How much larger an answer gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HugeBody {
    /// Bytes that are added.
    pub size: ByteSize,
}
