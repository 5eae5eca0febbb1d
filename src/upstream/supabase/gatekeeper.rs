//! [`Gatekeeper`]: from a request's key and token to its [`Identity`], verified once and remembered.
//!
//! An app under test keeps keys of its own when it runs elsewhere, and they cannot be verified here without their
//! secret. So by default every key passes: a JWT counts as the role that it names, any other word as the service's.
//! What this project signed is verified nonetheless: a token that names the project's key (`kid`) or reference (`ref`)
//! and does not verify is refused, and so is every expired one. With `keys = "own"`, keys by name or a `jwt-secret`
//! nothing is taken at its word.

use super::clock::WallClock;
use super::errors::Refused;
use super::identity::{Identity, Role, TokenError};
use super::keys::ProjectKeys;
use crate::model::supabase::{KeyPolicy, KeysPlan};
use crate::units::Seed;
use crate::upstream::answer::Call;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::HashMap;
use std::str::FromStr as _;
use std::sync::{Arc, PoisonError, RwLock};
use xxhash_rust::xxh3::xxh3_128;

/// Tokens that are remembered, some 10 MB of them. When there are more, all are forgotten: verifying one again costs
/// microseconds.
const REMEMBERED: usize = 50_000;
/// Longer tokens are not remembered, and hardly exist: a header line is smaller.
const LONGEST_REMEMBERED: usize = 16 << 10;
/// How far the clocks of issuer and verifier may differ, as PostgREST allows, in seconds.
const SKEW: u64 = 30;

/// Checks keys and tokens.
pub struct Gatekeeper {
    keys: Arc<ProjectKeys>,
    policy: KeyPolicy,
    /// Whether a token that the project did not sign may still be taken at its word.
    trusting: bool,
    clock: WallClock,
    anon: Arc<Identity>,
    service: Arc<Identity>,
    known: RwLock<HashMap<u128, Known>>,
}

#[derive(Clone)]
struct Known {
    identity: Arc<Identity>,
    /// Seconds since 1970 from which on it is no longer good.
    expires: u64,
}

impl Gatekeeper {
    /// A gatekeeper with the keys of the plan.
    pub fn new(plan: &KeysPlan, seed: Seed, clock: WallClock) -> Self {
        Self {
            keys: Arc::new(ProjectKeys::new(plan, seed)),
            policy: plan.accept,
            trusting: plan.accept == KeyPolicy::Any && plan.jwt_secret.is_none(),
            clock,
            anon: Arc::new(Identity::of(Role::Anon)),
            service: Arc::new(Identity::of(Role::Service)),
            known: RwLock::default(),
        }
    }

    /// The project's keys.
    pub fn keys(&self) -> &Arc<ProjectKeys> {
        &self.keys
    }

    /// The API key of a request that may pass: from the `apikey` header, else from the query as websockets send it.
    ///
    /// # Errors
    /// When there is none, or it is none of the project's and only those are taken.
    pub fn admit<'a>(&self, call: &'a Call<'_>) -> Result<Cow<'a, str>, Refused> {
        let header = call.header("apikey").map(|key| Cow::Borrowed(key.trim())).filter(|key| !key.is_empty());
        let key = header.or_else(|| {
            let mut pairs = url::form_urlencoded::parse(call.query.as_bytes());
            pairs.find(|(name, value)| name == "apikey" && !value.is_empty()).map(|(_, value)| value)
        });
        let key = key.ok_or(Refused::Missing)?;
        if self.policy == KeyPolicy::Own && self.own(&key).is_none() {
            return Err(Refused::Invalid);
        }
        Ok(key)
    }

    /// Who a request with this key comes from: what its bearer token says, or else its key. A key of the newer kind
    /// that is sent as a bearer token too counts as no token (the gateway's own rule, kong.yml of the CLI).
    ///
    /// # Errors
    /// When the token is not taken.
    pub fn identify(&self, call: &Call<'_>, key: &str) -> Result<Arc<Identity>, TokenError> {
        match call.header("authorization") {
            Some(header) if !header.starts_with("Bearer sb_") => match header.split_once(' ') {
                Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
                    let token = token.trim();
                    if token == key { self.key(key) } else { self.token(token) }
                }
                // PostgREST looks for a bearer token only.
                _ => Ok(Arc::clone(&self.anon)),
            },
            _ => self.key(key),
        }
    }

    /// Who a key stands for.
    fn key(&self, key: &str) -> Result<Arc<Identity>, TokenError> {
        match self.own(key) {
            Some(Role::Service) => Ok(Arc::clone(&self.service)),
            Some(_) => Ok(Arc::clone(&self.anon)),
            None if key.starts_with("sb_publishable_") => Ok(Arc::clone(&self.anon)),
            // Any word will do as a key where any key will; an app that has but one expects it to work.
            None if self.policy == KeyPolicy::Any && key.split('.').count() != 3 => Ok(Arc::clone(&self.service)),
            None => self.token(key),
        }
    }

    fn own(&self, key: &str) -> Option<Role> {
        let keys = &self.keys;
        if key == keys.service || key == keys.secret {
            Some(Role::Service)
        } else if key == keys.anon || key == keys.publishable {
            Some(Role::Anon)
        } else {
            None
        }
    }

    /// Who a token says its bearer is.
    ///
    /// # Errors
    /// When it is not taken.
    pub fn token(&self, token: &str) -> Result<Arc<Identity>, TokenError> {
        let hash = xxh3_128(token.as_bytes());
        let now = self.clock.seconds();
        let found = self.known.read().unwrap_or_else(PoisonError::into_inner).get(&hash).cloned();
        if let Some(Known { identity, expires }) = found {
            return if now > expires { Err(TokenError::Expired) } else { Ok(identity) };
        }
        let (identity, expires) = self.verify(token, now)?;
        let identity = Arc::new(identity);
        if token.len() <= LONGEST_REMEMBERED {
            let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
            if known.len() >= REMEMBERED {
                known.clear();
            }
            known.insert(hash, Known { identity: Arc::clone(&identity), expires });
        }
        Ok(identity)
    }

    /// The claims of a token whose signature is good, or need not be.
    ///
    /// # Errors
    /// When the token is not taken.
    pub fn claims(&self, token: &str) -> Result<(Map<String, Value>, bool), TokenError> {
        if token.is_empty() {
            return Err(TokenError::Empty);
        }
        let parts: Vec<&str> = token.split('.').collect();
        let &[header, claims, signature] = parts.as_slice() else { return Err(TokenError::Parts(parts.len())) };
        let header: Map<String, Value> = decoded(header).ok_or(TokenError::Header)?;
        let text = |name: &str| header.get(name).and_then(Value::as_str);
        let algorithm = text("alg").and_then(|alg| Algorithm::from_str(alg).ok());
        let message = &token[..token.len() - signature.len() - 1];
        let verified = match algorithm.and_then(|algorithm| Some((algorithm, self.keys.verifying(algorithm)?))) {
            // A signature that is no base64 is no signature either.
            Some((algorithm, key)) => jsonwebtoken::crypto::verify(signature, message.as_bytes(), key, algorithm)
                .unwrap_or(false)
                .then_some(()),
            None => None,
        };
        let claims: Option<Map<String, Value>> = decoded(claims);
        if verified.is_none() {
            let ours = text("kid") == Some(self.keys.key_id())
                || claims.as_ref().and_then(|claims| claims.get("ref")?.as_str()) == Some(&self.keys.reference);
            if ours || !self.trusting || claims.is_none() {
                let has_key = algorithm.is_some_and(|algorithm| self.keys.verifying(algorithm).is_some());
                return Err(if has_key { TokenError::Signature } else { TokenError::NoKey });
            }
        }
        Ok((claims.ok_or(TokenError::Claims)?, verified.is_some()))
    }

    fn verify(&self, token: &str, now: u64) -> Result<(Identity, u64), TokenError> {
        let (claims, verified) = self.claims(token)?;
        let exp = number(&claims, "exp")?;
        let expires = exp.unwrap_or(u64::MAX).saturating_add(SKEW);
        if now > expires {
            return Err(TokenError::Expired);
        }
        if number(&claims, "nbf")?.is_some_and(|from| from > now + SKEW) {
            return Err(TokenError::NotYetValid);
        }
        if number(&claims, "iat")?.is_some_and(|issued| issued > now + SKEW) {
            return Err(TokenError::IssuedInFuture);
        }
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let role = match claims.get("role") {
            None => Role::Anon,
            Some(Value::String(role)) => Role::named(role).ok_or_else(|| unknown_role(role))?,
            Some(other) => return Err(unknown_role(&other.to_string())),
        };
        let identity = Identity {
            role,
            user: text("sub").map(Into::into),
            session: text("session_id").map(Into::into),
            expires: exp,
            verified,
        };
        Ok((identity, expires))
    }
}

fn unknown_role(role: &str) -> TokenError {
    TokenError::UnknownRole(role.chars().take(63).collect())
}

/// A JSON object in a part of a token.
fn decoded(part: &str) -> Option<Map<String, Value>> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part.trim_end_matches('=')).ok()?).ok()
}

/// A claim in seconds, rounded down.
fn number(claims: &Map<String, Value>, name: &'static str) -> Result<Option<u64>, TokenError> {
    match claims.get(name) {
        None | Some(Value::Null) => Ok(None),
        // `as` saturates, and a time before 1970 is as good as 1970.
        Some(Value::Number(number)) => Ok(Some(number.as_f64().unwrap_or(0.0) as u64)),
        Some(_) => Err(TokenError::ClaimType(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn gatekeeper(accept: KeyPolicy) -> Gatekeeper {
        Gatekeeper::new(&KeysPlan { accept, ..KeysPlan::default() }, Seed(1), WallClock::start())
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let gatekeeper = gatekeeper(KeyPolicy::Any);
        for n in 0..REMEMBERED + 10 {
            let claims = URL_SAFE_NO_PAD.encode(json!({"sub": n}).to_string());
            gatekeeper.token(&format!("e30.{claims}.")).unwrap();
        }
        assert_eq!(gatekeeper.known.read().unwrap().len(), 10);
    }

    #[test]
    fn a_token_is_the_same_from_memory() {
        let gatekeeper = gatekeeper(KeyPolicy::Own);
        let token = gatekeeper.keys().sign(&json!({"sub": "u", "role": "authenticated", "session_id": "s"}));
        let first = gatekeeper.token(&token).unwrap();
        assert!(Arc::ptr_eq(&first, &gatekeeper.token(&token).unwrap()));
        assert_eq!((first.role, first.user.as_deref(), first.verified), (Role::Authenticated, Some("u"), true));
        // No part can be changed, and no algorithm avoids the check.
        let (message, signature) = token.rsplit_once('.').unwrap();
        let none = URL_SAFE_NO_PAD.encode(json!({"alg": "none"}).to_string());
        let claims = message.split_once('.').unwrap().1;
        for forged in [format!("{message}."), format!("{none}.{claims}."), format!("{none}.{claims}.{signature}")] {
            assert!(matches!(gatekeeper.token(&forged), Err(TokenError::Signature | TokenError::NoKey)), "{forged}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_token_or_not(text in "\\PC{0,60}", header in "\\PC{0,30}", claims in "\\PC{0,30}", exp: f64) {
            let gatekeeper = gatekeeper(KeyPolicy::Any);
            let _ = gatekeeper.token(&text);
            let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
            let _ = gatekeeper.token(&format!("{}.{}.{text}", part(&header), part(&claims)));
            let claims = json!({"exp": exp, "role": text}).to_string();
            let _ = gatekeeper.token(&format!("{}.{}.x", part("{\"alg\":\"HS256\"}"), part(&claims)));
        }
    }
}
