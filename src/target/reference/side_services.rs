//! [`SideServices`]: the two health-data services (FAPI and Sahha) that the app asks beside Supabase.

use super::exchange::{ExchangeError, Patience, exchange};
use super::pace::Pace;
use serde_json::Value;
use std::time::Duration;

const PATIENCE: Patience = Patience::PerRead(Duration::from_secs(30));

/// Both services behind one base URL.
pub(super) struct SideServices {
    http: reqwest::Client,
    /// `None` skips them; that is the same as their answer "no data".
    base: Option<String>,
    pace: Pace,
}

impl SideServices {
    pub(super) fn new(http: reqwest::Client, base: Option<String>, pace: Pace) -> Self {
        Self { http, base, pace }
    }

    /// Scores, biomarkers and archetypes of FAPI, asked for in parallel; empty where there is no data.
    pub(super) async fn fapi(&self, user: &str, since: &str, until: &str) -> [Vec<Value>; 3] {
        let one = |kind| self.fapi_kind(kind, user, since, until);
        let (scores, biomarkers, archetypes) = tokio::join!(one("scores"), one("biomarkers"), one("archetypes"));
        [scores, biomarkers, archetypes]
    }

    async fn fapi_kind(&self, kind: &str, user: &str, since: &str, until: &str) -> Vec<Value> {
        let Some(base) = &self.base else { return Vec::new() };
        let Ok(url) = url::Url::parse_with_params(
            &format!("{base}/api/v1/sahha/{kind}"),
            [("user_id", user), ("start_date", since), ("end_date", until), ("limit", "100")],
        ) else {
            return Vec::new();
        };
        // 404 is "no data" at once; anything else that is no success gets three attempts, a second apart.
        for attempt in 0..3 {
            if attempt > 0 {
                self.pace.sleep(Duration::from_secs(1)).await;
            }
            match exchange(self.http.get(url.clone()), PATIENCE).await {
                Ok(answer) if answer.status < 300 => {
                    let body = serde_json::from_slice::<Value>(&answer.body).unwrap_or(Value::Null);
                    return body.get("data").unwrap_or(&body).as_array().cloned().unwrap_or_default();
                }
                Ok(answer) if answer.status == 404 => return Vec::new(),
                Ok(_) | Err(_) => {}
            }
        }
        Vec::new()
    }

    /// A token of Sahha; `None` means no data, whatever the reason.
    async fn token(&self) -> Option<String> {
        let base = self.base.as_ref()?;
        let request = self.http.post(format!("{base}/api/v1/oauth/account/token")).json(&serde_json::json!({}));
        let answer = exchange(request, PATIENCE).await.ok().filter(|answer| answer.status == 200)?;
        let body: Value = serde_json::from_slice(&answer.body).ok()?;
        Some(body.get("accountToken")?.as_str()?.to_owned())
    }

    /// Biomarkers and scores of Sahha: two tokens in parallel, then three biomarker reads one after another,
    /// each after half a second, beside one score read.
    pub(super) async fn sahha(&self, user: &str) -> (Vec<Value>, Vec<Value>) {
        let (for_biomarkers, for_scores) = tokio::join!(self.token(), self.token());
        let biomarkers = async {
            let mut rows = Vec::new();
            if let Some(token) = &for_biomarkers {
                for _ in 0..3 {
                    self.pace.sleep(Duration::from_millis(500)).await;
                    rows.extend(self.sahha_read("biomarker", user, token).await);
                }
            }
            rows
        };
        let scores = async {
            match &for_scores {
                Some(token) => self.sahha_read("score", user, token).await,
                None => Vec::new(),
            }
        };
        tokio::join!(biomarkers, scores)
    }

    async fn sahha_read(&self, kind: &str, user: &str, token: &str) -> Vec<Value> {
        let Some(base) = &self.base else { return Vec::new() };
        let Ok(mut url) = url::Url::parse(base) else { return Vec::new() };
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["api", "v1", "profile", kind, user]);
        }
        let answer: Result<_, ExchangeError> = exchange(self.http.get(url).bearer_auth(token), PATIENCE).await;
        match answer {
            Ok(answer) if answer.status == 200 => {
                serde_json::from_slice::<Vec<Value>>(&answer.body).unwrap_or_default()
            }
            Ok(_) | Err(_) => Vec::new(),
        }
    }
}
