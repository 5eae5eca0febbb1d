//! [`Toxic`]: a fault on a connection, whatever is spoken over it.
//!
//! Names, attributes and units are those of Toxiproxy's HTTP API (its documentation, version 2), so that its clients
//! and its users' files mean the same here; what it does not have is marked as ours.

use crate::units::Share;
use serde::{Deserialize, Serialize};

/// The way bytes go through a proxy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// From the client to the server.
    Upstream,
    /// From the server to the client.
    #[default]
    Downstream,
}

/// A fault on the connections of a proxy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Toxic {
    /// Its name, unique in its proxy.
    pub name: String,
    /// What it does.
    #[serde(flatten)]
    pub kind: ToxicKind,
    /// Which bytes it touches. Kinds that act on the whole connection do so from whichever side it is.
    pub stream: Direction,
    /// Of the connections, how many it touches; drawn once per connection.
    pub toxicity: Share,
}

/// What a toxic does.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "attributes", rename_all = "snake_case")]
pub enum ToxicKind {
    /// Delays everything. Imitates distance, and queues on the way.
    Latency {
        /// Milliseconds.
        #[serde(default)]
        latency: u64,
        /// Milliseconds more or less, evenly spread.
        #[serde(default)]
        jitter: u64,
    },
    /// Lets no more through than a rate. Imitates a thin or crowded line.
    Bandwidth {
        /// Thousands of bytes a second; 0 lets nothing through.
        #[serde(default)]
        rate: u64,
    },
    /// Delays the closing of the connection. Imitates a peer that is slow to let go: pools fill up.
    SlowClose {
        /// Milliseconds.
        #[serde(default)]
        delay: u64,
    },
    /// Throws everything away, then closes. Imitates a peer that has gone without a word.
    Timeout {
        /// Milliseconds until the connection is closed; 0 is only when the toxic is taken off.
        #[serde(default)]
        timeout: u64,
    },
    /// Throws everything away, then resets. Imitates a peer that crashed, or a firewall that lost its state.
    ResetPeer {
        /// Milliseconds until the reset.
        #[serde(default)]
        timeout: u64,
    },
    /// Cuts what passes into small pieces. Imitates small packets; finds readers that count on whole messages.
    Slicer {
        /// Bytes of a piece, on average.
        #[serde(default)]
        average_size: u64,
        /// Bytes more or less.
        #[serde(default)]
        size_variation: u64,
        /// Microseconds between pieces.
        #[serde(default)]
        delay: u64,
    },
    /// Closes after so many bytes. Imitates an answer that breaks off.
    LimitData {
        /// Bytes that get through.
        #[serde(default)]
        bytes: u64,
    },
    /// Ours. Holds everything back while it is on, and lets it through afterwards. Imitates a network partition:
    /// TCP keeps what it could not deliver and sends it once the way is open again.
    Partition {},
    /// Ours. After so many bytes nothing arrives any more, and nobody is told. Imitates a middlebox that forgot the
    /// connection.
    Blackhole {
        /// Bytes that get through.
        #[serde(default)]
        bytes: u64,
    },
    /// Ours. Closes this direction after so many bytes and leaves the other one open.
    HalfClose {
        /// Bytes that get through.
        #[serde(default)]
        bytes: u64,
    },
    /// Ours. Resets after so many bytes: an answer that breaks off without an orderly end.
    ResetAfter {
        /// Bytes that get through.
        #[serde(default)]
        bytes: u64,
    },
    /// Ours. Resets new connections at once: the nearest to a refused connection that can hit only some of them. (A
    /// proxy that is not enabled refuses all of them truly.)
    Refuse {},
    /// Ours. Takes new connections and never says a word. Imitates a server whose accept queue outlives it.
    AcceptHang {},
    /// Ours. Holds no more than so many connections at a time; further ones wait without an answer until one ends.
    /// Imitates an exhausted pool.
    ConnectionCap {
        /// Connections at a time.
        #[serde(default)]
        connections: u64,
    },
}

impl ToxicKind {
    /// Its name in files, API and reports.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Latency { .. } => "latency",
            Self::Bandwidth { .. } => "bandwidth",
            Self::SlowClose { .. } => "slow_close",
            Self::Timeout { .. } => "timeout",
            Self::ResetPeer { .. } => "reset_peer",
            Self::Slicer { .. } => "slicer",
            Self::LimitData { .. } => "limit_data",
            Self::Partition {} => "partition",
            Self::Blackhole { .. } => "blackhole",
            Self::HalfClose { .. } => "half_close",
            Self::ResetAfter { .. } => "reset_after",
            Self::Refuse {} => "refuse",
            Self::AcceptHang {} => "accept_hang",
            Self::ConnectionCap { .. } => "connection_cap",
        }
    }

    /// Whether it acts when a connection comes, before any byte.
    #[must_use]
    pub const fn is_gate(&self) -> bool {
        matches!(self, Self::Refuse {} | Self::AcceptHang {} | Self::ConnectionCap { .. })
    }
}

impl Direction {
    /// Its name in files and API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Upstream => "upstream",
            Self::Downstream => "downstream",
        }
    }
}
