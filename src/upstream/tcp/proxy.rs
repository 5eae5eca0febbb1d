//! [`TcpProxy`]: one proxy, from its listening address to its connections.

use super::connection::{carry, reset_on_drop};
use super::toxics::{Hit, ToxicSet};
use crate::model::toxic::{Toxic, ToxicKind};
use crate::units::Seed;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// How long to wait when the system has no descriptors left for another connection.
const OUT_OF_DESCRIPTORS: Duration = Duration::from_millis(50);

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
    pub source: std::io::Error,
}

type OnHit = Arc<dyn Fn(Hit) + Send + Sync>;

/// A proxy at work. Dropping it closes its address and all its connections.
pub struct TcpProxy {
    plan: TcpProxyPlan,
    address: SocketAddr,
    toxics: watch::Sender<Arc<ToxicSet>>,
    seed: Seed,
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
    on_hit: OnHit,
}

impl TcpProxy {
    /// Listens, with these toxics from the beginning. `on_hit` is called for each toxic that touches a connection,
    /// once per connection.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub async fn start(
        plan: TcpProxyPlan,
        toxics: Vec<Arc<Toxic>>,
        seed: Seed,
        on_hit: OnHit,
    ) -> Result<Self, TcpProxyError> {
        let fail = |source| TcpProxyError { name: plan.name.clone(), listen: plan.listen, source };
        let listener = TcpListener::bind(plan.listen).await.map_err(fail)?;
        let address = listener.local_addr().map_err(fail)?;
        let seed = seed.derive("tcp").derive(&plan.name);
        let (sender, receiver) = watch::channel(Arc::new(ToxicSet::new(toxics, seed)));
        let counts = Arc::new(Counts::default());
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let door = Door {
            name: Arc::from(plan.name.as_str()),
            to: plan.to.clone(),
            toxics: receiver,
            counts: Arc::clone(&counts),
            on_hit,
        };
        tasks.spawn(accept(listener, Arc::new(door), tasks.clone(), stop.clone()));
        Ok(Self { plan, address, toxics: sender, seed, counts, tasks, _stop_on_drop: stop.clone().drop_guard(), stop })
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

    /// Its toxics.
    #[must_use]
    pub fn toxics(&self) -> Vec<Arc<Toxic>> {
        self.toxics.borrow().all().to_vec()
    }

    /// Changes all its toxics at once, on open connections too.
    pub fn set_toxics(&self, toxics: Vec<Arc<Toxic>>) {
        self.toxics.send_replace(Arc::new(ToxicSet::new(toxics, self.seed)));
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
    pub async fn shutdown(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

async fn accept(listener: TcpListener, door: Arc<Door>, tasks: TaskTracker, stop: CancellationToken) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((client, _)) => {
                let number = door.counts.accepted.fetch_add(1, Ordering::Relaxed);
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

fn is_out_of_descriptors(code: i32) -> bool {
    [rustix::io::Errno::MFILE, rustix::io::Errno::NFILE, rustix::io::Errno::NOBUFS, rustix::io::Errno::NOMEM]
        .iter()
        .any(|errno| errno.raw_os_error() == code)
}

impl Door {
    async fn serve(&self, client: TcpStream, number: u64) {
        let on_hit = |toxic: &Arc<Toxic>| {
            (self.on_hit)(Hit { proxy: Arc::clone(&self.name), connection: number, toxic: Arc::clone(toxic) });
        };
        let mut toxics = self.toxics.clone();
        let mut held: Vec<Arc<Toxic>> = Vec::new();
        // Held at the gate for as long as something holds it there.
        let _carried = loop {
            let set = Arc::clone(&toxics.borrow_and_update());
            let freed = self.counts.freed.notified();
            let toxic = match self.counts.enter(&set, number) {
                Ok(carried) => break carried,
                Err(toxic) => toxic,
            };
            if !held.iter().any(|seen| seen.name == toxic.name) {
                on_hit(&toxic);
                held.push(Arc::clone(&toxic));
            }
            if matches!(toxic.kind, ToxicKind::Refuse {}) {
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
    fn enter(&self, set: &ToxicSet, connection: u64) -> Result<Carried<'_>, Arc<Toxic>> {
        let mut cap: Option<(u64, &Arc<Toxic>)> = None;
        for toxic in set.at_the_gate(connection) {
            match toxic.kind {
                ToxicKind::ConnectionCap { connections } if cap.is_none_or(|(least, _)| connections < least) => {
                    cap = Some((connections, toxic));
                }
                ToxicKind::ConnectionCap { .. } => {}
                _ => return Err(Arc::clone(toxic)),
            }
        }
        let limit = cap.map_or(u64::MAX, |(connections, _)| connections);
        let room = |carried: u64| (carried < limit).then_some(carried + 1);
        match (self.carried.fetch_update(Ordering::AcqRel, Ordering::Acquire, room), cap) {
            (Err(_), Some((_, toxic))) => Err(Arc::clone(toxic)),
            _ => Ok(Carried(self)),
        }
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
