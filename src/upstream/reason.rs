//! The words behind statuses that HTTP does not know: what gateways in front of the real services put there.

use http::StatusCode;
use hyper::ext::ReasonPhrase;

/// The words for a status; `None` where it has words of its own. HTTP/2 has none at all.
///
/// Cloudflare's as they come over the wire (coyove/goflyway#119, wrxck/mattata#80), Supabase's by its documentation
/// (WIRE-supabase §4).
pub fn of(status: StatusCode) -> Option<ReasonPhrase> {
    let words: &'static [u8] = match status.as_u16() {
        520 => b"Origin Error",
        521 => b"Origin Down",
        522 => b"Origin Connection Time-out",
        523 => b"Origin Unreachable",
        524 => b"Origin Time-out",
        525 => b"Origin SSL Handshake Error",
        529 => b"Site Overloaded",
        530 => b"Origin DNS Error",
        540 => b"Project Paused",
        544 => b"Project API Gateway Timeout",
        546 => b"Edge Functions Resource Limit",
        _ if status.canonical_reason().is_some() => return None,
        // Better than what clients would otherwise be shown as its name: `<none>`.
        _ => b"Unknown",
    };
    Some(ReasonPhrase::from_static(words))
}
