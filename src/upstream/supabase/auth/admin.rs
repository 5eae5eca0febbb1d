//! What the project's server may do with users: `/admin/users`.

use super::error::{AuthError, Result};
use super::secret::Password;
use super::service::{Ask, Auth, address};
use super::user::User;
use crate::upstream::answer::Answer;
use crate::upstream::supabase::moment::Moment;
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// The words for an address that another user has.
pub(super) const TAKEN: &str = "A user with this email address has already been registered";
/// Users on a page, if the request does not say.
const PER_PAGE: u64 = 50;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Params {
    id: Option<String>,
    role: Option<String>,
    email: Option<String>,
    phone: Option<String>,
    password: Option<String>,
    password_hash: Option<String>,
    email_confirm: Option<bool>,
    user_metadata: Option<Map<String, Value>>,
    app_metadata: Option<Map<String, Value>>,
    ban_duration: Option<String>,
}

impl Params {
    fn email(&self) -> Result<Option<String>> {
        self.email.as_deref().filter(|email| !email.is_empty()).map(address).transpose()
    }

    fn password(&self) -> Option<&str> {
        self.password.as_deref().filter(|password| !password.is_empty())
    }

    /// Until when the user is banned: `Some(None)` lifts a ban.
    fn ban(&self, now: Moment) -> Result<Option<Option<Moment>>> {
        match self.ban_duration.as_deref() {
            None | Some("") => Ok(None),
            Some("none") => Ok(Some(None)),
            Some(text) => {
                let micros = go_duration(text).ok_or_else(|| {
                    let message = format!("invalid format for ban duration: time: invalid duration {text:?}");
                    AuthError::invalid(message)
                })?;
                Ok(Some(Some(Moment(now.0.saturating_add(micros)))))
            }
        }
    }
}

/// A duration as Go writes it (`24h`, `1h30m`, `300ms`), in microseconds.
fn go_duration(text: &str) -> Option<u64> {
    let mut rest = text.trim_start_matches('+');
    let mut micros = 0.0_f64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        micros += number
            * match &rest[..end] {
                "h" => 3.6e9,
                "m" => 6e7,
                "s" => 1e6,
                "ms" => 1e3,
                "us" | "µs" => 1.0,
                "ns" => 1e-3,
                _ => return None,
            };
        rest = &rest[end..];
    }
    // Beyond what a Go duration holds (292 years) the real service refuses.
    (!text.is_empty() && micros <= 9.2e15).then_some(micros as u64)
}

impl Auth {
    /// Everything below `/admin/`.
    pub(super) fn administer(&self, ask: &Ask<'_>, path: &str) -> Result<Option<Answer>> {
        self.admin(ask)?;
        let answer = match (ask.call.method, path) {
            (&Method::GET, "users") => self.list_users(ask)?,
            (&Method::POST, "users") => self.create_user(ask)?,
            (&Method::POST, "generate_link") => self.generate_link(ask)?,
            (method, path) => {
                let Some(path) = path.strip_prefix("users/") else { return Ok(None) };
                let (id, rest) = path.split_once('/').unwrap_or((path, ""));
                let id: Uuid =
                    id.parse().map_err(|_| AuthError::not_found("validation_failed", "user_id must be an UUID"))?;
                if self.book().user(&id).is_none() {
                    return Err(AuthError::not_found("user_not_found", "User not found"));
                }
                match (method, rest) {
                    (&Method::GET, "") => self.one(&id)?,
                    (&Method::PUT, "") => self.change_user(ask, &id)?,
                    (&Method::DELETE, "") => self.delete_user(ask, &id)?,
                    // Second factors cannot be enrolled here, so that nobody has any.
                    (&Method::GET, "factors") => Answer::json(StatusCode::OK, &json!([])),
                    _ => return Ok(None),
                }
            }
        };
        Ok(Some(answer))
    }

    fn one(&self, id: &Uuid) -> Result<Answer> {
        let book = self.book();
        let user = book.user(id).ok_or_else(|| AuthError::not_found("user_not_found", "User not found"))?;
        Ok(Answer::json(StatusCode::OK, user))
    }

    fn list_users(&self, ask: &Ask<'_>) -> Result<Answer> {
        #[derive(Serialize)]
        struct List<'a> {
            users: Vec<&'a User>,
            aud: &'static str,
        }
        let number = |name: &str, default: u64| match ask.query(name) {
            None => Ok(default),
            Some(text) => text.parse::<u64>().map_err(|_| {
                let message = format!("Bad Pagination Parameters: strconv.ParseUint: parsing {text:?}: invalid syntax");
                AuthError::invalid(message)
            }),
        };
        let (page, per_page) = (number("page", 1)?.max(1), number("per_page", PER_PAGE)?);
        let filter = ask.query("filter");
        let fits = |user: &&User| filter.as_deref().is_none_or(|filter| user.email.contains(filter));
        let book = self.book();
        let total = if filter.is_none() { book.users() } else { book.newest_first().filter(fits).count() };
        let skipped = usize::try_from((page - 1).saturating_mul(per_page)).unwrap_or(usize::MAX);
        let taken = usize::try_from(per_page).unwrap_or(usize::MAX);
        let users = book.newest_first().filter(fits).skip(skipped).take(taken).collect();
        let answer = Answer::json(StatusCode::OK, &List { users, aud: "authenticated" });
        let pages = if per_page == 0 { 0 } else { (total as u64).div_ceil(per_page) };
        let link = |page: u64, name: &str| {
            let mut pairs: Vec<(String, String)> = url::form_urlencoded::parse(ask.call.query.as_bytes())
                .into_owned()
                .filter(|(name, _)| name != "page")
                .collect();
            pairs.push(("page".to_owned(), page.to_string()));
            pairs.sort();
            let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
            format!("</admin/users?{query}>; rel=\"{name}\"")
        };
        let mut links = Vec::new();
        if pages > page {
            links.push(link(page + 1, "next"));
        }
        links.push(link(pages, "last"));
        Ok(answer.with("x-total-count", &total.to_string()).with("link", &links.join(", ")))
    }

    fn create_user(&self, ask: &Ask<'_>) -> Result<Answer> {
        let params: Params = ask.body()?;
        let email = params.email()?;
        let Some(email) = email else {
            return Err(match params.phone.as_deref() {
                None | Some("") => AuthError::invalid("Cannot create a user without either an email or phone"),
                // Phone numbers are off, as in a project that has no sender of messages.
                Some(_) => AuthError::bad_request("phone_provider_disabled", "Phone signups are disabled"),
            });
        };
        if params.password.is_some() && params.password_hash.as_deref().is_some_and(|hash| !hash.is_empty()) {
            return Err(AuthError::invalid("Only a password or a password hash should be provided"));
        }
        if let Some(password) = params.password() {
            self.check_password(password)?;
        }
        let id = match params.id.as_deref().filter(|id| !id.is_empty()) {
            None => self.uuid(ask, 0),
            Some(id) => match id.parse::<Uuid>() {
                Err(_) => return Err(AuthError::invalid("ID must conform to the uuid v4 format")),
                Ok(id) if id.is_nil() => return Err(AuthError::invalid("ID cannot be a nil uuid")),
                Ok(id) => id,
            },
        };
        let ban = params.ban(ask.now)?;
        let mut user = User::new(id, email, ask.now);
        user.user_metadata = params.user_metadata.clone().unwrap_or_default();
        let told = user.user_metadata.clone();
        user.add_email_identity(self.uuid(ask, 1), &Map::new(), ask.now);
        // Unlike at a sign-up, what the identity holds does not go into the metadata.
        user.user_metadata = told;
        user.password = Some(match params.password() {
            Some(password) => Password::new(password, self.seed, &[ask.call.number]),
            None => self.unknown_password(ask),
        });
        if let Some(role) = params.role.filter(|role| !role.is_empty()) {
            user.role = role;
        }
        User::merge(&mut user.app_metadata, params.app_metadata.unwrap_or_default());
        if params.email_confirm == Some(true) {
            user.confirm(ask.now);
        }
        user.banned_until = ban.flatten();
        let mut book = self.book();
        if book.by_email(&user.email).is_some() {
            return Err(AuthError::unprocessable("email_exists", TAKEN));
        }
        if book.user(&id).is_some() {
            let message = "Database error creating new user";
            return Err(AuthError::new(StatusCode::INTERNAL_SERVER_ERROR, "unexpected_failure", message));
        }
        let answer = Answer::json(StatusCode::OK, &user);
        book.add(user)?;
        let warning = params.password_hash.filter(|hash| !hash.is_empty()).map(|_| {
            "the Supabase mock cannot read password hashes: the user made with one has to recover the password"
                .to_owned()
        });
        Ok(answer.warned(warning))
    }

    fn change_user(&self, ask: &Ask<'_>, id: &Uuid) -> Result<Answer> {
        let params: Params = ask.body()?;
        let email = params.email()?;
        let ban = params.ban(ask.now)?;
        if let Some(password) = params.password() {
            self.check_password(password)?;
        }
        let mut book = self.book();
        if email.as_ref().is_some_and(|email| book.by_email(email).is_some_and(|other| other.id != *id)) {
            return Err(AuthError::unprocessable("email_exists", TAKEN));
        }
        let identity = self.uuid(ask, 1);
        let changed = book.change(id, |user| {
            if let Some(role) = params.role.clone().filter(|role| !role.is_empty()) {
                user.role = role;
            }
            if params.email_confirm == Some(true) {
                user.confirm(ask.now);
            }
            if let Some(password) = params.password() {
                user.password = Some(Password::new(password, self.seed, &[ask.call.number]));
            }
            if let Some(email) = email {
                user.set_email(email, identity, ask.now);
                user.is_anonymous &= params.email_confirm != Some(true);
                user.pending.clear();
            }
            User::merge(&mut user.app_metadata, params.app_metadata.clone().unwrap_or_default());
            User::merge(&mut user.user_metadata, params.user_metadata.clone().unwrap_or_default());
            if let Some(until) = ban {
                user.banned_until = until;
            }
            user.updated_at = ask.now;
            Ok(user.clone())
        });
        let user = changed.ok_or_else(|| AuthError::not_found("user_not_found", "User not found"))??;
        if params.password().is_some() {
            book.end_sessions(id, |_| true);
        }
        Ok(Answer::json(StatusCode::OK, &user))
    }

    fn delete_user(&self, ask: &Ask<'_>, id: &Uuid) -> Result<Answer> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Wish {
            should_soft_delete: Option<bool>,
        }
        let wish = if ask.call.body.is_empty() { Wish::default() } else { ask.body()? };
        let mut book = self.book();
        if wish.should_soft_delete == Some(true) {
            book.end_sessions(id, |_| true);
            let deleted = book.change(id, |user| {
                user.deleted_at = Some(ask.now);
                user.email = String::new();
                user.password = None;
                user.identities.clear();
                user.user_metadata.clear();
                user.app_metadata.clear();
                user.pending.clear();
                Ok(())
            });
            deleted.unwrap_or(Ok(()))?;
        } else {
            book.remove(id);
        }
        Ok(Answer::json(StatusCode::OK, &json!({})))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_are_read_as_go_reads_them() {
        assert_eq!(go_duration("24h"), Some(86_400_000_000));
        assert_eq!(go_duration("1h30m"), Some(5_400_000_000));
        assert_eq!(go_duration("1.5s"), Some(1_500_000));
        for wrong in ["", "24", "h", "1 h", "1d", "-1h", "9999999h9"] {
            assert_eq!(go_duration(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_duration_or_not(text in "[0-9hms.µn \\PC]{0,12}") {
            let _ = go_duration(&text);
        }
    }
}
