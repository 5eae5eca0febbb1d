//! What the project's server sends users, or lets itself be given to send: `/invite`, `/admin/generate_link`.

use super::admin::TAKEN;
use super::error::{AuthError, Result};
use super::service::{Ask, Auth, Sending, address};
use super::user::{Purpose, User};
use crate::upstream::answer::Answer;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

impl Auth {
    /// `POST /invite`.
    pub(super) fn invite(&self, ask: &Ask<'_>) -> Result<Answer> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Wish {
            email: Option<String>,
            data: Option<Map<String, Value>>,
        }
        self.admin(ask)?;
        let wish: Wish = ask.body()?;
        let email = address(wish.email.as_deref().unwrap_or_default())?;
        let mut book = self.book();
        let id = match book.by_email(&email) {
            Some(user) if user.is_confirmed() => return Err(AuthError::unprocessable("email_exists", TAKEN)),
            Some(user) => user.id,
            None => {
                let mut user = self.new_user(ask, email, None, wish.data.unwrap_or_default());
                user.password = None;
                user.invited_at = Some(ask.now);
                let id = user.id;
                book.add(user)?;
                id
            }
        };
        let user = self.send_to(ask, &mut book, id, &Sending::new(Purpose::Confirmation, "invite"))?;
        Ok(Answer::json(StatusCode::OK, &user))
    }

    /// `POST /admin/generate_link`.
    pub(super) fn generate_link(&self, ask: &Ask<'_>) -> Result<Answer> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Wish {
            r#type: Option<String>,
            email: Option<String>,
            new_email: Option<String>,
            password: Option<String>,
            data: Option<Map<String, Value>>,
            redirect_to: Option<String>,
        }
        #[derive(Serialize)]
        struct Link<'a> {
            #[serde(flatten)]
            user: &'a User,
            action_link: &'a str,
            email_otp: &'a str,
            hashed_token: &'a str,
            verification_type: &'a str,
            redirect_to: &'a str,
        }
        let wish: Wish = ask.body()?;
        let email = address(wish.email.as_deref().unwrap_or_default())?;
        let redirect = wish.redirect_to.filter(|to| !to.is_empty()).unwrap_or_else(|| self.redirect(ask));
        let kind = wish.r#type.as_deref().unwrap_or_default();
        let new_address;
        let sending = match kind {
            "signup" => Sending::new(Purpose::Confirmation, "signup"),
            "invite" => Sending::new(Purpose::Confirmation, "invite"),
            "magiclink" => Sending::new(Purpose::Recovery, "magiclink"),
            "recovery" => Sending::new(Purpose::Recovery, "recovery"),
            "email_change_current" | "email_change_new" => {
                new_address = address(wish.new_email.as_deref().unwrap_or_default())?;
                let to = if kind == "email_change_new" { Some(new_address.as_str()) } else { None };
                Sending { to, ..Sending::new(Purpose::EmailChange, "email_change") }
            }
            _ => return Err(AuthError::invalid(format!("Invalid email action link type requested: {kind}"))),
        };
        let mut book = self.book();
        let known = book.by_email(&email).map(|user| (user.id, user.is_confirmed()));
        let id = match (known, kind) {
            (Some((_, true)), "signup" | "invite") => return Err(AuthError::unprocessable("email_exists", TAKEN)),
            (Some((id, _)), _) => id,
            (None, "recovery" | "email_change_current" | "email_change_new") => {
                return Err(AuthError::not_found("user_not_found", "User with this email not found"));
            }
            (None, _) => {
                if kind == "signup" {
                    let Some(password) = wish.password.as_deref().filter(|password| !password.is_empty()) else {
                        return Err(AuthError::invalid("Signup requires a valid password"));
                    };
                    self.check_password(password)?;
                }
                let user = self.new_user(ask, email, wish.password.as_deref(), wish.data.unwrap_or_default());
                let id = user.id;
                book.add(user)?;
                id
            }
        };
        let sending = Sending { redirect_to: Some(&redirect), ..sending };
        let change = wish.new_email.as_deref().map(address).transpose()?;
        let made = book.change(&id, |user| {
            if let Some(email) = change.filter(|_| sending.purpose == Purpose::EmailChange) {
                user.email_change = email;
            }
            let mail = self.mail(ask, user, &sending);
            user.expect(sending.purpose, mail.token_hash.clone(), ask.now);
            Ok((mail, user.clone()))
        });
        let (mail, user) = made.ok_or_else(super::service::gone)??;
        Ok(Answer::json(
            StatusCode::OK,
            &Link {
                user: &user,
                action_link: &mail.link,
                email_otp: &mail.token,
                hashed_token: &mail.token_hash,
                verification_type: kind,
                redirect_to: &redirect,
            },
        ))
    }
}
