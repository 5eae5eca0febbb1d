//! [`Supabase`]: one origin with a project's services behind its gateway.

use super::auth::Auth;
use super::changes::Changes;
use super::clock::WallClock;
use super::database::seed::SeedError;
use super::errors;
use super::failures;
use super::functions::Functions;
use super::gatekeeper::Gatekeeper;
use super::gateway::{self, Service};
use super::identity::{Identity, Role};
use super::postgrest::Postgrest;
use super::realtime::Realtime;
use super::storage::{Storage, StorageError};
use crate::fault::draw_delay;
use crate::model::fault::Delay;
use crate::model::upstream::{Services, SupabasePlan};
use crate::units::{Offset, Seed};
use crate::upstream::answer::{Answer, Call, DataHit, Mock, Write};
use http::{Method, StatusCode};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

const REST: &str = "/rest/v1";
/// What readers of a run must know about tokens that the mock could not check.
const UNVERIFIED: &str = "the Supabase mock took users' tokens of another project at their word; with its \
                          `jwt-secret` it checks them";
/// The table of the seed whose rows are users of Auth.
const USERS: &str = "auth.users";

/// The Supabase mock.
pub struct Supabase {
    latency: Delay,
    seed: Seed,
    gatekeeper: Arc<Gatekeeper>,
    auth: Auth,
    storage: Storage,
    functions: Functions,
    realtime: Realtime,
    rest: Postgrest,
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
        let storage = Storage::new(&plan.buckets, Arc::clone(&gatekeeper), seed, clock);
        let functions = Functions::new(&plan.edge_functions);
        let changes = Changes::new();
        let (rest, warnings) = Postgrest::new(plan, seed, clock, changes.clone())?;
        let realtime = Realtime::new(Arc::clone(&gatekeeper), changes, seed, clock);
        let latency = plan.latency.clone();
        Ok((Self { latency, gatekeeper, auth, storage, functions, realtime, rest, seed }, warnings))
    }

    fn route(&self, call: &Call<'_>, service: Option<(Service, &str)>, hits: Vec<DataHit>) -> Answer {
        let Some((service, path)) = service else { return errors::no_route() };
        // Only a preflight is the gateway's own; other `OPTIONS` go on to their service.
        if *call.method == Method::OPTIONS && call.header("access-control-request-method").is_some() {
            return gateway::preflight(call);
        }
        match (service, path) {
            (Service::RestAdmin, "live" | "ready") => return Answer::empty(StatusCode::OK),
            (Service::RestAdmin, _) => return errors::no_route(),
            (Service::Auth, path) if Auth::is_open(path) => return self.auth.answer(path, call, ""),
            (Service::Storage, path) if Storage::is_open(path) => {
                let key = self.gatekeeper.admit(call).ok();
                let identity = key.and_then(|key| self.gatekeeper.identify(call, &key).ok());
                let nobody = Identity::of(Role::Anon);
                return self.storage.answer(path, call, identity.as_deref().unwrap_or(&nobody));
            }
            (Service::Functions, path) => {
                let key = self.gatekeeper.admit(call).unwrap_or_default();
                return self.functions.answer(path, call, self.gatekeeper.identify(call, &key).map(|_| ()));
            }
            _ => {}
        }
        let key = match self.gatekeeper.admit(call) {
            Ok(key) => key,
            Err(refused) => return errors::refused(refused),
        };
        match service {
            Service::Rest => match self.gatekeeper.identify(call, &key) {
                Ok(identity) => {
                    let mut answer = self.rest.answer(path, call, &identity, hits);
                    if !identity.verified && identity.user.is_some() && answer.warning.is_none() {
                        answer.warning = Some(UNVERIFIED.to_owned());
                    }
                    answer
                }
                Err(error) => error.rest_answer(),
            },
            Service::Auth => self.auth.answer(path, call, &key),
            Service::Storage => match self.gatekeeper.identify(call, &key) {
                Ok(identity) => self.storage.answer(path, call, &identity),
                Err(error) => StorageError::token(&error).answer(),
            },
            Service::Realtime => self.realtime.answer(path, call, self.gatekeeper.identify(call, &key)),
            Service::Graphql => errors::no_graphql(),
            _ => errors::no_route(),
        }
    }

    /// PostgREST forbids nobody in particular with 401, and somebody with 403.
    fn for_caller(&self, mut answer: Answer, name: &str, call: &Call<'_>) -> Answer {
        if name.starts_with("42501") && !self.is_signed_in(call) {
            answer.status = StatusCode::UNAUTHORIZED;
        }
        answer
    }

    /// Whether the caller is somebody: its role is not the anonymous one.
    fn is_signed_in(&self, call: &Call<'_>) -> bool {
        let identity = self.gatekeeper.admit(call).ok().and_then(|key| self.gatekeeper.identify(call, &key).ok());
        identity.is_some_and(|identity| identity.role != Role::Anon)
    }
}

/// The table that a request names.
fn table_of(call: &Call<'_>) -> String {
    let path = call.path.strip_prefix(REST).map_or("", |path| path.trim_start_matches('/'));
    path.chars().take(63).collect()
}

impl Mock for Supabase {
    fn service(&self, path: &str) -> Option<&'static str> {
        Services::SUPABASE.of(path)
    }

    fn answer(&self, call: &Call<'_>) -> Answer {
        self.answer_hit(call, Vec::new())
    }

    fn answer_hit(&self, call: &Call<'_>, hits: Vec<DataHit>) -> Answer {
        let delay = draw_delay(&self.latency, self.seed.derive("latency"), &[call.number]);
        let service = Service::of(call.path);
        let mut answer = self.route(call, service, hits);
        gateway::allow_origins(&mut answer, call, service.map(|(service, _)| service));
        answer.delayed(delay)
    }

    fn remember(&self, age: Duration) {
        self.rest.remember(age);
    }

    fn named_error(&self, name: &str, call: &Call<'_>) -> Option<Answer> {
        failures::named(name, call, &table_of(call)).map(|answer| self.for_caller(answer, name, call))
    }

    fn error_of_status(&self, status: StatusCode, call: &Call<'_>) -> Answer {
        let service = Service::of(call.path).map(|(service, _)| service);
        failures::of_status(status, service, call, &table_of(call))
    }

    fn too_large(&self, _call: &Call<'_>) -> Answer {
        Answer::json(StatusCode::PAYLOAD_TOO_LARGE, &serde_json::json!({"message": "Request size limit exceeded"}))
    }

    fn acknowledge(&self, writes: Vec<Write>, at: Option<Offset>) {
        self.rest.acknowledge(writes, at);
    }

    fn state(&self) -> Value {
        let mut state = self.rest.state();
        state["auth"] = self.auth.state();
        state["storage"] = self.storage.state();
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
