//! `certificate`: shows a certificate that no client should take.
//!
//! Keys: `is`: `expired`, `wrong-host` or `untrusted`; the upstream must have `tls = true`.
//!
//! On the wire: a whole handshake with that certificate; the client ends it with an alert.
//!
//! Imitates: the certificate that nobody renewed; a DNS name that leads elsewhere; a proxy that breaks TLS open.
//!
//! Clients see: a certificate error, tried again though that cannot help; one that goes through shows that the app
//! does not verify.
