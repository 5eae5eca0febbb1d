//! `tls_handshake_failure`: lets the TLS handshake fail.
//!
//! Keys: none; the upstream must have `tls = true`.
//!
//! On the wire: the alert `handshake_failure` instead of a ServerHello (RFC 8446 §6.2), then the end.
//!
//! Imitates: a server whose ciphers or versions no longer fit its clients, a broken TLS terminator.
//!
//! Clients see: a TLS error as a connection error, tried again by OpenAI's clients.
