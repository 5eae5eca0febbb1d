//! [`Auth`]: what all of Auth's handlers share: the book, the clock, the keys, and how a session is answered.

use super::book::{Book, Flow};
use super::error::{AuthError, Result};
use super::mail::{Mail, Mailbox};
use super::secret::{Password, random_bits, token_hash, uuid};
use super::session::{Session, TokenWriter};
use super::user::{Purpose, User};
use crate::model::supabase::AuthPlan;
use crate::units::Seed;
use crate::upstream::answer::{Answer, Call};
use crate::upstream::supabase::clock::WallClock;
use crate::upstream::supabase::gatekeeper::Gatekeeper;
use crate::upstream::supabase::identity::{Identity, Role, TokenError};
use crate::upstream::supabase::moment::Moment;
use http::StatusCode;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use uuid::Uuid;

/// bcrypt, with which Auth hashes, takes no more.
const LONGEST_PASSWORD: usize = 72;

/// Auth (GoTrue) with its users and sessions.
pub struct Auth {
    pub(super) plan: AuthPlan,
    pub(super) seed: Seed,
    pub(super) gatekeeper: Arc<Gatekeeper>,
    origin: String,
    clock: WallClock,
    tokens: TokenWriter,
    book: Mutex<Book>,
    mailbox: Mutex<Mailbox>,
}

/// One request to Auth.
pub struct Ask<'a> {
    /// The request.
    pub call: &'a Call<'a>,
    /// Its API key.
    pub key: &'a str,
    /// When it came.
    pub now: Moment,
}

/// The claims of an access token, in the order of Auth's source.
#[derive(Serialize)]
struct Claims<'a> {
    iss: String,
    sub: Uuid,
    aud: &'a str,
    exp: u64,
    iat: u64,
    email: &'a str,
    phone: &'a str,
    app_metadata: &'a Map<String, Value>,
    user_metadata: &'a Map<String, Value>,
    role: &'a str,
    aal: &'static str,
    amr: [Method; 1],
    session_id: Uuid,
    is_anonymous: bool,
}

#[derive(Serialize)]
struct Method {
    method: &'static str,
    timestamp: u64,
}

/// What a sign-in answers.
#[derive(Serialize)]
pub struct SignedIn {
    /// The JWT.
    pub access_token: String,
    token_type: &'static str,
    /// Seconds until it expires.
    pub expires_in: u64,
    /// When it expires, in seconds since 1970.
    pub expires_at: u64,
    /// What it is exchanged for next time.
    pub refresh_token: String,
    user: User,
    /// Always null here: set by the password grant alone, and there null unless the password is weak.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weak_password: Option<Value>,
    #[serde(skip)]
    warning: Option<String>,
}

impl SignedIn {
    /// The answer.
    pub fn answer(self) -> Answer {
        let answer = Answer::json(StatusCode::OK, &self);
        answer.warned(self.warning)
    }

    /// As a fragment for a redirect (`AsRedirectURL`), with what kind of link led here.
    pub fn fragment(&self, kind: &str) -> String {
        let mut text = url::form_urlencoded::Serializer::new(String::new());
        text.append_pair("access_token", &self.access_token)
            .append_pair("expires_at", &self.expires_at.to_string())
            .append_pair("expires_in", &self.expires_in.to_string())
            .append_pair("refresh_token", &self.refresh_token)
            .append_pair("sb", "")
            .append_pair("token_type", self.token_type)
            .append_pair("type", kind);
        text.finish()
    }
}

impl Auth {
    /// Auth as planned and found at `origin`, with the users of the seed's rows of `auth.users`.
    pub fn new(
        plan: &AuthPlan,
        rows: &[Value],
        gatekeeper: Arc<Gatekeeper>,
        seed: Seed,
        clock: WallClock,
        origin: &str,
    ) -> Self {
        let seed = seed.derive("auth");
        let auth = Self {
            plan: plan.clone(),
            seed,
            gatekeeper,
            origin: origin.to_owned(),
            clock,
            tokens: TokenWriter::new(seed),
            book: Mutex::default(),
            mailbox: Mutex::default(),
        };
        for (number, row) in rows.iter().enumerate() {
            auth.seed_user(number as u64, row);
        }
        auth
    }

    /// Adds a user of the seed, confirmed unless `email_confirmed` is false. Rows without an address make nobody.
    fn seed_user(&self, number: u64, row: &Value) {
        let seed = self.seed.derive("seeded users");
        let text = |name: &str| row.get(name).and_then(Value::as_str);
        let Some(email) = text("email").and_then(|email| address(email).ok()) else { return };
        let id = text("id").and_then(|id| id.parse().ok()).unwrap_or_else(|| uuid(seed, &[number, 0]));
        let now = self.now();
        let mut user = User::new(id, email, now);
        user.add_email_identity(uuid(seed, &[number, 1]), &Map::new(), now);
        if row.get("email_confirmed").and_then(Value::as_bool) != Some(false) {
            user.confirm(now);
        }
        user.password = text("password").map(|password| Password::new(password, seed, &[number]));
        for (name, into) in [("user_metadata", &mut user.user_metadata), ("app_metadata", &mut user.app_metadata)] {
            if let Some(values) = row.get(name).and_then(Value::as_object) {
                User::merge(into, values.clone());
            }
        }
        if let Some(role) = text("role") {
            user.role = role.to_owned();
        }
        // A seed with more users than there is room for: the rest cannot sign in.
        let _ = self.book().add(user);
    }

    /// The time of day.
    pub fn now(&self) -> Moment {
        Moment(self.clock.micros())
    }

    /// Users and sessions, locked.
    pub(super) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The mailbox, locked.
    pub(super) fn mailbox(&self) -> MutexGuard<'_, Mailbox> {
        self.mailbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The numbers of refresh tokens.
    pub(super) fn tokens(&self) -> TokenWriter {
        self.tokens
    }

    /// A uuid for the `n`th thing that a request makes.
    pub(super) fn uuid(&self, ask: &Ask<'_>, n: u64) -> Uuid {
        uuid(self.seed, &[ask.call.number, n])
    }

    /// Begins a session of a user and answers it.
    ///
    /// # Errors
    /// When the user is gone meanwhile.
    pub(super) fn sign_in(&self, ask: &Ask<'_>, book: &mut Book, user: Uuid, method: &'static str) -> Result<SignedIn> {
        let session = Session::new(self.uuid(ask, 900), user, method, ask.now.0);
        let signed_in = book.change(&user, |user| {
            user.last_sign_in_at = Some(ask.now);
            user.updated_at = ask.now;
            for identity in &mut user.identities {
                identity.last_sign_in_at = ask.now;
            }
            Ok(user.clone())
        });
        let user = signed_in.ok_or_else(gone)??;
        let refresh_token = self.tokens.write(ask.call.number, session.newest());
        let mut signed_in = self.session_answer(ask, user, &session, refresh_token);
        if book.begin(ask.call.number, session) {
            signed_in.warning = Some(format!(
                "the Supabase mock keeps {} sessions; the oldest are being ended",
                super::book::MOST_SESSIONS
            ));
        }
        Ok(signed_in)
    }

    /// The answer of a session with a new access token.
    pub(super) fn session_answer(
        &self,
        ask: &Ask<'_>,
        user: User,
        session: &Session,
        refresh_token: String,
    ) -> SignedIn {
        let issued = ask.now.0 / 1_000_000;
        let expires_in = self.plan.jwt_expiry.get().as_secs();
        let claims = Claims {
            iss: format!("{}/auth/v1", self.origin),
            sub: user.id,
            aud: &user.aud,
            exp: issued + expires_in,
            iat: issued,
            email: &user.email,
            phone: &user.phone,
            app_metadata: &user.app_metadata,
            user_metadata: &user.user_metadata,
            role: &user.role,
            aal: "aal1",
            amr: [Method { method: session.method, timestamp: session.created / 1_000_000 }],
            session_id: session.id,
            is_anonymous: user.is_anonymous,
        };
        SignedIn {
            access_token: self.gatekeeper.keys().sign(&claims),
            token_type: "bearer",
            expires_in,
            expires_at: issued + expires_in,
            refresh_token,
            user,
            weak_password: None,
            warning: None,
        }
    }

    /// Whether a password is strong enough.
    ///
    /// # Errors
    /// `weak_password`, and `validation_failed` for one that is too long.
    pub(super) fn check_password(&self, password: &str) -> Result<()> {
        let least = self.plan.password_min_length;
        if password.len() > LONGEST_PASSWORD {
            return Err(AuthError::invalid("Password cannot be longer than 72 characters"));
        }
        if password.chars().count() < least as usize {
            let message = format!("Password should be at least {least} characters.");
            return Err(AuthError::weak_password(message, &["length"]));
        }
        Ok(())
    }

    /// Sends a mail with a one-time token, which the user is then expected to bring back. With a challenge the token
    /// leads to a code, for which a flow is to begin, instead of a session.
    pub(super) fn send(&self, ask: &Ask<'_>, user: &mut User, sending: &Sending<'_>) -> Flow {
        let mail = self.mail(ask, user, sending);
        user.expect(sending.purpose, mail.token_hash.clone(), ask.now);
        self.mailbox().put(mail);
        let (challenge, hashed) = sending.challenge.clone().unwrap_or_default();
        Flow {
            user: user.id,
            code: uuid(self.seed.derive("codes"), &[ask.call.number]).to_string(),
            challenge,
            hashed,
            method: "otp",
            begun: ask.now.0,
        }
    }

    /// The mail with a one-time token.
    pub(super) fn mail(&self, ask: &Ask<'_>, user: &User, sending: &Sending<'_>) -> Mail {
        let token = self.seed.derive("one-time tokens").draw(&[ask.call.number]) % 1_000_000;
        let token = format!("{token:06}");
        let to = sending.to.unwrap_or(&user.email).to_owned();
        let mut hash = token_hash(&to, &token);
        if sending.challenge.is_some() {
            hash.insert_str(0, "pkce_");
        }
        let redirect = sending.redirect_to.map_or_else(|| self.redirect(ask), str::to_owned);
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("token", &hash)
            .append_pair("type", sending.kind)
            .append_pair("redirect_to", &redirect)
            .finish();
        let link = format!("{}/auth/v1/verify?{query}", self.origin);
        Mail { to, kind: sending.kind, token, token_hash: hash, link, sent_at: ask.now }
    }

    /// Where a link leads in the end.
    pub(super) fn redirect(&self, ask: &Ask<'_>) -> String {
        ask.query("redirect_to").unwrap_or_else(|| self.plan.site_url.clone())
    }

    /// Who the request comes from.
    ///
    /// # Errors
    /// `no_authorization`, `bad_jwt`.
    pub(super) fn bearer(&self, ask: &Ask<'_>) -> Result<Arc<Identity>> {
        let bearer = ask.call.header("authorization").and_then(|header| header.split_once(' '));
        if !bearer.is_some_and(|(scheme, token)| matches!(scheme, "Bearer" | "bearer") && !token.trim().is_empty()) {
            let message = "This endpoint requires a valid Bearer token";
            return Err(AuthError::new(StatusCode::UNAUTHORIZED, "no_authorization", message));
        }
        let identity = self.gatekeeper.identify(ask.call, ask.key).map_err(|error| bad_jwt(&error))?;
        // Auth allows for no difference between clocks.
        if identity.expires.is_some_and(|expires| expires <= ask.now.0 / 1_000_000) {
            return Err(bad_jwt(&TokenError::Expired));
        }
        Ok(identity)
    }

    /// The user and the session of the request's token.
    ///
    /// # Errors
    /// As [`Auth::bearer`], and `user_not_found`, `session_not_found`.
    pub(super) fn signed_in(&self, ask: &Ask<'_>) -> Result<(Uuid, Option<Uuid>)> {
        let identity = self.bearer(ask)?;
        let Some(user) = &identity.user else {
            return Err(AuthError::forbidden("bad_jwt", "invalid claim: missing sub claim"));
        };
        let Ok(user) = user.parse::<Uuid>() else {
            return Err(AuthError::bad_request("bad_jwt", "invalid claim: sub claim must be a UUID"));
        };
        let book = self.book();
        if book.user(&user).is_none() {
            return Err(gone());
        }
        let session = match identity.session.as_deref() {
            None | Some("") => None,
            Some(session) => {
                let Ok(session) = session.parse::<Uuid>() else {
                    let message = "invalid claim: session_id claim must be a UUID";
                    return Err(AuthError::forbidden("bad_jwt", message));
                };
                if !book.has_session(&session) {
                    let message = "Session from session_id claim in JWT does not exist";
                    return Err(AuthError::forbidden("session_not_found", message));
                }
                Some(session)
            }
        };
        Ok((user, session))
    }

    /// Lets only the project's server pass.
    ///
    /// # Errors
    /// As [`Auth::bearer`], and `not_admin`.
    pub(super) fn admin(&self, ask: &Ask<'_>) -> Result<()> {
        if self.bearer(ask)?.role == Role::Service {
            Ok(())
        } else {
            Err(AuthError::forbidden("not_admin", "User not allowed"))
        }
    }

    /// A password that nobody knows.
    pub(super) fn unknown_password(&self, ask: &Ask<'_>) -> Password {
        let text = format!("{:032x}", random_bits(self.seed.derive("unknown passwords"), &[ask.call.number]));
        Password::new(&text, self.seed, &[ask.call.number])
    }
}

/// What is to be sent.
pub struct Sending<'a> {
    /// What the token is for.
    pub purpose: Purpose,
    /// What the mail is for.
    pub kind: &'static str,
    /// Where it goes, if not to the user's address.
    pub to: Option<&'a str>,
    /// The challenge of the client (PKCE) and whether it is hashed.
    pub challenge: Option<(String, bool)>,
    /// Where the link leads in the end, if the request does not say.
    pub redirect_to: Option<&'a str>,
}

impl<'a> Sending<'a> {
    /// A mail to the user's address.
    pub fn new(purpose: Purpose, kind: &'static str) -> Self {
        Self { purpose, kind, to: None, challenge: None, redirect_to: None }
    }
}

impl Ask<'_> {
    /// The body's fields.
    ///
    /// # Errors
    /// `bad_json`.
    pub fn body<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(self.call.body).map_err(|error| {
            AuthError::bad_request("bad_json", format!("Could not parse request body as JSON: {error}"))
        })
    }

    /// A value of the query.
    pub fn query(&self, name: &str) -> Option<String> {
        let mut pairs = url::form_urlencoded::parse(self.call.query.as_bytes());
        pairs.find(|(known, value)| known == name && !value.is_empty()).map(|(_, value)| value.into_owned())
    }
}

/// An address as it is kept.
///
/// # Errors
/// `validation_failed`.
pub fn address(email: &str) -> Result<String> {
    let email = email.trim();
    if email.is_empty() {
        return Err(AuthError::invalid("An email address is required"));
    }
    if email.len() > 255 {
        return Err(AuthError::invalid("An email address is too long"));
    }
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    let valid = email.split_once('@').is_some_and(|(local, domain)| {
        let local_fits =
            !local.is_empty() && local.chars().all(|c| c.is_ascii_graphic() && !"@,;:<>()[]\\\"".contains(c));
        let domain_fits = domain.chars().all(is_word) && domain.split('.').all(|label| !label.is_empty());
        local_fits && domain_fits
    });
    if valid {
        Ok(email.to_ascii_lowercase())
    } else {
        Err(AuthError::invalid("Unable to validate email address: invalid format"))
    }
}

/// The refusal of a token whose user is gone.
pub fn gone() -> AuthError {
    AuthError::forbidden("user_not_found", "User from sub claim in JWT does not exist")
}

/// The refusal of a token, with the reason in the words of Auth's JWT library (golang-jwt v5).
fn bad_jwt(error: &TokenError) -> AuthError {
    let reason = match error {
        TokenError::Empty | TokenError::Parts(_) => "token is malformed: token contains an invalid number of segments",
        TokenError::Header => "token is malformed: could not JSON decode header",
        TokenError::Claims | TokenError::ClaimType(_) => "token is malformed: could not JSON decode claim",
        TokenError::NoKey => "token is unverifiable: error while executing keyfunc: unrecognized JWT kid",
        TokenError::Signature => "token signature is invalid: signature is invalid",
        TokenError::Expired => "token has invalid claims: token is expired",
        TokenError::NotYetValid => "token has invalid claims: token is not valid yet",
        TokenError::IssuedInFuture => "token has invalid claims: token used before issued",
        TokenError::UnknownRole(_) => "token has invalid claims",
    };
    AuthError::forbidden("bad_jwt", format!("invalid JWT: unable to parse or verify signature, {reason}"))
}
