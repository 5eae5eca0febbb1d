//! [`Client`]: one virtual user's HTTP/1.1 client, with exact times and one kept connection.
//!
//! The connection is driven within the user's own task: nothing is spawned, so whatever ends the user ends its
//! traffic at once, and a request costs no wake-up of another task.

use super::canary::{Canaries, Scan};
use super::error::LoadError;
use crate::units::{Offset, RunClock};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_rustls::{ConfigBuilderExt as _, MaybeHttpsStream};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::error::Error;
use std::future::{Future, poll_fn};
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use url::Url;

/// How long a connection may be idle and still be used. uvicorn closes idle connections after 5 s, and a
/// request that crosses with that close would look like a reset by the app.
const IDLE_LIMIT: Duration = Duration::from_secs(4);
/// What a body's buffer keeps between requests; a larger one is given back.
const KEPT_CAPACITY: usize = 64 * 1024;
/// How many headers an answer may have: what hyper's clients take by default, and so the most that many real clients do.
const MAX_HEADERS: usize = 100;
/// How large an answer's head may be: hyper's default for the buffer that it must fit in.
const MAX_HEAD: usize = 408 * 1024;

type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;

/// Opens connections to the target; shared by all virtual users.
#[derive(Debug)]
pub(super) struct Dialer {
    host: Host,
    port: u16,
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    /// The host is looked up once per run, so that a slow resolver is not part of the app's times.
    addresses: OnceCell<Vec<SocketAddr>>,
}

#[derive(Debug)]
enum Host {
    Ip(IpAddr),
    Name(String),
}

/// How an exchange failed below HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// No connection could be made.
    Refused(String),
    /// The connection ended, or made no sense, before the answer's head was there.
    Reset(String),
    /// The connection ended, or made no sense, before the answer's body was complete.
    Truncated(String),
}

/// Looks through answers as they arrive.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) canaries: Arc<Canaries>,
    pub(super) scan: Scan,
    pub(super) own: Option<u64>,
}

/// What has arrived of an answer, also when the exchange was given up.
#[derive(Debug, Default)]
pub(super) struct Arrived {
    pub(super) status: Option<u16>,
    pub(super) first_byte: Option<Offset>,
    /// The body's bytes that arrived.
    pub(super) bytes: u64,
    /// The first of them.
    pub(super) body: Vec<u8>,
    /// What no answer may hold, and whose row this one is for.
    pub(super) watch: Option<Watch>,
}

impl Dialer {
    /// A dialer for a base URL.
    pub(super) fn new(base: &Url) -> Result<Self, LoadError> {
        let refuse = |why: &str| LoadError::Url { url: shown(base), why: why.to_owned() };
        if !base.username().is_empty() || base.password().is_some() {
            return Err(refuse("it holds credentials; put them into a header"));
        }
        if base.query().is_some() || base.fragment().is_some() {
            return Err(refuse("it has a query or a fragment, which no step would send"));
        }
        let host = match base.host() {
            Some(url::Host::Ipv4(ip)) => Host::Ip(ip.into()),
            Some(url::Host::Ipv6(ip)) => Host::Ip(ip.into()),
            Some(url::Host::Domain(name)) => Host::Name(name.to_owned()),
            None => return Err(refuse("it has no host")),
        };
        let tls = match base.scheme() {
            "http" => None,
            "https" => {
                let name = match &host {
                    Host::Ip(ip) => ServerName::from(*ip),
                    Host::Name(name) => {
                        ServerName::try_from(name.clone()).map_err(|_| refuse("its host cannot be in a certificate"))?
                    }
                };
                Some((tls()?, name))
            }
            _ => return Err(refuse("its scheme is neither http nor https")),
        };
        let port = base.port_or_known_default().ok_or_else(|| refuse("it has no port"))?;
        Ok(Self { host, port, tls, addresses: OnceCell::new() })
    }

    async fn connect(&self) -> Result<Connection, Failure> {
        let refused = |what: &str, error: &dyn Error| Failure::Refused(format!("{what}: {}", chain(error)));
        let tcp = match &self.host {
            Host::Ip(ip) => TcpStream::connect((*ip, self.port)).await,
            Host::Name(name) => {
                let look_up = || async { Ok(tokio::net::lookup_host((name.as_str(), self.port)).await?.collect()) };
                let addresses: Result<&Vec<SocketAddr>, std::io::Error> = self.addresses.get_or_try_init(look_up).await;
                let addresses = addresses.map_err(|error| refused(&format!("cannot look up `{name}`"), &error))?;
                TcpStream::connect(addresses.as_slice()).await
            }
        };
        let tcp = tcp.map_err(|error| refused("cannot connect", &error))?;
        tcp.set_nodelay(true).map_err(|error| refused("cannot set up the connection", &error))?;
        let stream = match &self.tls {
            None => Stream::Http(TokioIo::new(tcp)),
            Some((config, name)) => {
                let connector = TlsConnector::from(Arc::clone(config));
                // hyper-rustls' stream wants hyper's traits below TLS and tokio's at its own side.
                let below = TokioIo::new(TokioIo::new(tcp));
                let stream = connector.connect(name.clone(), below).await;
                Stream::from(stream.map_err(|error| refused("cannot set up TLS", &error))?)
            }
        };
        let mut http = http1::Builder::new();
        http.max_headers(MAX_HEADERS).max_buf_size(MAX_HEAD);
        let shaken = http.handshake(stream).await.map_err(|error| refused("cannot set up HTTP", &error))?;
        let (sender, connection) = shaken;
        Ok(Connection { sender, driver: Driver { connection, ended: false }, idle_since: Instant::now() })
    }
}

/// A URL without the credentials that it may hold.
fn shown(url: &Url) -> String {
    let mut url = url.clone();
    // Both fail only for URLs that cannot hold credentials in the first place.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.to_string()
}

/// TLS as every virtual user shares it: the system's roots are read once.
fn tls() -> Result<Arc<ClientConfig>, LoadError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| LoadError::Tls(error.to_string()))?
        .with_native_roots()
        .map_err(|error| LoadError::Tls(error.to_string()))?
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// One virtual user's client.
#[derive(Debug)]
pub(super) struct Client {
    dialer: Arc<Dialer>,
    clock: RunClock,
    kept: Option<Connection>,
}

impl Client {
    pub(super) fn new(dialer: Arc<Dialer>, clock: RunClock) -> Self {
        Self { dialer, clock, kept: None }
    }

    /// Sends a request and reads the whole answer, its first `keep` bytes into `arrived`.
    ///
    /// Dropping the future gives the exchange up and closes its connection. A request is sent again only if its
    /// kept connection turned out to be closed before a byte of it was written.
    pub(super) async fn exchange(
        &mut self,
        request: Request<Full<Bytes>>,
        keep: usize,
        arrived: &mut Arrived,
    ) -> Result<(), Failure> {
        // Taken, not borrowed: a connection with half an exchange on it must never be used again.
        let kept = self.kept.take();
        let mut request = Some(request);
        let mut connection = match usable(kept).await {
            Some(connection) => connection,
            None => self.dialer.connect().await?,
        };
        let mut again = true;
        let response = loop {
            let Some(message) = request.take() else {
                return Err(Failure::Reset("the connection closed as the request was sent".to_owned()));
            };
            match connection.send(message).await {
                Ok(response) => break response,
                Err(mut error) => {
                    request = error.take_message();
                    if request.is_none() || !std::mem::take(&mut again) {
                        return Err(Failure::Reset(before_head(&error.into_error())));
                    }
                    connection = self.dialer.connect().await?;
                }
            }
        };
        arrived.first_byte = Some(self.clock.now());
        arrived.status = Some(response.status().as_u16());
        if let Some(watch) = &mut arrived.watch {
            watch.scan.head(&watch.canaries, response.headers());
        }
        connection.read(response.into_body(), keep, arrived).await?;
        connection.idle_since = Instant::now();
        self.kept = Some(connection);
        Ok(())
    }
}

/// The kept connection, if a request may still be sent on it.
async fn usable(kept: Option<Connection>) -> Option<Connection> {
    let mut connection = kept.filter(|connection| connection.idle_since.elapsed() < IDLE_LIMIT)?;
    // One turn lets it finish the last exchange and notice that the other side has closed.
    poll_fn(|cx| {
        connection.driver.turn(cx);
        Poll::Ready(())
    })
    .await;
    (!connection.driver.ended && connection.sender.is_ready()).then_some(connection)
}

/// An open connection.
#[derive(Debug)]
struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
    driver: Driver,
    idle_since: Instant,
}

impl Connection {
    async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, hyper::client::conn::TrySendError<Request<Full<Bytes>>>> {
        let sending = self.sender.try_send_request(request);
        self.driver.drive(sending).await
    }

    /// Reads the body frame by frame, counting all and keeping the first `keep` bytes.
    async fn read(&mut self, mut body: Incoming, keep: usize, arrived: &mut Arrived) -> Result<(), Failure> {
        while let Some(frame) = self.driver.drive(body.frame()).await {
            let frame = frame.map_err(|error| {
                Failure::Truncated(format!("the body ended after {} bytes: {}", arrived.bytes, chain(&error)))
            })?;
            if let Some(data) = frame.data_ref() {
                arrived.bytes += data.len() as u64;
                if let Some(watch) = &mut arrived.watch {
                    watch.scan.chunk(&watch.canaries, data, watch.own);
                }
                let room = keep.saturating_sub(arrived.body.len());
                arrived.body.extend_from_slice(&data[..data.len().min(room)]);
            }
        }
        Ok(())
    }
}

/// The part of a connection that reads and writes; it works only while it is polled.
#[derive(Debug)]
struct Driver {
    connection: http1::Connection<Stream, Full<Bytes>>,
    ended: bool,
}

impl Driver {
    /// Lets the connection do what it can do now.
    fn turn(&mut self, cx: &mut Context<'_>) {
        // How it ended is told to whoever waits for an answer; here only that it did matters.
        if !self.ended && Pin::new(&mut self.connection).poll(cx).is_ready() {
            self.ended = true;
        }
    }

    /// Awaits something that depends on the connection.
    async fn drive<F: Future>(&mut self, future: F) -> F::Output {
        let mut future = pin!(future);
        poll_fn(|cx| {
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(output);
            }
            self.turn(cx);
            future.as_mut().poll(cx)
        })
        .await
    }
}

impl Arrived {
    /// Makes it ready for another exchange.
    pub(super) fn reset(&mut self) {
        if let Some(watch) = &mut self.watch {
            watch.scan.reset();
        }
        self.status = None;
        self.first_byte = None;
        self.bytes = 0;
        self.body.clear();
        self.body.shrink_to(KEPT_CAPACITY);
    }
}

/// Why there was no head, in words.
fn before_head(error: &hyper::Error) -> String {
    if error.is_parse_too_large() {
        // hyper does not tell the two apart; the limits are the ones that the handshake sets.
        return format!(
            "the answer's head has more than {MAX_HEADERS} headers or is larger than {} KiB",
            MAX_HEAD >> 10
        );
    }
    let what = if error.is_parse() { "the answer's head is not HTTP" } else { "the connection ended before an answer" };
    format!("{what}: {}", chain(error))
}

/// An error with its causes.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let more = next.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = next.source();
    }
    text
}
