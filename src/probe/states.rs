//! What the app says of its database, and the alerts that it lists.

use super::beat::Beat;
use super::client::{body, innermost, url};
use super::context::ProbeContext;
use crate::model::checks::{AlertProbe, DatabaseProbe, Observation};
use crate::model::event::RunEvent;
use crate::units::Offset;
use reqwest::Client;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// How much of an answer is read.
const BODY: usize = 1 << 20;
const DEADLINE: Duration = Duration::from_secs(10);
/// Apart from the other probes, so that their costs to the app do not add up.
const FIRST_STATE: Offset = Offset::from_secs(2);
/// How much of a text of the app is kept.
const KEPT: usize = 120;
/// Alerts told apart at most.
const MOST: usize = 1000;

/// Asks how the database is until stopped.
pub(super) async fn database(ctx: Arc<ProbeContext>, client: Client, probe: DatabaseProbe) {
    let mut beat = Beat::new(ctx.clock, FIRST_STATE, probe.every.get());
    let url = url(&ctx.base_url, &probe.path);
    let mut doubted = false;
    while beat.wait(&ctx.stop).await.is_some() {
        let answer = tokio::select! {
            biased;
            answer = read(&client, &url) => answer,
            () = ctx.stop.cancelled() => return,
        };
        // An answer that does not come is the health check's matter; here only the app's own word counts, whatever the
        // status it comes with.
        let says = answer.and_then(|body| {
            let says = body.pointer(&probe.status_at).and_then(Value::as_str).map(clip);
            says.ok_or_else(|| format!("nothing stands at {}", probe.status_at))
        });
        match says {
            Ok(says) => {
                let well = probe.well.contains(&says);
                let what = Observation::Database { at: ctx.clock.now(), says, well };
                ctx.events.emit(RunEvent::Observed { what });
            }
            Err(why) if !doubted => {
                doubted = true;
                ctx.warn(format!("the app does not say how its database is at {}: {why}", probe.path));
            }
            Err(_) => {}
        }
    }
}

/// Reads the app's alerts until stopped, and once more then. Those that are there at first are old.
pub(super) async fn alerts(ctx: Arc<ProbeContext>, client: Client, probe: AlertProbe) {
    let Some(path) = &probe.path else { return };
    let mut beat = Beat::new(ctx.clock, Offset::ZERO, probe.every.get());
    let url = url(&ctx.base_url, path);
    let mut known: Option<(BTreeSet<[String; 3]>, Offset)> = None;
    loop {
        let more = beat.wait(&ctx.stop).await.is_some();
        // Bounded by its deadline, also at the end: an alert of the last seconds counts.
        let answer = read(&client, &url).await;
        let at = ctx.clock.now();
        let listed = answer.and_then(|body| {
            let list = body.pointer(&probe.list).and_then(Value::as_array).cloned();
            list.ok_or_else(|| format!("no list stands at {}", probe.list))
        });
        match listed {
            Ok(list) => {
                let alerts: BTreeSet<[String; 3]> =
                    list.iter().take(MOST).map(|entry| identity(entry, &probe)).collect();
                if let Some((before, after)) = &known {
                    for [severity, title, _] in alerts.difference(before) {
                        let (severity, title) = (severity.clone(), title.clone());
                        let what = Observation::Alert { at, after: *after, severity, title };
                        ctx.events.emit(RunEvent::Observed { what });
                    }
                }
                // A list that forgets old entries makes none of them new.
                let mut all = known.take().map(|(before, _)| before).unwrap_or_default();
                if all.len() < MOST {
                    all.extend(alerts);
                }
                known = Some((all, at));
                ctx.events.emit(RunEvent::Observed { what: Observation::AlertsRead { at, failed: None } });
            }
            Err(why) => {
                ctx.events.emit(RunEvent::Observed { what: Observation::AlertsRead { at, failed: Some(why) } });
            }
        }
        if !more {
            return;
        }
    }
}

/// What tells an alert from others: severity, title and time.
fn identity(entry: &Value, probe: &AlertProbe) -> [String; 3] {
    let text = |place: &str| match entry.pointer(place) {
        Some(Value::String(text)) => clip(text),
        Some(other) => clip(&other.to_string()),
        None => String::new(),
    };
    [text(&probe.severity), text(&probe.title), text(&probe.time)]
}

fn clip(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(KEPT).collect()
}

async fn read(client: &Client, url: &str) -> Result<Value, String> {
    let reading = async {
        let mut answer = client.get(url).send().await.map_err(|e| innermost(&e))?;
        let status = answer.status().as_u16();
        let bytes = body(&mut answer, BODY).await.map_err(|e| innermost(&e))?;
        serde_json::from_slice(&bytes).map_err(|_| format!("status {status}, no JSON"))
    };
    timeout(DEADLINE, reading).await.unwrap_or_else(|_| Err(format!("no answer within {DEADLINE:?}")))
}
