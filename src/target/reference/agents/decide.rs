//! Whether a new analysis is due: the freshness rule.

use super::subject::Subject;
use crate::target::reference::app::{App, Unavailable};
use crate::target::reference::query::Query;
use crate::target::reference::supabase::Rows;
use crate::target::reference::timestamps;

/// The outcome of the freshness rule, with the figures that the answers show.
pub(in crate::target::reference) struct Decision {
    pub(in crate::target::reference) fresh: bool,
    pub(in crate::target::reference) new_data: u64,
    pub(in crate::target::reference) threshold: u64,
    pub(in crate::target::reference) quality: &'static str,
    pub(in crate::target::reference) reason: String,
}

/// Decides for a kind of analysis: never analysed → fresh; more than 7 days ago → fresh; else only if enough new
/// scores and biomarkers have come in.
pub(in crate::target::reference) async fn decide(
    app: &App,
    subject: &Subject,
    kind: &str,
) -> Result<Decision, Unavailable> {
    let turn = app.event_loop.enter().await;
    let (query, column) = if subject.named {
        (subject.tracking("analysis_timestamp", kind), "analysis_timestamp")
    } else {
        (Query::of("profiles").select("last_analysis_at").eq("id", &subject.user), "last_analysis_at")
    };
    // A failed read looks like a user who was never analysed.
    let tracked = app.tolerate(app.supabase.get(&turn, query).await)?.unwrap_or_default();
    let Some(last) = tracked.first().and_then(|row| row.get(column)?.as_str()).map(str::to_owned) else {
        return Ok(Decision::fresh("No previous analysis found", "sparse"));
    };
    let new = |table| Query::of(table).select("id").eq("profile_id", &subject.user).gte("created_at", &last).counted();
    let since_yesterday = Query::of("holistic_memory_analysis_context")
        .select("*")
        .eq("user_id", &subject.user)
        .gte("created_at", &timestamps::days_ago(1));
    let queries = vec![new("scores"), new("biomarkers"), subject.results(10), subject.results(10), since_yesterday];
    let mut answers = Vec::with_capacity(queries.len());
    for answer in app.supabase.get_all(&turn, queries).await {
        answers.push(app.tolerate(answer)?.unwrap_or_default());
    }
    drop(turn);
    let new_data = answers.iter().take(2).map(|rows| rows.total.unwrap_or(rows.rows.len() as u64)).sum();
    let quality = quality(answers.get(2).unwrap_or(&Rows::default()).rows.len());
    let Some(age) = timestamps::age(&last) else {
        // Python cannot compare a naive moment with an aware one; the exception is swallowed and means "cached".
        return Ok(Decision {
            fresh: false,
            new_data,
            threshold: 50,
            quality,
            reason: "Using cached analysis".to_owned(),
        });
    };
    let days = age.as_hours() / 24;
    if days > 7 {
        return Ok(Decision::fresh("Analysis is older than 7 days", quality));
    }
    let threshold = threshold(quality, &subject.archetype, days);
    let fresh = new_data >= threshold;
    let reason = format!("{new_data} new data points, threshold {threshold}");
    Ok(Decision { fresh, new_data, threshold, quality, reason })
}

impl Decision {
    fn fresh(reason: &str, quality: &'static str) -> Self {
        Self { fresh: true, new_data: 0, threshold: 50, quality, reason: reason.to_owned() }
    }
}

fn quality(results: usize) -> &'static str {
    match results {
        0..=2 => "sparse",
        3..=7 => "developing",
        _ => "rich",
    }
}

/// 50 × (how much is known) × (how complex the archetype) × (how long ago), within 10..=100.
fn threshold(quality: &str, archetype: &str, days: i64) -> u64 {
    let known = match quality {
        "rich" => 0.7,
        "developing" => 0.85,
        _ => 1.2,
    };
    let complex = match archetype {
        "Peak Performer" | "Systematic Improver" | "Transformation Seeker" => 1.15,
        "Foundation Builder" | "Resilience Rebuilder" => 0.9,
        _ => 1.0,
    };
    let waited = match days {
        5.. => 0.7,
        3..=4 => 0.85,
        _ => 1.0,
    };
    (50.0_f64 * known * complex * waited).clamp(10.0, 100.0) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_stay_in_the_range_that_was_seen() {
        assert_eq!(threshold("sparse", "Foundation Builder", 0), 54);
        assert_eq!(threshold("rich", "Foundation Builder", 5), 22);
        assert_eq!(threshold("developing", "Peak Performer", 1), 48);
    }
}
