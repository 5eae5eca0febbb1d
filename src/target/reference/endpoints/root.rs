//! The root, the documentation pages, and the answers to what does not exist.

use crate::target::reference::app::App;
use crate::target::reference::reply::{Answer, Reply};
use crate::target::reference::request::Request;
use serde_json::json;
use std::sync::Arc;

/// `GET /`
pub(in crate::target::reference) async fn root(_app: Arc<App>, _request: Request) -> Answer {
    Ok(Reply::ok(json!({
        "message": "HolisticOS API", "version": "1.0.0", "status": "operational", "docs": "/docs",
        "health": "/api/health",
    })))
}

/// `GET /docs`
pub(in crate::target::reference) async fn docs(_app: Arc<App>, _request: Request) -> Answer {
    let page = "<!DOCTYPE html><html><head><title>HolisticOS API</title></head><body>\
        <p>See <a href=\"/openapi.json\">openapi.json</a>.</p></body></html>";
    Ok(Reply::text("text/html; charset=utf-8", page.to_owned()))
}

/// `GET /openapi.json`
pub(in crate::target::reference) async fn openapi(_app: Arc<App>, _request: Request) -> Answer {
    let post = |summary: &str| json!({"post": {"summary": summary, "responses": {"200": {"description": "Success"}}}});
    let get = |summary: &str| json!({"get": {"summary": summary, "responses": {"200": {"description": "Success"}}}});
    Ok(Reply::ok(json!({
        "openapi": "3.1.0", "info": {"title": "HolisticOS API", "version": "1.0.0"},
        "paths": {
            "/api/user/{user_id}/routine/generate": post("Generate routine"),
            "/api/user/{user_id}/nutrition/generate": post("Generate nutrition"),
            "/api/user/{user_id}/behavior/analyze": post("Analyze behavior"),
            "/api/user/{user_id}/circadian/analyze": post("Analyze circadian rhythm"),
            "/api/health": get("Health"), "/api/monitoring/stats": get("Statistics"),
        },
    })))
}

/// Any path that does not exist, whatever it is called in the documents.
pub(in crate::target::reference) async fn not_found(_app: Arc<App>, _request: Request) -> Answer {
    Err(Reply::detail(404, "Not Found"))
}

/// A path that exists, with a method that does not.
pub(in crate::target::reference) async fn wrong_method(_app: Arc<App>, _request: Request) -> Answer {
    Err(Reply::detail(405, "Method Not Allowed"))
}
