//! [`Outgoing`]: what happens to the body and the declared length of an answer once it is made.

use crate::model::fault::BodyPoint;
use crate::upstream::fire::Fire;
use crate::upstream::reply::{BodyFault, BodyFaultKind, BodyFaults, Padding, Tail};
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, Method, StatusCode};

/// What happens to an answer once it is made.
#[derive(Default)]
pub struct Outgoing {
    /// To its body.
    pub faults: BodyFaults,
    /// How far its declared length is off.
    pub length: Option<(i64, Fire)>,
}

/// What makes an answer with this head huge; `None` if it is neither JSON nor a stream of events, or no success.
pub fn padded(method: &Method, status: StatusCode, headers: &HeaderMap, bytes: u64, fire: Fire) -> Option<Padding> {
    let stream = is_event_stream(headers);
    let fits = *method != Method::HEAD && status.is_success() && (stream || is_json(headers));
    fits.then(|| Padding::new(bytes, stream, fire))
}

/// The length to declare for a body that is there, with what its end must then be like. Nothing is off where there
/// is too little to take away, or where what is taken away would be padding.
pub fn declared(bytes: &mut Bytes, faults: &mut BodyFaults, length: Option<(i64, Fire)>, http2: bool) -> u64 {
    let padding = faults.padding.as_ref().map_or(0, Padding::left);
    let whole = bytes.len() as u64 + padding;
    let Some((off, mut fire)) = length else { return whole };
    if off > 0 {
        fire.now();
        // In HTTP/2 the end of the stream contradicts the length by itself.
        faults.tail = (!http2).then_some(Tail::Hang);
        return whole.saturating_add(off.unsigned_abs());
    }
    let Some(short) = whole.checked_sub(off.unsigned_abs()).filter(|short| *short > 0 && padding == 0) else {
        return whole;
    };
    fire.now();
    if !http2 {
        let rest = bytes.split_off(usize::try_from(short).unwrap_or(usize::MAX));
        faults.tail = Some(Tail::Surplus(rest));
    }
    short
}

fn media_type(headers: &HeaderMap) -> &str {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    value.split(';').next().unwrap_or("").trim()
}

/// Whether an answer is a stream of events.
pub fn is_event_stream(headers: &HeaderMap) -> bool {
    media_type(headers).eq_ignore_ascii_case("text/event-stream")
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = media_type(headers).to_ascii_lowercase();
    kind == "application/json" || kind.ends_with("+json")
}

/// Whether a body is not compressed.
pub fn is_readable(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_ENCODING).is_none_or(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// Carries out on a body that is there what shall end it early, so that its declared length is that of what is sent;
/// and drops the faults that only streams can have.
pub fn truncate(bytes: &mut Bytes, faults: &mut Vec<BodyFault>) {
    let (ending, rest): (Vec<_>, Vec<_>) =
        std::mem::take(faults).into_iter().partition(|fault| matches!(fault.kind, BodyFaultKind::Truncate));
    *faults = rest.into_iter().filter(|fault| !matches!(fault.kind, BodyFaultKind::Replace(_))).collect();
    for mut fault in ending {
        let end = match fault.after {
            BodyPoint::Bytes(bytes) => bytes.get(),
            BodyPoint::Events(0) | BodyPoint::LastEvent => 0,
            BodyPoint::Events(_) => continue,
        };
        if end < bytes.len() as u64 {
            bytes.truncate(usize::try_from(end).unwrap_or(usize::MAX));
            fault.fire.now();
        }
    }
}
