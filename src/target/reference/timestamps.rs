//! Texts for moments and days, as a Python app and PostgREST write them.

use jiff::{SignedDuration, Timestamp, tz};

/// The form that PostgREST uses: with an offset.
const WITH_OFFSET: &str = "%Y-%m-%dT%H:%M:%S%.6f+00:00";

/// Now, with an offset.
pub(super) fn now() -> String {
    Timestamp::now().strftime(WITH_OFFSET).to_string()
}

/// Now, without an offset, as `datetime.now().isoformat()` gives it.
pub(super) fn now_naive() -> String {
    Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.6f").to_string()
}

/// So many days ago, with an offset.
pub(super) fn days_ago(days: i64) -> String {
    past(days).strftime(WITH_OFFSET).to_string()
}

/// The day so many days ago (UTC).
pub(super) fn date_days_ago(days: i64) -> String {
    past(days).strftime("%Y-%m-%d").to_string()
}

fn past(days: i64) -> Timestamp {
    Timestamp::now().checked_sub(SignedDuration::from_hours(24 * days)).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// How long ago a text's moment was; `None` if it is no moment **with an offset**, where Python would throw on
/// comparing it.
pub(super) fn age(text: &str) -> Option<SignedDuration> {
    // PostgREST writes `+00:00`, some mocks `Z`; both are offsets.
    text.replacen(' ', "T", 1).parse::<Timestamp>().ok().map(|then| Timestamp::now().duration_since(then))
}

/// Today where the user is; New York unless a known zone is given.
pub(super) fn today_in(zone: Option<&str>) -> String {
    let zone = zone
        .and_then(|name| tz::TimeZone::get(name).ok())
        .or_else(|| tz::TimeZone::get("America/New_York").ok())
        // A machine without a zone database: standard time of New York.
        .unwrap_or_else(|| tz::TimeZone::fixed(tz::offset(-5)));
    Timestamp::now().to_zoned_datetime(zone).strftime("%Y-%m-%d").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn naive_moments_have_no_age() {
        assert!(age(&now()).is_some_and(|age| age.as_secs().abs() < 5));
        assert!(age("2026-01-02T03:04:05Z").is_some());
        assert_eq!(age(&now_naive()), None);
        assert!(age(&days_ago(8)).is_some_and(|age| age.as_hours() == 192));
    }
}
