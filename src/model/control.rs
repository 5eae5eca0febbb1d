//! [`ControlAccess`]: the control API of a run, as planned.

use super::secret::Secret;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// Where the control API listens, and what its callers must show. With it, every upstream has a proxy before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlAccess {
    /// Where it listens. On an address that other machines can reach, it and its proxies need a token.
    pub listen: SocketAddr,
    /// The token for `Authorization: Bearer …`; `None` is nothing to show.
    pub token: Option<Secret>,
}
