//! [`Target`]: the app under test, whichever way it is there.

use super::applog::tail;
use super::connect::{ask, client, headers};
use super::descent::birth;
use super::error::TargetError;
use super::guard::GuardArgs;
use super::limit;
use super::protocol::CANNOT_START;
use super::supervise::{State, Supervisor};
use super::watch::near;
use crate::model::event::{EventSink, RunEvent};
use crate::model::memory_group::MemoryGroup;
use crate::model::plan::TargetPlan;
use crate::model::reading::{TargetChange, TargetEvent};
use crate::model::secret::Secret;
use crate::units::{ByteSize, RunClock, Span};
use reqwest::header::HeaderMap;
use std::collections::{BTreeMap, VecDeque};
use std::future::pending;
use std::io;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout_at};

/// How much of the app's output is kept.
const LOG_LIMIT: u64 = 16 << 20;
/// How long the app has between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_secs(2);
/// How long an app that runs already may take to answer: a single-threaded one may be busy with something else.
const FIRST_ANSWER: Duration = Duration::from_secs(10);
/// How long the reference app may take to say where it listens.
const REFERENCE_READY: Duration = Duration::from_secs(20);
/// The key that the reference app asks for unless told otherwise.
const REFERENCE_KEY: &str = "firedrill-reference-key";
/// How often a process that is not our child is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Takes so many bytes of the app's limit away from it; 0 gives them back.
pub type Reserve = Arc<dyn Fn(u64) -> io::Result<()> + Send + Sync>;

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
    /// The run's id.
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
    Child(Supervisor, Option<MemoryGroup>),
    /// It was there before us and stays after us.
    Elsewhere(Box<Elsewhere>),
}

struct Elsewhere {
    pid: Option<u32>,
    group: Option<MemoryGroup>,
    events: EventSink,
    onlooker: std::sync::Mutex<Option<JoinHandle<()>>>,
}

impl Target {
    /// Starts the app, or checks that it is there. Returns when it answers.
    pub async fn start(ctx: TargetContext<'_>) -> Result<Self, TargetError> {
        match ctx.plan {
            TargetPlan::Url { url, pid } => find(url, *pid, ctx.events.clone()).await,
            TargetPlan::Reference { memory_limit, .. } => {
                let command = reference_command(&ctx);
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
                await_ready(supervisor, &ctx, &url, REFERENCE_READY, |_| true).await.map(|s| Self::child(base_url, s))
            }
            TargetPlan::Command { command, env, url, ready, ready_within, memory_limit } => {
                let port = free_port()?;
                let fill = |text: &str| fill(text, port, &ctx.upstream_urls);
                let command: Vec<String> = command.iter().map(|part| fill(part)).collect();
                if command.first().is_none_or(String::is_empty) {
                    return Err(TargetError::NoCommand);
                }
                let own: BTreeMap<String, String> = env.iter().map(|(k, v)| (k.clone(), fill(v.expose()))).collect();
                let base_url = fill(url).trim_end_matches('/').to_owned();
                let ready = format!("{base_url}/{}", ready.trim_start_matches('/'));
                refuse_occupied(&base_url).await?;
                let supervisor = launch(&ctx, command, &own, *memory_limit, false)?;
                let within = ready_within.get();
                await_ready(supervisor, &ctx, &ready, within, |status| status.is_success())
                    .await
                    .map(|s| Self::child(base_url, s))
            }
        }
    }

    fn child(base_url: String, supervisor: Supervisor) -> Self {
        let group = supervisor.state().limits.and_then(|limits| limits.group);
        Self { base_url, app: App::Child(supervisor, group) }
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
            App::Child(supervisor, _) => supervisor.state().pid,
            App::Elsewhere(app) => app.pid,
        }
    }

    /// The control group whose limit is the app's: its own, or for an app that runs elsewhere the limited one it is in.
    #[must_use]
    pub fn group(&self) -> Option<&MemoryGroup> {
        match &self.app {
            App::Child(_, group) => group.as_ref(),
            App::Elsewhere(app) => app.group.as_ref().filter(|group| is_the_apps(group)),
        }
    }

    /// The memory limit in force.
    #[must_use]
    pub fn limit(&self) -> Option<ByteSize> {
        match &self.app {
            App::Child(supervisor, _) => supervisor.state().limits.and_then(|limits| limits.limit),
            App::Elsewhere(app) => app.group.as_ref().and_then(|group| group.limit),
        }
        .map(ByteSize)
    }

    /// How a part of the app's limit can be taken away where there is no group to fill: when firedrill itself
    /// enforces the limit.
    #[must_use]
    pub fn reserve(&self) -> Option<Reserve> {
        match &self.app {
            App::Child(supervisor, _) if supervisor.state().limits.is_some_and(|limits| limits.watched) => {
                Some(Arc::new(supervisor.reserve()))
            }
            _ => None,
        }
    }

    /// What limits and what is seen of the app's process, in sentences for the report.
    #[must_use]
    pub fn means(&self) -> Vec<String> {
        match &self.app {
            App::Child(supervisor, _) => {
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
            App::Child(supervisor, _) => supervisor.begin(clock),
            App::Elsewhere(app) => app.begin(clock),
        }
    }

    /// Resolves with the reason when an app that we started has ended for good; never for an app elsewhere.
    pub async fn lost(&self) -> String {
        match &self.app {
            App::Child(supervisor, _) => {
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
            App::Child(supervisor, _) => supervisor.stop(grace).await,
            App::Elsewhere(app) => app.leave().await,
        }
    }
}

impl Elsewhere {
    fn means(&self) -> Vec<String> {
        let Some(pid) = self.pid else {
            return vec!["no pid: the app's memory and its process's end are not seen".to_owned()];
        };
        let limit = match &self.group {
            Some(group) => match group.limit {
                Some(limit) => format!("memory limit {} by {}, found in place", ByteSize(limit), group.version()),
                None => "no memory limit: the group that the app runs in has none".to_owned(),
            },
            None => "no memory limit is seen: the app's control group cannot be read".to_owned(),
        };
        vec![limit, format!("watched by pid {pid}; why it ends can be told only by the kernel's kill counter")]
    }

    fn begin(&self, clock: RunClock) {
        let Some(pid) = self.pid else { return };
        let task = tokio::spawn(look_on(pid, self.group.clone(), clock, self.events.clone()));
        if let Ok(mut onlooker) = self.onlooker.lock()
            && let Some(former) = onlooker.replace(task)
        {
            former.abort();
        }
    }

    async fn leave(&self) {
        let onlooker = self.onlooker.lock().ok().and_then(|mut onlooker| onlooker.take());
        if let Some(task) = onlooker {
            task.abort();
            let _ = task.await;
        }
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        if let Ok(mut onlooker) = self.onlooker.lock()
            && let Some(task) = onlooker.take()
        {
            task.abort();
        }
    }
}

/// A group that has a limit and that firedrill is not in itself: filling our own would hit us as well.
fn is_the_apps(group: &MemoryGroup) -> bool {
    group.limit.is_some() && limit::group_of("self").is_none_or(|own| own.dir != group.dir)
}

/// Looks on while a process that is not ours lives; its end is an event.
async fn look_on(pid: u32, group: Option<MemoryGroup>, clock: RunClock, events: EventSink) {
    let emit = |what| events.emit(RunEvent::Target(TargetEvent { at: clock.now(), what }));
    // The group's own count, and the machine's: who manages the group may remove it together with the process, and
    // its count with it.
    let count = || (group.as_ref().and_then(limit::oom_kills), limit::machine_oom_kills());
    let Some(born) = birth(pid) else { return };
    emit(TargetChange::Started { pid });
    // Others may share the group, so only a kill around this process's end can be its own; but a large process takes
    // its time to die, hence the last two seconds and not the last look.
    let (mut counts, mut at_limit) = (VecDeque::from([count()]), false);
    while birth(pid) == Some(born) {
        if let Some((used, limit)) = group.as_ref().and_then(|g| Some((limit::unreclaimable(g)?, g.limit?))) {
            at_limit = used >= near(limit);
        }
        counts.push_back(count());
        if counts.len() > 10 {
            counts.pop_front();
        }
        sleep(LOOK_EVERY).await;
    }
    let oom_killed = counts.front().is_some_and(|before| match (*before, count()) {
        ((Some(before), _), (Some(now), _)) => now > before,
        ((_, before), (_, now)) => group.is_some() && now > before,
    });
    emit(TargetChange::Ended { code: None, signal: None, oom_killed, at_limit: at_limit || oom_killed });
}

async fn find(url: &str, pid: Option<u32>, events: EventSink) -> Result<Target, TargetError> {
    if let Some(pid) = pid.filter(|pid| birth(*pid).is_none()) {
        return Err(TargetError::NoProcess { pid });
    }
    let base_url = url.trim_end_matches('/').to_owned();
    let unreachable = |why| TargetError::Unreachable { url: base_url.clone(), why };
    let client = client().map_err(|e| unreachable(e.to_string()))?;
    ask(&client, &format!("{base_url}/"), &HeaderMap::new(), FIRST_ANSWER).await.map_err(unreachable)?;
    let group = pid.and_then(|pid| limit::group_of(&pid.to_string()));
    let app = Elsewhere { pid, group, events, onlooker: std::sync::Mutex::new(None) };
    Ok(Target { base_url, app: App::Elsewhere(Box::new(app)) })
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
        redact.extend(env.iter().filter(|(name, _)| is_secret(name)).map(|(_, value)| value.expose().to_owned()));
    }
    Supervisor::spawn(ctx.firedrill, &args, &env, redact, ctx.events.clone())
        .map_err(at(format!("the app's guardian ({}) cannot be started", ctx.firedrill.display())))
}

/// Whether a variable's name says that its value is a secret. All values of a plan are `Secret`, plain settings
/// such as a port or a mode included, and blanking those would make a log unreadable.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    ["KEY", "SECRET", "TOKEN", "PASSWORD", "PASSWD", "CREDENTIAL"].iter().any(|word| name.contains(word))
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
            match ask(&client, url, &headers, FIRST_ANSWER.min(within)).await {
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

/// The reference app's command line. Its parts are a contract with `firedrill target`.
fn reference_command(ctx: &TargetContext<'_>) -> Vec<String> {
    let TargetPlan::Reference { resilient, defects, speed, .. } = ctx.plan else { return Vec::new() };
    let mut command = vec![ctx.firedrill.display().to_string()];
    let mut add = |flag: &str, value: Option<&String>| {
        if let Some(value) = value {
            command.extend([flag.to_owned(), value.clone()]);
        }
    };
    let env = |name: &str| ctx.environment.get(name);
    let url = |name: &str| ctx.upstream_urls.get(name);
    add("target", Some(&"--announce".to_owned()));
    add("--listen", Some(&"127.0.0.1:0".to_owned()));
    add("--openai-url", env("OPENAI_BASE_URL").or_else(|| url("openai")));
    add("--openai-key", env("OPENAI_API_KEY"));
    add("--supabase-url", env("SUPABASE_URL").or_else(|| url("supabase")));
    add(
        "--supabase-key",
        env("SUPABASE_KEY").or_else(|| env("SUPABASE_SERVICE_KEY")).or_else(|| env("SUPABASE_ANON_KEY")),
    );
    // Side services are whatever else there is; the reference app knows one.
    add(
        "--side-url",
        ctx.upstream_urls.iter().find(|(name, _)| !matches!(&***name, "openai" | "supabase")).map(|(_, u)| u),
    );
    let key = ctx.ready_headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("x-api-key"));
    add("--api-key", Some(&key.map_or(REFERENCE_KEY, |(_, key)| key.expose()).to_owned()));
    add("--speed", Some(&speed.to_string()));
    for defect in defects {
        add("--defect", Some(defect));
    }
    if *resilient {
        command.push("--resilient".to_owned());
    }
    command
}

/// A port that was free a moment ago; the app binds it next.
fn free_port() -> Result<u16, TargetError> {
    TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| Ok(listener.local_addr()?.port()))
        .map_err(|source| TargetError::Io { what: "no port of loopback is free for the app".to_owned(), source })
}

/// Fills `{port}` and `{NAME.url}` in.
fn fill(text: &str, port: u16, urls: &BTreeMap<String, String>) -> String {
    let mut text = text.replace("{port}", &port.to_string());
    for (name, url) in urls {
        text = text.replace(&format!("{{{name}.url}}"), url);
    }
    text
}

/// Refuses to start an app where another one answers already: its answers would be taken for the app's.
async fn refuse_occupied(base_url: &str) -> Result<(), TargetError> {
    let address = url::Url::parse(base_url).ok().and_then(|url| {
        let host = url.host_str()?.trim_matches(['[', ']']).to_owned();
        Some((host, url.port_or_known_default()?))
    });
    let Some(address) = address else { return Ok(()) };
    let try_it = tokio::time::timeout(Duration::from_secs(1), tokio::net::TcpStream::connect(address));
    match try_it.await {
        Ok(Ok(_)) => Err(TargetError::Occupied { url: base_url.to_owned() }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_filled() {
        let urls = BTreeMap::from([("openai".to_owned(), "http://127.0.0.1:9101".to_owned())]);
        assert_eq!(
            fill("{openai.url}/v1 {port} {other.url}", 8001, &urls),
            "http://127.0.0.1:9101/v1 8001 {other.url}"
        );
    }

    #[test]
    fn secrets_go_by_name() {
        assert!(is_secret("supabase_service_key") && is_secret("ADMIN_TOKEN"));
        assert!(!is_secret("PORT") && !is_secret("ENVIRONMENT"));
    }
}
