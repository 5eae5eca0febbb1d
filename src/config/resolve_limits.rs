//! `upstreams.openai.limits` as typed → [`LimitsPlan`].

use super::collector::Collector;
use super::openai_file::LimitsFile;
use super::value::Quantity;
use crate::model::limits::{LimitHeaders, LimitsPlan, Quota, RateLimit};
use std::ops::RangeInclusive;
use toml::Spanned;

/// A thousand times what OpenAI grants its largest customers is still below this.
const PER_MINUTE: RangeInclusive<u64> = 1..=1_000_000_000_000;
const HEADERS: [&str; 3] = ["all", "not-on-refusal", "none"];

/// The limits of a mock.
pub(super) fn limits(out: &mut Collector, file: &LimitsFile) -> LimitsPlan {
    let every = rate(out, file.requests_per_minute.as_ref(), file.tokens_per_minute.as_ref(), RateLimit::default());
    let models = file
        .model
        .iter()
        .map(|(name, written)| {
            let own = written.get_ref();
            let limit = rate(out, own.requests_per_minute.as_ref(), own.tokens_per_minute.as_ref(), every);
            (name.get_ref().clone(), limit)
        })
        .collect();
    let headers = match file.headers.as_ref().map(|headers| (headers, headers.get_ref().as_str())) {
        None | Some((_, "all")) => LimitHeaders::All,
        Some((_, "not-on-refusal")) => LimitHeaders::NotOnRefusal,
        Some((_, "none")) => LimitHeaders::None,
        Some((written, typed)) => {
            out.unknown(written.span(), "choice", typed, HEADERS);
            LimitHeaders::All
        }
    };
    let quota = file.quota.as_ref().and_then(|written| quota(out, written));
    LimitsPlan { every, models, quota, headers, count_refused: file.count_refused }
}

fn rate(
    out: &mut Collector,
    requests: Option<&Spanned<i64>>,
    tokens: Option<&Spanned<i64>>,
    base: RateLimit,
) -> RateLimit {
    let mut limit = |written: Option<&Spanned<i64>>, what: &str| {
        written.map(|written| out.number(written, what, *PER_MINUTE.start(), *PER_MINUTE.end()))
    };
    RateLimit {
        requests_per_minute: limit(requests, "`requests-per-minute`").or(base.requests_per_minute),
        tokens_per_minute: limit(tokens, "`tokens-per-minute`").or(base.tokens_per_minute),
    }
}

/// `"$5"`, `"0.5 USD"`, `"100000 tokens"`.
fn quota(out: &mut Collector, written: &Spanned<Quantity>) -> Option<Quota> {
    let text = written.get_ref().0.trim();
    let dollars = text.strip_prefix('$').or_else(|| text.strip_suffix("USD"));
    let parsed = match (dollars, text.strip_suffix("tokens")) {
        (Some(number), _) => number
            .trim()
            .parse()
            .ok()
            .filter(|dollars: &f64| dollars.is_finite() && *dollars >= 0.0)
            .map(Quota::Dollars),
        (None, Some(number)) => number.trim().replace('_', "").parse().ok().map(Quota::Tokens),
        (None, None) => None,
    };
    if parsed.is_none() {
        out.error(written.span(), format!("`{text}` is not a quota"))
            .help("write an amount of money or tokens, such as \"$5\" or \"100000 tokens\"");
    }
    parsed
}
