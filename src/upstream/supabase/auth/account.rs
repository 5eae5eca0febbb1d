//! A user's own affairs: `GET` and `PUT /user`, `POST /logout`.

use super::error::{AuthError, Result};
use super::grants::pkce;
use super::secret::Password;
use super::service::{Ask, Auth, Sending, address, gone};
use super::user::{Purpose, User};
use crate::upstream::answer::Answer;
use crate::upstream::supabase::moment::Moment;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Update {
    email: Option<String>,
    phone: Option<String>,
    password: Option<String>,
    data: Option<Map<String, Value>>,
    app_metadata: Option<Map<String, Value>>,
    code_challenge: Option<String>,
    code_challenge_method: Option<String>,
}

impl Auth {
    /// `GET /user`.
    pub(super) fn user(&self, ask: &Ask<'_>) -> Result<Answer> {
        match self.signed_in(ask) {
            Ok((id, _)) => {
                let book = self.book();
                Ok(Answer::json(StatusCode::OK, book.user(&id).ok_or_else(gone)?))
            }
            // A user of the app's own project, whom nobody here has signed up.
            Err(error) if error.code() == "user_not_found" => {
                self.stranger(ask).map(|user| Answer::json(StatusCode::OK, &user)).ok_or(error)
            }
            Err(error) => Err(error),
        }
    }

    /// The user of a token that is taken at its word, as the token describes it.
    fn stranger(&self, ask: &Ask<'_>) -> Option<User> {
        let (claims, verified) = self.gatekeeper.claims(ask.call.bearer()?).ok()?;
        if verified {
            return None;
        }
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let issued = claims.get("iat").and_then(Value::as_u64).unwrap_or_default();
        let map = |name: &str| claims.get(name).and_then(Value::as_object).cloned().unwrap_or_default();
        let mut user = User::new(
            text("sub")?.parse().ok()?,
            text("email").unwrap_or_default().to_owned(),
            Moment(issued * 1_000_000),
        );
        user.phone = text("phone").unwrap_or_default().to_owned();
        user.app_metadata = map("app_metadata");
        user.user_metadata = map("user_metadata");
        user.is_anonymous = claims.get("is_anonymous").and_then(Value::as_bool).unwrap_or(false);
        Some(user)
    }

    /// `PUT /user`.
    pub(super) fn update_user(&self, ask: &Ask<'_>) -> Result<Answer> {
        let (id, session) = self.signed_in(ask)?;
        let update: Update = ask.body()?;
        let challenge = pkce(update.code_challenge.as_deref(), update.code_challenge_method.as_deref())?;
        let email = update.email.as_deref().filter(|email| !email.is_empty()).map(address).transpose()?;
        if update.phone.as_deref().is_some_and(|phone| !phone.is_empty()) {
            return Err(AuthError::bad_request("phone_provider_disabled", "Unsupported phone provider"));
        }
        let password = update.password.as_deref().filter(|password| !password.is_empty());
        if let Some(password) = &update.password {
            self.check_password(password)?;
        }
        if update.app_metadata.is_some() {
            return Err(AuthError::forbidden("not_admin", "Updating app_metadata requires admin privileges"));
        }
        let mut book = self.book();
        let before = book.user(&id).ok_or_else(gone)?;
        if before.is_anonymous && password.is_some() && email.is_none() {
            let message = "Updating password of an anonymous user without an email or phone is not allowed";
            return Err(AuthError::unprocessable("validation_failed", message));
        }
        let email = email.filter(|email| *email != before.email);
        if email.as_ref().is_some_and(|email| book.by_email(email).is_some()) {
            let message = "A user with this email address has already been registered";
            return Err(AuthError::unprocessable("email_exists", message));
        }
        let identity = self.uuid(ask, 1);
        let changed = book.change(&id, |user| {
            if let Some(password) = password {
                if user.password.as_ref().is_some_and(|known| known.is(password)) {
                    let message = "New password should be different from the old password.";
                    return Err(AuthError::unprocessable("same_password", message));
                }
                user.password = Some(Password::new(password, self.seed, &[ask.call.number]));
                user.pending.retain(|token| token.purpose != Purpose::Reauthentication);
            }
            if let Some(data) = update.data {
                User::merge(&mut user.user_metadata, data);
            }
            user.updated_at = ask.now;
            let Some(email) = email else { return Ok(None) };
            if user.is_anonymous && !self.plan.confirm_email {
                user.set_email(email, identity, ask.now);
                user.confirm(ask.now);
                user.is_anonymous = false;
                return Ok(None);
            }
            user.email_change.clone_from(&email);
            let sending = Sending {
                to: Some(&email),
                challenge: challenge.clone(),
                ..Sending::new(Purpose::EmailChange, "email_change")
            };
            Ok(Some(self.send(ask, user, &sending)))
        });
        let flow = changed.ok_or_else(gone)??;
        if let Some(flow) = flow.filter(|_| challenge.is_some()) {
            book.begin_flow(flow);
        }
        if password.is_some() {
            // A new password ends the other sessions.
            book.end_sessions(&id, |other| Some(other.id) != session);
        }
        Ok(Answer::json(StatusCode::OK, book.user(&id).ok_or_else(gone)?))
    }

    /// `POST /logout`.
    pub(super) fn log_out(&self, ask: &Ask<'_>) -> Result<Answer> {
        let (id, session) = self.signed_in(ask)?;
        let scope = ask.query("scope").unwrap_or_else(|| "global".to_owned());
        let mut book = self.book();
        match (scope.as_str(), session) {
            ("global", _) | ("local", None) => book.end_sessions(&id, |_| true),
            ("local", Some(session)) => book.end_sessions(&id, |other| other.id == session),
            ("others", session) => book.end_sessions(&id, |other| Some(other.id) != session),
            _ => return Err(AuthError::invalid(format!("Unsupported logout scope \"{scope}\""))),
        }
        Ok(Answer::empty(StatusCode::NO_CONTENT))
    }
}
