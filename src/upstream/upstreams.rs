//! [`Upstreams`]: all upstreams of a run, from binding their addresses to giving them back.

use super::accept::accept;
use super::answer::Mock;
use super::control::{Control, ControlError, ControlPlan, PlannedState, PlannedStates, Registry};
use super::environment;
use super::front::{Front, FrontPlan, is_carried_out_here};
use super::inbound::Inbound;
use super::notes::{Notes, RuleHits};
use super::openai::{self, OpenAi};
use super::passthrough::PassThrough;
use super::postgres::PostgresProxy;
use super::recording::{Recorder, RecordingError, Replay};
use super::secured::Secured;
use super::serve::{Shared, Upstream};
use super::stub::Stub;
use super::supabase::{self, SeedError, Supabase};
use super::tasks::Tasks;
use super::tls::{Authority, TlsError};
use crate::fault::{ConnectionRules, Engine};
use crate::model::control::ControlAccess;
use crate::model::event::{EventSink, RunEvent};
use crate::model::fault::{DataFault, FaultRule, Injection};
use crate::model::source::SourcePlan;
use crate::model::upstream::{UpstreamKind, UpstreamPlan};
use crate::record::StepsUnderWay;
use crate::units::{Offset, RunClock, Seed};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, OnceLock};
use tokio::net::TcpListener;
use tokio_util::sync::DropGuard;

/// Why the upstreams could not start.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// Its answers cannot come from where they shall.
    #[error("upstream `{upstream}` has nothing to answer from: {reason}")]
    Source {
        /// Which upstream.
        upstream: String,
        /// Why.
        reason: String,
    },
    /// The files that a database begins with are wrong.
    #[error("upstream `{upstream}` cannot load its seed; {problem}")]
    Seed {
        /// Which upstream.
        upstream: String,
        /// What is wrong, with file and line.
        problem: String,
    },
    /// An address could not be bound.
    #[error("upstream `{upstream}` cannot listen on {address}; {}", remedy(.source))]
    Bind {
        /// Which upstream.
        upstream: String,
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The control API cannot be served.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// An upstream that shall be served over TLS cannot be.
    #[error("upstream `{upstream}` cannot be served over TLS: {reason}")]
    Tls {
        /// Which upstream.
        upstream: String,
        /// What went wrong.
        reason: String,
    },
}

/// What to do about an address that cannot be had.
fn remedy(error: &std::io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::AddrInUse => "stop what uses it (`ss -ltnp` names it) or give another `listen` under `[upstreams]`",
        _ => "give another `listen` under `[upstreams]`",
    }
}

/// The names that `abort.error` may have for such an upstream.
#[must_use]
pub fn known_errors(kind: &UpstreamKind) -> &'static [&'static str] {
    match kind {
        UpstreamKind::Openai(_) => openai::ERROR_NAMES,
        UpstreamKind::Supabase(_) => supabase::ERROR_NAMES,
        UpstreamKind::Stub { .. } | UpstreamKind::Tcp(_) => &[],
    }
}

/// Reads what upstreams begin with (seeds, functions, recordings) as they would, without starting them. Gives back what
/// is doubtful.
///
/// # Errors
/// The first thing that they could not begin with.
pub fn check(plans: &[UpstreamPlan]) -> Result<Vec<String>, UpstreamError> {
    let mut warnings = Vec::new();
    for plan in plans {
        let mock: Box<dyn Mock> = match &plan.kind {
            UpstreamKind::Supabase(supabase) => {
                let (mock, doubts) = Supabase::new(supabase, Seed(0), "http://127.0.0.1")
                    .map_err(|problem| seed_error(plan, &problem))?;
                warnings.extend(doubts);
                Box::new(mock)
            }
            UpstreamKind::Openai(openai) => Box::new(OpenAi::new(openai, Seed(0))),
            UpstreamKind::Stub { answer } => Box::new(Stub::new(&plan.name, *answer)),
            UpstreamKind::Tcp(_) => continue,
        };
        if let SourcePlan::Replay(replay) = &plan.source {
            let fail = |error: RecordingError| UpstreamError::Source {
                upstream: plan.name.clone(),
                reason: error.to_string(),
            };
            Replay::read(replay, mock).map_err(fail)?;
        }
    }
    Ok(warnings)
}

fn seed_error(plan: &UpstreamPlan, problem: &SeedError) -> UpstreamError {
    UpstreamError::Seed { upstream: plan.name.clone(), problem: problem.to_string() }
}

struct Listening {
    name: String,
    address: SocketAddr,
    url: String,
    variables: BTreeMap<String, String>,
    notes: Arc<Notes>,
    /// What answers, unless that is a server of its own.
    upstream: Option<Arc<Upstream>>,
    /// What stands before it, if something does.
    front: Option<Arc<Front>>,
}

/// What the app talks to, listening. Dropping it ends everything as [`Upstreams::shutdown`] does, without waiting.
pub struct Upstreams {
    listening: Vec<Listening>,
    clock: Arc<OnceLock<RunClock>>,
    marks: Marks,
    /// The certificate of the run's test CA, if any upstream is served over TLS.
    ca: Option<String>,
    control: Option<Control>,
    tasks: Tasks,
    _stop_on_drop: DropGuard,
}

impl std::fmt::Debug for Upstreams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.listening.iter().map(|l| (&l.name, l.address))).finish()
    }
}

/// An upstream whose address is bound.
struct Bound<'a> {
    plan: &'a UpstreamPlan,
    address: SocketAddr,
    notes: Arc<Notes>,
    /// Where requests come in, unless that is at a server of its own.
    listener: Option<TcpListener>,
    front: Option<Arc<Front>>,
}

impl Upstreams {
    /// Binds every upstream's address and serves it. Until [`Upstreams::begin`] nothing is counted or hit.
    ///
    /// # Errors
    /// When an address cannot be bound; nothing is left listening then.
    pub async fn start(
        plans: &[UpstreamPlan],
        engine: Arc<Engine>,
        seed: Seed,
        events: EventSink,
    ) -> Result<Self, UpstreamError> {
        Self::start_with(plans, engine, seed, events, None).await
    }

    /// As [`Upstreams::start`], with a control API whose proxies stand before all upstreams, under their names.
    ///
    /// # Errors
    /// As [`Upstreams::start`]; also when the control API cannot listen.
    pub async fn start_with(
        plans: &[UpstreamPlan],
        engine: Arc<Engine>,
        seed: Seed,
        events: EventSink,
        access: Option<&ControlAccess>,
    ) -> Result<Self, UpstreamError> {
        let registry = access.map(|access| Arc::new(Registry::new(seed, !access.listen.ip().is_loopback())));
        let tasks = Tasks::new();
        let marks = Marks { engine: Arc::clone(&engine), events: events.clone() };
        let shared = Shared {
            engine,
            events,
            clock: Arc::new(OnceLock::new()),
            inbound: Arc::new(Inbound::new()),
            tasks: tasks.clone(),
        };
        let clock = Arc::clone(&shared.clock);
        let hits = Arc::new(RuleHits::new(shared.engine.rules().len()));
        let mut bound = Vec::with_capacity(plans.len());
        for (index, plan) in plans.iter().enumerate() {
            let index = u16::try_from(index).unwrap_or(u16::MAX);
            let notes =
                Notes::new(plan.name.clone(), index, shared.events.clone(), Arc::clone(&clock), Arc::clone(&hits));
            bound.push(bind(plan, Arc::new(notes), shared.engine.rules(), seed, registry.as_deref(), &tasks).await?);
        }

        let mut authority = None;
        let mut secured = Vec::with_capacity(bound.len());
        for Bound { plan, address, notes, .. } in &bound {
            let fail = |error: TlsError| UpstreamError::Tls { upstream: plan.name.clone(), reason: error.to_string() };
            secured.push(if plan.tls {
                let authority = match &mut authority {
                    Some(authority) => authority,
                    none => none.insert(Authority::new().map_err(fail)?),
                };
                let secured =
                    Secured::new(authority, address.ip(), shared.engine.rules(), seed, notes).map_err(fail)?;
                Some(Arc::new(secured))
            } else {
                None
            });
        }

        let mut listening = Vec::with_capacity(bound.len());
        for (Bound { plan, address, notes, listener, front }, tls) in bound.into_iter().zip(secured) {
            let upstream = match listener {
                Some(listener) => {
                    let upstream = serving(plan, address, &notes, seed, &shared).await?;
                    tasks.spawn(accept(listener, Arc::clone(&upstream), tls, tasks.clone()));
                    Some(upstream)
                }
                None => None,
            };
            listening.push(Listening {
                name: plan.name.clone(),
                address,
                url: environment::url(plan, address),
                variables: environment::variables(plan, address, seed),
                notes,
                upstream,
                front,
            });
        }
        let control = match (access, registry) {
            (Some(access), Some(registry)) => {
                registry.show_plan(planned_states(Arc::clone(&shared.engine), Arc::clone(&clock), hits));
                let plan = ControlPlan {
                    listen: access.listen,
                    allow_remote: !access.listen.ip().is_loopback(),
                    token: access.token.as_ref().map(|token| token.expose().to_owned()),
                    seed,
                };
                Some(Control::serve(plan, registry).await?)
            }
            _ => None,
        };
        let ca = authority.as_ref().map(Authority::pem);
        Ok(Self { listening, clock, ca, marks, control, _stop_on_drop: tasks.stop.clone().drop_guard(), tasks })
    }

    /// From now on requests are counted and faults hit, on the run's clock. Only the first call has an effect.
    pub fn begin(&self, clock: RunClock) {
        if self.clock.set(clock).is_ok() {
            let notes: Vec<_> = self.listening.iter().map(|l| Arc::clone(&l.notes)).collect();
            self.tasks.spawn(roll_every_second(notes, self.marks.clone(), clock));
            for front in self.listening.iter().filter_map(|l| l.front.as_ref()) {
                self.tasks.spawn(front.keep(clock));
            }
        }
    }

    /// From now on calls are traced to the steps of users that trigger them. Only the first call has an effect.
    pub fn trace(&self, steps: &Arc<StepsUnderWay>) {
        for listening in &self.listening {
            listening.notes.watch().trace(Arc::clone(steps));
        }
    }

    /// Where the control API listens, if there is one.
    #[must_use]
    pub fn control(&self) -> Option<SocketAddr> {
        self.control.as_ref().map(Control::address)
    }

    /// Where an upstream listens.
    #[must_use]
    pub fn address(&self, name: &str) -> Option<SocketAddr> {
        self.find(name).map(|listening| listening.address)
    }

    /// An upstream's base URL as its clients want it: with `/v1` for OpenAI, without a path otherwise.
    #[must_use]
    pub fn url(&self, name: &str) -> Option<String> {
        self.find(name).map(|listening| listening.url.clone())
    }

    /// The environment that points an app at these upstreams.
    #[must_use]
    pub fn environment(&self) -> BTreeMap<String, String> {
        let control = self.control().map(|address| ("FIREDRILL_CONTROL_URL".to_owned(), format!("http://{address}")));
        self.listening.iter().flat_map(|listening| listening.variables.clone()).chain(control).collect()
    }

    /// The certificate (PEM) of the test CA that vouches for the upstreams with TLS; `None` if there are none. Whoever
    /// starts the app writes it to a file and adds `trust` to the app's environment.
    #[must_use]
    pub fn ca(&self) -> Option<&str> {
        self.ca.as_deref()
    }

    /// Ends every connection at once, also hung ones, gives the addresses back, and sends the last counts.
    pub async fn shutdown(self) {
        for listening in &self.listening {
            listening.notes.watch().close();
        }
        self.tasks.stop.cancel();
        for upstream in self.listening.iter().filter_map(|listening| listening.upstream.as_ref()) {
            upstream.finish_recording();
        }
        if let Some(control) = self.control {
            control.shutdown().await;
        }
        for front in self.listening.iter().filter_map(|listening| listening.front.as_ref()) {
            front.proxy().shutdown().await;
        }
        self.tasks.tracker.close();
        self.tasks.tracker.wait().await;
        for listening in &self.listening {
            listening.notes.tally().flush();
            listening.notes.clock().into_iter().for_each(|clock| listening.notes.watch().flush(clock.now()));
        }
        if let Some(clock) = self.clock.get() {
            self.marks.emit(clock.now());
        }
    }

    fn find(&self, name: &str) -> Option<&Listening> {
        self.listening.iter().find(|listening| listening.name == name)
    }
}

/// Binds an upstream's address, and puts a proxy before it where it needs one.
async fn bind<'a>(
    plan: &'a UpstreamPlan,
    notes: Arc<Notes>,
    rules: &[FaultRule],
    seed: Seed,
    registry: Option<&Registry>,
    tasks: &Tasks,
) -> Result<Bound<'a>, UpstreamError> {
    let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let wanted = plan.listen.unwrap_or(loopback);
    let fail = |source| UpstreamError::Bind { upstream: plan.name.clone(), address: wanted, source };
    let (listener, to, counts) = match &plan.kind {
        UpstreamKind::Tcp(tcp) if PostgresProxy::is_needed(rules, &plan.name, seed) => {
            let proxy = PostgresProxy::start(tcp.to.clone(), rules, seed, Arc::clone(&notes), tasks).await;
            (None, proxy.map_err(fail)?.address().to_string(), true)
        }
        UpstreamKind::Tcp(tcp) => (None, tcp.to.clone(), true),
        _ if registry.is_none() && ConnectionRules::of(rules, &plan.name, seed, is_carried_out_here).is_empty() => {
            let listener = TcpListener::bind(wanted).await.map_err(fail)?;
            let address = listener.local_addr().map_err(fail)?;
            return Ok(Bound { plan, address, notes, listener: Some(listener), front: None });
        }
        _ => {
            let listener = TcpListener::bind(loopback).await.map_err(fail)?;
            let to = listener.local_addr().map_err(fail)?.to_string();
            (Some(listener), to, false)
        }
    };
    let front = FrontPlan { name: plan.name.clone(), listen: wanted, to, counts };
    let besides = registry.map(Registry::watcher);
    let front = Front::start(front, rules, seed, Arc::clone(&notes), besides).await;
    let front = Arc::new(front.map_err(|error| fail(error.source))?);
    if let Some(registry) = registry {
        registry.adopt(Arc::clone(&front)).await;
    }
    Ok(Bound { plan, address: front.address(), notes, listener, front: Some(front) })
}

/// How the faults of the plan are.
fn planned_states(engine: Arc<Engine>, clock: Arc<OnceLock<RunClock>>, hits: Arc<RuleHits>) -> PlannedStates {
    Box::new(move || {
        let now = clock.get().map(RunClock::now);
        let rules = engine.rules().iter().enumerate().filter(|(_, rule)| !rule.inject.is_by_hand());
        rules
            .map(|(index, rule)| PlannedState {
                name: rule.name.clone(),
                upstream: rule.upstream.clone(),
                kind: rule.inject.kind(),
                on: now.is_some_and(|now| rule.is_on(now)) && !engine.has_ended(index),
                fired: hits.of(index),
            })
            .collect()
    })
}

/// What answers for an upstream that is not a server of its own.
async fn serving(
    plan: &UpstreamPlan,
    address: SocketAddr,
    notes: &Arc<Notes>,
    seed: Seed,
    shared: &Shared,
) -> Result<Arc<Upstream>, UpstreamError> {
    let mut warnings = Vec::new();
    let mock: Box<dyn Mock> = match &plan.kind {
        UpstreamKind::Openai(plan) => Box::new(OpenAi::new(plan, seed)),
        UpstreamKind::Supabase(supabase) => {
            let url = environment::url(plan, address);
            let (mock, doubts) = Supabase::new(supabase, seed, &url).map_err(|problem| seed_error(plan, &problem))?;
            warnings = doubts;
            Box::new(mock)
        }
        UpstreamKind::Stub { answer } => Box::new(Stub::new(&plan.name, *answer)),
        // It answers for itself.
        UpstreamKind::Tcp(_) => Box::new(Stub::new(&plan.name, 502)),
    };
    let (mock, remote) = source(plan, mock, notes, &shared.tasks).await?;
    for rule in shared.engine.rules().iter().filter(|rule| rule.upstream == plan.name) {
        if let Injection::Data(DataFault::StaleRead(stale)) = &rule.inject {
            mock.remember(stale.age.get());
        }
    }
    let upstream = Arc::new(Upstream::new(Arc::clone(notes), mock, remote, shared.clone()));
    warnings.iter().for_each(|warning| notes.warn_once(warning));
    Ok(upstream)
}

/// What answers as planned: the mock alone, a recording with the mock behind it, or the real service.
async fn source(
    plan: &UpstreamPlan,
    mock: Box<dyn Mock>,
    notes: &Arc<Notes>,
    tasks: &Tasks,
) -> Result<(Box<dyn Mock>, Option<PassThrough>), UpstreamError> {
    let fail = |reason: String| UpstreamError::Source { upstream: plan.name.clone(), reason };
    match &plan.source {
        SourcePlan::Mock => Ok((mock, None)),
        SourcePlan::Replay(replay) => {
            let replay = replay.clone();
            // A recording may be large.
            let read = tokio::task::spawn_blocking(move || Replay::read(&replay, mock)).await;
            let replay = read.map_err(|error| fail(error.to_string()))?.map_err(|error| fail(error.to_string()))?;
            Ok((Box::new(replay), None))
        }
        SourcePlan::PassThrough { url, record } => {
            let recorder =
                record.as_ref().map(|record| Recorder::start(record, url, Arc::clone(notes), &tasks.tracker));
            let recorder = recorder.transpose().map_err(|error| fail(error.to_string()))?;
            let remote = PassThrough::new(url, recorder).map_err(|error| fail(error.to_string()))?;
            Ok((mock, Some(remote)))
        }
    }
}

/// What the engine has to say by itself: faults that are over before their time, and what could not be carried out.
#[derive(Clone, Debug)]
struct Marks {
    engine: Arc<Engine>,
    events: EventSink,
}

impl Marks {
    /// Sends what is new.
    fn emit(&self, now: Offset) {
        for (rule, at) in self.engine.take_ended(now) {
            self.events.emit(RunEvent::FaultClosed { at, rule });
        }
        for message in self.engine.take_warnings() {
            self.events.emit(RunEvent::Warning { at: now, message });
        }
    }
}

/// Sends each second's counts soon after it is over, also when nothing else comes.
async fn roll_every_second(notes: Vec<Arc<Notes>>, marks: Marks, clock: RunClock) {
    loop {
        tokio::time::sleep_until(clock.instant(Offset::from_secs(clock.now().second() + 1))).await;
        marks.emit(clock.now());
        for notes in &notes {
            notes.tally().roll(&clock);
            notes.watch().settle(&clock);
        }
    }
}
