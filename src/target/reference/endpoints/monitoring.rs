//! What the app says of itself: health, statistics, alerts, metrics. HolisticOS never looks at Supabase, answers
//! 200 whatever it finds, and stops for two seconds to look at its processor.

use crate::target::reference::app::App;
use crate::target::reference::defect::AgentName;
use crate::target::reference::envelopes::health::{self, ServiceHealth};
use crate::target::reference::memory::resident_bytes;
use crate::target::reference::openai::OpenAiError;
use crate::target::reference::query::Query;
use crate::target::reference::reply::{Answer, Reply};
use crate::target::reference::request::Request;
use crate::target::reference::timestamps;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Two processor samples of a second each, taken on the event loop.
const SAMPLING: Duration = Duration::from_secs(2);
/// How long HolisticOS waits for OpenAI in a check, retries included.
const OPENAI_LIMIT: Duration = Duration::from_secs(10);
/// How long the resilient app waits for either upstream.
const QUICK_LIMIT: Duration = Duration::from_secs(2);
/// Slower answers of OpenAI miss the threshold, and are healthy all the same.
const SLOW_MS: f64 = 5000.0;

struct Check {
    overall: &'static str,
    services: Vec<ServiceHealth>,
}

impl Check {
    fn body(&self) -> Value {
        health::health(self.overall, &self.services)
    }
}

async fn check(app: &App) -> Check {
    let check = if app.resilient() { check_truly(app).await } else { check_as_observed(app).await };
    for service in &check.services {
        app.figures.note_health(service.name, service.status, service.response_time_ms.max(0.0) / 1000.0);
    }
    check
}

/// HolisticOS's check: blocks for two seconds, then asks OpenAI, and never Supabase.
async fn check_as_observed(app: &App) -> Check {
    let turn = app.event_loop.enter().await;
    let start = Instant::now();
    turn.work(SAMPLING).await;
    drop(turn);
    let asked = tokio::time::timeout_at(start + OPENAI_LIMIT, app.openai.models()).await;
    app.event_loop.pass().await;
    // The time includes the block, as it does in the real app.
    let took = start.elapsed().as_secs_f64() * 1000.0;
    let openai = match asked {
        Ok(Ok(())) => openai_service("healthy", took, "OpenAI API is responsive", took < SLOW_MS),
        Ok(Err(error)) => {
            let text = error.to_string().to_lowercase();
            let worst = text.contains("authentication") || text.contains("api key");
            openai_service(
                if worst { "critical" } else { "degraded" },
                -1.0,
                &format!("OpenAI API error: {error}"),
                false,
            )
        }
        Err(_) => openai_service("degraded", 10_000.0, "OpenAI API timeout", false),
    };
    let overall = openai.status;
    let database = ServiceHealth {
        name: "database",
        status: "healthy",
        response_time_ms: 0.1,
        message: "Using Supabase REST API".to_owned(),
        details: json!({"mode": "rest"}),
    };
    Check { overall, services: vec![database, openai, system(), agents(app)] }
}

fn openai_service(status: &'static str, ms: f64, message: &str, in_time: bool) -> ServiceHealth {
    ServiceHealth {
        name: "openai",
        status,
        response_time_ms: ms,
        message: message.to_owned(),
        details: json!({"response_time_threshold": in_time}),
    }
}

/// The resilient app's check: both upstreams, two seconds at most, and what it finds is what it says.
async fn check_truly(app: &App) -> Check {
    let timed = |start: Instant| start.elapsed().as_secs_f64() * 1000.0;
    let openai = async {
        let start = Instant::now();
        let outcome = app.openai.models_once(QUICK_LIMIT).await;
        let ms = timed(start);
        match outcome {
            Ok(()) => openai_service("healthy", ms, "OpenAI answers", true),
            Err(OpenAiError::Timeout) => openai_service("degraded", ms, "OpenAI does not answer in time", false),
            Err(error) => openai_service("degraded", -1.0, &format!("OpenAI fails: {error}"), false),
        }
    };
    let database = async {
        let start = Instant::now();
        let outcome = app.supabase.get_once(Query::of("profiles").select("id").limit(1), QUICK_LIMIT).await;
        let (status, response_time_ms, message) = match outcome {
            Ok(_) => ("healthy", timed(start), "Supabase answers".to_owned()),
            Err(error) => ("unhealthy", -1.0, format!("Supabase fails: {error}")),
        };
        ServiceHealth { name: "database", status, response_time_ms, message, details: json!({"mode": "rest"}) }
    };
    let (openai, database) = tokio::join!(openai, database);
    let overall = match (openai.status == "healthy", database.status == "healthy") {
        (true, true) => "healthy",
        (false, true) => "degraded",
        (true, false) => "unhealthy",
        (false, false) => "critical",
    };
    Check { overall, services: vec![database, openai, system(), agents(app)] }
}

fn system() -> ServiceHealth {
    let resident = resident_bytes() as f64;
    let page = procfs::page_size() as f64;
    let machine = machine_memory().unwrap_or((1.0, 1.0));
    let used = 100.0 * (1.0 - machine.1 / machine.0);
    ServiceHealth {
        name: "system",
        status: "healthy",
        response_time_ms: 2000.0,
        message: "System resources normal".to_owned(),
        details: json!({
            "process_memory_mb": resident / 1_048_576.0,
            "process_memory_percent": 100.0 * resident / machine.0.max(page), "process_cpu_percent": 0.0,
            "system_memory_percent": used, "system_cpu_percent": 10.0,
            "available_memory_mb": machine.1 / 1_048_576.0, "disk_usage_percent": 40.0,
        }),
    }
}

/// The machine's memory in bytes: all of it, and what is available.
fn machine_memory() -> Option<(f64, f64)> {
    use procfs::Current as _;
    let memory = procfs::Meminfo::current().ok()?;
    Some((memory.mem_total as f64, memory.mem_available? as f64))
}

fn agents(app: &App) -> ServiceHealth {
    // HolisticOS only looks whether its classes can be imported, which is always so.
    let broken: Vec<&str> =
        AgentName::ALL.into_iter().filter(|a| app.resilient() && app.broken(*a)).map(AgentName::as_str).collect();
    let (status, message) = if broken.is_empty() {
        ("healthy", "All agents available".to_owned())
    } else {
        ("degraded", format!("agents out of order: {}", broken.join(", ")))
    };
    ServiceHealth { name: "agents", status, response_time_ms: 0.1, message, details: json!({"total_agents": 5}) }
}

/// `GET /api/health`
pub(in crate::target::reference) async fn health(app: Arc<App>, _request: Request) -> Answer {
    let check = check(&app).await;
    let status = if app.resilient() && check.overall != "healthy" { 503 } else { 200 };
    Ok(Reply::json(status, check.body()))
}

/// `GET /api/monitoring/stats`: checks health on the way.
pub(in crate::target::reference) async fn stats(app: Arc<App>, _request: Request) -> Answer {
    let check = check(&app).await;
    Ok(Reply::ok(json!({
        "health": check.body(), "metrics": app.figures.summary(), "alerts": app.alerts.summary(),
        "system_info": {
            "version": "1.0.0", "environment": "production", "monitoring_enabled": true,
            "uptime_seconds": app.figures.uptime(),
        },
    })))
}

/// `GET /api/monitoring/alerts/history?hours`
pub(in crate::target::reference) async fn alert_history(app: Arc<App>, request: Request) -> Answer {
    Ok(Reply::ok(app.alerts.history(request.query_number("hours", 24)?)))
}

/// `GET /metrics`
pub(in crate::target::reference) async fn metrics(app: Arc<App>, _request: Request) -> Answer {
    Ok(Reply::text("text/plain; version=0.0.4; charset=utf-8", app.figures.exposition()))
}

/// `GET /api/monitoring/agents`: documented, and there with the resilient app only.
pub(in crate::target::reference) async fn agents_report(app: Arc<App>, _request: Request) -> Answer {
    let agents: serde_json::Map<String, Value> = AgentName::ALL
        .into_iter()
        .map(|agent| {
            let status = if app.broken(agent) { "unhealthy" } else { "healthy" };
            (agent.as_str().to_owned(), json!({"status": status}))
        })
        .collect();
    Ok(Reply::ok(json!({"agents": agents, "timestamp": timestamps::now_naive()})))
}

/// `GET /api/monitoring/memory`: documented, and there with the resilient app only.
pub(in crate::target::reference) async fn memory_report(_app: Arc<App>, _request: Request) -> Answer {
    let mib = resident_bytes() as f64 / 1_048_576.0;
    Ok(Reply::ok(json!({"process_memory_mb": mib, "timestamp": timestamps::now_naive()})))
}

/// The background monitor: checks at the start and then at its interval, and raises alerts.
pub(in crate::target::reference) async fn watch(app: Arc<App>) {
    let interval = Duration::from_secs(if app.resilient() { 10 } else { 120 });
    loop {
        for service in check(&app).await.services {
            if service.status == "healthy" {
                continue;
            }
            let severity = if service.status == "degraded" { "warning" } else { "critical" };
            let title = format!("{} is {}", service.name, service.status);
            let details = json!({"message": service.message, "response_time_ms": service.response_time_ms});
            app.alerts.raise(severity, service.name, title, details);
        }
        tokio::time::sleep(interval).await;
    }
}
