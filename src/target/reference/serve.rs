//! [`serve`]: runs the reference app on a listener until it is told to stop.

use super::app::App;
use super::config::ReferenceConfig;
use super::endpoints::monitoring;
use super::error::ReferenceError;
use super::router::router;
use axum::serve::ListenerExt as _;
use std::future::IntoFuture as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Connections that are still busy get so long once everything else has stopped.
const GRACE: Duration = Duration::from_secs(1);

/// Runs the reference app on `listener` until `stop` is cancelled, then ends within about a second: work under way
/// is cancelled, not waited for (it may hang on an upstream for half an hour).
///
/// # Errors
///
/// If an upstream's address is no URL, the HTTP client cannot be set up, or the listener fails.
pub async fn serve(
    listener: TcpListener,
    config: ReferenceConfig,
    stop: CancellationToken,
) -> Result<(), ReferenceError> {
    let app = App::new(config, stop.clone())?;
    // The app's own monitor: its first check comes at the start, and blocks like any other.
    app.spawn(monitoring::watch(Arc::clone(&app)));
    // Answers are small and in one piece: waiting to fill a segment would only add latency of our making.
    let listener = listener.tap_io(|stream| {
        let _refused_by_a_socket_that_is_closed_already = stream.set_nodelay(true);
    });
    let server =
        axum::serve(listener, router(&app)).with_graceful_shutdown(stop.clone().cancelled_owned()).into_future();
    tokio::pin!(server);
    let ended = tokio::select! {
        ended = &mut server => ended.map_err(ReferenceError::Serve),
        () = after(&stop) => Ok(()),
    };
    stop.cancel();
    app.wind_up().await;
    ended
}

/// Ends a grace period after `stop`.
async fn after(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(GRACE).await;
}
