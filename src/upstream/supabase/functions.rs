//! [`Functions`]: edge functions (`/functions/v1/`), each with the answer that the plan gives it.

use super::identity::TokenError;
use crate::model::supabase::EdgeFunctionPlan;
use crate::upstream::answer::{Answer, Call};
use http::StatusCode;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The edge functions of a project.
pub struct Functions {
    functions: BTreeMap<String, EdgeFunctionPlan>,
}

impl Functions {
    /// The functions of the plan.
    pub fn new(functions: &BTreeMap<String, EdgeFunctionPlan>) -> Self {
        Self { functions: functions.clone() }
    }

    /// The answer at `path` below `/functions/v1/`, with what came of reading the request's token: functions take no
    /// API key, but a token unless they say otherwise.
    pub fn answer(&self, path: &str, call: &Call<'_>, token: Result<(), TokenError>) -> Answer {
        let name = percent_decode_str(path.split('/').next().unwrap_or(path)).decode_utf8_lossy();
        let Some(function) = self.functions.get(&*name) else {
            let body = json!({"code": "NOT_FOUND", "message": "Requested function was not found"});
            return Answer::json(StatusCode::NOT_FOUND, &body);
        };
        if function.verify_jwt {
            if call.headers.get("authorization").is_none() {
                let body = json!({"code": 401, "message": "Missing authorization header"});
                return Answer::json(StatusCode::UNAUTHORIZED, &body);
            }
            if token.is_err() {
                return Answer::json(StatusCode::UNAUTHORIZED, &json!({"code": 401, "message": "Invalid JWT"}));
            }
        }
        let status = StatusCode::from_u16(function.status).unwrap_or(StatusCode::OK);
        let answer = match &function.body {
            Value::String(text) => Answer::text(status, "text/plain;charset=UTF-8", text.clone()),
            body => Answer::json(status, body),
        };
        answer.with("x-served-by", "supabase-edge-runtime")
    }
}
