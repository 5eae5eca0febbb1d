//! [`Figures`]: what the app counts about itself, and how it shows it as Prometheus text.
//!
//! It counts as HolisticOS does, which is not the truth: only generation endpoints; a 401 or 429 is an error
//! twice and appears as 500; a 200 with an error inside is a success.

use super::memory;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Upper bounds of the duration buckets, in seconds.
const BUCKETS: [f64; 7] = [0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// The counters.
pub(super) struct Figures {
    started: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    requests: u64,
    errors: u64,
    /// By endpoint and shown status.
    by_endpoint: BTreeMap<(&'static str, u16), u64>,
    durations: BTreeMap<&'static str, Durations>,
    errors_by_endpoint: BTreeMap<&'static str, u64>,
    health: BTreeMap<&'static str, (f64, f64)>,
}

#[derive(Default)]
struct Durations {
    buckets: [u64; BUCKETS.len()],
    count: u64,
    sum: f64,
}

impl Figures {
    pub(super) fn new() -> Self {
        Self { started: Instant::now(), state: Mutex::default() }
    }

    /// Seconds since the start.
    pub(super) fn uptime(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    /// Notes a handled generation request.
    pub(super) fn note(&self, endpoint: &'static str, status: u16, took: Duration) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.requests += 1;
        let shown = if status < 400 { 200 } else { 500 };
        *state.by_endpoint.entry((endpoint, shown)).or_default() += 1;
        if shown == 500 {
            // Counted where it is raised and again where it is caught.
            state.errors += if status < 500 { 2 } else { 1 };
            *state.errors_by_endpoint.entry(endpoint).or_default() += 1;
        }
        let durations = state.durations.entry(endpoint).or_default();
        let secs = took.as_secs_f64();
        durations.count += 1;
        durations.sum += secs;
        for (bucket, bound) in durations.buckets.iter_mut().zip(BUCKETS) {
            *bucket += u64::from(secs <= bound);
        }
    }

    /// Notes a service's health: 1 healthy, 0.5 degraded, 0 otherwise; and how long checking took, in seconds.
    pub(super) fn note_health(&self, service: &'static str, status: &str, secs: f64) {
        let value = match status {
            "healthy" => 1.0,
            "degraded" => 0.5,
            _ => 0.0,
        };
        self.state.lock().unwrap_or_else(PoisonError::into_inner).health.insert(service, (value, secs));
    }

    /// The counters of the statistics endpoint.
    pub(super) fn summary(&self) -> serde_json::Value {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let uptime = self.uptime();
        let requests = state.requests as f64;
        serde_json::json!({
            "uptime_seconds": uptime,
            "total_requests": state.requests,
            "total_errors": state.errors,
            "error_rate": if state.requests == 0 { 0.0 } else { state.errors as f64 / requests },
            "requests_per_second": if uptime > 0.0 { requests / uptime } else { 0.0 },
        })
    }

    /// The Prometheus page, text exposition 0.0.4.
    pub(super) fn exposition(&self) -> String {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut page = String::new();
        head(&mut page, "holisticos_requests_total", "counter", "Total requests");
        for ((endpoint, status), count) in &state.by_endpoint {
            let labels = format!("method=\"POST\",endpoint=\"{endpoint}\",status=\"{status}\"");
            line(&mut page, "holisticos_requests_total", &labels, *count as f64);
        }
        head(&mut page, "holisticos_request_duration_seconds", "histogram", "Request duration");
        for (endpoint, durations) in &state.durations {
            let base = format!("method=\"POST\",endpoint=\"{endpoint}\"");
            let bounds = BUCKETS.iter().map(ToString::to_string).chain(["+Inf".to_owned()]);
            for (bound, count) in bounds.zip(durations.buckets.iter().chain([&durations.count])) {
                let labels = format!("{base},le=\"{bound}\"");
                line(&mut page, "holisticos_request_duration_seconds_bucket", &labels, *count as f64);
            }
            line(&mut page, "holisticos_request_duration_seconds_count", &base, durations.count as f64);
            line(&mut page, "holisticos_request_duration_seconds_sum", &base, durations.sum);
        }
        head(&mut page, "holisticos_errors_total", "counter", "Total errors");
        for (endpoint, count) in &state.errors_by_endpoint {
            let labels = format!("service=\"api\",error_type=\"HTTPException\",endpoint=\"{endpoint}\"");
            line(&mut page, "holisticos_errors_total", &labels, *count as f64);
        }
        head(&mut page, "holisticos_health_check_status", "gauge", "Health check status");
        for (service, (value, _)) in &state.health {
            line(&mut page, "holisticos_health_check_status", &format!("service=\"{service}\""), *value);
        }
        head(&mut page, "holisticos_health_check_duration_seconds", "gauge", "Health check duration");
        for (service, (_, secs)) in &state.health {
            line(&mut page, "holisticos_health_check_duration_seconds", &format!("service=\"{service}\""), *secs);
        }
        drop(state);
        let resident = memory::resident_bytes() as f64;
        for (name, describe, value) in [
            ("holisticos_memory_usage_bytes", "Memory usage in bytes", resident),
            // A figure of the interval since the last call, which is nearly always none.
            ("holisticos_cpu_usage_percent", "CPU usage percentage", 0.0),
            ("holisticos_database_connections_active", "Active database connections", 0.0),
            ("holisticos_database_connections_idle", "Idle database connections", 0.0),
            ("process_resident_memory_bytes", "Resident memory size in bytes", resident),
            ("process_uptime_seconds", "Seconds since the start", self.uptime()),
        ] {
            head(&mut page, name, "gauge", describe);
            line(&mut page, name, "", value);
        }
        // Declared by the app, never incremented.
        head(&mut page, "holisticos_openai_requests_total", "counter", "Total OpenAI requests");
        head(&mut page, "python_info", "gauge", "Python platform information");
        line(&mut page, "python_info", "implementation=\"CPython\",major=\"3\",minor=\"11\",version=\"3.11.7\"", 1.0);
        page
    }
}

fn head(page: &mut String, name: &str, kind: &str, describe: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(page, "# HELP {name} {describe}\n# TYPE {name} {kind}");
}

fn line(page: &mut String, name: &str, labels: &str, value: f64) {
    let braces = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
    let _ = writeln!(page, "{name}{braces} {value:?}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_as_the_app_does() {
        let figures = Figures::new();
        figures.note("/x", 200, Duration::from_millis(300));
        figures.note("/x", 429, Duration::from_millis(1));
        let summary = figures.summary();
        assert_eq!((&summary["total_requests"], &summary["total_errors"]), (&2.into(), &2.into()));
        let page = figures.exposition();
        assert!(page.contains("holisticos_requests_total{method=\"POST\",endpoint=\"/x\",status=\"500\"} 1.0"));
        assert!(
            page.contains("holisticos_request_duration_seconds_bucket{method=\"POST\",endpoint=\"/x\",le=\"0.5\"} 2.0")
        );
        assert!(page.contains("le=\"+Inf\"} 2.0"));
    }
}
