//! Signing in by mail: `POST /otp`, `/magiclink`, `/recover`, `/resend`, `GET /reauthenticate`, and `/verify`, which
//! takes what the mail brought.

use super::book::Book;
use super::error::{AuthError, Result};
use super::grants::{SignUp, pkce};
use super::secret::token_hash;
use super::service::{Ask, Auth, Sending, address};
use super::user::{Purpose, User};
use crate::upstream::answer::Answer;
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

/// How long a one-time token is good, in microseconds (a hosted project's default).
const TOKEN_LASTS: u64 = 3_600_000_000;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Verify {
    r#type: Option<String>,
    token: Option<String>,
    token_hash: Option<String>,
    email: Option<String>,
    phone: Option<String>,
}

impl Auth {
    /// `POST /otp` and `POST /magiclink`.
    pub(super) fn one_time_password(&self, ask: &Ask<'_>) -> Result<Answer> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Wish {
            create_user: Option<bool>,
            #[serde(flatten)]
            rest: SignUp,
        }
        let Wish { create_user, rest: wish } = ask.body()?;
        let email = wish.email.as_deref().unwrap_or_default();
        if wish.phone.as_deref().is_some_and(|phone| !phone.is_empty()) {
            if !email.is_empty() {
                let message = "Only an email address or phone number should be provided";
                return Err(AuthError::invalid(message));
            }
            return Err(AuthError::bad_request("phone_provider_disabled", "Unsupported phone provider"));
        }
        if email.is_empty() {
            return Err(AuthError::invalid("One of email or phone must be set"));
        }
        let challenge = wish.challenge()?;
        let email = address(email)?;
        let mut book = self.book();
        let known = book.by_email(&email).map(|user| (user.id, user.is_confirmed()));
        let (id, confirmed) = match known {
            Some(known) => known,
            None if create_user == Some(false) => {
                return Err(AuthError::unprocessable("otp_disabled", "Signups not allowed for otp"));
            }
            None => {
                if self.plan.disable_signup {
                    return Err(AuthError::unprocessable("otp_disabled", "Signups not allowed for otp"));
                }
                let user = self.new_user(ask, email, None, wish.data.unwrap_or_default());
                let id = user.id;
                book.add(user)?;
                (id, false)
            }
        };
        if !confirmed && !self.plan.confirm_email {
            book.change(&id, |user| {
                user.confirm(ask.now);
                Ok(())
            });
        }
        let sending = if confirmed || !self.plan.confirm_email {
            Sending::new(Purpose::Recovery, "magiclink")
        } else {
            Sending::new(Purpose::Confirmation, "signup")
        };
        self.send_to(ask, &mut book, id, &Sending { challenge, ..sending })?;
        Ok(done())
    }

    /// `POST /recover`. Whether there is such a user must not be found out like this.
    pub(super) fn recover(&self, ask: &Ask<'_>) -> Result<Answer> {
        let wish: SignUp = ask.body()?;
        let email = wish.email.as_deref().unwrap_or_default();
        if email.is_empty() {
            return Err(AuthError::invalid("Password recovery requires an email"));
        }
        let challenge = wish.challenge()?;
        let email = address(email)?;
        let mut book = self.book();
        if let Some(id) = book.by_email(&email).map(|user| user.id) {
            let sending = Sending { challenge, ..Sending::new(Purpose::Recovery, "recovery") };
            self.send_to(ask, &mut book, id, &sending)?;
        }
        Ok(done())
    }

    /// `POST /resend`.
    pub(super) fn resend(&self, ask: &Ask<'_>) -> Result<Answer> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Wish {
            r#type: Option<String>,
            email: Option<String>,
            phone: Option<String>,
            code_challenge: Option<String>,
            code_challenge_method: Option<String>,
        }
        let wish: Wish = ask.body()?;
        let challenge = pkce(wish.code_challenge.as_deref(), wish.code_challenge_method.as_deref())?;
        let kind = wish.r#type.as_deref().unwrap_or_default();
        if wish.phone.as_deref().is_some_and(|phone| !phone.is_empty()) {
            return Err(AuthError::bad_request("phone_provider_disabled", "Phone logins are disabled"));
        }
        if !matches!(kind, "signup" | "email_change" | "sms" | "phone_change") {
            return Err(AuthError::invalid("Missing one of these types: signup, email_change, sms, phone_change"));
        }
        let email = wish.email.as_deref().unwrap_or_default();
        if email.is_empty() {
            return Err(AuthError::invalid("Type provided requires an email address"));
        }
        let email = address(email)?;
        let mut book = self.book();
        let Some(user) = book.by_email(&email) else { return Ok(done()) };
        let (id, new_address) = (user.id, user.email_change.clone());
        let sending = match kind {
            "signup" if !user.is_confirmed() => Sending::new(Purpose::Confirmation, "signup"),
            "email_change" if !new_address.is_empty() => {
                Sending { to: Some(&new_address), ..Sending::new(Purpose::EmailChange, "email_change") }
            }
            // Nothing to send again; the answer does not tell.
            _ => return Ok(done()),
        };
        self.send_to(ask, &mut book, id, &Sending { challenge, ..sending })?;
        Ok(done())
    }

    /// `GET /reauthenticate`.
    pub(super) fn reauthenticate(&self, ask: &Ask<'_>) -> Result<Answer> {
        let (id, _) = self.signed_in(ask)?;
        let sending = Sending::new(Purpose::Reauthentication, "reauthentication");
        self.send_to(ask, &mut self.book(), id, &sending)?;
        Ok(done())
    }

    /// `POST /verify`.
    pub(super) fn verify(&self, ask: &Ask<'_>) -> Result<Answer> {
        let mut wish: Verify = ask.body()?;
        let full = |text: &Option<String>| text.as_deref().is_some_and(|text| !text.is_empty());
        let kind = wish.r#type.take().filter(|kind| !kind.is_empty());
        let kind = kind.ok_or_else(|| AuthError::invalid("Verify requires a verification type"))?;
        if full(&wish.token) == full(&wish.token_hash) {
            return Err(AuthError::invalid("Verify requires either a token or a token hash"));
        }
        let mut book = self.book();
        let hash = if full(&wish.token) {
            if full(&wish.phone) == full(&wish.email) {
                let message = "Only an email address or phone number should be provided on verify";
                return Err(AuthError::invalid(message));
            }
            if full(&wish.phone) {
                return Err(AuthError::forbidden("otp_expired", "Token has expired or is invalid"));
            }
            let email = address(wish.email.as_deref().unwrap_or_default())
                .map_err(|_| AuthError::unprocessable("validation_failed", "Invalid email format"))?;
            let hash = token_hash(&email, wish.token.as_deref().unwrap_or_default());
            // The code of a mail for the other flow is good here, too.
            let coded = format!("pkce_{hash}");
            if book.by_token(&coded).is_some() { coded } else { hash }
        } else {
            if full(&wish.email) || full(&wish.phone) {
                return Err(AuthError::invalid("Only the token_hash and type should be provided"));
            }
            wish.token_hash.take().unwrap_or_default()
        };
        let by_hash = !full(&wish.token);
        let id = self.redeem(ask, &mut book, &kind, &hash, by_hash)?;
        let signed_in = self.sign_in(ask, &mut book, id, "otp")?;
        drop(book);
        Ok(signed_in.answer())
    }

    /// `GET /verify`, the link in a mail: a redirect with the session, a code or the reason why not.
    pub(super) fn follow(&self, ask: &Ask<'_>) -> Result<Answer> {
        let kind = ask.query("type").ok_or_else(|| AuthError::invalid("Verify requires a verification type"))?;
        let hash = ask.query("token").ok_or_else(|| AuthError::invalid("Verify requires a token or a token hash"))?;
        let to = self.redirect(ask);
        let by_code = hash.starts_with("pkce_");
        let mut book = self.book();
        let outcome = self.redeem(ask, &mut book, &kind, &hash, true).and_then(|id| {
            if !by_code {
                return Ok(format!("{to}#{}", self.sign_in(ask, &mut book, id, "otp")?.fragment(&kind)));
            }
            let flow = book.flow_of(&id).ok_or_else(|| {
                AuthError::bad_request("flow_state_not_found", "No associated flow state found. user has no flow state")
            })?;
            Ok(with_query(&to, &[("code", &flow.code)]))
        });
        let location = outcome.unwrap_or_else(|error| {
            let word = match error.status() {
                StatusCode::BAD_REQUEST => "invalid_request",
                StatusCode::UNAUTHORIZED => "unauthorized_client",
                StatusCode::FORBIDDEN => "access_denied",
                StatusCode::INTERNAL_SERVER_ERROR => "server_error",
                _ => "invalid_request",
            };
            let pairs =
                [("error", word), ("error_code", error.code()), ("error_description", error.message()), ("sb", "")];
            let fragment = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
            let to = if by_code { with_query(&to, &pairs[..3]) } else { to.clone() };
            format!("{to}#{fragment}")
        });
        Ok(Answer::empty(StatusCode::SEE_OTHER).with("location", &location))
    }

    /// Uses a one-time token up: whose it was, with what it was for done.
    fn redeem(&self, ask: &Ask<'_>, book: &mut Book, kind: &str, hash: &str, by_hash: bool) -> Result<Uuid> {
        let purposes: &[Purpose] = match kind {
            "signup" | "invite" => &[Purpose::Confirmation],
            "recovery" | "magiclink" => &[Purpose::Recovery],
            "email_change" => &[Purpose::EmailChange],
            "email" => &[Purpose::Confirmation, Purpose::Recovery],
            _ => return Err(AuthError::invalid("Unsupported verification type")),
        };
        let message = if by_hash { "Email link is invalid or has expired" } else { "Token has expired or is invalid" };
        let expired = || AuthError::forbidden("otp_expired", message);
        let user = book.by_token(hash).ok_or_else(expired)?;
        let (id, banned) = (user.id, user.is_banned(ask.now));
        let token = user.pending.iter().find(|token| token.hash == hash).ok_or_else(expired)?;
        let purpose = token.purpose;
        if !purposes.contains(&purpose) || ask.now.0 > token.sent.0 + TOKEN_LASTS {
            return Err(expired());
        }
        if banned {
            return Err(AuthError::forbidden("user_banned", "User is banned"));
        }
        let identity = self.uuid(ask, 2);
        let redeemed = book.change(&id, |user| {
            redeemed(user, purpose, hash, identity, ask.now);
            Ok(())
        });
        redeemed.unwrap_or(Ok(()))?;
        Ok(id)
    }
}

fn redeemed(
    user: &mut User,
    purpose: Purpose,
    hash: &str,
    identity: Uuid,
    now: crate::upstream::supabase::moment::Moment,
) {
    user.pending.retain(|token| token.hash != hash);
    if purpose == Purpose::EmailChange && !user.email_change.is_empty() {
        let email = std::mem::take(&mut user.email_change);
        user.set_email(email, identity, now);
        user.is_anonymous = false;
    }
    user.confirm(now);
    if let Some(known) = user.identities.iter_mut().find(|known| known.provider == "email") {
        known.identity_data.insert("email_verified".to_owned(), true.into());
    }
}

/// `{}`
fn done() -> Answer {
    Answer::json(StatusCode::OK, &json!({}))
}

/// An address with more in its query.
fn with_query(address: &str, pairs: &[(&str, &str)]) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    let sign = if address.contains('?') { '&' } else { '?' };
    format!("{address}{sign}{query}")
}
