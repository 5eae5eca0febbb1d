//! The routes, and what every request goes through: header checks, the event loop, defects, counting.

use super::app::App;
use super::defect::ENDPOINTS;
use super::endpoints::{
    admin, analysis, calendar, engagement, generation, insights, journal, latest, monitoring, results, root, tasks,
};
use super::reply::{Answer, Reply};
use super::request::Request;
use axum::Router;
use axum::extract::rejection::{BytesRejection, RawPathParamsRejection};
use axum::extract::{DefaultBodyLimit, RawPathParams, RawQuery};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use serde_json::json;
use std::future::Future;
use std::sync::Arc;
use tokio::time::Instant;

/// Longer bodies are refused; the real app would try to hold them.
const MAX_BODY: usize = 16 << 20;
const LONGEST_HEADER_VALUE: usize = 8192;
const LONGEST_HEADER_NAME: usize = 256;

/// The generation endpoints that the app counts, by the name it shows them under.
const COUNTED: [(&str, &str); 6] = [
    ("routine", "/api/user/{user_id}/routine/generate"),
    ("nutrition", "/api/user/{user_id}/nutrition/generate"),
    ("behavior", "/api/user/{user_id}/behavior/analyze"),
    ("circadian", "/api/user/{user_id}/circadian/analyze"),
    ("regenerate", "/api/user/{user_id}/routine/regenerate-from-markdown"),
    ("analyze", "/api/analyze"),
];

/// All routes of the app.
pub(super) fn router(app: &Arc<App>) -> Router {
    let mut router = Router::new();
    macro_rules! route {
        ($method:ident $path:literal, $name:literal, $handler:path) => {
            debug_assert!(ENDPOINTS.contains(&$name), "`slow-endpoint` must be able to name {}", $name);
            router = router.route($path, $method(endpoint(Arc::clone(app), $name, $handler)));
        };
    }
    route!(get "/", "root", root::root);
    route!(get "/docs", "docs", root::docs);
    route!(get "/openapi.json", "docs", root::openapi);

    route!(post "/api/user/{user_id}/routine/generate", "routine", generation::routine);
    route!(post "/api/user/{user_id}/nutrition/generate", "nutrition", generation::nutrition);
    route!(post "/api/user/{user_id}/routine/regenerate-from-markdown", "regenerate", generation::regenerate);
    route!(post "/api/user/{user_id}/behavior/analyze", "behavior", analysis::behavior);
    route!(post "/api/user/{user_id}/circadian/analyze", "circadian", analysis::circadian);
    route!(post "/api/analyze", "analyze", analysis::legacy);

    route!(get "/api/user/{user_id}/routine/latest", "latest", latest::routine);
    route!(get "/api/user/{user_id}/nutrition/latest", "latest", latest::nutrition);
    route!(get "/api/user/{user_id}/insights/latest", "latest", latest::insights);
    route!(post "/api/user/{user_id}/insights/generate", "latest", latest::legacy_insights);
    route!(post "/api/user/{user_id}/insights/{insight_id}/feedback", "latest", latest::legacy_insights);
    route!(get "/api/user/{user_id}/routine/{date}", "latest", latest::dated);
    route!(get "/api/user/{user_id}/plans/{date}", "latest", latest::dated);
    route!(get "/api/user/{user_id}/available-archetypes", "archetypes", results::archetypes);

    route!(post "/api/v1/insights/generate", "insights-v1", insights::generate_v1);
    route!(get "/api/v1/insights/{user_id}", "insights-v1", insights::list_v1);
    route!(post "/api/v2/insights/{user_id}/generate", "insights", insights::generate_v2);
    route!(get "/api/v2/insights/{user_id}/latest", "insights", insights::latest_v2);
    // The zones' own health path is shadowed: it asks for the zones of a user called "health".
    route!(get "/api/v1/energy-zones/{user_id}", "energy-zones", insights::energy_zones);

    route!(post "/api/v1/engagement/task-checkin", "task-checkin", engagement::task_checkin);
    route!(post "/api/v1/engagement/batch-checkin", "batch-checkin", engagement::batch_checkin);
    route!(delete "/api/v1/engagement/batch-checkin", "batch-checkin", engagement::batch_remove);
    route!(get "/api/v1/engagement/tasks/{profile_id}", "tasks", tasks::tasks);
    route!(get "/api/v1/engagement/plans/{profile_id}/current", "plans", tasks::current_plan);
    route!(post "/api/v1/engagement/journal", "journal", journal::write);
    route!(get "/api/v1/engagement/journal/{profile_id}", "journal", journal::read);
    route!(get "/api/v1/engagement/journal/{profile_id}/history", "journal", journal::history);
    route!(get "/api/v1/engagement/engagement-context/{profile_id}", "engagement-context", engagement::engagement_context);
    route!(get "/api/v1/engagement/checkins/status/{profile_id}", "engagement", engagement::completion);
    route!(get "/api/v1/engagement/analytics/{profile_id}/completion-summary", "engagement", engagement::completion);
    route!(get "/api/v1/engagement/time-block-title", "engagement", engagement::time_block_title);
    route!(post "/api/v1/engagement/extract-plan-items", "engagement", engagement::extract_items);
    route!(get "/api/v1/engagement/health", "engagement", engagement::health);

    route!(post "/api/calendar/select", "calendar-select", calendar::select);
    route!(get "/api/calendar/available-items/{profile_id}", "calendar-items", calendar::available);
    route!(get "/api/calendar/selections/{profile_id}", "calendar", calendar::selections);
    route!(get "/api/calendar/time-blocks/{profile_id}", "calendar", calendar::time_blocks);
    route!(get "/api/calendar/workflow-stats/{profile_id}", "calendar", calendar::workflow_stats);
    route!(delete "/api/calendar/remove-selection", "calendar", calendar::remove);

    route!(get "/api/v1/analysis/user/{user_id}/results", "results", results::list);
    route!(get "/api/v1/analysis/user/{user_id}/latest-with-data", "results", results::latest);
    route!(post "/api/v1/analysis/user/{user_id}/extract-latest", "results", results::extract_latest);
    route!(get "/api/v1/analysis/result/{id}/status", "results", results::status);
    route!(get "/api/v1/health-data/users/{user_id}/{*rest}", "results", results::health_data);
    route!(get "/api/v1/context/user/{user_id}/chat-context", "results", results::chat_context);

    route!(get "/api/health", "health", monitoring::health);
    route!(get "/api/monitoring/stats", "stats", monitoring::stats);
    route!(get "/api/monitoring/alerts/history", "alerts", monitoring::alert_history);
    route!(get "/metrics", "metrics", monitoring::metrics);
    route!(get "/api/admin/rate-limits", "rate-limits", admin::rate_limits);
    route!(get "/api/admin/rate-limits/user/{user_id}", "rate-limits", admin::user_limits);
    route!(get "/api/admin/users", "admin", admin::users);
    if app.resilient() {
        // In the documents of HolisticOS, but not in HolisticOS.
        route!(get "/api/monitoring/health", "monitoring", monitoring::health);
        route!(get "/api/monitoring/agents", "monitoring", monitoring::agents_report);
        route!(get "/api/monitoring/memory", "monitoring", monitoring::memory_report);
        route!(get "/api/admin/cost-tracking", "admin", admin::cost_tracking);
        route!(post "/api/admin/cleanup", "admin", admin::cleanup);
    }
    router
        .fallback(endpoint(Arc::clone(app), "none", root::not_found))
        .method_not_allowed_fallback(endpoint(Arc::clone(app), "none", root::wrong_method))
        .layer(middleware::from_fn(dress))
        .layer(DefaultBodyLimit::max(MAX_BODY))
}

type PathParams = Result<RawPathParams, RawPathParamsRejection>;
type Body = Result<Bytes, BytesRejection>;

/// Makes an axum handler of an endpoint.
fn endpoint<H, F>(
    app: Arc<App>,
    name: &'static str,
    handler: H,
) -> impl Fn(PathParams, RawQuery, HeaderMap, Body) -> BoxFuture<'static, Response> + Clone + Send + Sync + 'static
where
    H: Fn(Arc<App>, Request) -> F + Copy + Send + Sync + 'static,
    F: Future<Output = Answer> + Send + 'static,
{
    move |params: PathParams, RawQuery(query): RawQuery, headers: HeaderMap, body: Body| {
        let app = Arc::clone(&app);
        Box::pin(async move {
            let params = params.map(|params| params.iter().map(|(_, value)| value.to_owned()).collect());
            let (Ok(params), Ok(body)) = (params, body) else {
                return Reply::detail(400, "There was an error parsing the body").into_response();
            };
            let query = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect();
            let request = Request { params, query, headers, body };
            let work = serve_one(Arc::clone(&app), name, handler, request);
            if app.resilient() {
                // Ends with its client: nothing is worked on that nobody waits for.
                return work.await.into_response();
            }
            // HolisticOS goes on working for clients that have left.
            match app.spawn(work).await {
                Ok(Some(reply)) => reply.into_response(),
                Ok(None) | Err(_) => Reply::detail(500, "Internal Server Error").into_response(),
            }
        })
    }
}

async fn serve_one<H, F>(app: Arc<App>, name: &'static str, handler: H, request: Request) -> Reply
where
    H: Fn(Arc<App>, Request) -> F,
    F: Future<Output = Answer>,
{
    let start = Instant::now();
    // One turn to read the request, one to start its handler.
    app.event_loop.pass().await;
    app.event_loop.pass().await;
    let leak = app.leak_per_request();
    if leak > 0 {
        app.memory.leak(leak);
    }
    let hoard = app.hoard_per_request();
    if hoard > 0 {
        app.memory.hoard(hoard);
    }
    app.log_request(name);
    if let Some(delay) = app.delay_of(name) {
        tokio::time::sleep(delay).await;
    }
    let reply = handler(Arc::clone(&app), request).await.unwrap_or_else(|error| error);
    if let Some((_, shown)) = COUNTED.iter().find(|(counted, _)| *counted == name) {
        app.figures.note(shown, reply.status, start.elapsed());
    }
    if let Some(key) = app.shown_key(name) {
        return reply.debug(key);
    }
    reply
}

/// What surrounds every answer: refused headers, CORS, and the server's own headers.
async fn dress(request: axum::extract::Request, next: Next) -> Response {
    let path = request.uri().path();
    let checked = !matches!(path, "/" | "/api/health" | "/metrics" | "/openapi.json");
    let origin = request.headers().get(header::ORIGIN).filter(|origin| is_local(origin)).cloned();
    let preflight =
        request.method() == Method::OPTIONS && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if checked && request.headers().iter().any(|(n, v)| is_excessive(n, v)) {
        Reply::json(400, json!({"error": "Invalid request headers"})).into_response()
    } else if preflight {
        Reply::text("text/plain; charset=utf-8", "OK".to_owned()).into_response()
    } else if request.method() == Method::HEAD {
        // FastAPI has no HEAD of its own for GET routes, axum would.
        Reply::detail(405, "Method Not Allowed").allow("GET").into_response()
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    headers.insert(header::SERVER, HeaderValue::from_static("uvicorn"));
    headers.insert(header::VARY, HeaderValue::from_static("Origin"));
    if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        // axum adds HEAD where there is GET.
        let headers = response.headers_mut();
        let allow = headers.get(header::ALLOW).and_then(|allow| allow.to_str().ok()).map(|a| a.replace(",HEAD", ""));
        if let Some(allow) = allow.and_then(|allow| HeaderValue::from_str(&allow).ok()) {
            headers.insert(header::ALLOW, allow);
        }
    }
    if let Some(origin) = origin {
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        if preflight {
            let methods = HeaderValue::from_static("DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT");
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("Content-Type, X-API-Key"));
        }
    }
    response
}

fn is_excessive(name: &HeaderName, value: &HeaderValue) -> bool {
    name.as_str().len() > LONGEST_HEADER_NAME || value.len() > LONGEST_HEADER_VALUE
}

fn is_local(origin: &HeaderValue) -> bool {
    let host = origin.to_str().ok().and_then(|origin| origin.split_once("://")).filter(|(s, _)| s.starts_with("http"));
    host.is_some_and(|(_, host)| host == "localhost" || host.starts_with("localhost:"))
}
