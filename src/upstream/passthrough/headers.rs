//! The headers that go on to the other side: all but those that belong to one connection.

use http::header::{CONNECTION, EXPECT, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue};

/// Headers that belong to one connection (RFC 9110 §7.6.1), with two that hyper answers for itself.
const HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    EXPECT,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("proxy-authorization"),
];

/// The headers that go on; those that change the connection's protocol only for a request or answer that does.
pub fn end_to_end(headers: &HeaderMap, is_upgrade: bool) -> HeaderMap {
    let mut kept = headers.clone();
    for named in headers.get_all(CONNECTION) {
        for name in named.to_str().unwrap_or("").split(',') {
            if let Ok(name) = HeaderName::from_bytes(name.trim().as_bytes()) {
                kept.remove(name);
            }
        }
    }
    for name in &HOP_BY_HOP {
        kept.remove(name);
    }
    if is_upgrade {
        kept.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        for protocol in headers.get_all(UPGRADE) {
            kept.append(UPGRADE, protocol.clone());
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_to_a_connection_stays_there() {
        let headers: HeaderMap = [
            ("connection", "keep-alive, X-Private"),
            ("keep-alive", "timeout=5"),
            ("x-private", "1"),
            ("te", "trailers"),
            ("upgrade", "websocket"),
            ("authorization", "Bearer x"),
            ("x-public", "2"),
        ]
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
        .collect();
        let kept = end_to_end(&headers, false);
        let mut names: Vec<&str> = kept.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["authorization", "x-public"]);
        let kept = end_to_end(&headers, true);
        assert_eq!(
            (&kept["connection"], &kept["upgrade"]),
            (&HeaderValue::from_static("upgrade"), &HeaderValue::from_static("websocket"))
        );
    }
}
