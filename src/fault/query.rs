//! [`FaultQuery`]: what is known of a request when it is decided whether a fault hits it.

use http::HeaderMap;

/// What a decision may look at, the body aside.
#[derive(Clone, Copy, Debug)]
pub struct FaultQuery<'a> {
    /// The upstream's name.
    pub upstream: &'a str,
    /// The request's method.
    pub method: &'a str,
    /// The request's path, without its query.
    pub path: &'a str,
    /// The request's query, as sent; empty if there is none.
    pub query: &'a str,
    /// The provider's service that the path belongs to.
    pub service: Option<&'a str>,
    /// The request's headers.
    pub headers: &'a HeaderMap,
    /// The number of the connection that it came on.
    pub connection: u64,
}
