//! Digests and drawn secrets: passwords, one-time tokens, code challenges.

use crate::units::Seed;
use aws_lc_rs::digest::{SHA224, SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::fmt::Write as _;

/// A password as it is kept: salted and hashed once. The real service hashes slowly on purpose; here the CPU belongs to
/// the app under test, and the passwords are test data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Password {
    salt: [u8; 16],
    hash: [u8; 32],
}

impl Password {
    /// Keeps a password, salted with a draw for `key`.
    pub fn new(password: &str, seed: Seed, key: &[u64]) -> Self {
        let salt = random_bits(seed.derive("salt"), key).to_be_bytes();
        Self { salt, hash: salted(&salt, password) }
    }

    /// Whether this is the password.
    pub fn is(&self, password: &str) -> bool {
        salted(&self.salt, password) == self.hash
    }
}

fn salted(salt: &[u8; 16], password: &str) -> [u8; 32] {
    let mut text = salt.to_vec();
    text.extend_from_slice(password.as_bytes());
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, &text).as_ref());
    hash
}

/// 128 bits drawn for `key`.
pub fn random_bits(seed: Seed, key: &[u64]) -> u128 {
    let seed = seed.draw(key);
    (u128::from(Seed(seed).draw(&[0])) << 64) | u128::from(Seed(seed).draw(&[1]))
}

/// A version-4 uuid drawn for `key`.
pub fn uuid(seed: Seed, key: &[u64]) -> uuid::Uuid {
    uuid::Builder::from_random_bytes(random_bits(seed, key).to_be_bytes()).into_uuid()
}

/// The hash by which a one-time token is known (`GenerateTokenHash` of Auth's source).
pub fn token_hash(address: &str, token: &str) -> String {
    let hash = digest(&SHA224, format!("{address}{token}").as_bytes());
    hash.as_ref().iter().fold(String::with_capacity(56), |mut text, byte| {
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The challenge of a PKCE verifier (RFC 7636, S256).
pub fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_kept_hashed_and_known_again() {
        let password = Password::new("correct horse", Seed(1), &[1]);
        assert!(password.is("correct horse") && !password.is("correct horse "));
        assert_ne!(password, Password::new("correct horse", Seed(1), &[2]), "salted");
        assert!(!format!("{password:?}").contains("correct"));
    }

    #[test]
    fn digests_are_the_published_ones() {
        // RFC 7636, appendix B.
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        assert_eq!(challenge(verifier), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
        // FIPS 180-4's example of SHA-224.
        assert_eq!(token_hash("a", "bc"), "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7");
    }
}
