//! [`TcpFile`]: a real server behind a TCP proxy, as typed.

use serde::Deserialize;
use toml::Spanned;

/// `upstreams.tcp.NAME`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct TcpFile {
    pub(super) listen: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) fixed: bool,
    /// Where the server is; this or `url` is needed.
    pub(super) to: Option<Spanned<String>>,
    /// The URL by which an app reaches the server, with its credentials.
    pub(super) url: Option<Spanned<String>>,
    /// By the scheme of `url`, if absent; without one, nothing is known of what is spoken.
    pub(super) protocol: Option<Spanned<String>>,
}
