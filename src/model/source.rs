//! Where an upstream's answers come from: [`SourcePlan`].

use crate::units::ByteSize;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Where an upstream's answers come from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourcePlan {
    /// The mock makes them.
    #[default]
    Mock,
    /// The real service: requests are passed through to it.
    PassThrough {
        /// Its address: scheme, host and port.
        url: String,
        /// What is kept of what passes.
        record: Option<RecordPlan>,
    },
    /// A recording.
    Replay(ReplayPlan),
}

/// What is kept of what passes through.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordPlan {
    /// The file; it must not be there yet.
    pub file: PathBuf,
    /// Regular expressions of what must not be kept, beside what never is.
    pub strip: Vec<String>,
    /// How large the file may become; what passes then is not kept any more.
    pub limit: ByteSize,
}

/// How a recording is replayed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReplayPlan {
    /// The file.
    pub file: PathBuf,
    /// How many times as fast as it was recorded; above zero.
    pub speed: f64,
    /// What answers a request that was not recorded.
    pub otherwise: ReplayElse,
}

/// What answers a request that was not recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReplayElse {
    /// An error (501) that says so.
    #[default]
    Error,
    /// The mock.
    Mock,
}
