//! What calls and answers say of themselves in their headers: which try it is, and how long to wait.

use crate::units::Span;
use http::HeaderMap;
use http::header::RETRY_AFTER;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use std::time::Duration;

/// The marks of official clients (WIRE-openai §2, WIRE-supabase §6).
const MARKS: [&str; 2] = ["x-stainless-retry-count", "x-retry-count"];
/// OpenAI's own, finer form, which its clients prefer.
const RETRY_AFTER_MS: &str = "retry-after-ms";
/// No answer means it if it asks for longer.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3600);

/// Which retry the client says that it is: 0 for a first try; `None` if it says nothing.
pub fn mark(headers: &HeaderMap) -> Option<u32> {
    MARKS.iter().find_map(|name| headers.get(*name)?.to_str().ok()?.trim().parse().ok())
}

/// How long an answer asks its client to wait before another try (RFC 9110 §10.2.3), at `now`.
pub fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Span> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let millis = text(RETRY_AFTER_MS).and_then(|text| text.parse::<f64>().ok()).map(|millis| millis / 1000.0);
    let seconds = || {
        let text = text(RETRY_AFTER.as_str())?;
        text.parse::<f64>().ok().or_else(|| {
            // An HTTP date is RFC 2822's, with `GMT` for its zone.
            let date = DateTimeParser::new().parse_timestamp(text).ok()?;
            Some(date.duration_since(now).as_secs_f64())
        })
    };
    let wait = millis.or_else(seconds).filter(|wait| wait.is_finite())?;
    let wait = Duration::try_from_secs_f64(wait.max(0.0)).ok()?;
    (wait <= LONGEST_WAIT).then_some(Span(wait))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};
    use proptest::prelude::*;
    use rstest::rstest;

    fn headers(all: &[(&'static str, &str)]) -> HeaderMap {
        all.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())).collect()
    }

    #[rstest]
    #[case(&[], None)]
    #[case(&[("retry-after", "2")], Some(2000))]
    #[case(&[("retry-after", " 0.5 ")], Some(500))]
    #[case(&[("retry-after", "2"), ("retry-after-ms", "1250")], Some(1250))]
    #[case(&[("retry-after-ms", "soon"), ("retry-after", "3")], Some(3000))]
    #[case(&[("retry-after", "Thu, 01 Jan 1970 00:01:40 GMT")], Some(90_000))]
    #[case(&[("retry-after", "Thu, 01 Jan 1970 00:00:00 GMT")], Some(0))]
    #[case(&[("retry-after", "-5")], Some(0))]
    #[case(&[("retry-after", "NaN")], None)]
    #[case(&[("retry-after", "99999999999")], None)]
    #[case(&[("retry-after", "later")], None)]
    fn reads_how_long_to_wait(#[case] all: &[(&'static str, &str)], #[case] millis: Option<u64>) {
        let now = Timestamp::from_second(10).unwrap();
        let expected = millis.map(|millis| Span(Duration::from_millis(millis)));
        assert_eq!(retry_after(&headers(all), now), expected);
    }

    #[test]
    fn reads_marks() {
        assert_eq!(mark(&headers(&[("x-stainless-retry-count", "0")])), Some(0));
        assert_eq!(mark(&headers(&[("x-retry-count", "2")])), Some(2));
        assert_eq!(mark(&headers(&[("x-retry-count", "many")])), None);
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic(text in "[ -~]{0,40}") {
            let _ = retry_after(&headers(&[("retry-after", &text)]), Timestamp::UNIX_EPOCH);
        }
    }
}
