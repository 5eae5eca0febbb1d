//! The user's health data: from the side services, or from Supabase where those have nothing.

use super::knowledge::HealthData;
use super::subject::Subject;
use crate::target::reference::app::{App, Unavailable};
use crate::target::reference::query::Query;
use crate::target::reference::timestamps;
use serde_json::json;
use std::sync::Arc;

/// So many rows of a background synchronisation are stored at most.
const MOST_SYNCED: usize = 200;

/// Fetches a user's health data (six calls of Supabase and three of the side services for a user without any).
pub(in crate::target::reference) async fn fetch(app: &App, user: &str) -> Result<HealthData, Unavailable> {
    let profile = |columns| Query::of("profiles").select(columns).eq("id", user);
    let turn = app.event_loop.enter().await;
    app.tolerate(app.supabase.get(&turn, profile("last_analysis_at")).await)?;
    drop(turn);

    let (since, until) = (timestamps::date_days_ago(7), timestamps::date_days_ago(0));
    let [scores, biomarkers, archetypes] = app.side.fapi(user, &since, &until).await;
    let mut data = HealthData { scores, biomarkers, archetypes };

    let turn = app.event_loop.enter().await;
    if data.is_empty() {
        let of = |table| Query::of(table).select("*").eq("profile_id", user).newest_first().limit(100);
        let mut answers = Vec::with_capacity(3);
        for answer in app.supabase.get_all(&turn, vec![of("scores"), of("biomarkers"), of("archetypes")]).await {
            answers.push(app.tolerate(answer)?.unwrap_or_default().rows);
        }
        let mut answers = answers.into_iter();
        let mut next = || answers.next().unwrap_or_default();
        data = HealthData { scores: next(), biomarkers: next(), archetypes: next() };
    }
    app.tolerate(app.supabase.get(&turn, profile("analysis_metadata")).await)?;
    let patch = json!({"analysis_metadata": {"last_fetch": timestamps::now(), "days_fetched": 7}});
    // An empty result is fine here: a user need not have a profile.
    app.tolerate(app.supabase.update(&turn, Query::of("profiles").eq("id", user), patch).await)?;
    Ok(data)
}

/// Asks Sahha for newer data and stores what comes in the background.
pub(super) async fn synchronise(app: &Arc<App>, subject: &Subject, kind: &str) -> Result<(), Unavailable> {
    let turn = app.event_loop.enter().await;
    app.tolerate(app.supabase.get(&turn, subject.tracking("analysis_timestamp", kind)).await)?;
    drop(turn);
    let (biomarkers, scores) = app.side.sahha(&subject.user).await;
    if biomarkers.is_empty() && scores.is_empty() {
        return Ok(());
    }
    let (app_for_job, subject, kind) = (Arc::clone(app), subject.clone(), kind.to_owned());
    app.spawn(async move {
        let app = app_for_job;
        for (table, rows) in [("biomarkers", biomarkers), ("scores", scores)] {
            for mut row in rows.into_iter().take(MOST_SYNCED) {
                if let Some(row) = row.as_object_mut() {
                    row.insert("profile_id".to_owned(), json!(subject.user));
                }
                let turn = app.event_loop.enter().await;
                // A background job: nobody is left to be told.
                let _stored = app.supabase.upsert(&turn, table, "id", vec![row]).await;
            }
        }
        let turn = app.event_loop.enter().await;
        let patch = json!({"updated_at": timestamps::now()});
        let _stored = app.supabase.update(&turn, subject.tracking("*", &kind), patch).await;
    });
    Ok(())
}
