//! [`Control`]: the control API's address, and who may use it.

use super::api;
use super::registry::Registry;
use crate::units::Seed;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// How the control API is to be served.
#[derive(Clone, Debug)]
pub struct ControlPlan {
    /// Where it listens. Toxiproxy's port is 8474.
    pub listen: SocketAddr,
    /// Whether it and its proxies may listen where other machines can reach them; then `token` is needed.
    pub allow_remote: bool,
    /// What callers must show in `Authorization: Bearer …`; `None` is nothing.
    pub token: Option<String>,
    /// The seed of what toxics draw.
    pub seed: Seed,
}

/// Why the control API does not listen.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Its address cannot be had.
    #[error("the control API cannot listen on {listen}: {source}")]
    Bind {
        /// The address.
        listen: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// It would be open to other machines.
    #[error("the control API would listen on {0}, where other machines can reach it, and nobody said that it may")]
    Remote(SocketAddr),
    /// It would be open to other machines without a token.
    #[error("the control API listens on {0}, where other machines can reach it: it needs a token")]
    NoToken(SocketAddr),
}

/// The control API at work. Dropping it ends it and its proxies.
pub struct Control {
    address: SocketAddr,
    registry: Arc<Registry>,
    tasks: TaskTracker,
    stop: CancellationToken,
    _stop_on_drop: DropGuard,
}

impl Control {
    /// Listens.
    ///
    /// # Errors
    /// When the address cannot be had, or is not of loopback and that was not allowed, or not made safe.
    pub async fn start(plan: ControlPlan) -> Result<Self, ControlError> {
        let registry = Arc::new(Registry::new(plan.seed, plan.allow_remote));
        Self::serve(plan, registry).await
    }

    /// Listens, for the proxies of a registry that is there already.
    ///
    /// # Errors
    /// As [`Control::start`].
    pub async fn serve(plan: ControlPlan, registry: Arc<Registry>) -> Result<Self, ControlError> {
        if !plan.listen.ip().is_loopback() {
            if !plan.allow_remote {
                return Err(ControlError::Remote(plan.listen));
            }
            if plan.token.as_deref().is_none_or(str::is_empty) {
                return Err(ControlError::NoToken(plan.listen));
            }
        }
        let fail = |source| ControlError::Bind { listen: plan.listen, source };
        let listener = TcpListener::bind(plan.listen).await.map_err(fail)?;
        let address = listener.local_addr().map_err(fail)?;
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let router = api::router(Arc::clone(&registry), plan.token);
        let ended = stop.clone();
        tasks.spawn(async move {
            let serving = axum::serve(listener, router).with_graceful_shutdown(ended.clone().cancelled_owned());
            // A client that keeps its connection open would keep a graceful end waiting.
            tokio::select! {
                _ = serving.into_future() => {}
                () = async { ended.cancelled().await; tokio::time::sleep(std::time::Duration::from_secs(1)).await } => {}
            }
        });
        let (leases, ended) = (Arc::clone(&registry), stop.clone());
        tasks.spawn(async move {
            tokio::select! { () = ended.cancelled() => {} () = leases.keep_leases() => {} }
        });
        Ok(Self { address, registry, tasks, _stop_on_drop: stop.clone().drop_guard(), stop })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its proxies.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Ends it and its proxies; ready when all addresses are given back.
    pub async fn shutdown(self) {
        self.stop.cancel();
        self.registry.shutdown().await;
        self.tasks.close();
        self.tasks.wait().await;
    }
}
