//! What a fault on connections does, in words.

use super::figures;
use crate::model::fault::{ConnectionFault, PostgresFault, Streams};
use crate::model::toxic::ToxicKind;
use crate::units::Span;
use std::time::Duration;

/// What it does.
pub fn connection(fault: &ConnectionFault) -> String {
    match fault {
        ConnectionFault::Toxic { kind, stream } => format!("{}{}", toxic(kind), way(*stream, kind)),
        ConnectionFault::Latency { delay, stream } => {
            let jitter = if delay.jitter.get().is_zero() {
                String::new()
            } else {
                format!(" ± {} ({})", figures::span(delay.jitter), delay.shape.name())
            };
            format!("delays bytes by {}{jitter}{}", figures::span(delay.mean), WAYS[*stream as usize])
        }
        ConnectionFault::Refuse { keep_open: true } => "refuses new connections".to_owned(),
        ConnectionFault::Refuse { keep_open: false } => {
            "refuses new connections and resets those that are open".to_owned()
        }
        ConnectionFault::TlsHandshakeFailure {} => "fails the TLS handshake".to_owned(),
        ConnectionFault::Certificate(fault) => format!("shows a certificate that is {}", fault.name()),
        ConnectionFault::Postgres(fault) => postgres(fault),
        ConnectionFault::ByHand {} => "whatever was put on over the control API".to_owned(),
    }
}

/// Which way, in the order of [`Streams`].
const WAYS: [&str; 3] = [", from the app to the server", ", from the server to the app", ", both ways"];

fn toxic(kind: &ToxicKind) -> String {
    let millis = |millis: u64| figures::span(Span(Duration::from_millis(millis)));
    let bytes = |bytes: u64| figures::bytes(bytes as f64);
    match *kind {
        ToxicKind::Latency { latency, jitter: 0 } => format!("delays bytes by {}", millis(latency)),
        ToxicKind::Latency { latency, jitter } => {
            format!("delays bytes by {} ± {} (uniform)", millis(latency), millis(jitter))
        }
        ToxicKind::Bandwidth { rate: 0 } => "lets no byte through".to_owned(),
        ToxicKind::Bandwidth { rate } => format!("lets {} a second through", bytes(rate.saturating_mul(1_000))),
        ToxicKind::SlowClose { delay } => format!("closes {} late", millis(delay)),
        ToxicKind::Timeout { timeout: 0 } => "swallows everything".to_owned(),
        ToxicKind::Timeout { timeout } => format!("swallows everything, closes after {}", millis(timeout)),
        ToxicKind::ResetPeer { timeout: 0 } => "resets the connection".to_owned(),
        ToxicKind::ResetPeer { timeout } => format!("resets the connection after {}", millis(timeout)),
        ToxicKind::Slicer { average_size, .. } => format!("cuts bytes into pieces of about {}", bytes(average_size)),
        ToxicKind::LimitData { bytes: limit } => format!("closes after {}", bytes(limit)),
        ToxicKind::Partition {} => "holds everything back (partition)".to_owned(),
        ToxicKind::Blackhole { bytes: 0 } => "swallows everything and tells nobody".to_owned(),
        ToxicKind::Blackhole { bytes: limit } => {
            format!("swallows what comes after {}, and tells nobody", bytes(limit))
        }
        ToxicKind::HalfClose { bytes: limit } => format!("closes one direction after {}", bytes(limit)),
        ToxicKind::ResetAfter { bytes: limit } => format!("resets after {}", bytes(limit)),
        ToxicKind::Refuse {} => "resets new connections".to_owned(),
        ToxicKind::AcceptHang {} => "takes new connections and says nothing".to_owned(),
        ToxicKind::ConnectionCap { connections } => {
            format!("serves at most {} at a time", figures::plural(connections, "connection", "connections"))
        }
    }
}

fn way(stream: Streams, kind: &ToxicKind) -> &'static str {
    if kind.is_gate() { "" } else { WAYS[stream as usize] }
}

fn postgres(fault: &PostgresFault) -> String {
    match fault {
        PostgresFault::Startup(error) => format!("refuses sessions with FATAL {}: {}", error.code, error.message),
        PostgresFault::Terminate(error) => format!("ends sessions with FATAL {}: {}", error.code, error.message),
        PostgresFault::Error(error) => format!("fails statements with {}: {}", error.code, error.message),
        PostgresFault::Slow { delay } => format!("holds statements back for {}", figures::span(*delay)),
        PostgresFault::CutRows { after } => {
            format!("resets inside a row after {}", figures::plural(*after, "row", "rows"))
        }
        PostgresFault::RefuseSsl {} => "refuses TLS".to_owned(),
        PostgresFault::StallSsl {} => "falls silent when asked for TLS".to_owned(),
        PostgresFault::StallAuth {} => "falls silent during authentication".to_owned(),
    }
}
