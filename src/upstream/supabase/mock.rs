//! [`Supabase`]: one origin with a project's services behind its gateway.

use super::changes::Changes;
use super::clock::WallClock;
use super::errors::{self, CATALOGUE};
use super::gatekeeper::Gatekeeper;
use super::identity::Role;
use super::postgrest::Postgrest;
use crate::fault::draw_delay;
use crate::model::fault::Delay;
use crate::model::upstream::SupabasePlan;
use crate::units::Seed;
use crate::upstream::answer::{Answer, Call, Mock, Write};
use http::StatusCode;
use serde_json::{Value, json};

const REST: &str = "/rest/v1";

/// The Supabase mock.
pub struct Supabase {
    latency: Delay,
    seed: Seed,
    gatekeeper: Gatekeeper,
    rest: Postgrest,
    changes: Changes,
}

impl Supabase {
    /// A mock that behaves as planned.
    pub fn new(plan: &SupabasePlan, seed: Seed) -> Self {
        let gatekeeper = Gatekeeper::new(&plan.keys, seed, WallClock::start());
        let seed = seed.derive("supabase");
        let changes = Changes::new();
        let rest = Postgrest::new(plan, seed, changes.clone());
        Self { latency: plan.latency, gatekeeper, rest, changes, seed }
    }

    fn route(&self, call: &Call<'_>) -> Answer {
        match call.path {
            "/rest-admin/v1/live" | "/rest-admin/v1/ready" => return Answer::empty(StatusCode::OK),
            path if path.starts_with("/rest/v1") || path.starts_with("/auth/v1/") => {}
            _ => return errors::no_route(),
        }
        let key = match self.gatekeeper.admit(call) {
            Ok(key) => key,
            Err(refused) => return errors::refused(refused),
        };
        match call.path {
            "/auth/v1/health" => {
                let description = "GoTrue is a user registration and authentication API";
                Answer::json(
                    StatusCode::OK,
                    &json!({"version": "v2.180.0", "name": "GoTrue", "description": description}),
                )
            }
            "/auth/v1/settings" => Answer::json(
                StatusCode::OK,
                &json!({"external": {"email": true, "phone": false, "anonymous_users": false},
                        "disable_signup": false, "mailer_autoconfirm": true, "phone_autoconfirm": false}),
            ),
            path => match path.strip_prefix(REST).filter(|path| path.is_empty() || path.starts_with('/')) {
                Some(path) => match self.gatekeeper.identify(call, &key) {
                    Ok(identity) => self.rest.answer(path.strip_prefix('/').unwrap_or(path), call, &identity),
                    Err(error) => error.rest_answer(),
                },
                None => errors::no_route(),
            },
        }
    }

    /// Whether the caller is somebody: its role is not the anonymous one.
    fn is_signed_in(&self, call: &Call<'_>) -> bool {
        let identity = self.gatekeeper.admit(call).ok().and_then(|key| self.gatekeeper.identify(call, &key).ok());
        identity.is_some_and(|identity| identity.role != Role::Anon)
    }
}

impl Mock for Supabase {
    fn answer(&self, call: &Call<'_>) -> Answer {
        let delay = draw_delay(&self.latency, self.seed.derive("latency"), &[call.number]);
        self.route(call).delayed(delay)
    }

    fn named_error(&self, name: &str, call: &Call<'_>) -> Option<Answer> {
        let error = CATALOGUE.iter().find(|error| error.name == name)?;
        let table = call.path.strip_prefix(REST).map_or("", |path| path.trim_start_matches('/'));
        let table: String = table.chars().take(63).collect();
        let mut answer = error.answer(&[("table", &table)]);
        if name == "42501" && !self.is_signed_in(call) {
            answer.status = StatusCode::UNAUTHORIZED;
        }
        Some(answer)
    }

    fn error_of_status(&self, status: StatusCode, call: &Call<'_>) -> Answer {
        let listed = CATALOGUE.iter().find(|error| error.status == status.as_u16());
        listed
            .and_then(|error| self.named_error(error.name, call))
            .unwrap_or_else(|| Answer::json(status, &json!({"message": status.canonical_reason().unwrap_or("error")})))
    }

    fn too_large(&self) -> Answer {
        Answer::json(StatusCode::PAYLOAD_TOO_LARGE, &json!({"message": "Request size limit exceeded"}))
    }

    fn acknowledge(&self, writes: Vec<Write>) {
        self.rest.acknowledge(writes);
    }

    fn state(&self) -> Value {
        self.rest.state()
    }
}
