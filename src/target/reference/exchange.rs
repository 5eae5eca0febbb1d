//! One HTTP exchange with an upstream: per-read timeout as in httpx, bounded body.

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use std::future::Future;
use std::time::Duration;

/// Larger answers are refused: no upstream of ours has reason to send more, and a fault may try.
const MAX_BODY: usize = 8 << 20;

/// A complete answer.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// Why there is no complete answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ExchangeError {
    /// Nothing came for as long as one read may take, or the whole took too long.
    Timeout,
    /// Refused, reset, cut, not HTTP, or too large.
    Connection(String),
}

/// How long an exchange may take.
#[derive(Clone, Copy, Debug)]
pub(super) enum Patience {
    /// Each read may take this long, as in httpx: a trickling answer never times out.
    PerRead(Duration),
    /// The exchange as a whole may take this long.
    Total(Duration),
    /// For ever.
    Endless,
}

/// Sends a request and reads its answer.
pub(super) async fn exchange(request: reqwest::RequestBuilder, patience: Patience) -> Result<Answer, ExchangeError> {
    match patience {
        Patience::Total(limit) => {
            tokio::time::timeout(limit, read(request, None)).await.unwrap_or(Err(ExchangeError::Timeout))
        }
        Patience::PerRead(limit) => read(request, Some(limit)).await,
        Patience::Endless => read(request, None).await,
    }
}

async fn read(request: reqwest::RequestBuilder, per_read: Option<Duration>) -> Result<Answer, ExchangeError> {
    let mut response = within(per_read, request.send()).await?;
    let mut body = BytesMut::new();
    while let Some(chunk) = within(per_read, response.chunk()).await? {
        if body.len() + chunk.len() > MAX_BODY {
            return Err(ExchangeError::Connection("the answer is too large".to_owned()));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer {
        status: response.status().as_u16(),
        headers: std::mem::take(response.headers_mut()),
        body: body.freeze(),
    })
}

async fn within<T>(
    limit: Option<Duration>,
    operation: impl Future<Output = Result<T, reqwest::Error>>,
) -> Result<T, ExchangeError> {
    let outcome = match limit {
        Some(limit) => tokio::time::timeout(limit, operation).await.map_err(|_| ExchangeError::Timeout)?,
        None => operation.await,
    };
    outcome.map_err(|error| {
        if error.is_timeout() { ExchangeError::Timeout } else { ExchangeError::Connection(error.to_string()) }
    })
}
