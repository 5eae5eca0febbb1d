//! [`Upstreams`]: all upstreams of a run, from binding their addresses to giving them back.

use super::accept::accept;
use super::answer::Mock;
use super::environment;
use super::inbound::Inbound;
use super::notes::Notes;
use super::openai::{self, OpenAi};
use super::passthrough::PassThrough;
use super::recording::{Recorder, Replay};
use super::serve::{Shared, Upstream};
use super::stub::Stub;
use super::supabase::{self, SeedError, Supabase};
use super::tasks::Tasks;
use super::tls::{Authority, TlsError};
use crate::fault::Engine;
use crate::model::event::{EventSink, RunEvent};
use crate::model::fault::{DataFault, Injection};
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
        UpstreamKind::Stub { .. } => &[],
    }
}

struct Listening {
    name: String,
    address: SocketAddr,
    url: String,
    variables: BTreeMap<String, String>,
    upstream: Arc<Upstream>,
}

/// What the app talks to, listening. Dropping it ends everything as [`Upstreams::shutdown`] does, without waiting.
pub struct Upstreams {
    listening: Vec<Listening>,
    clock: Arc<OnceLock<RunClock>>,
    marks: Marks,
    /// The certificate of the run's test CA, if any upstream is served over TLS.
    ca: Option<String>,
    tasks: Tasks,
    _stop_on_drop: DropGuard,
}

impl std::fmt::Debug for Upstreams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.listening.iter().map(|l| (&l.name, l.address))).finish()
    }
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
        let mut bound = Vec::with_capacity(plans.len());
        for plan in plans {
            let wanted = plan.listen.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
            let fail = |source| UpstreamError::Bind { upstream: plan.name.clone(), address: wanted, source };
            let listener = TcpListener::bind(wanted).await.map_err(fail)?;
            let address = listener.local_addr().map_err(fail)?;
            bound.push((plan, listener, address));
        }

        let mut authority = None;
        let mut acceptors = Vec::with_capacity(bound.len());
        for (plan, _, address) in &bound {
            let fail = |error: TlsError| UpstreamError::Tls { upstream: plan.name.clone(), reason: error.to_string() };
            acceptors.push(if plan.tls {
                let authority = match &mut authority {
                    Some(authority) => authority,
                    none => none.insert(Authority::new().map_err(fail)?),
                };
                Some(authority.acceptor(address.ip()).map_err(fail)?)
            } else {
                None
            });
        }

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
        let mut listening = Vec::with_capacity(bound.len());
        for (index, ((plan, listener, address), tls)) in bound.into_iter().zip(acceptors).enumerate() {
            let index = u16::try_from(index).unwrap_or(u16::MAX);
            let mut warnings = Vec::new();
            let mock: Box<dyn Mock> = match &plan.kind {
                UpstreamKind::Openai(plan) => Box::new(OpenAi::new(plan, seed)),
                UpstreamKind::Supabase(supabase) => {
                    let fail = |problem: SeedError| UpstreamError::Seed {
                        upstream: plan.name.clone(),
                        problem: problem.to_string(),
                    };
                    let (mock, doubts) =
                        Supabase::new(supabase, seed, &environment::url(plan, address)).map_err(fail)?;
                    warnings = doubts;
                    Box::new(mock)
                }
                UpstreamKind::Stub { answer } => Box::new(Stub::new(&plan.name, *answer)),
            };
            let notes = Notes::new(plan.name.clone(), index, shared.events.clone(), Arc::clone(&shared.clock));
            let notes = Arc::new(notes);
            let (mock, remote) = source(plan, mock, &notes, &tasks).await?;
            for rule in shared.engine.rules().iter().filter(|rule| rule.upstream == plan.name) {
                if let Injection::Data(DataFault::StaleRead(stale)) = &rule.inject {
                    mock.remember(stale.age.get());
                }
            }
            let upstream = Arc::new(Upstream::new(notes, mock, remote, shared.clone()));
            warnings.iter().for_each(|warning| upstream.notes().warn_once(warning));
            tasks.spawn(accept(listener, Arc::clone(&upstream), tls, tasks.clone()));
            listening.push(Listening {
                name: plan.name.clone(),
                address,
                url: environment::url(plan, address),
                variables: environment::variables(plan, address, seed),
                upstream,
            });
        }
        let ca = authority.as_ref().map(Authority::pem);
        Ok(Self { listening, clock, ca, marks, _stop_on_drop: tasks.stop.clone().drop_guard(), tasks })
    }

    /// From now on requests are counted and faults hit, on the run's clock. Only the first call has an effect.
    pub fn begin(&self, clock: RunClock) {
        if self.clock.set(clock).is_ok() {
            let upstreams: Vec<_> = self.listening.iter().map(|l| Arc::clone(&l.upstream)).collect();
            self.tasks.spawn(roll_every_second(upstreams, self.marks.clone(), clock));
        }
    }

    /// From now on calls are traced to the steps of users that trigger them. Only the first call has an effect.
    pub fn trace(&self, steps: &Arc<StepsUnderWay>) {
        for listening in &self.listening {
            listening.upstream.notes().watch().trace(Arc::clone(steps));
        }
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
        self.listening.iter().flat_map(|listening| listening.variables.clone()).collect()
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
            listening.upstream.notes().watch().close();
        }
        self.tasks.stop.cancel();
        for listening in &self.listening {
            listening.upstream.finish_recording();
        }
        self.tasks.tracker.close();
        self.tasks.tracker.wait().await;
        for listening in &self.listening {
            let notes = listening.upstream.notes();
            notes.tally().flush();
            notes.clock().into_iter().for_each(|clock| notes.watch().flush(clock.now()));
        }
        if let Some(clock) = self.clock.get() {
            self.marks.emit(clock.now());
        }
    }

    fn find(&self, name: &str) -> Option<&Listening> {
        self.listening.iter().find(|listening| listening.name == name)
    }
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
async fn roll_every_second(upstreams: Vec<Arc<Upstream>>, marks: Marks, clock: RunClock) {
    loop {
        tokio::time::sleep_until(clock.instant(Offset::from_secs(clock.now().second() + 1))).await;
        marks.emit(clock.now());
        for upstream in &upstreams {
            upstream.notes().tally().roll(&clock);
            upstream.notes().watch().settle(&clock);
        }
    }
}
