//! Figures that the app states about itself: a JSON document, or a Prometheus page.

use super::beat::Beat;
use super::client::{body, innermost, url};
use super::context::ProbeContext;
use super::prometheus;
use crate::model::event::RunEvent;
use crate::model::gauge::GaugeProbe;
use crate::model::reading::Reading;
use crate::units::Offset;
use reqwest::Client;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// How much of a page is read.
const BODY: usize = 1 << 20;
/// How long a page may take. Being late costs nothing here; health has a deadline of its own.
const DEADLINE: Duration = Duration::from_secs(10);

/// Which kind of page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Page {
    /// JSON; gauges are found by JSON pointers.
    Stats,
    /// JSON with costs.
    Cost,
    /// Prometheus text; gauges are found by metric names.
    Metrics,
}

impl Page {
    const fn name(self) -> &'static str {
        match self {
            Self::Stats => "stats",
            Self::Cost => "cost",
            Self::Metrics => "metrics",
        }
    }

    /// Apart from each other and from the health check, so that their costs to the app do not add up.
    const fn first(self) -> Offset {
        match self {
            Self::Stats => Offset::from_secs(4),
            Self::Cost => Offset::from_micros(750_000),
            Self::Metrics => Offset::from_micros(500_000),
        }
    }
}

/// Reads a page until stopped. What is missing is said once and no more.
pub(super) async fn run(ctx: Arc<ProbeContext>, client: Client, probe: GaugeProbe, page: Page) {
    let mut beat = Beat::new(ctx.clock, page.first(), probe.every.get());
    let url = url(&ctx.base_url, &probe.path);
    // A counter that nothing has counted yet is rightly absent from a page; what never came, nor was announced, is
    // missing.
    let mut never: BTreeSet<&String> = probe.gauges.keys().collect();
    let (mut read_once, mut unreadable_said) = (false, false);
    while beat.wait(&ctx.stop).await.is_some() {
        let answer = tokio::select! {
            biased;
            answer = read(&client, &url) => answer,
            () = ctx.stop.cancelled() => break,
        };
        // The figures are those of the answer's moment, which may be long after the question.
        let at = ctx.clock.now();
        let text = match answer {
            Ok(text) => text,
            Err(why) => {
                if !unreadable_said {
                    unreadable_said = true;
                    ctx.warn(format!("the app's {} page {} is not readable: {why}", page.name(), probe.path));
                }
                continue;
            }
        };
        read_once = true;
        for (name, value) in values(&text, &probe.gauges, page) {
            if let Some(value) = value {
                never.remove(&name);
                ctx.events.emit(RunEvent::Reading(Reading::Gauge { at, name, value }));
            } else if page == Page::Metrics && prometheus::declares(&text, &probe.gauges[&name]) {
                never.remove(&name);
            }
        }
    }
    if read_once {
        for name in never {
            let place = &probe.gauges[name];
            ctx.warn(format!("gauge `{name}` never had a number at `{place}` in {}", probe.path));
        }
    }
}

async fn read(client: &Client, url: &str) -> Result<String, String> {
    let reading = async {
        let mut answer = client.get(url).send().await.map_err(|e| innermost(&e))?;
        if !answer.status().is_success() {
            return Err(format!("status {}", answer.status().as_u16()));
        }
        let bytes = body(&mut answer, BODY).await.map_err(|e| innermost(&e))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    timeout(DEADLINE, reading).await.unwrap_or_else(|_| Err(format!("no answer within {DEADLINE:?}")))
}

/// Each gauge's value; `None` where the page has no finite number for it.
fn values(text: &str, gauges: &BTreeMap<String, String>, page: Page) -> Vec<(String, Option<f64>)> {
    let document: Option<Value> = if page != Page::Metrics { serde_json::from_str(text).ok() } else { None };
    let value = |place: &str| match page {
        Page::Metrics => prometheus::sum(text, place),
        Page::Stats | Page::Cost => match document.as_ref()?.pointer(place)? {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.trim().parse().ok(),
            Value::Bool(flag) => Some(f64::from(u8::from(*flag))),
            _ => None,
        },
    };
    gauges.iter().map(|(name, place)| (name.clone(), value(place).filter(|v| v.is_finite()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_figures_on_both_kinds_of_page() {
        let gauges = |list: &[(&str, &str)]| list.iter().map(|(n, p)| ((*n).to_owned(), (*p).to_owned())).collect();
        let json = r#"{"metrics":{"error_rate":0.25,"uptime":"12.5","on":true},"list":[]}"#;
        let places =
            gauges(&[("a", "/metrics/error_rate"), ("b", "/metrics/uptime"), ("c", "/list"), ("d", "/metrics/on")]);
        let found = values(json, &places, Page::Stats);
        assert_eq!(found.into_iter().map(|v| v.1).collect::<Vec<_>>(), [Some(0.25), Some(12.5), None, Some(1.0)]);
        let found = values("m{a=\"1\"} 1\nm{a=\"2\"} 2\nn NaN\n", &gauges(&[("m", "m"), ("n", "n")]), Page::Metrics);
        assert_eq!(found.into_iter().map(|v| v.1).collect::<Vec<_>>(), [Some(3.0), None]);
        assert_eq!(values("no json", &gauges(&[("a", "/a")]), Page::Stats)[0].1, None);
    }
}
