//! How OpenAI refuses what is over a limit: messages, codes and headers.

use super::bucket::{Left, Short};
use crate::upstream::answer::Answer;
use crate::upstream::openai::errors::envelope;
use http::StatusCode;
use std::time::Duration;

/// Where limits can be looked up, as messages end.
const SEE: &str = "Visit https://platform.openai.com/account/rate-limits to learn more.";

/// What a limit is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Requests per minute.
    Requests,
    /// Tokens per minute.
    Tokens,
}

impl Unit {
    /// The error's `type`, and the last part of header names.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Tokens => "tokens",
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Requests => "requests per min (RPM)",
            Self::Tokens => "tokens per min (TPM)",
        }
    }
}

/// The 429 for a rate (WIRE-openai §3; the wording for what no wait can cure: BerriAI and others,
/// DrShushen/climb#13).
pub fn over_rate(unit: Unit, model: &str, limit: u64, requested: u64, short: Short, retry_headers: bool) -> Answer {
    let (on, code) = (unit.words(), Some("rate_limit_exceeded"));
    let Some(wait) = short.wait else {
        let message = format!(
            "Request too large for {model} in organization org-firedrill on {on}: Limit {limit}, Requested \
             {requested}. The input or output tokens must be reduced in order to run successfully. {SEE}"
        );
        return envelope(StatusCode::TOO_MANY_REQUESTS, unit.name(), &message, None, code);
    };
    let message = format!(
        "Rate limit reached for {model} in organization org-firedrill on {on}: Limit {limit}, Used {}, Requested \
         {requested}. Please try again in {}. {SEE}",
        short.used,
        go_duration(wait),
    );
    let answer = envelope(StatusCode::TOO_MANY_REQUESTS, unit.name(), &message, None, code);
    if !retry_headers {
        return answer;
    }
    let secs = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    answer.with("retry-after", &secs.max(1).to_string()).with("retry-after-ms", &wait.as_millis().max(1).to_string())
}

/// The 429 for a quota that is used up. Waiting does not cure it, so it names no time.
pub fn over_quota() -> Answer {
    let message = "You exceeded your current quota, please check your plan and billing details. For more information \
                   on this error, read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors.";
    let kind = "insufficient_quota";
    envelope(StatusCode::TOO_MANY_REQUESTS, kind, message, None, Some(kind))
}

/// The answer with what is left of both limits.
pub fn with_left(answer: Answer, [requests, tokens]: [(u64, Left); 2]) -> Answer {
    answer
        .with("x-ratelimit-limit-requests", &requests.0.to_string())
        .with("x-ratelimit-limit-tokens", &tokens.0.to_string())
        .with("x-ratelimit-remaining-requests", &requests.1.remaining.to_string())
        .with("x-ratelimit-remaining-tokens", &tokens.1.remaining.to_string())
        .with("x-ratelimit-reset-requests", &go_duration(requests.1.reset))
        .with("x-ratelimit-reset-tokens", &go_duration(tokens.1.reset))
}

/// A duration as Go prints it, which is what these headers and messages hold: `120ms`, `1.5s`, `6m0s`, `1h0m0s`.
pub fn go_duration(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let (hours, minutes, below) = (millis / 3_600_000, millis / 60_000 % 60, millis % 60_000);
    if (hours, minutes) == (0, 0) && (1..1_000).contains(&below) {
        return format!("{below}ms");
    }
    // Whole milliseconds print without trailing zeros and without rounding artefacts.
    let secs = match (below / 1_000, below % 1_000) {
        (secs, 0) => format!("{secs}s"),
        (secs, rest) => format!("{secs}.{}s", format!("{rest:03}").trim_end_matches('0')),
    };
    match (hours, minutes) {
        (0, 0) => secs,
        (0, minutes) => format!("{minutes}m{secs}"),
        (hours, minutes) => format!("{hours}h{minutes}m{secs}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(0, "0s")]
    #[case(120, "120ms")]
    #[case(1_000, "1s")]
    #[case(1_500, "1.5s")]
    #[case(9_816, "9.816s")]
    #[case(59_999, "59.999s")]
    #[case(86_400, "1m26.4s")]
    #[case(360_000, "6m0s")]
    #[case(3_600_000, "1h0m0s")]
    fn durations_read_like_gos(#[case] millis: u64, #[case] expected: &str) {
        assert_eq!(go_duration(Duration::from_millis(millis)), expected);
    }
}
