//! [`Supabase`]: one origin with a project's services behind its gateway.

use super::auth::Auth;
use super::changes::Changes;
use super::clock::WallClock;
use super::database::seed::SeedError;
use super::errors::{self, CATALOGUE};
use super::gatekeeper::Gatekeeper;
use super::gateway::{self, Service};
use super::identity::Role;
use super::postgrest::Postgrest;
use crate::fault::draw_delay;
use crate::model::fault::Delay;
use crate::model::upstream::{Services, SupabasePlan};
use crate::units::{Offset, Seed};
use crate::upstream::answer::{Answer, Call, Mock, Write};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;

const REST: &str = "/rest/v1";
/// The table of the seed whose rows are users of Auth.
const USERS: &str = "auth.users";

/// The Supabase mock.
pub struct Supabase {
    latency: Delay,
    seed: Seed,
    gatekeeper: Arc<Gatekeeper>,
    auth: Auth,
    rest: Postgrest,
    changes: Changes,
}

impl Supabase {
    /// A mock that behaves as planned, found by its clients at `origin`.
    ///
    /// # Errors
    /// What is wrong with the files that the database begins with. What is only doubtful comes beside the mock.
    pub fn new(plan: &SupabasePlan, seed: Seed, origin: &str) -> Result<(Self, Vec<String>), SeedError> {
        let clock = WallClock::start();
        let gatekeeper = Arc::new(Gatekeeper::new(&plan.keys, seed, clock));
        let seed = seed.derive("supabase");
        let users = plan.seed.get(USERS).map_or(&[][..], Vec::as_slice);
        let auth = Auth::new(&plan.auth, users, Arc::clone(&gatekeeper), seed, clock, origin);
        let changes = Changes::new();
        let (rest, warnings) = Postgrest::new(plan, seed, clock, changes.clone())?;
        Ok((Self { latency: plan.latency, gatekeeper, auth, rest, changes, seed }, warnings))
    }

    fn route(&self, call: &Call<'_>, service: Option<(Service, &str)>) -> Answer {
        let Some((service, path)) = service else { return errors::no_route() };
        if *call.method == Method::OPTIONS {
            return gateway::preflight(call);
        }
        match (service, path) {
            (Service::RestAdmin, "live" | "ready") => return Answer::empty(StatusCode::OK),
            (Service::RestAdmin, _) => return errors::no_route(),
            (Service::Auth, path) if Auth::is_open(path) => return self.auth.answer(path, call, ""),
            _ => {}
        }
        let key = match self.gatekeeper.admit(call) {
            Ok(key) => key,
            Err(refused) => return errors::refused(refused),
        };
        match service {
            Service::Rest => match self.gatekeeper.identify(call, &key) {
                Ok(identity) => self.rest.answer(path, call, &identity),
                Err(error) => error.rest_answer(),
            },
            Service::Auth => self.auth.answer(path, call, &key),
            _ => errors::no_route(),
        }
    }

    /// Whether the caller is somebody: its role is not the anonymous one.
    fn is_signed_in(&self, call: &Call<'_>) -> bool {
        let identity = self.gatekeeper.admit(call).ok().and_then(|key| self.gatekeeper.identify(call, &key).ok());
        identity.is_some_and(|identity| identity.role != Role::Anon)
    }
}

impl Mock for Supabase {
    fn service(&self, path: &str) -> Option<&'static str> {
        Services::SUPABASE.of(path)
    }

    fn answer(&self, call: &Call<'_>) -> Answer {
        let delay = draw_delay(&self.latency, self.seed.derive("latency"), &[call.number]);
        let service = Service::of(call.path);
        let mut answer = self.route(call, service);
        gateway::allow_origins(&mut answer, call, service.map(|(service, _)| service));
        answer.delayed(delay)
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

    fn acknowledge(&self, writes: Vec<Write>, at: Option<Offset>) {
        self.rest.acknowledge(writes, at);
    }

    fn state(&self) -> Value {
        let mut state = self.rest.state();
        state["auth"] = self.auth.state();
        state
    }

    fn pages(&self) -> &'static [&'static str] {
        &["ledger", "mail"]
    }

    fn page(&self, name: &str) -> Option<Answer> {
        match name {
            "ledger" => Some(Answer::json(StatusCode::OK, &self.rest.ledger())),
            "mail" => Some(Answer::json(StatusCode::OK, &self.auth.mails())),
            _ => None,
        }
    }
}
