//! [`ReferenceError`]: why the reference app cannot run.

/// Why the reference app cannot run, or stopped by itself.
#[derive(Debug, thiserror::Error)]
pub enum ReferenceError {
    /// An upstream's address is no usable URL.
    #[error("the address of {upstream} is no http(s) URL: `{url}`")]
    Url {
        /// Which upstream.
        upstream: &'static str,
        /// What was given.
        url: String,
        /// Why it cannot be read, if it cannot even be parsed.
        #[source]
        source: Option<url::ParseError>,
    },
    /// The HTTP client for the upstreams cannot be set up.
    #[error("the client for the upstreams cannot be set up")]
    Client(#[source] reqwest::Error),
    /// The server ended.
    #[error("the server ended")]
    Serve(#[source] std::io::Error),
}
