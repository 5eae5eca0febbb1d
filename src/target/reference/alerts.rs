//! [`Alerts`]: the app's own alert history, with its cooldowns.

use super::timestamps;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// So many are kept.
const KEPT: usize = 100;

/// The history.
#[derive(Default)]
pub(super) struct Alerts {
    history: Mutex<VecDeque<Alert>>,
}

struct Alert {
    severity: &'static str,
    title: String,
    service: &'static str,
    timestamp: String,
    at: Instant,
    details: Value,
}

impl Alerts {
    /// Notes an alert, unless the same was noted within its severity's cooldown.
    pub(super) fn raise(&self, severity: &'static str, service: &'static str, title: String, details: Value) {
        let mut history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        let cooldown = cooldown(severity);
        if history.iter().any(|a| a.service == service && a.title == title && a.at.elapsed() < cooldown) {
            return;
        }
        if history.len() == KEPT {
            history.pop_front();
        }
        history.push_back(Alert {
            severity,
            title,
            service,
            timestamp: timestamps::now_naive(),
            at: Instant::now(),
            details,
        });
    }

    /// The history of the last `hours`.
    pub(super) fn history(&self, hours: u64) -> Value {
        let history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        let alerts: Vec<Value> = history
            .iter()
            .filter(|alert| alert.at.elapsed() <= Duration::from_secs(hours.saturating_mul(3600)))
            .map(|alert| {
                json!({
                    "severity": alert.severity, "title": alert.title, "service": alert.service,
                    "timestamp": alert.timestamp, "details": alert.details,
                })
            })
            .collect();
        json!({"total_count": alerts.len(), "alerts": alerts, "period_hours": hours})
    }

    /// The summary that the statistics show.
    pub(super) fn summary(&self) -> Value {
        let history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |severity: &str| history.iter().filter(|alert| alert.severity == severity).count();
        let mut by_service = serde_json::Map::new();
        for alert in history.iter() {
            let count = by_service.get(alert.service).and_then(Value::as_u64).unwrap_or(0);
            by_service.insert(alert.service.to_owned(), json!(count + 1));
        }
        json!({
            "total_alerts": history.len(),
            "by_severity": {
                "info": of("info"), "warning": of("warning"), "error": of("error"), "critical": of("critical"),
            },
            "by_service": by_service,
            "active_cooldowns": history.iter().filter(|alert| alert.at.elapsed() < cooldown(alert.severity)).count(),
            "period_hours": 24,
        })
    }
}

fn cooldown(severity: &str) -> Duration {
    Duration::from_secs(
        60 * match severity {
            "critical" => 5,
            "error" => 10,
            "warning" => 15,
            _ => 30,
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_same_alert_comes_once_per_cooldown() {
        let alerts = Alerts::default();
        for _ in 0..3 {
            alerts.raise("warning", "openai", "down".to_owned(), Value::Null);
        }
        assert_eq!(alerts.history(24)["total_count"], 1);
        tokio::time::advance(Duration::from_secs(901)).await;
        alerts.raise("warning", "openai", "down".to_owned(), Value::Null);
        assert_eq!(alerts.summary()["by_service"]["openai"], 2);
        assert_eq!(alerts.summary()["active_cooldowns"], 1);
    }
}
