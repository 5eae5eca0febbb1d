//! Signing up and signing in: `POST /signup` and `POST /token`.

use super::book::Book;
use super::error::{AuthError, Result};
use super::secret::{Password, challenge};
use super::service::Sending;
use super::service::{Ask, Auth, SignedIn, address};
use super::session::not_found;
use super::user::{Purpose, User};
use crate::upstream::answer::Answer;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value};

/// How long a code can be exchanged, in microseconds (Auth's default).
const FLOW_LASTS: u64 = 300_000_000;

/// What a client sends to sign up, and in part for a magic link.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct SignUp {
    /// The address.
    pub email: Option<String>,
    /// The phone number.
    pub phone: Option<String>,
    /// The password.
    pub password: Option<String>,
    /// Metadata.
    pub data: Option<Map<String, Value>>,
    /// The challenge (PKCE).
    pub code_challenge: Option<String>,
    /// `s256` or `plain`.
    pub code_challenge_method: Option<String>,
}

impl SignUp {
    /// The challenge, and whether it is hashed.
    ///
    /// # Errors
    /// `validation_failed`.
    pub fn challenge(&self) -> Result<Option<(String, bool)>> {
        pkce(self.code_challenge.as_deref(), self.code_challenge_method.as_deref())
    }
}

/// The challenge of a request, and whether it is hashed.
///
/// # Errors
/// `validation_failed` when it is none.
pub fn pkce(challenge: Option<&str>, method: Option<&str>) -> Result<Option<(String, bool)>> {
    let (challenge, method) = (challenge.unwrap_or_default(), method.unwrap_or_default());
    match (challenge.is_empty(), method.is_empty()) {
        (true, true) => return Ok(None),
        (false, false) => {}
        _ => {
            let message = "PKCE flow requires code_challenge_method and code_challenge";
            return Err(AuthError::invalid(message));
        }
    }
    let hashed = match method.to_ascii_lowercase().as_str() {
        "s256" => true,
        "plain" => false,
        _ => return Err(AuthError::invalid("unsupported code_challenge method")),
    };
    if !(43..=128).contains(&challenge.len()) {
        return Err(AuthError::invalid("code challenge has to be between 43 and 128 characters"));
    }
    Ok(Some((challenge.to_owned(), hashed)))
}

fn filled(text: &Option<String>) -> Option<&str> {
    text.as_deref().filter(|text| !text.is_empty())
}

impl Auth {
    /// `POST /signup`.
    pub(super) fn sign_up(&self, ask: &Ask<'_>) -> Result<Answer> {
        let wish: SignUp = ask.body()?;
        if filled(&wish.email).is_none() && filled(&wish.phone).is_none() {
            return self.sign_up_anonymously(ask, wish);
        }
        self.check_open()?;
        let Some(password) = filled(&wish.password) else {
            return Err(AuthError::invalid("Signup requires a valid password"));
        };
        self.check_password(password)?;
        if filled(&wish.email).is_some() && filled(&wish.phone).is_some() {
            return Err(AuthError::invalid("Only an email address or phone number should be provided on signup."));
        }
        if filled(&wish.phone).is_some() {
            return Err(AuthError::bad_request("phone_provider_disabled", "Phone signups are disabled"));
        }
        let challenge = wish.challenge()?;
        let email = address(wish.email.as_deref().unwrap_or_default())?;
        let mut book = self.book();
        let id = match book.by_email(&email) {
            Some(user) if user.is_confirmed() => {
                if !self.plan.confirm_email {
                    return Err(AuthError::unprocessable("user_already_exists", "User already registered"));
                }
                // Who is registered must not be found out like this.
                let mut nobody = User::new(self.uuid(ask, 0), email, ask.now);
                nobody.confirmation_sent_at = Some(ask.now);
                nobody.user_metadata = wish.data.unwrap_or_default();
                nobody.app_metadata = email_only();
                return Ok(Answer::json(StatusCode::OK, &nobody));
            }
            Some(user) => user.id,
            None => {
                let user = self.new_user(ask, email, Some(password), wish.data.unwrap_or_default());
                let id = user.id;
                book.add(user)?;
                id
            }
        };
        if self.plan.confirm_email {
            let sending = Sending { challenge, ..Sending::new(Purpose::Confirmation, "signup") };
            let user = self.send_to(ask, &mut book, id, &sending)?;
            return Ok(Answer::json(StatusCode::OK, &user));
        }
        book.change(&id, |user| {
            user.confirm(ask.now);
            Ok(())
        });
        let signed_in = self.sign_in(ask, &mut book, id, "password")?;
        drop(book);
        Ok(signed_in.answer())
    }

    /// A user who signs up with an address.
    pub(super) fn new_user(
        &self,
        ask: &Ask<'_>,
        email: String,
        password: Option<&str>,
        data: Map<String, Value>,
    ) -> User {
        let mut user = User::new(self.uuid(ask, 0), email, ask.now);
        user.password = Some(match password {
            Some(password) => Password::new(password, self.seed, &[ask.call.number]),
            None => self.unknown_password(ask),
        });
        user.user_metadata = data.clone();
        user.add_email_identity(self.uuid(ask, 1), &data, ask.now);
        user
    }

    /// Sends a user a mail, and begins a sign-in by code where the client wants one.
    pub(super) fn send_to(
        &self,
        ask: &Ask<'_>,
        book: &mut Book,
        id: uuid::Uuid,
        sending: &Sending<'_>,
    ) -> Result<User> {
        let sent = book.change(&id, |user| {
            let flow = self.send(ask, user, sending);
            Ok((user.clone(), flow))
        });
        let (user, flow) = sent.ok_or_else(super::service::gone)??;
        if sending.challenge.is_some() {
            book.begin_flow(flow);
        }
        Ok(user)
    }

    fn sign_up_anonymously(&self, ask: &Ask<'_>, wish: SignUp) -> Result<Answer> {
        if !self.plan.anonymous_sign_ins {
            let message = "Anonymous sign-ins are disabled";
            return Err(AuthError::unprocessable("anonymous_provider_disabled", message));
        }
        self.check_open()?;
        let mut user = User::new(self.uuid(ask, 0), String::new(), ask.now);
        user.is_anonymous = true;
        user.user_metadata = wish.data.unwrap_or_default();
        let id = user.id;
        let mut book = self.book();
        book.add(user)?;
        let signed_in = self.sign_in(ask, &mut book, id, "anonymous")?;
        drop(book);
        Ok(signed_in.answer())
    }

    pub(super) fn check_open(&self) -> Result<()> {
        if self.plan.disable_signup {
            return Err(AuthError::unprocessable("signup_disabled", "Signups not allowed for this instance"));
        }
        Ok(())
    }

    /// `POST /token`.
    pub(super) fn token(&self, ask: &Ask<'_>) -> Result<Answer> {
        let signed_in = match ask.query("grant_type").as_deref() {
            Some("password") => self.by_password(ask)?,
            Some("refresh_token") => self.by_refresh_token(ask)?,
            Some("pkce") => self.by_code(ask)?,
            Some("id_token") => self.by_id_token(ask)?,
            _ => return Err(AuthError::bad_request("invalid_credentials", "unsupported_grant_type")),
        };
        Ok(signed_in.answer())
    }

    fn by_password(&self, ask: &Ask<'_>) -> Result<SignedIn> {
        let wish: SignUp = ask.body()?;
        let wrong = || AuthError::bad_request("invalid_credentials", "Invalid login credentials");
        match (filled(&wish.email), filled(&wish.phone)) {
            (Some(_), Some(_)) => {
                let message = "Only an email address or phone number should be provided on login.";
                return Err(AuthError::invalid(message));
            }
            (None, Some(_)) => {
                return Err(AuthError::unprocessable("phone_provider_disabled", "Phone logins are disabled"));
            }
            (None, None) => return Err(AuthError::invalid("missing email or phone")),
            (Some(_), None) => {}
        }
        let email = wish.email.unwrap_or_default().to_ascii_lowercase();
        let mut book = self.book();
        let user = book.by_email(&email).ok_or_else(wrong)?;
        let password = user.password.as_ref().ok_or_else(wrong)?;
        if user.is_banned(ask.now) {
            return Err(AuthError::bad_request("user_banned", "User is banned"));
        }
        if !password.is(wish.password.as_deref().unwrap_or_default()) {
            return Err(wrong());
        }
        if !user.is_confirmed() {
            return Err(AuthError::bad_request("email_not_confirmed", "Email not confirmed"));
        }
        let id = user.id;
        let mut signed_in = self.sign_in(ask, &mut book, id, "password")?;
        signed_in.weak_password = Some(Value::Null);
        Ok(signed_in)
    }

    fn by_refresh_token(&self, ask: &Ask<'_>) -> Result<SignedIn> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Wish {
            refresh_token: Option<String>,
        }
        let wish: Wish = ask.body()?;
        let Some(token) = filled(&wish.refresh_token) else {
            return Err(AuthError::invalid("refresh_token required"));
        };
        let (number, token) = self.tokens().read(token).ok_or_else(not_found)?;
        let mut book = self.book();
        let user = book.session_mut(number).map(|session| session.user).ok_or_else(not_found)?;
        let user = book.user(&user).ok_or_else(not_found)?.clone();
        if user.is_banned(ask.now) {
            return Err(AuthError::bad_request("user_banned", "Invalid Refresh Token: User Banned"));
        }
        let session = book.session_mut(number).ok_or_else(not_found)?;
        let token = session.exchange(token, ask.now.0)?;
        let session = session.clone();
        drop(book);
        Ok(self.session_answer(ask, user, &session, self.tokens().write(number, token)))
    }

    fn by_code(&self, ask: &Ask<'_>) -> Result<SignedIn> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Wish {
            auth_code: Option<String>,
            code_verifier: Option<String>,
        }
        let wish: Wish = ask.body()?;
        let (Some(code), Some(verifier)) = (filled(&wish.auth_code), filled(&wish.code_verifier)) else {
            let message = "invalid request: both auth code and code verifier should be non-empty";
            return Err(AuthError::invalid(message));
        };
        let mut book = self.book();
        let flow = book.flow(code).cloned().ok_or_else(|| {
            AuthError::not_found("flow_state_not_found", "invalid flow state, no valid flow state found")
        })?;
        if ask.now.0 > flow.begun + FLOW_LASTS {
            let message = "invalid flow state, flow state has expired";
            return Err(AuthError::unprocessable("flow_state_expired", message));
        }
        let found = if flow.hashed { challenge(verifier) } else { verifier.to_owned() };
        if found != flow.challenge {
            let message = "code challenge does not match previously saved code verifier";
            return Err(AuthError::bad_request("bad_code_verifier", message));
        }
        book.end_flow(code);
        self.sign_in(ask, &mut book, flow.user, flow.method)
    }

    /// Takes the ID token of a configured provider at its word: the provider's keys are out of reach here.
    fn by_id_token(&self, ask: &Ask<'_>) -> Result<SignedIn> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Wish {
            id_token: Option<String>,
            provider: Option<String>,
            nonce: Option<String>,
        }
        let wish: Wish = ask.body()?;
        let (Some(token), Some(provider)) = (filled(&wish.id_token), filled(&wish.provider)) else {
            return Err(AuthError::invalid("id_token required"));
        };
        if !self.plan.id_token_providers.iter().any(|known| known == provider) {
            let message = format!("Provider \"{provider}\" is not enabled");
            return Err(AuthError::bad_request("provider_disabled", message));
        }
        let claims: Option<Map<String, Value>> = token
            .split('.')
            .nth(1)
            .and_then(|part| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part.trim_end_matches('=')).ok()?).ok());
        let claims = claims.ok_or_else(|| AuthError::invalid("Bad ID token"))?;
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let now = ask.now.0 / 1_000_000;
        if claims.get("exp").and_then(Value::as_u64).is_some_and(|expires| expires < now) {
            return Err(AuthError::invalid("Bad ID token"));
        }
        if text("nonce").is_some() != filled(&wish.nonce).is_some() {
            let message = "Passed nonce and nonce in id_token should either both exist or not.";
            return Err(AuthError::invalid(message));
        }
        let subject = text("sub").ok_or_else(|| AuthError::invalid("Missing sub claim in id_token"))?;
        let email = text("email").map(address).transpose()?.unwrap_or_default();
        let mut book = self.book();
        let known = book.by_identity(provider, subject).map(|user| user.id);
        let id = match known.or_else(|| book.by_email(&email).map(|user| user.id)) {
            Some(id) => id,
            None => {
                self.check_open()?;
                let user = User::new(self.uuid(ask, 0), email, ask.now);
                let id = user.id;
                book.add(user)?;
                id
            }
        };
        if book.user(&id).is_some_and(|user| user.is_banned(ask.now)) {
            return Err(AuthError::forbidden("user_banned", "User is banned"));
        }
        if known.is_none() {
            let mut told = claims.clone();
            told.retain(|name, _| !matches!(name.as_str(), "exp" | "iat" | "nbf" | "aud" | "nonce" | "at_hash"));
            let identity = self.uuid(ask, 1);
            book.change(&id, |user| {
                user.add_identity(identity, provider, subject, told, ask.now);
                user.confirm(ask.now);
                Ok(())
            })
            .unwrap_or(Ok(()))?;
        }
        self.sign_in(ask, &mut book, id, "oauth")
    }
}

/// The metadata of somebody who has an address only.
fn email_only() -> Map<String, Value> {
    let mut metadata = Map::new();
    metadata.insert("provider".to_owned(), "email".into());
    metadata.insert("providers".to_owned(), vec!["email"].into());
    metadata
}
