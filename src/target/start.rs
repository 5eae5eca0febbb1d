//! [`Target`]: the app under test, whichever way it is there.

use super::applog::tail;
use super::command::{self, Port};
use super::connect::{ask, client, headers};
use super::elsewhere::Elsewhere;
use super::error::TargetError;
use super::guard::GuardArgs;
use super::protocol::CANNOT_START;
use super::supervise::{State, Supervisor};
use crate::model::event::EventSink;
use crate::model::memory_group::{MemoryGroup, Reserve};
use crate::model::plan::TargetPlan;
use crate::model::secret::Secret;
use crate::units::{ByteSize, RunClock, Span};
use std::collections::BTreeMap;
use std::future::pending;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout_at};

/// How much of the app's output is kept.
const LOG_LIMIT: u64 = 16 << 20;
/// How long the app has between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_secs(2);
/// How long one try of the readiness check may take.
const ONE_TRY: Duration = Duration::from_secs(10);
/// How long the reference app may take to say where it listens.
const REFERENCE_READY: Duration = Duration::from_secs(20);

/// What starting an app needs.
pub struct TargetContext<'a> {
    /// The app.
    pub plan: &'a TargetPlan,
    /// The upstreams' addresses and keys, as the app's environment (`OPENAI_BASE_URL`, …).
    pub environment: BTreeMap<String, String>,
    /// The upstreams' addresses by name, for `{NAME.url}` in a command's environment.
    pub upstream_urls: BTreeMap<String, String>,
    /// Our own executable.
    pub firedrill: &'a Path,
    /// The run's name, unlike any other on this machine: for the name of the app's memory group.
    pub run_id: &'a str,
    /// The file for the app's output.
    pub log: &'a Path,
    /// Where events go.
    pub events: EventSink,
    /// Headers of the readiness check.
    pub ready_headers: &'a BTreeMap<String, Secret>,
}

/// The app under test. Dropping it ends an app that we started, at once; [`Target::stop`] ends it gently.
pub struct Target {
    base_url: String,
    app: App,
}

enum App {
    /// Started by us.
    Child(Child),
    /// It was there before us and stays after us.
    Elsewhere(Box<Elsewhere>),
}

/// An app that we started.
struct Child {
    supervisor: Supervisor,
    group: Option<MemoryGroup>,
    /// Kept for as long as the app may use it.
    _port: Option<Port>,
}

impl Target {
    /// Starts the app, or checks that it is there. Returns when it answers.
    pub async fn start(ctx: TargetContext<'_>) -> Result<Self, TargetError> {
        match ctx.plan {
            TargetPlan::Url { url, pid } => {
                let base_url = url.trim_end_matches('/').to_owned();
                let app = Elsewhere::find(&base_url, *pid, ctx.events.clone()).await?;
                Ok(Self { base_url, app: App::Elsewhere(Box::new(app)) })
            }
            TargetPlan::Reference { memory_limit, .. } => {
                let command = command::reference(
                    ctx.plan,
                    ctx.firedrill,
                    &ctx.environment,
                    &ctx.upstream_urls,
                    ctx.ready_headers,
                );
                let supervisor = launch(&ctx, command, &BTreeMap::new(), *memory_limit, true)?;
                let waited = supervisor.wait_for(|state| state.listening.is_some() || state.ended.is_some());
                let state = timeout_at(Instant::now() + REFERENCE_READY, waited).await;
                let state = state.unwrap_or_else(|_| supervisor.state());
                let Some(base_url) = state.listening.clone() else {
                    return Err(fail(
                        supervisor,
                        &ctx,
                        "its address",
                        REFERENCE_READY,
                        "it did not say where it listens",
                    )
                    .await);
                };
                let base_url = base_url.trim_end_matches('/').to_owned();
                let url = format!("{base_url}/");
                await_ready(supervisor, &ctx, &url, REFERENCE_READY, |_| true)
                    .await
                    .map(|s| Self::child(base_url, s, None))
            }
            TargetPlan::Command { command: parts, env, url, ready, ready_within, memory_limit } => {
                let port = command::free_port()?;
                let fill = |text: &str| command::fill(text, port.number, &ctx.upstream_urls);
                let command: Vec<String> = parts.iter().map(|part| fill(part)).collect();
                if command.first().is_none_or(String::is_empty) {
                    return Err(TargetError::NoCommand);
                }
                let own: BTreeMap<String, String> = env.iter().map(|(k, v)| (k.clone(), fill(v.expose()))).collect();
                let base_url = fill(url).trim_end_matches('/').to_owned();
                let ready = format!("{base_url}/{}", ready.trim_start_matches('/'));
                command::refuse_occupied(&base_url).await?;
                let supervisor = launch(&ctx, command, &own, *memory_limit, false)?;
                let within = ready_within.get();
                await_ready(supervisor, &ctx, &ready, within, |status| status.is_success())
                    .await
                    .map(|s| Self::child(base_url, s, Some(port)))
            }
        }
    }

    fn child(base_url: String, supervisor: Supervisor, port: Option<Port>) -> Self {
        let group = supervisor.state().limits.and_then(|limits| limits.group);
        Self { base_url, app: App::Child(Child { supervisor, group, _port: port }) }
    }

    /// Its base URL, without a trailing slash.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// The pid of its main process, where known.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        match &self.app {
            App::Child(Child { supervisor, .. }) => supervisor.state().pid,
            App::Elsewhere(app) => app.pid(),
        }
    }

    /// The control group whose limit is the app's: its own, or for an app that runs elsewhere the limited one it is in.
    #[must_use]
    pub fn group(&self) -> Option<&MemoryGroup> {
        match &self.app {
            App::Child(child) => child.group.as_ref(),
            App::Elsewhere(app) => app.group(),
        }
    }

    /// The memory limit in force.
    #[must_use]
    pub fn limit(&self) -> Option<ByteSize> {
        match &self.app {
            App::Child(Child { supervisor, .. }) => supervisor.state().limits.and_then(|limits| limits.limit),
            App::Elsewhere(app) => app.limit(),
        }
        .map(ByteSize)
    }

    /// How a part of the app's limit can be taken away where there is no group to fill: when firedrill itself
    /// enforces the limit.
    #[must_use]
    pub fn reserve(&self) -> Option<Reserve> {
        match &self.app {
            App::Child(Child { supervisor, .. }) if supervisor.state().limits.is_some_and(|limits| limits.watched) => {
                Some(Arc::new(supervisor.reserve()))
            }
            _ => None,
        }
    }

    /// What limits and what is seen of the app's process, in sentences for the report.
    #[must_use]
    pub fn means(&self) -> Vec<String> {
        match &self.app {
            App::Child(Child { supervisor, .. }) => {
                let state = supervisor.state();
                let watched = state.pid.map(|pid| format!("watched by pid {pid}, as firedrill's own child"));
                state.limits.map(|limits| limits.means).into_iter().chain(watched).collect()
            }
            App::Elsewhere(app) => app.means(),
        }
    }

    /// From now on changes of the app's process are events of the run.
    pub fn begin(&self, clock: RunClock) {
        match &self.app {
            App::Child(Child { supervisor, .. }) => supervisor.begin(clock),
            App::Elsewhere(app) => app.begin(clock),
        }
    }

    /// Resolves with the reason when an app that we started has ended for good; never for an app elsewhere.
    pub async fn lost(&self) -> String {
        match &self.app {
            App::Child(Child { supervisor, .. }) => {
                let state = supervisor.wait_for(|state| state.ended.is_some()).await;
                state.ended.or(state.failed).unwrap_or_else(|| "the app is gone".to_owned())
            }
            App::Elsewhere(_) => pending().await,
        }
    }

    /// Ends an app that we started: SIGTERM to its process group, 2 s, SIGKILL to all that is left; its group is
    /// removed. An app elsewhere is left alone.
    pub async fn stop(self) {
        self.stop_within(GRACE).await;
    }

    /// As [`Target::stop`], with another time between SIGTERM and SIGKILL, such as after a second Ctrl-C.
    pub async fn stop_within(self, grace: Duration) {
        match self.app {
            App::Child(Child { supervisor, .. }) => supervisor.stop(grace).await,
            App::Elsewhere(app) => app.leave().await,
        }
    }
}

fn launch(
    ctx: &TargetContext<'_>,
    command: Vec<String>,
    own_env: &BTreeMap<String, String>,
    memory_limit: Option<ByteSize>,
    announce: bool,
) -> Result<Supervisor, TargetError> {
    let at = |what: String| move |source| TargetError::Io { what, source };
    std::fs::write(ctx.log, "").map_err(at(format!("the app's log {} cannot be written", ctx.log.display())))?;
    let args = GuardArgs {
        run_id: ctx.run_id.to_owned(),
        memory_limit: memory_limit.map(ByteSize::get),
        log: std::path::absolute(ctx.log).unwrap_or_else(|_| ctx.log.to_owned()),
        log_limit: LOG_LIMIT,
        announce,
        command: command.into_iter().map(Into::into).collect(),
    };
    let mut env = ctx.environment.clone();
    env.extend(own_env.iter().map(|(k, v)| (k.clone(), v.clone())));
    let mut redact: Vec<String> = ctx.ready_headers.values().map(|secret| secret.expose().to_owned()).collect();
    if let TargetPlan::Command { env, .. } = ctx.plan {
        redact.extend(
            env.iter().filter(|(name, _)| command::is_secret(name)).map(|(_, value)| value.expose().to_owned()),
        );
    }
    Supervisor::spawn(ctx.firedrill, &args, &env, redact, ctx.events.clone())
        .map_err(at(format!("the app's guardian ({}) cannot be started", ctx.firedrill.display())))
}

/// Asks until the answer's status is `fit`, the app has ended or the time is up.
async fn await_ready(
    supervisor: Supervisor,
    ctx: &TargetContext<'_>,
    url: &str,
    within: Duration,
    fit: impl Fn(reqwest::StatusCode) -> bool,
) -> Result<Supervisor, TargetError> {
    let deadline = Instant::now() + within;
    let last = Mutex::new("it was not asked".to_owned());
    let asking = async {
        let client = client().map_err(|e| e.to_string())?;
        let headers = headers(ctx.ready_headers);
        let mut pause = Duration::from_millis(20);
        loop {
            match ask(&client, url, &headers, ONE_TRY.min(within)).await {
                Ok(status) if fit(status) => return Ok::<(), String>(()),
                Ok(status) => *last.lock().await = format!("it answers {status}"),
                Err(why) => *last.lock().await = why,
            }
            sleep(pause).await;
            // Soon at first, because most apps start fast; then seldom, because asking costs a busy one time.
            pause = (pause * 2).min(Duration::from_millis(500));
        }
    };
    let over = supervisor.wait_for(|state| state.ended.is_some() || state.failed.is_some());
    let ready = tokio::select! {
        ready = timeout_at(deadline, asking) => ready.unwrap_or_else(|_| Err(String::new())),
        _ = over => Err(String::new()),
    };
    // An answer could come from a stranger on the same port while the child ended; then the child's word counts.
    let ended = supervisor.state().ended.is_some();
    match ready {
        Ok(()) if !ended => Ok(supervisor),
        _ => {
            let why = last.into_inner();
            Err(fail(supervisor, ctx, url, within, &why).await)
        }
    }
}

/// The error of a child that ended or did not get ready, once everything of it is gone and its output complete.
async fn fail(supervisor: Supervisor, ctx: &TargetContext<'_>, url: &str, within: Duration, why: &str) -> TargetError {
    let state: State = supervisor.state();
    supervisor.stop(Duration::ZERO).await;
    let tail = tail(ctx.log, 10);
    let cannot = tail.iter().find_map(|line| line.strip_prefix(CANNOT_START));
    match (state.failed, cannot, state.ended) {
        (Some(why), _, _) => TargetError::Start { why },
        (None, Some(why), _) => TargetError::Start { why: why.to_owned() },
        (None, None, Some(reason)) => TargetError::Died { reason, tail, log: ctx.log.to_owned() },
        (None, None, None) => TargetError::NotReady {
            url: url.to_owned(),
            within: Span(within).to_string(),
            why: why.to_owned(),
            tail,
            log: ctx.log.to_owned(),
        },
    }
}
