//! [`accept`]: the accept loop of one upstream, one task per connection.

use super::link::{Link, LinkControl};
use super::serve::Upstream;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long to wait when the system has no descriptors left for another connection.
const OUT_OF_DESCRIPTORS: Duration = Duration::from_millis(50);

/// Accepts connections until `stop`; every connection is a task of `tasks` and ends at once on `stop` too.
pub async fn accept(listener: TcpListener, upstream: Arc<Upstream>, tasks: TaskTracker, stop: CancellationToken) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                tasks.spawn(connection(stream, Arc::clone(&upstream), stop.clone()));
            }
            Err(error) if is_about_one_connection(&error) => {}
            Err(_) => tokio::time::sleep(OUT_OF_DESCRIPTORS).await,
        }
    }
}

/// Whether only the connection that was being accepted failed.
fn is_about_one_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionRefused
            | ErrorKind::Interrupted
    )
}

async fn connection(stream: TcpStream, upstream: Arc<Upstream>, stop: CancellationToken) {
    let control = Arc::new(LinkControl::default());
    let link = Link::new(stream, Arc::clone(&control));
    let service = service_fn(move |request| Arc::clone(&upstream).serve(request, Arc::clone(&control)));
    let served = http1::Builder::new()
        // Closing idle connections would race with a client's next request: a failure that nobody injected.
        .header_read_timeout(None)
        .serve_connection(link, service);
    tokio::select! {
        biased;
        () = stop.cancelled() => {}
        // Its error is either our own fault or the client's leaving; both are noted where they happen.
        _ = served => {}
    }
}
