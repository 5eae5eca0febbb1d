//! [`PassThrough`]: the way to a real service. Bodies are streamed in both directions as they come; nothing is tried
//! again, and no time limit is added: the app meets the real service's times and errors, and ours only when the service
//! cannot be reached, which then says so.

mod body;
mod headers;

pub use body::{RemoteBody, Unread};

use super::inbound::Peeked;
use super::recording::{Capture, Recorder};
use body::SentBody;
use http::header::{ACCEPT_ENCODING, HOST};
use http::{HeaderValue, Request, Response, Uri, Version, request, uri};
use hyper::upgrade::OnUpgrade;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::crypto::aws_lc_rs;
use std::sync::{Arc, Mutex, PoisonError};

type HttpClient = Client<HttpsConnector<HttpConnector>, SentBody>;

/// An exchange that is being recorded, where it is.
type Shared = Arc<Mutex<Option<Capture>>>;

/// Why there is no way to a service.
#[derive(Debug, thiserror::Error)]
pub enum PassThroughError {
    /// Its address is none.
    #[error("`{0}` is not the address of a service")]
    Address(String),
    /// The machine's certificates cannot be read, so no service can be trusted.
    #[error("the machine's root certificates cannot be read: {0}")]
    Roots(std::io::Error),
}

/// The way to a real service.
#[derive(Debug)]
pub struct PassThrough {
    address: String,
    scheme: uri::Scheme,
    authority: uri::Authority,
    client: HttpClient,
    /// For connections that are to leave HTTP, which only HTTP/1.1 can.
    for_upgrades: HttpClient,
    recorder: Option<Arc<Recorder>>,
}

/// What came back.
#[derive(Debug)]
pub struct Remote {
    /// The head, without what belongs to the connection.
    pub head: Response<()>,
    /// The body, as it comes.
    pub body: RemoteBody,
    /// The other side of the connection, if it leaves HTTP.
    pub upgrade: Option<OnUpgrade>,
}

impl PassThrough {
    /// The way to the service at this address; what passes is recorded if there is a recorder.
    ///
    /// # Errors
    /// When the address is none, or nothing there could be trusted.
    pub fn new(address: &str, recorder: Option<Arc<Recorder>>) -> Result<Self, PassThroughError> {
        let wrong = || PassThroughError::Address(address.to_owned());
        let uri: Uri = address.parse().map_err(|_| wrong())?;
        let parts = uri.into_parts();
        let (scheme, authority) = parts.scheme.zip(parts.authority).ok_or_else(wrong)?;
        let client = |http2: bool| -> Result<HttpClient, PassThroughError> {
            let mut http = HttpConnector::new();
            http.enforce_http(false);
            http.set_nodelay(true);
            let provider = aws_lc_rs::default_provider();
            let tls = if scheme == uri::Scheme::HTTPS {
                HttpsConnectorBuilder::new()
                    .with_provider_and_native_roots(provider)
                    .map_err(PassThroughError::Roots)?
            } else {
                let config = rustls::ClientConfig::builder_with_provider(Arc::new(provider))
                    .with_safe_default_protocol_versions()
                    .map_err(|error| PassThroughError::Roots(std::io::Error::other(error)))?;
                let config = config.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth();
                HttpsConnectorBuilder::new().with_tls_config(config)
            };
            let tls = tls.https_or_http();
            let connector = if http2 {
                tls.enable_http1().enable_http2().wrap_connector(http)
            } else {
                tls.enable_http1().wrap_connector(http)
            };
            // A request on a pooled connection that was closed before any of it was sent goes to another one (hyper's
            // default): the service never saw it, so this is no second try.
            Ok(Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector))
        };
        Ok(Self {
            address: address.to_owned(),
            client: client(true)?,
            for_upgrades: client(false)?,
            scheme: scheme.clone(),
            authority,
            recorder,
        })
    }

    /// The service's address.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// What records.
    pub fn recorder(&self) -> Option<&Arc<Recorder>> {
        self.recorder.as_ref()
    }

    /// Sends a request on and waits for the head of its answer.
    ///
    /// # Errors
    /// When there is no answer, with the reason.
    pub async fn forward(&self, head: &request::Parts, body: Peeked) -> Result<Remote, String> {
        let is_upgrade = head.version < Version::HTTP_2 && head.headers.contains_key(http::header::UPGRADE);
        let mut headers = headers::end_to_end(&head.headers, is_upgrade);
        headers.remove(HOST);
        let recording: Option<Shared> = match &self.recorder {
            Some(recorder) if !is_upgrade => {
                // What is to be stripped must be readable.
                headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
                Some(Arc::new(Mutex::new(Some(recorder.begin(&head.method, &head.uri, &head.headers)))))
            }
            _ => None,
        };
        let path = head.uri.path_and_query().cloned().unwrap_or_else(|| uri::PathAndQuery::from_static("/"));
        let uri = Uri::builder().scheme(self.scheme.clone()).authority(self.authority.clone()).path_and_query(path);
        let mut request = Request::new(SentBody::new(body, recording.clone()));
        *request.method_mut() = head.method.clone();
        *request.uri_mut() = uri.build().map_err(|error| error.to_string())?;
        *request.headers_mut() = headers;
        let client = if is_upgrade { &self.for_upgrades } else { &self.client };
        let mut response = client.request(request).await.map_err(|error| chain(&error))?;
        let upgrade =
            (response.status() == http::StatusCode::SWITCHING_PROTOCOLS).then(|| hyper::upgrade::on(&mut response));
        let (parts, body) = response.into_parts();
        if let Some(recording) = &recording
            && let Some(capture) = &mut *recording.lock().unwrap_or_else(PoisonError::into_inner)
        {
            capture.answered(parts.status, &parts.headers);
        }
        let mut head = Response::new(());
        *head.status_mut() = parts.status;
        *head.headers_mut() = headers::end_to_end(&parts.headers, upgrade.is_some());
        Ok(Remote { head, body: RemoteBody::new(body, recording), upgrade })
    }
}

/// An error with its reasons.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(reason) = source {
        text.push_str(": ");
        text.push_str(&reason.to_string());
        source = reason.source();
    }
    text
}
