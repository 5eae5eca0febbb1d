//! [`TcpProxy`]: one proxy, from its listening address to its connections.

use super::connection::{carry, reset_on_drop};
use super::toxics::{Hit, Placed, PlannedToxic, ToxicSet};
use crate::model::toxic::{Toxic, ToxicKind};
use crate::units::Seed;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Notify, watch};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// How long to wait when the system has no descriptors left for another connection.
const OUT_OF_DESCRIPTORS: Duration = Duration::from_millis(50);
/// How many connections may wait to be accepted; as many as tokio lets wait.
const BACKLOG: u32 = 1024;

/// What a proxy is to do.
#[derive(Clone, Debug)]
pub struct TcpProxyPlan {
    /// Its name.
    pub name: String,
    /// Where it listens; port 0 is any free one.
    pub listen: SocketAddr,
    /// Where the real server is, as `host:port`; looked up for every connection, as clients do.
    pub to: String,
}

/// Why a proxy does not listen.
#[derive(Debug, thiserror::Error)]
#[error("the proxy `{name}` cannot listen on {listen}: {source}")]
pub struct TcpProxyError {
    /// Which proxy.
    pub name: String,
    /// The address.
    pub listen: SocketAddr,
    /// What the system said.
    pub source: io::Error,
}

/// Who is told of what happens at a proxy. Told on the connections' own tasks: it must not take long.
pub trait Watcher: Send + Sync {
    /// A connection came.
    fn accepted(&self) {}

    /// A toxic struck a connection.
    fn hit(&self, hit: Hit);
}

/// A closure that only wants to know of hits.
struct OnHit<F>(F);

impl<F: Fn(Hit) + Send + Sync> Watcher for OnHit<F> {
    fn hit(&self, hit: Hit) {
        (self.0)(hit);
    }
}

/// A proxy at work. Dropping it closes its address and all its connections.
pub struct TcpProxy {
    plan: TcpProxyPlan,
    address: SocketAddr,
    toxics: watch::Sender<Arc<ToxicSet>>,
    counts: Arc<Counts>,
    tasks: TaskTracker,
    stop: CancellationToken,
    _stop_on_drop: DropGuard,
}

/// How many connections there were and are.
#[derive(Debug, Default)]
struct Counts {
    accepted: AtomicU64,
    open: AtomicU64,
    /// Of the open ones, those that got through the gate.
    carried: AtomicU64,
    freed: Notify,
}

struct Door {
    name: Arc<str>,
    to: String,
    toxics: watch::Receiver<Arc<ToxicSet>>,
    counts: Arc<Counts>,
    watcher: Arc<dyn Watcher>,
}

impl TcpProxy {
    /// Listens, with these toxics from the beginning. `on_hit` is told of each toxic that strikes a connection, once per
    /// connection.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub async fn start(
        plan: TcpProxyPlan,
        toxics: Vec<Arc<Toxic>>,
        seed: Seed,
        on_hit: impl Fn(Hit) + Send + Sync + 'static,
    ) -> Result<Self, TcpProxyError> {
        Self::start_watched(plan, toxics, seed, Arc::new(OnHit(on_hit))).await
    }

    /// As [`TcpProxy::start`], for a watcher that wants to know more.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub async fn start_watched(
        plan: TcpProxyPlan,
        toxics: Vec<Arc<Toxic>>,
        seed: Seed,
        watcher: Arc<dyn Watcher>,
    ) -> Result<Self, TcpProxyError> {
        let fail = |source| TcpProxyError { name: plan.name.clone(), listen: plan.listen, source };
        let listener = listen(plan.listen).map_err(fail)?;
        let address = listener.local_addr().map_err(fail)?;
        let seed = seed.derive("tcp").derive(&plan.name);
        let (sender, receiver) = watch::channel(Arc::new(ToxicSet::new(seed).with_toxics(toxics)));
        let counts = Arc::new(Counts::default());
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let door = Door {
            name: Arc::from(plan.name.as_str()),
            to: plan.to.clone(),
            toxics: receiver,
            counts: Arc::clone(&counts),
            watcher,
        };
        tasks.spawn(accept(listener, Arc::new(door), tasks.clone(), stop.clone()));
        Ok(Self { plan, address, toxics: sender, counts, tasks, _stop_on_drop: stop.clone().drop_guard(), stop })
    }

    /// What it was told to do.
    #[must_use]
    pub fn plan(&self) -> &TcpProxyPlan {
        &self.plan
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its toxics that were put on by hand.
    #[must_use]
    pub fn toxics(&self) -> Vec<Arc<Toxic>> {
        self.toxics.borrow().by_hand().iter().map(|placed| Arc::clone(&placed.toxic)).collect()
    }

    /// Changes all toxics that are put on by hand at once, on open connections too.
    pub fn set_toxics(&self, toxics: Vec<Arc<Toxic>>) {
        self.toxics.send_modify(|set| *set = Arc::new(set.with_toxics(toxics)));
    }

    /// Changes all faults of the plan at once, on open connections too.
    pub fn set_faults(&self, faults: Vec<PlannedToxic>) {
        self.toxics.send_modify(|set| *set = Arc::new(set.with_faults(faults)));
    }

    /// Switches it off, which ends its connections and refuses new ones, or on again. Its address stays its own.
    pub fn set_enabled(&self, enabled: bool) {
        self.toxics.send_modify(|set| *set = Arc::new(set.with_disabled(!enabled)));
    }

    /// Whether nobody has switched it off.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        !self.toxics.borrow().disabled
    }

    /// Connections that are open now.
    #[must_use]
    pub fn open(&self) -> u64 {
        self.counts.open.load(Ordering::Relaxed)
    }

    /// Connections that came so far.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.counts.accepted.load(Ordering::Relaxed)
    }

    /// Gives its address back and ends its connections; ready when it has.
    pub async fn shutdown(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

async fn accept(listener: TcpListener, door: Arc<Door>, tasks: TaskTracker, stop: CancellationToken) {
    let mut toxics = door.toxics.clone();
    let mut address = Address::Open(listener);
    loop {
        let close = toxics.borrow_and_update().is_closed();
        address = match address.turned(close) {
            Ok(address) => address,
            // It can neither be listened at nor closed: nobody is served from now on, which tests will notice.
            Err(_) => return,
        };
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            changed = toxics.changed() => if changed.is_ok() { continue } else { return },
            accepted = address.accept() => accepted,
        };
        match accepted {
            Ok((client, _)) => {
                let number = door.counts.accepted.fetch_add(1, Ordering::Relaxed);
                door.watcher.accepted();
                let (door, stop) = (Arc::clone(&door), stop.clone());
                tasks.spawn(async move {
                    let _open = Open::new(Arc::clone(&door.counts));
                    tokio::select! {
                        biased;
                        () = stop.cancelled() => {}
                        () = door.serve(client, number) => {}
                    }
                });
            }
            Err(error) if error.raw_os_error().is_some_and(is_out_of_descriptors) => {
                tokio::time::sleep(OUT_OF_DESCRIPTORS).await;
            }
            // Only the connection that was being accepted failed.
            Err(_) => {}
        }
    }
}

/// Listens. A port that the system chose is bound a second time by its number: only then it stays ours while nobody
/// listens there.
fn listen(wanted: SocketAddr) -> io::Result<TcpListener> {
    let bound = |address: SocketAddr| {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        Ok::<_, io::Error>(socket)
    };
    let chosen = bound(wanted)?;
    let socket = if wanted.port() == 0 { bound(chosen.local_addr()?)? } else { chosen };
    socket.listen(BACKLOG)
}

/// A bound address.
enum Address {
    Open(TcpListener),
    /// Neither listened at nor given away, so it refuses, as that of a server which is gone.
    Closed(std::net::TcpListener),
}

impl Address {
    /// The same, closed or open.
    fn turned(self, close: bool) -> io::Result<Self> {
        match self {
            // Not before it has left the reactor, which would take its closing for final.
            Self::Open(listener) if close => {
                let listener = listener.into_std()?;
                rustix::net::shutdown(&listener, rustix::net::Shutdown::Read)?;
                Ok(Self::Closed(listener))
            }
            Self::Closed(listener) if !close => {
                rustix::net::listen(&listener, i32::try_from(BACKLOG).unwrap_or(i32::MAX))?;
                TcpListener::from_std(listener).map(Self::Open)
            }
            same => Ok(same),
        }
    }

    async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        match self {
            Self::Open(listener) => listener.accept().await,
            Self::Closed(_) => std::future::pending().await,
        }
    }
}

fn is_out_of_descriptors(code: i32) -> bool {
    [rustix::io::Errno::MFILE, rustix::io::Errno::NFILE, rustix::io::Errno::NOBUFS, rustix::io::Errno::NOMEM]
        .iter()
        .any(|errno| errno.raw_os_error() == code)
}

impl Door {
    async fn serve(&self, client: TcpStream, number: u64) {
        let struck = Struck::default();
        let on_hit = |placed: &Placed| {
            let (toxic, rule) = (Arc::clone(&placed.toxic), placed.rule);
            let Some(first) = struck.by(placed) else { return };
            self.watcher.hit(Hit { proxy: Arc::clone(&self.name), connection: number, toxic, rule, first });
        };
        let mut toxics = self.toxics.clone();
        let mut held: Vec<Placed> = Vec::new();
        // Held at the gate for as long as something holds it there.
        let _carried = loop {
            let set = Arc::clone(&toxics.borrow_and_update());
            if set.disabled {
                return;
            }
            let freed = self.counts.freed.notified();
            let placed = match self.counts.enter(&set, number) {
                Ok(carried) => break carried,
                Err(placed) => placed,
            };
            if !held.iter().any(|seen| seen.is_same(&placed)) {
                on_hit(&placed);
                held.push(placed.clone());
            }
            if matches!(placed.toxic.kind, ToxicKind::Refuse {}) {
                reset_on_drop(&client);
                return;
            }
            tokio::select! {
                changed = toxics.changed() => if changed.is_err() { return },
                () = freed => {}
            }
        };
        match TcpStream::connect(&self.to).await {
            Ok(server) => carry(client, server, number, toxics, &on_hit).await,
            // The client must see that the server is not there. It did see a connection, which cannot be undone.
            Err(_) => reset_on_drop(&client),
        }
    }
}

impl Counts {
    /// Lets a connection through the gate, or says which toxic keeps it there.
    fn enter(&self, set: &ToxicSet, connection: u64) -> Result<Carried<'_>, Placed> {
        let mut cap: Option<(u64, &Placed)> = None;
        for placed in set.at_the_gate(connection) {
            match placed.toxic.kind {
                ToxicKind::ConnectionCap { connections } if cap.is_none_or(|(least, _)| connections < least) => {
                    cap = Some((connections, placed));
                }
                ToxicKind::ConnectionCap { .. } => {}
                _ => return Err(placed.clone()),
            }
        }
        let limit = cap.map_or(u64::MAX, |(connections, _)| connections);
        let room = |carried: u64| (carried < limit).then_some(carried + 1);
        match (self.carried.fetch_update(Ordering::AcqRel, Ordering::Acquire, room), cap) {
            (Err(_), Some((_, placed))) => Err(placed.clone()),
            _ => Ok(Carried(self)),
        }
    }
}

/// What has struck a connection so far.
#[derive(Default)]
struct Struck(Mutex<StruckBy>);

#[derive(Default)]
struct StruckBy {
    any: bool,
    /// Rules, and which time it was that they were on.
    rules: Vec<(usize, u64)>,
}

impl Struck {
    /// Whether this is the first that strikes it; `None` if it is a part of what did.
    fn by(&self, placed: &Placed) -> Option<bool> {
        let mut struck = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(rule) = placed.rule {
            match struck.rules.iter_mut().find(|(other, _)| *other == rule) {
                Some((_, wave)) if *wave == placed.wave => return None,
                Some((_, wave)) => *wave = placed.wave,
                None => struck.rules.push((rule, placed.wave)),
            }
        }
        Some(!std::mem::replace(&mut struck.any, true))
    }
}

/// Counts a connection as open for as long as it lives.
struct Open(Arc<Counts>);

impl Open {
    fn new(counts: Arc<Counts>) -> Self {
        counts.open.fetch_add(1, Ordering::Relaxed);
        Self(counts)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Counts a connection as carried to the server for as long as it lives, and lets the next one in.
struct Carried<'a>(&'a Counts);

impl Drop for Carried<'_> {
    fn drop(&mut self) {
        self.0.carried.fetch_sub(1, Ordering::Relaxed);
        self.0.freed.notify_one();
    }
}
