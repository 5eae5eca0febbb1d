//! [`asked`]: faults that a request asks for itself, by the headers of Envoy's fault filter (its documentation,
//! "Controlling fault injection via HTTP headers").

use crate::model::fault::{Abort, AskedFor, Drip, FaultAction};
use crate::units::{ByteSize, Span};
use http::HeaderMap;
use std::time::Duration;

/// What Envoy's filter says as the body of what it aborts.
const BODY: &str = "fault filter abort";
/// How often Envoy lets something through of an answer whose rate is limited, in parts of a second.
const FILL: Duration = Duration::from_millis(50);
/// No asked delay is longer than a day, so that a header cannot overflow a timer.
const LONGEST: Duration = Duration::from_secs(86_400);

/// What a request asks for; `None` if it does not, or in words that mean nothing: Envoy ignores those.
pub(super) fn asked(what: AskedFor, headers: &HeaderMap) -> Option<FaultAction> {
    match what {
        AskedFor::Delay => {
            let delay = Duration::from_millis(number(headers, "x-envoy-fault-delay-request")?);
            Some(FaultAction::Delay(Span(delay.min(LONGEST))))
        }
        AskedFor::Throughput => {
            let rate = number(headers, "x-envoy-fault-throughput-response").filter(|rate| *rate > 0)?;
            let bytes = rate.saturating_mul(1 << 10) / (1_000 / FILL.as_millis() as u64);
            Some(FaultAction::Drip(Drip { bytes: ByteSize(bytes), every: Span(FILL) }))
        }
        AskedFor::Abort => {
            let status = u16::try_from(number(headers, "x-envoy-fault-abort-request")?).ok()?;
            (200..600).contains(&status).then(|| {
                FaultAction::Abort(Abort { status: Some(status), body: Some(BODY.to_owned()), ..Abort::default() })
            })
        }
    }
}

/// Of the requests that ask so, how many get it: a share that is none, and one above the whole, count as the whole.
pub(super) fn share(what: AskedFor, headers: &HeaderMap) -> f64 {
    let name = match what {
        AskedFor::Delay => "x-envoy-fault-delay-request-percentage",
        AskedFor::Abort => "x-envoy-fault-abort-request-percentage",
        AskedFor::Throughput => "x-envoy-fault-throughput-response-percentage",
    };
    number(headers, name)
        .and_then(|percent| u32::try_from(percent).ok())
        .map_or(1.0, |percent| f64::from(percent) / 100.0)
}

/// A header's value, if it is a whole number.
fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        headers
    }

    #[test]
    fn headers_mean_what_envoy_says() {
        let delay = |value| asked(AskedFor::Delay, &headers("x-envoy-fault-delay-request", value));
        assert_eq!(delay("53"), Some(FaultAction::Delay(Span(Duration::from_millis(53)))));
        let status = |value| match asked(AskedFor::Abort, &headers("x-envoy-fault-abort-request", value)) {
            Some(FaultAction::Abort(abort)) => abort.status,
            _ => None,
        };
        assert_eq!([status("200"), status("599"), status("503")], [Some(200), Some(599), Some(503)]);
        assert_eq!([status("199"), status("600"), status("abc"), status("-503")], [None; 4]);
        let rate = |value| asked(AskedFor::Throughput, &headers("x-envoy-fault-throughput-response", value));
        let drip = Drip { bytes: ByteSize(5_120), every: Span(Duration::from_millis(50)) };
        assert_eq!(rate("100"), Some(FaultAction::Drip(drip)));
        assert_eq!([rate("0"), rate("1.5")], [None, None]);
        let share = |value| share(AskedFor::Delay, &headers("x-envoy-fault-delay-request-percentage", value));
        assert_eq!([share("0"), share("25"), share("150"), share("abc"), share("-1")], [0.0, 0.25, 1.5, 1.0, 1.0]);
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(value in "[ -~]{0,24}") {
            for (what, name) in [(AskedFor::Delay, "x-envoy-fault-delay-request"), (AskedFor::Throughput, "x-envoy-fault-throughput-response"), (AskedFor::Abort, "x-envoy-fault-abort-request")] {
                let _ = (asked(what, &headers(name, &value)), share(what, &headers(name, &value)));
            }
        }
    }
}
