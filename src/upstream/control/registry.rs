//! [`Registry`]: the proxies that the control API knows, their toxics and leases.

use super::error::ApiError;
use crate::model::toxic::Toxic;
use crate::units::Seed;
use crate::upstream::front::Front;
use crate::upstream::tcp::{Hit, TcpProxy, TcpProxyPlan, Watcher};
use serde::Serialize;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry as MapEntry;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex as SyncMutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::{Mutex, Notify};
use tokio::time::Instant;

/// How many hits are kept to be looked at; older ones are only counted.
const HITS_KEPT: usize = 1_000;
/// How many proxies there may be.
const MOST_PROXIES: usize = 1_000;

/// The proxies of one control API.
pub struct Registry {
    proxies: Mutex<BTreeMap<String, Entry>>,
    seed: Seed,
    /// Whether proxies may listen where other machines can reach them.
    allow_remote: bool,
    hits: Arc<Hits>,
    /// Told when leases change.
    leases: Notify,
    planned: OnceLock<PlannedStates>,
}

/// Says how the faults of a plan are at this moment.
pub type PlannedStates = Box<dyn Fn() -> Vec<PlannedState> + Send + Sync>;

/// A fault of the plan, as it is now.
#[derive(Clone, Debug, Serialize)]
pub struct PlannedState {
    /// The rule's name.
    pub name: String,
    /// The upstream.
    pub upstream: String,
    /// What it does.
    pub kind: &'static str,
    /// Whether it is on.
    pub on: bool,
    /// How often it has hit something.
    pub fired: u64,
}

/// One proxy, listening or not.
struct Entry {
    listen: SocketAddr,
    upstream: String,
    running: Running,
    toxics: Vec<Leased>,
}

/// What listens for an entry.
enum Running {
    /// Nothing.
    No,
    /// A proxy that was made here.
    Own(TcpProxy),
    /// That of an upstream: it can be switched off, and stays what it is.
    Front(Arc<Front>),
}

impl Running {
    fn proxy(&self) -> Option<&TcpProxy> {
        match self {
            Self::No => None,
            Self::Own(proxy) => Some(proxy),
            Self::Front(front) => Some(front.proxy()),
        }
    }

    fn is_on(&self) -> bool {
        self.proxy().is_some_and(TcpProxy::is_enabled)
    }
}

#[derive(Clone)]
struct Leased {
    toxic: Arc<Toxic>,
    until: Option<Instant>,
}

/// What has touched whom.
#[derive(Default)]
struct Hits {
    seen: SyncMutex<(u64, std::collections::VecDeque<Hit>)>,
}

/// A proxy, as it is now.
#[derive(Clone, Debug)]
pub struct ProxyState {
    /// Its name.
    pub name: String,
    /// Where it listens.
    pub listen: String,
    /// Where the real server is.
    pub upstream: String,
    /// Whether it listens.
    pub enabled: bool,
    /// Its toxics.
    pub toxics: Vec<ToxicState>,
    /// Connections that are open.
    pub open: u64,
    /// Connections that came since it was enabled.
    pub accepted: u64,
}

/// A toxic, as it is now.
#[derive(Clone, Debug)]
pub struct ToxicState {
    /// The toxic.
    pub toxic: Arc<Toxic>,
    /// What is left of its lease, if it has one.
    pub lease_left: Option<Duration>,
}

/// A proxy as it shall be; what is `None` stays as it is.
#[derive(Clone, Debug, Default)]
pub struct ProxyChange {
    /// Where it listens.
    pub listen: Option<SocketAddr>,
    /// Where the real server is.
    pub upstream: Option<String>,
    /// Whether it listens.
    pub enabled: Option<bool>,
}

impl Registry {
    /// No proxies yet.
    #[must_use]
    pub fn new(seed: Seed, allow_remote: bool) -> Self {
        Self {
            proxies: Mutex::default(),
            seed: seed.derive("control"),
            allow_remote,
            hits: Arc::default(),
            leases: Notify::new(),
            planned: OnceLock::new(),
        }
    }

    /// All proxies.
    pub async fn all(&self) -> Vec<ProxyState> {
        self.proxies.lock().await.iter().map(|(name, entry)| entry.state(name)).collect()
    }

    /// One proxy.
    pub async fn get(&self, name: &str) -> Result<ProxyState, ApiError> {
        let proxies = self.proxies.lock().await;
        proxies.get(name).map(|entry| entry.state(name)).ok_or(ApiError::ProxyNotFound)
    }

    /// Takes an upstream's proxy in, under the upstream's name. Its address and where it leads stay as they are.
    pub async fn adopt(&self, front: Arc<Front>) {
        let name = front.proxy().plan().name.clone();
        let entry = Entry {
            listen: front.address(),
            upstream: front.to().to_owned(),
            running: Running::Front(front),
            toxics: Vec::new(),
        };
        self.proxies.lock().await.insert(name, entry);
    }

    /// Who is to be told of hits on proxies that were not made here.
    pub fn watcher(&self) -> Arc<dyn Watcher> {
        Arc::clone(&self.hits) as Arc<dyn Watcher>
    }

    /// Adds a proxy.
    pub async fn add(
        &self,
        name: &str,
        listen: SocketAddr,
        upstream: String,
        enabled: bool,
    ) -> Result<ProxyState, ApiError> {
        let mut proxies = self.proxies.lock().await;
        let full = proxies.len() >= MOST_PROXIES;
        match proxies.entry(name.to_owned()) {
            MapEntry::Occupied(_) => Err(ApiError::ProxyAlreadyExists),
            MapEntry::Vacant(_) if full => Err(ApiError::Listen(format!("there are {MOST_PROXIES} proxies already"))),
            MapEntry::Vacant(place) => {
                let mut entry = Entry { listen, upstream, running: Running::No, toxics: Vec::new() };
                if enabled {
                    self.enable(name, &mut entry).await?;
                }
                Ok(place.insert(entry).state(name))
            }
        }
    }

    /// Adds proxies, or replaces those whose addresses differ; as Toxiproxy's `populate`. Either all are understood
    /// or nothing changes.
    pub async fn populate(&self, wanted: Vec<(String, SocketAddr, String, bool)>) -> Result<Vec<ProxyState>, ApiError> {
        let mut names = std::collections::BTreeSet::new();
        for (name, listen, _, enabled) in &wanted {
            if !names.insert(name) {
                return Err(ApiError::DuplicateName(name.clone()));
            }
            if *enabled {
                self.check(*listen)?;
            }
        }
        {
            let proxies = self.proxies.lock().await;
            let fixed = wanted.iter().find(|(name, listen, upstream, _)| {
                proxies.get(name).is_some_and(|entry| entry.is_fixed() && !entry.is_at(*listen, upstream))
            });
            if let Some((name, ..)) = fixed {
                return Err(ApiError::Fixed(name.clone()));
            }
        }
        let mut states = Vec::with_capacity(wanted.len());
        for (name, listen, upstream, enabled) in wanted {
            let same = {
                let proxies = self.proxies.lock().await;
                proxies.get(&name).is_some_and(|entry| entry.is_at(listen, &upstream))
            };
            if same {
                states
                    .push(self.change(&name, ProxyChange { enabled: Some(enabled), ..ProxyChange::default() }).await?);
            } else {
                if self.proxies.lock().await.contains_key(&name) {
                    self.remove(&name).await?;
                }
                states.push(self.add(&name, listen, upstream, enabled).await?);
            }
        }
        Ok(states)
    }

    /// Changes a proxy. Its toxics stay.
    pub async fn change(&self, name: &str, change: ProxyChange) -> Result<ProxyState, ApiError> {
        let mut proxies = self.proxies.lock().await;
        let entry = proxies.get_mut(name).ok_or(ApiError::ProxyNotFound)?;
        let enabled = change.enabled.unwrap_or(entry.running.is_on());
        let listen = change.listen.unwrap_or(entry.listen);
        let upstream = change.upstream.unwrap_or_else(|| entry.upstream.clone());
        if entry.is_fixed() && !entry.is_at(listen, &upstream) {
            return Err(ApiError::Fixed(name.to_owned()));
        }
        if !enabled || !entry.is_at(listen, &upstream) {
            entry.disable().await;
        }
        entry.listen = listen;
        entry.upstream = upstream;
        if enabled && !entry.running.is_on() {
            self.enable(name, entry).await?;
        }
        Ok(entry.state(name))
    }

    /// Takes a proxy away.
    pub async fn remove(&self, name: &str) -> Result<(), ApiError> {
        let mut proxies = self.proxies.lock().await;
        if proxies.get(name).is_some_and(Entry::is_fixed) {
            return Err(ApiError::Fixed(name.to_owned()));
        }
        let mut entry = proxies.remove(name).ok_or(ApiError::ProxyNotFound)?;
        drop(proxies);
        entry.disable().await;
        Ok(())
    }

    /// Enables every proxy and takes all toxics off.
    pub async fn reset(&self) -> Result<(), ApiError> {
        let mut proxies = self.proxies.lock().await;
        for (name, entry) in proxies.iter_mut() {
            entry.toxics.clear();
            entry.apply();
            if !entry.running.is_on() {
                self.enable(name, entry).await?;
            }
        }
        Ok(())
    }

    /// Adds a toxic, for as long as its lease says (for ever without one).
    pub async fn add_toxic(&self, proxy: &str, toxic: Toxic, lease: Option<Duration>) -> Result<ToxicState, ApiError> {
        let mut proxies = self.proxies.lock().await;
        let entry = proxies.get_mut(proxy).ok_or(ApiError::ProxyNotFound)?;
        if entry.toxics.iter().any(|known| known.toxic.name == toxic.name) {
            return Err(ApiError::ToxicAlreadyExists);
        }
        entry.toxics.push(Leased::new(toxic, lease));
        entry.apply();
        self.leases.notify_one();
        entry.toxics.last().map(Leased::state).ok_or(ApiError::ToxicNotFound)
    }

    /// Changes a toxic: `change` gets it as it is. A lease that is not named stays.
    pub async fn change_toxic(
        &self,
        proxy: &str,
        toxic: &str,
        change: impl FnOnce(&Toxic) -> Result<(Toxic, Option<Duration>), ApiError>,
    ) -> Result<ToxicState, ApiError> {
        let mut proxies = self.proxies.lock().await;
        let entry = proxies.get_mut(proxy).ok_or(ApiError::ProxyNotFound)?;
        let known = entry.toxics.iter_mut().find(|known| known.toxic.name == toxic).ok_or(ApiError::ToxicNotFound)?;
        let (changed, lease) = change(&known.toxic)?;
        let until = known.until;
        *known = Leased::new(changed, lease);
        known.until = known.until.or(until);
        let state = known.state();
        entry.apply();
        self.leases.notify_one();
        Ok(state)
    }

    /// Takes a toxic off.
    pub async fn remove_toxic(&self, proxy: &str, toxic: &str) -> Result<(), ApiError> {
        let mut proxies = self.proxies.lock().await;
        let entry = proxies.get_mut(proxy).ok_or(ApiError::ProxyNotFound)?;
        let place = entry.toxics.iter().position(|known| known.toxic.name == toxic).ok_or(ApiError::ToxicNotFound)?;
        entry.toxics.remove(place);
        entry.apply();
        Ok(())
    }

    /// Ours: replaces the toxics of several proxies at once. Either all proxies are there or nothing changes.
    pub async fn set_toxics(
        &self,
        sets: BTreeMap<String, Vec<(Toxic, Option<Duration>)>>,
    ) -> Result<Vec<ProxyState>, ApiError> {
        for toxics in sets.values() {
            for (place, (toxic, _)) in toxics.iter().enumerate() {
                if toxics[..place].iter().any(|(other, _)| other.name == toxic.name) {
                    return Err(ApiError::ToxicAlreadyExists);
                }
            }
        }
        let mut proxies = self.proxies.lock().await;
        if sets.keys().any(|name| !proxies.contains_key(name)) {
            return Err(ApiError::ProxyNotFound);
        }
        let mut states = Vec::with_capacity(sets.len());
        for (name, toxics) in sets {
            if let Some(entry) = proxies.get_mut(&name) {
                entry.toxics = toxics.into_iter().map(|(toxic, lease)| Leased::new(toxic, lease)).collect();
                entry.apply();
                states.push(entry.state(&name));
            }
        }
        self.leases.notify_one();
        Ok(states)
    }

    /// Ours: gives every toxic that has a lease a new one; how many there are.
    pub async fn renew(&self, lease: Duration) -> usize {
        let mut proxies = self.proxies.lock().await;
        let until = Instant::now() + lease;
        let mut renewed = 0;
        for leased in proxies.values_mut().flat_map(|entry| &mut entry.toxics).filter(|leased| leased.until.is_some()) {
            leased.until = Some(until);
            renewed += 1;
        }
        self.leases.notify_one();
        renewed
    }

    /// Ours: how often toxics have touched connections, and the latest times.
    pub fn hits(&self) -> (u64, Vec<Hit>) {
        let seen = self.hits.seen.lock().unwrap_or_else(PoisonError::into_inner);
        (seen.0, seen.1.iter().cloned().collect())
    }

    /// Shows the faults of a plan, too. Only the first call has an effect.
    pub fn show_plan(&self, states: PlannedStates) {
        let _ = self.planned.set(states);
    }

    /// Ours: the faults of the plan.
    pub fn planned(&self) -> Vec<PlannedState> {
        self.planned.get().map(|states| states()).unwrap_or_default()
    }

    /// Takes toxics off when their lease is over. Never ends; drop it to stop.
    pub async fn keep_leases(&self) {
        loop {
            let changed = self.leases.notified();
            let next = {
                let mut proxies = self.proxies.lock().await;
                let now = Instant::now();
                for entry in proxies.values_mut() {
                    let before = entry.toxics.len();
                    entry.toxics.retain(|leased| leased.until.is_none_or(|until| until > now));
                    if entry.toxics.len() < before {
                        entry.apply();
                    }
                }
                proxies.values().flat_map(|entry| &entry.toxics).filter_map(|leased| leased.until).min()
            };
            match next {
                Some(next) => {
                    tokio::select! { () = changed => {} () = tokio::time::sleep_until(next) => {} }
                }
                None => changed.await,
            }
        }
    }

    /// Ends every proxy.
    pub async fn shutdown(&self) {
        let mut proxies = std::mem::take(&mut *self.proxies.lock().await);
        for entry in proxies.values_mut().filter(|entry| !entry.is_fixed()) {
            entry.disable().await;
        }
    }

    async fn enable(&self, name: &str, entry: &mut Entry) -> Result<(), ApiError> {
        if let Running::Front(front) = &entry.running {
            front.set_enabled(true);
            return Ok(());
        }
        self.check(entry.listen)?;
        let plan = TcpProxyPlan { name: name.to_owned(), listen: entry.listen, to: entry.upstream.clone() };
        let hits = Arc::clone(&self.hits);
        let on_hit = move |hit| hits.note(hit);
        let toxics = entry.toxics.iter().map(|leased| Arc::clone(&leased.toxic)).collect();
        let running = TcpProxy::start(plan, toxics, self.seed, on_hit)
            .await
            .map_err(|error| ApiError::Listen(format!("listen tcp {}: bind: {}", error.listen, error.source)))?;
        entry.listen = running.address();
        entry.running = Running::Own(running);
        Ok(())
    }

    fn check(&self, listen: SocketAddr) -> Result<(), ApiError> {
        if self.allow_remote || listen.ip().is_loopback() {
            return Ok(());
        }
        Err(ApiError::NotLoopback(listen.to_string()))
    }
}

impl Entry {
    fn state(&self, name: &str) -> ProxyState {
        ProxyState {
            name: name.to_owned(),
            listen: self.listen.to_string(),
            upstream: self.upstream.clone(),
            enabled: self.running.is_on(),
            toxics: self.toxics.iter().map(Leased::state).collect(),
            open: self.running.proxy().map_or(0, TcpProxy::open),
            accepted: self.running.proxy().map_or(0, TcpProxy::accepted),
        }
    }

    fn apply(&self) {
        let toxics = self.toxics.iter().map(|leased| Arc::clone(&leased.toxic)).collect();
        match &self.running {
            Running::No => {}
            Running::Own(proxy) => proxy.set_toxics(toxics),
            Running::Front(front) => front.put_on(toxics),
        }
    }

    async fn disable(&mut self) {
        if let Running::Front(front) = &self.running {
            front.set_enabled(false);
        } else if let Running::Own(proxy) = std::mem::replace(&mut self.running, Running::No) {
            proxy.shutdown().await;
        }
    }

    /// Whether it belongs to an upstream.
    fn is_fixed(&self) -> bool {
        matches!(self.running, Running::Front(_))
    }

    fn is_at(&self, listen: SocketAddr, upstream: &str) -> bool {
        self.listen == listen && self.upstream == upstream
    }
}

impl Leased {
    fn new(toxic: Toxic, lease: Option<Duration>) -> Self {
        Self { toxic: Arc::new(toxic), until: lease.map(|lease| Instant::now() + lease) }
    }

    fn state(&self) -> ToxicState {
        let left = self.until.map(|until| until.saturating_duration_since(Instant::now()));
        ToxicState { toxic: Arc::clone(&self.toxic), lease_left: left }
    }
}

impl Watcher for Hits {
    fn hit(&self, hit: Hit) {
        self.note(hit);
    }
}

impl Hits {
    fn note(&self, hit: Hit) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.0 += 1;
        if seen.1.len() == HITS_KEPT {
            seen.1.pop_front();
        }
        seen.1.push_back(hit);
    }
}
