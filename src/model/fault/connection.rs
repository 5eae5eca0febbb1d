//! [`ConnectionFault`]: faults on connections, whatever is spoken over them, and on what must be spoken before a
//! request can be made.

use super::delay::Delay;
use super::postgres::PostgresFault;
use crate::model::toxic::{Direction, ToxicKind};
use serde::{Deserialize, Serialize};

/// What a fault does to a connection. It touches a share of the connections, drawn by their number; those that are
/// open when its window opens, too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionFault {
    /// Something that Toxiproxy has a toxic for, or that acts on bytes as one.
    Toxic {
        /// What it does.
        kind: ToxicKind,
        /// On which bytes.
        stream: Streams,
    },
    /// Everything comes late, by a draw per chunk of bytes.
    Latency {
        /// How late.
        delay: Delay,
        /// Which bytes.
        stream: Streams,
    },
    /// Nobody gets a connection. If all are touched, the address refuses (`ECONNREFUSED`), as that of a server which is
    /// gone; if only some are, those are reset as soon as they are there, which is the nearest to it.
    Refuse {
        /// Whether connections that are open stay open; a server that is gone resets them.
        keep_open: bool,
    },
    /// The TLS handshake fails: the alert `handshake_failure` instead of a ServerHello (RFC 8446 §6).
    TlsHandshakeFailure {},
    /// The handshake goes on with a certificate that no client should take.
    Certificate(CertificateFault),
    /// A fault in PostgreSQL's own words.
    Postgres(PostgresFault),
    /// Whatever is put on by hand over the control API: on while it is, and told of as what it is.
    ByHand {},
}

/// Which bytes a fault on connections touches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Streams {
    /// From the app to the server.
    Upstream,
    /// From the server to the app.
    #[default]
    Downstream,
    /// Both ways.
    Both,
}

impl Streams {
    /// The directions, at least one.
    #[must_use]
    pub const fn directions(self) -> &'static [Direction] {
        match self {
            Self::Upstream => &[Direction::Upstream],
            Self::Downstream => &[Direction::Downstream],
            Self::Both => &[Direction::Downstream, Direction::Upstream],
        }
    }

    /// The name in files and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Upstream => "upstream",
            Self::Downstream => "downstream",
            Self::Both => "both",
        }
    }
}

/// What is wrong with a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CertificateFault {
    /// It ran out yesterday.
    Expired,
    /// It is another host's.
    WrongHost,
    /// Nobody known vouches for it.
    Untrusted,
}

impl CertificateFault {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Expired, Self::WrongHost, Self::Untrusted];

    /// Its name in files and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::WrongHost => "wrong-host",
            Self::Untrusted => "untrusted",
        }
    }
}

impl ConnectionFault {
    /// The fault's name in files and reports.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            // As resets are called whether they come at once or later.
            Self::Toxic { kind: ToxicKind::ResetAfter { .. }, .. } => "reset_peer",
            Self::Toxic { kind, .. } => kind.name(),
            Self::Latency { .. } => "latency",
            Self::Refuse { .. } => "refuse",
            Self::TlsHandshakeFailure {} => "tls_handshake_failure",
            Self::Certificate(_) => "certificate",
            Self::Postgres(fault) => fault.kind(),
            Self::ByHand {} => "by_hand",
        }
    }
}
