//! [`Authority`]: the test CA of one run, and the certificates that it gives to upstreams.
//!
//! Keys come from the system's randomness, not from the run's seed, and never leave the process: a CA whose key could
//! be made again from a seed would be a hole in every machine that trusts it.

use crate::model::fault::CertificateFault;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::PrivateKeyDer;
use rustls::{AlertDescription, ServerConfig};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio_rustls::TlsAcceptor;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Longer than any run; some clients refuse certificates that are good for years.
const GOOD_FOR: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// Reserved (RFC 2606), so that it is nobody's.
const OTHER_HOST: &str = "another-host.invalid";
/// The name of an authority that nobody has been told of.
const STRANGER: &str = "unknown CA";
/// What is offered by ALPN (RFC 7301), best first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// No certificate could be made.
    #[error("cannot make a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The certificate cannot be used.
    #[error("cannot use the certificate: {0}")]
    Setup(#[from] rustls::Error),
}

/// A CA made for one run.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    /// A new CA with a key of its own.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn new() -> Result<Self, TlsError> {
        Self::named("firedrill test CA")
    }

    fn named(name: &str) -> Result<Self, TlsError> {
        let mut params = valid(CertificateParams::default());
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Ok(Self { issuer: CertifiedIssuer::self_signed(params, KeyPair::generate()?)? })
    }

    /// Its certificate, for those who shall trust it.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// What accepts TLS for an upstream that is reached on loopback, and at `address`.
    ///
    /// # Errors
    /// When no certificate can be made.
    pub fn acceptor(&self, address: IpAddr) -> Result<TlsAcceptor, TlsError> {
        self.acceptor_with(address, None)
    }

    /// The same with a certificate that no client should take.
    ///
    /// # Errors
    /// When no certificate can be made.
    pub fn faulty_acceptor(&self, address: IpAddr, fault: CertificateFault) -> Result<TlsAcceptor, TlsError> {
        match fault {
            CertificateFault::Untrusted => Self::named(STRANGER)?.acceptor_with(address, None),
            fault => self.acceptor_with(address, Some(fault)),
        }
    }

    fn acceptor_with(&self, address: IpAddr, fault: Option<CertificateFault>) -> Result<TlsAcceptor, TlsError> {
        let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
        if !address.is_loopback() && !address.is_unspecified() {
            names.push(address.to_string());
        }
        if fault == Some(CertificateFault::WrongHost) {
            names = vec![OTHER_HOST.to_owned()];
        }
        let mut params = valid(CertificateParams::new(names)?);
        if fault == Some(CertificateFault::Expired) {
            params.not_before = (SystemTime::now() - GOOD_FOR).into();
            params.not_after = (SystemTime::now() - DAY).into();
        }
        params.distinguished_name.push(DnType::CommonName, "firedrill upstream");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        // Python from 3.13 on refuses certificates without it.
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;

        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))?;
        config.alpn_protocols = PROTOCOLS.iter().map(|name| name.to_vec()).collect();
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

fn valid(mut params: CertificateParams) -> CertificateParams {
    let now = SystemTime::now();
    // A day of tolerance for containers whose clock is behind.
    params.not_before = (now - DAY).into();
    params.not_after = (now + GOOD_FOR).into();
    params
}

/// What the reader of a run should know of a failed handshake, if it is more than a client that left.
pub fn explained(error: &std::io::Error) -> Option<&'static str> {
    match error.get_ref()?.downcast_ref::<rustls::Error>()? {
        rustls::Error::AlertReceived(
            AlertDescription::UnknownCA | AlertDescription::BadCertificate | AlertDescription::CertificateUnknown,
        ) => Some("a client does not trust its certificate; point the client at the run's CA file (SSL_CERT_FILE)"),
        rustls::Error::InvalidMessage(_) => Some("a client speaks plain HTTP where TLS is on; its URL wants https://"),
        _ => None,
    }
}
