//! Which handler answers which path of Auth.

use super::error::{AuthError, Result};
use super::service::{Ask, Auth};
use crate::upstream::answer::{Answer, Call};
use http::{Method, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};

/// The version that `/health` tells.
const VERSION: &str = "v2.189.0";

/// What the gateway lets through without a key (kong.yml of the CLI).
const OPEN: [&str; 5] = ["verify", "callback", "authorize", ".well-known/jwks.json", "sso/saml/acs"];

/// The providers of Auth that people sign in with; all off but the address.
const PROVIDERS: [&str; 22] = [
    "apple",
    "azure",
    "bitbucket",
    "discord",
    "facebook",
    "figma",
    "fly",
    "github",
    "gitlab",
    "google",
    "kakao",
    "keycloak",
    "linkedin",
    "linkedin_oidc",
    "notion",
    "slack",
    "slack_oidc",
    "spotify",
    "twitch",
    "twitter",
    "workos",
    "zoom",
];

impl Auth {
    /// Whether a path below `/auth/v1/` needs no key.
    pub fn is_open(path: &str) -> bool {
        OPEN.contains(&path)
    }

    /// The answer to a request with this API key at `path` below `/auth/v1/`.
    pub fn answer(&self, path: &str, call: &Call<'_>, key: &str) -> Answer {
        let ask = Ask { call, key, now: self.now() };
        match self.route(&ask, path.trim_end_matches('/')) {
            Ok(Some(answer)) => answer,
            // The words of Go's own HTTP server.
            Ok(None) => Answer::text(StatusCode::NOT_FOUND, "text/plain; charset=utf-8", "404 page not found\n"),
            Err(error) => error.answer(call),
        }
    }

    fn route(&self, ask: &Ask<'_>, path: &str) -> Result<Option<Answer>> {
        let get = *ask.call.method == Method::GET || *ask.call.method == Method::HEAD;
        let post = *ask.call.method == Method::POST;
        let answer = match path {
            "user" if get => self.user(ask)?,
            "user" if *ask.call.method == Method::PUT => self.update_user(ask)?,
            "token" if post => self.token(ask)?,
            "signup" if post => self.sign_up(ask)?,
            "logout" if post => self.log_out(ask)?,
            "otp" | "magiclink" if post => self.one_time_password(ask)?,
            "recover" if post => self.recover(ask)?,
            "resend" if post => self.resend(ask)?,
            "verify" if post => self.verify(ask)?,
            "verify" if get => self.follow(ask)?,
            "reauthenticate" if get => self.reauthenticate(ask)?,
            "invite" if post => self.invite(ask)?,
            "health" if get => health(),
            "settings" if get => self.settings(),
            ".well-known/jwks.json" if get => self.published(),
            "authorize" if get => {
                return Err(AuthError::invalid("Unsupported provider: provider is not enabled"));
            }
            "factors" if post => {
                self.signed_in(ask)?;
                let message = "MFA enroll is disabled for TOTP";
                return Err(AuthError::unprocessable("mfa_totp_enroll_not_enabled", message));
            }
            "sso" if post => {
                return Err(AuthError::unprocessable("saml_provider_disabled", "SAML 2.0 is disabled"));
            }
            path if path.starts_with("user/identities") => {
                self.signed_in(ask)?;
                let message = "Manual linking is disabled";
                return Err(AuthError::not_found("manual_linking_disabled", message));
            }
            path => match path.strip_prefix("admin/") {
                Some(path) => return self.administer(ask, path),
                None => return Ok(None),
            },
        };
        Ok(Some(answer))
    }

    fn settings(&self) -> Answer {
        let mut external: serde_json::Map<String, Value> =
            PROVIDERS.iter().map(|name| ((*name).to_owned(), Value::Bool(false))).collect();
        for name in &self.plan.id_token_providers {
            external.insert(name.clone(), true.into());
        }
        external.insert("email".to_owned(), true.into());
        external.insert("phone".to_owned(), false.into());
        external.insert("anonymous_users".to_owned(), self.plan.anonymous_sign_ins.into());
        let body = json!({
            "external": external, "disable_signup": self.plan.disable_signup,
            "mailer_autoconfirm": !self.plan.confirm_email, "phone_autoconfirm": false, "sms_provider": "",
            "saml_enabled": false,
        });
        Answer::json(StatusCode::OK, &body)
    }

    fn published(&self) -> Answer {
        let keys = self.gatekeeper.keys().published().into_iter().map(|key| {
            let mut key = serde_json::to_value(key).unwrap_or_default();
            if let Some(key) = key.as_object_mut() {
                key.insert("key_ops".to_owned(), json!(["verify"]));
                key.insert("ext".to_owned(), true.into());
            }
            key
        });
        Answer::json(StatusCode::OK, &json!({ "keys": keys.collect::<Vec<_>>() }))
            .with("cache-control", "public, max-age=600")
    }

    /// The mails that would have been sent, the newest last.
    pub fn mails(&self) -> Value {
        json!({ "mails": self.mailbox().all().collect::<Vec<_>>() })
    }

    /// What Auth holds, for people who look.
    pub fn state(&self) -> Value {
        let book = self.book();
        json!({ "users": book.users(), "sessions": book.sessions() })
    }
}

fn health() -> Answer {
    #[derive(Serialize)]
    struct Health {
        version: &'static str,
        name: &'static str,
        description: &'static str,
    }
    let description = "GoTrue is a user registration and authentication API";
    Answer::json(StatusCode::OK, &Health { version: VERSION, name: "GoTrue", description })
}
