//! `partition`: holds back all bytes of a direction while it is on.
//!
//! Keys: `stream`: `upstream` (from the app), `downstream` or `both` (if absent).
//!
//! On the wire: nothing arrives on that way; the connection stays, and what was sent arrives once the way is open
//! again, as TCP retransmits it. `upstream`: the server does not know of the request; `downstream`: it has carried it
//! out.
//!
//! Imitates: a network partition, whole or of one direction: a routing fault, a firewall that drops one way.
//!
//! Clients see: their read timeout. A write that is tried again after a `downstream` partition may be there twice.
