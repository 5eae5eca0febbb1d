//! [`accept`]: the accept loop of one upstream, one task per connection, HTTP/1.1 or HTTP/2 by what the client speaks.

use super::link::{Link, LinkControl};
use super::secured::Secured;
use super::serve::Upstream;
use super::tasks::Tasks;
use hyper::rt::Executor;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};

/// How long to wait when the system has no descriptors left for another connection.
const OUT_OF_DESCRIPTORS: Duration = Duration::from_millis(50);

/// Accepts connections until the tasks end; every connection is a task of its own.
pub async fn accept(listener: TcpListener, upstream: Arc<Upstream>, tls: Option<Arc<Secured>>, tasks: Tasks) {
    let mut connections = 0_u64;
    loop {
        let accepted = tokio::select! {
            biased;
            () = tasks.stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                connections += 1;
                let control = Arc::new(LinkControl::new(connections));
                tasks.spawn(connection(stream, control, Arc::clone(&upstream), tls.clone(), tasks.clone()));
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

async fn connection(
    stream: TcpStream,
    control: Arc<LinkControl>,
    upstream: Arc<Upstream>,
    tls: Option<Arc<Secured>>,
    tasks: Tasks,
) {
    // Small answers must not wait for a full segment; a socket that cannot do it still works.
    let _ = stream.set_nodelay(true);
    let mut link = match tls {
        None => Link::plain(stream, Arc::clone(&control)),
        Some(acceptor) => match Box::pin(acceptor.accept(stream)).await {
            Ok(None) => return,
            Ok(Some(stream)) => Link::tls(stream, Arc::clone(&control)),
            Err(error) => {
                if let Some(message) = Secured::explained(&error) {
                    upstream.notes().warn_once(message);
                }
                return;
            }
        },
    };
    let Ok(http2) = link.speaks_http2().await else { return };
    let own = Arc::clone(&control);
    let service = service_fn(move |request| Arc::clone(&upstream).serve(request, Arc::clone(&own)));
    // A connection's error is either our own fault or the client's leaving; both are noted where they happen.
    if http2 {
        let streams = Streams(tasks.part());
        let _end_with_the_connection = streams.0.stop.clone().drop_guard();
        let served = http2::Builder::new(streams).serve_connection(link, service);
        Box::pin(control.drive(served)).await;
        control.linger().await;
    } else {
        let served = http1::Builder::new()
            // Closing idle connections would race with a client's next request: a failure that nobody injected.
            .header_read_timeout(None)
            .serve_connection(link, service)
            .with_upgrades();
        control.drive(served).await;
        if control.has_surplus() {
            control.linger().await;
        }
    }
}

/// Runs the streams of one HTTP/2 connection as tasks, for no longer than the connection lives.
#[derive(Clone)]
struct Streams(Tasks);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        self.0.spawn(stream);
    }
}
