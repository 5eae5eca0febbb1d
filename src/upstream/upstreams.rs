//! [`Upstreams`]: all upstreams of a run, from binding their addresses to giving them back.

use super::accept::accept;
use super::answer::Mock;
use super::environment;
use super::inbound::Inbound;
use super::openai::{self, OpenAi};
use super::serve::{Shared, Upstream};
use super::stub::Stub;
use super::supabase::{self, Supabase};
use crate::fault::Engine;
use crate::model::event::EventSink;
use crate::model::upstream::{UpstreamKind, UpstreamPlan};
use crate::units::{Offset, RunClock, Seed};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, OnceLock};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// Why the upstreams could not start.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
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
    tasks: TaskTracker,
    stop: CancellationToken,
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

        let stop = CancellationToken::new();
        let tasks = TaskTracker::new();
        let shared = Shared { engine, events, clock: Arc::new(OnceLock::new()), inbound: Arc::new(Inbound::new()) };
        let clock = Arc::clone(&shared.clock);
        let mut listening = Vec::with_capacity(bound.len());
        for (index, (plan, listener, address)) in bound.into_iter().enumerate() {
            let mock: Box<dyn Mock> = match &plan.kind {
                UpstreamKind::Openai(plan) => Box::new(OpenAi::new(plan, seed)),
                UpstreamKind::Supabase(plan) => Box::new(Supabase::new(plan, seed)),
                UpstreamKind::Stub { answer } => Box::new(Stub::new(&plan.name, *answer)),
            };
            let index = u16::try_from(index).unwrap_or(u16::MAX);
            let upstream = Arc::new(Upstream::new(plan.name.clone(), index, mock, shared.clone()));
            tasks.spawn(accept(listener, Arc::clone(&upstream), tasks.clone(), stop.clone()));
            listening.push(Listening {
                name: plan.name.clone(),
                address,
                url: environment::url(&plan.kind, address),
                variables: environment::variables(plan, address, seed),
                upstream,
            });
        }
        Ok(Self { listening, clock, tasks, _stop_on_drop: stop.clone().drop_guard(), stop })
    }

    /// From now on requests are counted and faults hit, on the run's clock. Only the first call has an effect.
    pub fn begin(&self, clock: RunClock) {
        if self.clock.set(clock).is_ok() {
            let upstreams: Vec<_> = self.listening.iter().map(|l| Arc::clone(&l.upstream)).collect();
            self.tasks.spawn(roll_every_second(upstreams, clock, self.stop.clone()));
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

    /// Ends every connection at once, also hung ones, gives the addresses back, and sends the last counts.
    pub async fn shutdown(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        for listening in &self.listening {
            listening.upstream.tally().flush();
        }
    }

    fn find(&self, name: &str) -> Option<&Listening> {
        self.listening.iter().find(|listening| listening.name == name)
    }
}

/// Sends each second's counts soon after it is over, also when nothing else comes.
async fn roll_every_second(upstreams: Vec<Arc<Upstream>>, clock: RunClock, stop: CancellationToken) {
    loop {
        let next = clock.instant(Offset::from_secs(clock.now().second() + 1));
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = tokio::time::sleep_until(next) => {}
        }
        for upstream in &upstreams {
            upstream.tally().roll(&clock);
        }
    }
}
