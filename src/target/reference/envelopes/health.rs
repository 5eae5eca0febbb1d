//! The answer of a health check.

use crate::target::reference::timestamps;
use serde_json::{Value, json};

/// One service's part of a health check.
pub(in crate::target::reference) struct ServiceHealth {
    pub(in crate::target::reference) name: &'static str,
    pub(in crate::target::reference) status: &'static str,
    /// Milliseconds; −1 after an error.
    pub(in crate::target::reference) response_time_ms: f64,
    pub(in crate::target::reference) message: String,
    pub(in crate::target::reference) details: Value,
}

/// A health check as answered.
pub(in crate::target::reference) fn health(overall: &str, services: &[ServiceHealth]) -> Value {
    let mut parts = serde_json::Map::new();
    for service in services {
        parts.insert(
            service.name.to_owned(),
            json!({
                "status": service.status, "response_time_ms": service.response_time_ms, "message": service.message,
                "details": service.details,
            }),
        );
    }
    let named = |wanted: &[&str]| -> Vec<String> {
        let matching = services.iter().filter(|service| wanted.contains(&service.status));
        matching.map(|service| format!("{}: {}", service.name, service.message)).collect()
    };
    let healthy: Vec<&str> = services.iter().filter(|s| s.status == "healthy").map(|s| s.name).collect();
    json!({
        "overall_status": overall, "timestamp": timestamps::now_naive(), "services": parts,
        "summary": {
            "critical_issues": named(&["critical", "unhealthy"]), "warnings": named(&["degraded"]),
            "healthy_services": healthy,
        },
        "system_info": {"environment": "production", "version": "1.0.0", "uptime_check": true},
    })
}
