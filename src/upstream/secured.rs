//! [`Secured`]: the TLS of one upstream, with the faults that strike before there is a request.

use super::notes::Notes;
use super::tls::{self, Authority, TlsError};
use crate::fault::ConnectionRules;
use crate::model::fault::{CertificateFault, ConnectionFault, FaultAction, FaultDecision, FaultRule};
use crate::units::Seed;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// A fatal alert `handshake_failure` (40) in a record of its own (RFC 8446 §5.1, §6; the version is what all send).
const HANDSHAKE_FAILURE: [u8; 7] = [21, 3, 3, 0, 2, 2, 40];
/// How long a client may take to leave once it was told.
const LINGER: Duration = Duration::from_secs(2);

/// What accepts TLS for an upstream.
pub struct Secured {
    acceptor: TlsAcceptor,
    faults: Option<Faults>,
}

struct Faults {
    rules: ConnectionRules,
    /// Those that some rule shows.
    certificates: Vec<(CertificateFault, TlsAcceptor)>,
    notes: Arc<Notes>,
    connections: AtomicU64,
}

impl Secured {
    /// With a certificate of this authority's for loopback and `address`, and the faults of the rules that act on the
    /// handshakes of this upstream.
    ///
    /// # Errors
    /// When a certificate cannot be made.
    pub fn new(
        authority: &Authority,
        address: IpAddr,
        rules: &[FaultRule],
        seed: Seed,
        notes: &Arc<Notes>,
    ) -> Result<Self, TlsError> {
        let acceptor = authority.acceptor(address)?;
        let rules = ConnectionRules::of(rules, notes.upstream(), seed, |fault| {
            matches!(fault, ConnectionFault::TlsHandshakeFailure {} | ConnectionFault::Certificate(_))
        });
        if rules.is_empty() {
            return Ok(Self { acceptor, faults: None });
        }
        let mut certificates = Vec::new();
        for fault in CertificateFault::ALL {
            if rules.iter().any(|(_, _, planned)| *planned == ConnectionFault::Certificate(fault)) {
                certificates.push((fault, authority.faulty_acceptor(address, fault)?));
            }
        }
        let (notes, connections) = (Arc::clone(notes), AtomicU64::new(0));
        Ok(Self { acceptor, faults: Some(Faults { rules, certificates, notes, connections }) })
    }

    /// Shakes hands; `None` if there is no connection, and the reader of the run need not know more.
    ///
    /// # Errors
    /// When the handshake fails without our doing.
    pub async fn accept(&self, stream: TcpStream) -> io::Result<Option<TlsStream<TcpStream>>> {
        let fault = self.faults.as_ref().and_then(Faults::next);
        match (&self.faults, fault) {
            (Some(_), Some(ConnectionFault::TlsHandshakeFailure {})) => {
                fail(stream).await;
                Ok(None)
            }
            (Some(faults), Some(ConnectionFault::Certificate(fault))) => {
                let acceptor = faults.certificates.iter().find(|(known, _)| *known == fault);
                let acceptor = acceptor.map_or(&self.acceptor, |(_, acceptor)| acceptor);
                // That the client does not take it is what was wanted.
                Ok(Box::pin(acceptor.accept(stream)).await.ok())
            }
            _ => Box::pin(self.acceptor.accept(stream)).await.map(Some),
        }
    }

    /// What the reader of a run should know of a failed handshake, if it is more than a client that left.
    pub fn explained(error: &io::Error) -> Option<&'static str> {
        tls::explained(error)
    }
}

impl Faults {
    /// What strikes the next connection; the first rule of the plan that does.
    fn next(&self) -> Option<ConnectionFault> {
        let n = self.connections.fetch_add(1, Ordering::Relaxed) + 1;
        let clock = self.notes.clock()?;
        let (rule, _, fault) = self.rules.touching(clock.now(), n).next()?;
        let action = FaultAction::Connection(fault.clone());
        self.notes.fired(&clock, &format!("TLS handshake {n}"), FaultDecision { rule, n, action }, false);
        Some(fault.clone())
    }
}

/// Waits for what the client says first, refuses it, and waits for the client to leave: a socket that is dropped with
/// something unread in it is reset, which would take the alert with it.
async fn fail(mut stream: TcpStream) {
    let mut hello = [0; 4096];
    let refused = async {
        if stream.read(&mut hello).await? > 0 {
            stream.write_all(&HANDSHAKE_FAILURE).await?;
        }
        stream.shutdown().await?;
        while stream.read(&mut hello).await? > 0 {}
        io::Result::Ok(())
    };
    // Whoever has not left by then will not.
    let _ = tokio::time::timeout(LINGER, refused).await;
}
