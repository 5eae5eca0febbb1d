//! Content coding: compresses answers as the gateways in front of the real services do, and says which request
//! bodies cannot be read.
//!
//! Both providers stand behind Cloudflare, which compresses texts of a few kinds, and only answers with status 200,
//! 403 and 404 (Cloudflare's documentation, "Content compression"). It would start at 48 bytes; here small answers go
//! out as they are, since compressing 500 bytes costs more than serving them, and every client reads both. Streams are
//! never compressed: OpenAI's events come as they are. As a real gateway, this compresses before anything on the way
//! cuts or stalls: faults count the bytes on the wire.

use super::answer::{Answer, AnswerBody, Call};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use http::{HeaderMap, HeaderValue, StatusCode};
use std::io::Write as _;

/// Smaller bodies go out as they are, in bytes.
const SMALLEST: usize = 1 << 10;
/// Larger bodies are compressed away from where connections are served, in bytes.
const LARGE: usize = 256 << 10;

/// The coding of a request's body, if it has one. No official client compresses what it sends.
pub fn refused<'a>(call: &'a Call<'_>) -> Option<&'a str> {
    if call.body.is_empty() {
        return None;
    }
    let coding = call.headers.get(CONTENT_ENCODING)?.to_str().unwrap_or("?").trim();
    (!coding.is_empty() && !coding.eq_ignore_ascii_case("identity")).then_some(coding)
}

/// The answer as it goes out to a client with these request headers.
pub async fn encoded(mut answer: Answer, asked: &HeaderMap) -> Answer {
    let AnswerBody::Full(body) = &answer.body else { return answer };
    if body.len() < SMALLEST || !is_compressible(answer.status, &answer.headers) {
        return answer;
    }
    if !answer.headers.contains_key(VARY) {
        answer.headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    } else {
        answer.headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
    }
    if !accepts_gzip(asked) {
        return answer;
    }
    let body = body.clone();
    let compressed = if body.len() < LARGE {
        gzip(&body)
    } else {
        tokio::task::spawn_blocking(move || gzip(&body)).await.ok().flatten()
    };
    if let Some(compressed) = compressed {
        answer.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        answer.body = AnswerBody::Full(compressed);
    }
    answer
}

fn gzip(body: &[u8]) -> Option<Bytes> {
    // The fastest level: what matters is that the client unpacks, and that our own work does not slow the answer.
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    encoder.write_all(body).ok()?;
    encoder.finish().ok().map(Bytes::from)
}

fn is_compressible(status: StatusCode, headers: &HeaderMap) -> bool {
    if !matches!(status, StatusCode::OK | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND)
        || headers.contains_key(CONTENT_ENCODING)
    {
        return false;
    }
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
    if text(CACHE_CONTROL).contains("no-transform") {
        return false;
    }
    let kind = text(CONTENT_TYPE).split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    kind == "application/json"
        || kind.ends_with("+json")
        || kind == "application/xml"
        || matches!(kind.as_str(), "text/html" | "text/plain" | "text/css" | "text/xml")
}

/// Whether gzip is among what the client takes (RFC 9110 §12.5.3): by name or `*`, unless its weight is zero. A
/// client that says nothing gets the body as it is, as everybody does it.
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let mut any = false;
    for value in headers.get_all(ACCEPT_ENCODING) {
        for coding in value.to_str().unwrap_or("").split(',') {
            let (name, parameters) = coding.split_once(';').unwrap_or((coding, ""));
            let name = name.trim();
            let refused = parameters.split(';').any(|parameter| {
                let weight = parameter.trim().strip_prefix(['q', 'Q']).and_then(|rest| rest.trim().strip_prefix('='));
                weight.is_some_and(|weight| weight.trim().parse::<f32>().is_ok_and(|weight| weight <= 0.0))
            });
            if name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip") {
                return !refused;
            }
            any |= name == "*" && !refused;
        }
    }
    any
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("gzip, deflate", true)]
    #[case("br;q=1.0, GZIP;q=0.2", true)]
    #[case("deflate, gzip; q=0", false)]
    #[case("gzip;q=0.000", false)]
    #[case("*", true)]
    #[case("*;q=0", false)]
    #[case("identity", false)]
    #[case("", false)]
    #[case("gzippy, br", false)]
    fn gzip_is_taken_from_those_who_take_it(#[case] asked: &str, #[case] expected: bool) {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_str(asked).unwrap());
        assert_eq!(accepts_gzip(&headers), expected);
    }

    #[rstest]
    #[case(200, "application/json", true)]
    #[case(200, "application/openapi+json; charset=utf-8", true)]
    #[case(404, "text/html; charset=UTF-8", true)]
    #[case(206, "application/json; charset=utf-8", false)]
    #[case(201, "application/json", false)]
    #[case(500, "application/json", false)]
    #[case(200, "image/png", false)]
    #[case(200, "text/event-stream; charset=utf-8", false)]
    fn what_the_gateway_compresses(#[case] status: u16, #[case] kind: &'static str, #[case] expected: bool) {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        assert_eq!(is_compressible(StatusCode::from_u16(status).unwrap(), &headers), expected);
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("br"));
        assert!(!is_compressible(StatusCode::from_u16(status).unwrap(), &headers));
    }
}
