//! [`PostgresProxy`]: takes connections for a server.

use super::faults::{Faults, rules_of};
use super::session::serve;
use crate::model::fault::FaultRule;
use crate::units::Seed;
use crate::upstream::notes::Notes;
use crate::upstream::tasks::Tasks;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

/// How long to wait when no connection can be taken.
const OUT_OF_DESCRIPTORS: Duration = Duration::from_millis(50);

/// A proxy that speaks PostgreSQL's protocol. It ends with the tasks that it runs on.
#[derive(Debug)]
pub struct PostgresProxy {
    address: SocketAddr,
}

impl PostgresProxy {
    /// Whether the plan has faults for one.
    pub fn is_needed(rules: &[FaultRule], upstream: &str, seed: Seed) -> bool {
        !rules_of(rules, upstream, seed).is_empty()
    }

    /// Listens on a free port of loopback, for connections to a server at `to` (`host:port`).
    ///
    /// # Errors
    /// When the system has no port.
    pub async fn start(
        to: String,
        rules: &[FaultRule],
        seed: Seed,
        notes: Arc<Notes>,
        tasks: &Tasks,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let faults = Faults::new(rules, seed, notes);
        tasks.spawn(accept(listener, Arc::from(to), Arc::new(faults), tasks.clone()));
        Ok(Self { address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn accept(listener: TcpListener, to: Arc<str>, faults: Arc<Faults>, tasks: Tasks) {
    loop {
        let Ok((client, _)) = listener.accept().await else {
            tokio::time::sleep(OUT_OF_DESCRIPTORS).await;
            continue;
        };
        let n = faults.next_connection();
        let (to, faults) = (Arc::clone(&to), Arc::clone(&faults));
        tasks.spawn(async move { serve(client, &to, &faults, n).await });
    }
}
