//! The answers of both versions of insights.

use crate::target::reference::timestamps;
use serde_json::{Value, json};
use uuid::Uuid;

/// The answer around insights.
pub(in crate::target::reference) fn insights(insights: Vec<Value>, source: &str) -> Value {
    json!({"success": true, "count": insights.len(), "insights": insights, "source": source})
}

/// An insight from a row of `holistic_insights`.
pub(in crate::target::reference) fn stored(row: &Value) -> Value {
    let of = |name: &str| row.get(name).cloned().unwrap_or(Value::Null);
    json!({
        "id": of("id"), "title": of("insight_title"), "content": of("insight_content"), "type": of("insight_type"),
        "priority": of("priority"), "actionability_score": of("actionability_score"), "created_at": of("created_at"),
    })
}

/// An insight from the model's answer.
pub(in crate::target::reference) fn generated(insight: &Value) -> Value {
    let of = |name: &str| insight.get(name).cloned().unwrap_or(Value::Null);
    let priority = match insight.get("priority") {
        Some(Value::Number(number)) => json!(number),
        Some(Value::String(text)) if text == "high" => json!(1),
        Some(Value::String(text)) if text == "low" => json!(3),
        _ => json!(2),
    };
    json!({
        "id": Uuid::new_v4(), "title": of("title"), "content": of("content"), "type": of("category"),
        "priority": priority, "actionability_score": of("actionability_score"), "created_at": timestamps::now_naive(),
    })
}
