//! [`ProjectKeys`]: a project's API keys and what signs and verifies its tokens.

use crate::model::secret::Secret;
use crate::model::supabase::{KeysPlan, Signing};
use crate::units::Seed;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use serde::Serialize;
use serde_json::json;

/// The keys of one project. Every part that the plan does not give is drawn from the seed, so that two runs of a
/// seed have the same keys.
pub struct ProjectKeys {
    /// The anon key, a JWT.
    pub anon: String,
    /// The service key, a JWT.
    pub service: String,
    /// The publishable key (`sb_publishable_…`).
    pub publishable: String,
    /// The secret key (`sb_secret_…`).
    pub secret: String,
    /// The secret that signs with HS256.
    pub jwt_secret: String,
    /// The project's reference, which issued keys carry as `ref`.
    pub reference: String,
    users: Signer,
    signing: EncodingKey,
    shared: DecodingKey,
}

/// What signs users' tokens.
struct Signer {
    header: Header,
    key: EncodingKey,
    /// The published half of an asymmetric key, and what verifies with it.
    public: Option<(Jwk, DecodingKey)>,
}

impl ProjectKeys {
    /// The keys as planned.
    ///
    /// A private key that cannot be read is left out and the shared secret signs; the configuration refuses such a
    /// key before it gets here.
    pub fn new(plan: &KeysPlan, seed: Seed) -> Self {
        let seed = seed.derive("supabase keys");
        let given = |secret: &Option<Secret>| secret.as_ref().map(|secret| secret.expose().to_owned());
        let jwt_secret = given(&plan.jwt_secret).unwrap_or_else(|| hex(seed.derive("jwt secret")));
        let reference = letters(seed.derive("reference"));
        let shared = EncodingKey::from_secret(jwt_secret.as_bytes());
        let key = |role| issued_key(role, &reference, &shared);
        let users = Signer::new(&plan.signing, &shared, seed);
        Self {
            anon: given(&plan.anon).unwrap_or_else(|| key("anon")),
            service: given(&plan.service).unwrap_or_else(|| key("service_role")),
            publishable: given(&plan.publishable).unwrap_or_else(|| opaque_key("sb_publishable_", seed)),
            secret: given(&plan.secret).unwrap_or_else(|| opaque_key("sb_secret_", seed)),
            shared: DecodingKey::from_secret(jwt_secret.as_bytes()),
            users,
            signing: shared,
            jwt_secret,
            reference,
        }
    }

    /// A user's token with these claims.
    pub fn sign(&self, claims: &impl Serialize) -> String {
        // Our own claims serialise, and the key was made for the header's algorithm.
        jsonwebtoken::encode(&self.users.header, claims, &self.users.key).unwrap_or_default()
    }

    /// A token with these claims by the shared secret, as Storage signs its URLs.
    pub fn sign_with_secret(&self, claims: &impl Serialize) -> String {
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &self.signing).unwrap_or_default()
    }

    /// The name of the key that signs users' tokens, which they carry in their header.
    pub fn key_id(&self) -> &str {
        self.users.header.kid.as_deref().unwrap_or_default()
    }

    /// Everything that verifies tokens with this algorithm.
    pub fn verifying(&self, algorithm: Algorithm) -> Option<&DecodingKey> {
        match &self.users.public {
            _ if algorithm == Algorithm::HS256 => Some(&self.shared),
            Some((_, key)) if algorithm == self.users.header.alg => Some(key),
            _ => None,
        }
    }

    /// The published keys (`/auth/v1/.well-known/jwks.json`): none with a shared secret.
    pub fn published(&self) -> Option<&Jwk> {
        self.users.public.as_ref().map(|(jwk, _)| jwk)
    }
}

impl Signer {
    fn new(plan: &Signing, shared: &EncodingKey, seed: Seed) -> Self {
        let asymmetric = match plan {
            Signing::Secret => None,
            Signing::Es256 { key: None } => {
                let drawn = EncodingKey::from_ec_der(&ec_private_key(seed.derive("ec key")));
                Self::asymmetric(Algorithm::ES256, drawn, seed)
            }
            Signing::Es256 { key: Some(pem) } => EncodingKey::from_ec_pem(pem.expose().as_bytes())
                .ok()
                .and_then(|key| Self::asymmetric(Algorithm::ES256, key, seed)),
            Signing::Rs256 { key } => EncodingKey::from_rsa_pem(key.expose().as_bytes())
                .ok()
                .and_then(|key| Self::asymmetric(Algorithm::RS256, key, seed)),
        };
        asymmetric.unwrap_or_else(|| Self {
            header: header(Algorithm::HS256, seed.derive("key id")),
            key: shared.clone(),
            public: None,
        })
    }

    fn asymmetric(algorithm: Algorithm, key: EncodingKey, seed: Seed) -> Option<Self> {
        let header = header(algorithm, seed.derive("key id"));
        let mut jwk = Jwk::from_encoding_key(&key, algorithm).ok()?;
        jwk.common.key_id = header.kid.clone();
        jwk.common.public_key_use = Some(PublicKeyUse::Signature);
        let verifying = DecodingKey::from_jwk(&jwk).ok()?;
        Some(Self { header, key, public: Some((jwk, verifying)) })
    }
}

fn header(algorithm: Algorithm, seed: Seed) -> Header {
    let id = (u128::from(seed.draw(&[0])) << 64) | u128::from(seed.draw(&[1]));
    let id = uuid::Builder::from_random_bytes(id.to_be_bytes()).into_uuid().to_string();
    Header { kid: Some(id), ..Header::new(algorithm) }
}

/// A key as a hosted project issues it: a long-lived JWT with a role, from 2025 to 2045.
fn issued_key(role: &str, reference: &str, key: &EncodingKey) -> String {
    let claims = json!({
        "iss": "supabase", "ref": reference, "role": role, "iat": 1_735_689_600_u64, "exp": 2_366_841_600_u64,
    });
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, key).unwrap_or_default()
}

/// A key of the newer kind, in the form of the local stack's: 22 characters, a line, 8 more.
fn opaque_key(prefix: &str, seed: Seed) -> String {
    let seed = seed.derive(prefix);
    let text = URL_SAFE_NO_PAD.encode(hex(seed));
    format!("{prefix}{}_{}", &text[..22], &text[22..30])
}

fn hex(seed: Seed) -> String {
    (0..4).map(|n| format!("{:016x}", seed.draw(&[n]))).collect()
}

fn letters(seed: Seed) -> String {
    (0..20).map(|n| char::from(b'a' + (seed.draw(&[n]) % 26) as u8)).collect()
}

/// An EC P-256 private key in PKCS #8 (RFC 5208, RFC 5915) without its public half, which is computed from it.
fn ec_private_key(seed: Seed) -> Vec<u8> {
    const BEFORE: [u8; 35] = [
        0x30, 0x41, 0x02, 0x01, 0x00, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08,
        0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x04, 0x27, 0x30, 0x25, 0x02, 0x01, 0x01, 0x04, 0x20,
    ];
    let mut der = BEFORE.to_vec();
    for n in 0..4 {
        der.extend(seed.draw(&[n]).to_be_bytes());
    }
    // Every number from 1 to the order of the curve, which begins with 32 ones, is a key.
    der[BEFORE.len()] &= 0x7f;
    der[BEFORE.len() + 31] |= 1;
    der
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(signing: Signing, seed: u64) -> ProjectKeys {
        ProjectKeys::new(&KeysPlan { signing, ..KeysPlan::default() }, Seed(seed))
    }

    #[test]
    fn a_seed_has_its_own_keys() {
        let (one, again, other) = (keys(Signing::Secret, 1), keys(Signing::Secret, 1), keys(Signing::Secret, 2));
        assert_eq!(
            (&one.anon, &one.secret, &one.publishable, &one.jwt_secret),
            (&again.anon, &again.secret, &again.publishable, &again.jwt_secret)
        );
        for (mine, theirs) in [
            (&one.anon, &other.anon),
            (&one.service, &other.service),
            (&one.anon, &one.service),
            (&one.secret, &other.secret),
            (&one.publishable, &other.publishable),
        ] {
            assert_ne!(mine, theirs);
        }
        assert!(one.secret.starts_with("sb_secret_") && one.secret.len() == "sb_secret_".len() + 31);
    }

    #[test]
    fn an_ec_key_is_drawn_published_and_used() {
        let keys = keys(Signing::Es256 { key: None }, 1);
        let token = keys.sign(&json!({"sub": "1"}));
        let header = jsonwebtoken::decode_header(&token).unwrap();
        assert_eq!((header.alg, header.kid.as_deref()), (Algorithm::ES256, Some(keys.key_id())));
        let published = serde_json::to_value(keys.published().unwrap()).unwrap();
        assert_eq!(
            (&published["kty"], &published["alg"], &published["crv"]),
            (&json!("EC"), &json!("ES256"), &json!("P-256"))
        );
        assert!(published.get("d").is_none() && keys.verifying(Algorithm::RS256).is_none());
        let (message, signature) = token.rsplit_once('.').unwrap();
        let key = DecodingKey::from_jwk(&serde_json::from_value(published).unwrap()).unwrap();
        assert!(jsonwebtoken::crypto::verify(signature, message.as_bytes(), &key, Algorithm::ES256).unwrap());
    }
}
