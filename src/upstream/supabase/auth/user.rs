//! [`User`]: a row of `auth.users` with its identities, in the form in which Auth answers it.

use super::secret::Password;
use crate::upstream::supabase::moment::Moment;
use serde::Serialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// A user. The order of the fields and which are left out when empty are those of Auth's source (`models.User`).
#[derive(Clone, Debug, Serialize)]
pub struct User {
    /// The id, `auth.uid()` in a policy.
    pub id: Uuid,
    /// Whom the user's tokens are for.
    pub aud: String,
    /// The database role of the user's tokens.
    pub role: String,
    /// The address; empty for an anonymous user.
    pub email: String,
    /// The password, if there is one.
    #[serde(skip)]
    pub password: Option<Password>,
    /// When the address was confirmed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email_confirmed_at: Option<Moment>,
    /// When the user was invited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invited_at: Option<Moment>,
    /// The phone number.
    pub phone: String,
    /// When the confirmation was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confirmation_sent_at: Option<Moment>,
    /// As `email_confirmed_at`, for older clients.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confirmed_at: Option<Moment>,
    /// When a way back in was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery_sent_at: Option<Moment>,
    /// The address that is to replace the present one.
    #[serde(skip_serializing_if = "String::is_empty", rename = "new_email")]
    pub email_change: String,
    /// When that was sent for confirmation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email_change_sent_at: Option<Moment>,
    /// When the user last signed in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_sign_in_at: Option<Moment>,
    /// What only the project's server may change.
    pub app_metadata: Map<String, Value>,
    /// What the user may change.
    pub user_metadata: Map<String, Value>,
    /// The ways in which the user may sign in.
    pub identities: Vec<UserIdentity>,
    /// When the user signed up.
    pub created_at: Moment,
    /// When the user last changed.
    pub updated_at: Moment,
    /// Until when the user may not sign in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub banned_until: Option<Moment>,
    /// When the user was deleted, keeping the row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Moment>,
    /// Whether the user never told who it is.
    pub is_anonymous: bool,
    /// Tokens that were sent and not used yet.
    #[serde(skip)]
    pub pending: Vec<OneTimeToken>,
}

/// A way of signing in.
#[derive(Clone, Debug, Serialize)]
pub struct UserIdentity {
    /// Its id.
    pub identity_id: Uuid,
    /// The user's id at the provider.
    pub id: String,
    /// Whose it is.
    pub user_id: Uuid,
    /// What the provider told.
    pub identity_data: Map<String, Value>,
    /// The provider: `email`, `google`.
    pub provider: String,
    /// When it was last used.
    pub last_sign_in_at: Moment,
    /// When it was first used.
    pub created_at: Moment,
    /// When it last changed.
    pub updated_at: Moment,
    /// The address that the provider told.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub email: String,
}

/// What a one-time token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Confirming an address: sign-up and invitation.
    Confirmation,
    /// Getting in without a password: recovery and magic link.
    Recovery,
    /// Confirming a new address.
    EmailChange,
    /// Showing again who one is, before a change of password.
    Reauthentication,
}

/// A token that was sent by mail.
#[derive(Clone, Debug)]
pub struct OneTimeToken {
    /// What it is for.
    pub purpose: Purpose,
    /// The hash by which it is known, with `pkce_` before it in that flow.
    pub hash: String,
    /// When it was sent.
    pub sent: Moment,
}

impl User {
    /// A new user, with nothing confirmed.
    pub fn new(id: Uuid, email: String, now: Moment) -> Self {
        Self {
            id,
            aud: "authenticated".to_owned(),
            role: "authenticated".to_owned(),
            email,
            password: None,
            email_confirmed_at: None,
            invited_at: None,
            phone: String::new(),
            confirmation_sent_at: None,
            confirmed_at: None,
            recovery_sent_at: None,
            email_change: String::new(),
            email_change_sent_at: None,
            last_sign_in_at: None,
            app_metadata: Map::new(),
            user_metadata: Map::new(),
            identities: Vec::new(),
            created_at: now,
            updated_at: now,
            banned_until: None,
            deleted_at: None,
            is_anonymous: false,
            pending: Vec::new(),
        }
    }

    /// Whether the address is confirmed.
    pub fn is_confirmed(&self) -> bool {
        self.email_confirmed_at.is_some()
    }

    /// Whether the user is banned at `now`.
    pub fn is_banned(&self, now: Moment) -> bool {
        self.banned_until.is_some_and(|until| until > now)
    }

    /// Confirms the address.
    pub fn confirm(&mut self, now: Moment) {
        self.pending.retain(|token| token.purpose != Purpose::Confirmation);
        self.email_confirmed_at.get_or_insert(now);
        self.confirmed_at = self.email_confirmed_at;
        self.user_metadata.insert("email_verified".to_owned(), true.into());
        self.updated_at = now;
    }

    /// Adds an identity of a provider, whose data become the user's, too.
    pub fn add_identity(&mut self, id: Uuid, provider: &str, subject: &str, data: Map<String, Value>, now: Moment) {
        for (key, value) in &data {
            self.user_metadata.insert(key.clone(), value.clone());
        }
        let email = data.get("email").and_then(Value::as_str).unwrap_or_default().to_owned();
        self.identities.push(UserIdentity {
            identity_id: id,
            id: subject.to_owned(),
            user_id: self.id,
            identity_data: data,
            provider: provider.to_owned(),
            last_sign_in_at: now,
            created_at: now,
            updated_at: now,
            email,
        });
        self.tell_providers();
    }

    /// Adds the identity of an address and a password.
    pub fn add_email_identity(&mut self, id: Uuid, data: &Map<String, Value>, now: Moment) {
        let subject = self.id.to_string();
        let mut told = data.clone();
        told.insert("sub".to_owned(), subject.clone().into());
        told.insert("email".to_owned(), self.email.clone().into());
        told.insert("email_verified".to_owned(), false.into());
        told.insert("phone_verified".to_owned(), false.into());
        self.add_identity(id, "email", &subject, told, now);
    }

    /// Gives the user another address, also in the identity of addresses.
    pub fn set_email(&mut self, email: String, id: Uuid, now: Moment) {
        self.email = email;
        self.updated_at = now;
        let Some(identity) = self.identities.iter_mut().find(|identity| identity.provider == "email") else {
            self.add_email_identity(id, &Map::new(), now);
            return;
        };
        identity.email.clone_from(&self.email);
        identity.identity_data.insert("email".to_owned(), self.email.clone().into());
        identity.updated_at = now;
        if self.user_metadata.contains_key("email") {
            self.user_metadata.insert("email".to_owned(), self.email.clone().into());
        }
    }

    /// Merges what a client sends into metadata; `null` takes a key away.
    pub fn merge(into: &mut Map<String, Value>, changes: Map<String, Value>) {
        for (key, value) in changes {
            if value.is_null() {
                into.remove(&key);
            } else {
                into.insert(key, value);
            }
        }
    }

    /// Keeps a token that is sent now, in place of the one of its purpose.
    pub fn expect(&mut self, purpose: Purpose, hash: String, now: Moment) {
        self.pending.retain(|token| token.purpose != purpose);
        self.pending.push(OneTimeToken { purpose, hash, sent: now });
        match purpose {
            Purpose::Confirmation => self.confirmation_sent_at = Some(now),
            Purpose::Recovery => self.recovery_sent_at = Some(now),
            Purpose::EmailChange => self.email_change_sent_at = Some(now),
            Purpose::Reauthentication => {}
        }
    }

    fn tell_providers(&mut self) {
        let providers: Vec<&str> = self.identities.iter().map(|identity| identity.provider.as_str()).collect();
        if let Some(first) = providers.first() {
            self.app_metadata.entry("provider").or_insert_with(|| json!(first));
            self.app_metadata.insert("providers".to_owned(), json!(providers));
        }
    }

    /// Bytes that the user takes, roughly.
    pub fn size(&self) -> usize {
        let metadata =
            |map: &Map<String, Value>| map.iter().map(|(key, value)| key.len() + weight(value)).sum::<usize>();
        let identities: usize =
            self.identities.iter().map(|identity| 200 + metadata(&identity.identity_data) + identity.id.len()).sum();
        600 + 2 * self.email.len() + metadata(&self.app_metadata) + metadata(&self.user_metadata) + identities
    }
}

/// Bytes that a value takes, roughly. Bodies are read with a bound on their depth.
fn weight(value: &Value) -> usize {
    32 + match value {
        Value::String(text) => text.len(),
        Value::Array(all) => all.iter().map(weight).sum(),
        Value::Object(all) => all.iter().map(|(key, value)| 32 + key.len() + weight(value)).sum(),
        _ => 0,
    }
}
