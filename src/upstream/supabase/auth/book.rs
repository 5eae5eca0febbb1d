//! [`Book`]: all users and sessions of a project, within a stated bound.

use super::error::{AuthError, Result};
use super::session::Session;
use super::user::User;
use std::collections::{BTreeMap, HashMap, VecDeque};
use uuid::Uuid;

/// Users that are kept; beyond, nobody can sign up.
pub const MOST_USERS: usize = 100_000;
/// Bytes of users that are kept, roughly; beyond, nobody can sign up.
pub const MOST_BYTES: usize = 128 << 20;
/// Sessions that are kept; beyond, the oldest end.
pub const MOST_SESSIONS: usize = 200_000;
/// Flows of sign-in by code that are kept; beyond, the oldest are forgotten.
const MOST_FLOWS: usize = 10_000;

/// A sign-in by code (PKCE) that has begun.
#[derive(Clone, Debug)]
pub struct Flow {
    /// Whose.
    pub user: Uuid,
    /// What the code is exchanged for later.
    pub code: String,
    /// The challenge of the client.
    pub challenge: String,
    /// Whether the challenge is hashed (S256) or plain.
    pub hashed: bool,
    /// How the user signs in (`amr`).
    pub method: &'static str,
    /// When it began, in microseconds since 1970.
    pub begun: u64,
}

/// Users and sessions.
#[derive(Debug, Default)]
pub struct Book {
    users: HashMap<Uuid, User>,
    by_email: HashMap<String, Uuid>,
    /// By provider and the id there.
    by_identity: HashMap<(String, String), Uuid>,
    /// By the hash of a one-time token that was sent.
    by_token: HashMap<String, Uuid>,
    /// In the order of sign-up; several may have the same moment.
    by_age: BTreeMap<(u64, Uuid), ()>,
    bytes: usize,
    sessions: HashMap<u64, Session>,
    session_numbers: HashMap<Uuid, u64>,
    /// In the order of sign-in, also of sessions that have ended since.
    session_order: VecDeque<u64>,
    sessions_of: HashMap<Uuid, Vec<u64>>,
    flows: VecDeque<Flow>,
}

impl Book {
    /// A user.
    pub fn user(&self, id: &Uuid) -> Option<&User> {
        self.users.get(id)
    }

    /// The user with this address, in lower case.
    pub fn by_email(&self, email: &str) -> Option<&User> {
        self.users.get(self.by_email.get(email)?)
    }

    /// The user with an identity at a provider.
    pub fn by_identity(&self, provider: &str, subject: &str) -> Option<&User> {
        self.users.get(self.by_identity.get(&(provider.to_owned(), subject.to_owned()))?)
    }

    /// The user to whom a one-time token was sent, by its hash.
    pub fn by_token(&self, hash: &str) -> Option<&User> {
        self.users.get(self.by_token.get(hash)?)
    }

    /// All users, the newest first.
    pub fn newest_first(&self) -> impl Iterator<Item = &User> {
        self.by_age.keys().rev().filter_map(|(_, id)| self.users.get(id))
    }

    /// How many users there are.
    pub fn users(&self) -> usize {
        self.users.len()
    }

    /// How many sessions there are.
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// Adds a user.
    ///
    /// # Errors
    /// `unexpected_failure` when there is no room.
    pub fn add(&mut self, user: User) -> Result<()> {
        let size = user.size();
        if self.users.len() >= MOST_USERS || self.bytes + size > MOST_BYTES {
            return Err(full());
        }
        self.bytes += size;
        self.by_age.insert((user.created_at.0, user.id), ());
        self.index(&user);
        self.users.insert(user.id, user);
        Ok(())
    }

    /// Changes a user; `None` if there is none with this id.
    ///
    /// # Errors
    /// Those of the change, and `unexpected_failure` when there is no room: the user is then as before.
    pub fn change<T>(&mut self, id: &Uuid, change: impl FnOnce(&mut User) -> Result<T>) -> Option<Result<T>> {
        let user = self.users.get_mut(id)?;
        let before = user.clone();
        let result = change(user);
        let (old, new) = (before.size(), user.size());
        if result.is_err() || (new > old && self.bytes + new - old > MOST_BYTES) {
            *user = before;
            return Some(result.and_then(|_| Err(full())));
        }
        self.bytes = self.bytes + new - old;
        let after = user.clone();
        self.unindex(&before);
        self.index(&after);
        Some(result)
    }

    /// Removes a user with all sessions.
    pub fn remove(&mut self, id: &Uuid) -> Option<User> {
        self.end_sessions(id, |_| true);
        let user = self.users.remove(id)?;
        self.bytes -= user.size();
        self.unindex(&user);
        self.by_age.remove(&(user.created_at.0, user.id));
        Some(user)
    }

    fn index(&mut self, user: &User) {
        if !user.email.is_empty() {
            self.by_email.insert(user.email.clone(), user.id);
        }
        for identity in &user.identities {
            self.by_identity.insert((identity.provider.clone(), identity.id.clone()), user.id);
        }
        for token in &user.pending {
            self.by_token.insert(token.hash.clone(), user.id);
        }
    }

    fn unindex(&mut self, user: &User) {
        self.by_email.remove(&user.email);
        for identity in &user.identities {
            self.by_identity.remove(&(identity.provider.clone(), identity.id.clone()));
        }
        for token in &user.pending {
            self.by_token.remove(&token.hash);
        }
    }

    /// A session by its number.
    pub fn session_mut(&mut self, number: u64) -> Option<&mut Session> {
        self.sessions.get_mut(&number)
    }

    /// Whether there is a session of this id.
    pub fn has_session(&self, id: &Uuid) -> bool {
        self.session_numbers.contains_key(id)
    }

    /// Begins a session; whether an old one had to end for it.
    pub fn begin(&mut self, number: u64, session: Session) -> bool {
        let mut ended = false;
        while self.sessions.len() >= MOST_SESSIONS {
            let Some(oldest) = self.session_order.pop_front() else { break };
            ended |= self.end(oldest);
        }
        // Sessions that ended by themselves leave their number behind; there are never more of those than of others.
        if self.session_order.len() >= 2 * MOST_SESSIONS {
            self.session_order.retain(|number| self.sessions.contains_key(number));
        }
        self.session_order.push_back(number);
        self.session_numbers.insert(session.id, number);
        self.sessions_of.entry(session.user).or_default().push(number);
        self.sessions.insert(number, session);
        ended
    }

    fn end(&mut self, number: u64) -> bool {
        let Some(session) = self.sessions.remove(&number) else { return false };
        self.session_numbers.remove(&session.id);
        if let Some(all) = self.sessions_of.get_mut(&session.user) {
            all.retain(|other| *other != number);
            if all.is_empty() {
                self.sessions_of.remove(&session.user);
            }
        }
        true
    }

    /// Ends those sessions of a user that `which` names.
    pub fn end_sessions(&mut self, user: &Uuid, which: impl Fn(&Session) -> bool) {
        let numbers = self.sessions_of.get(user).cloned().unwrap_or_default();
        for number in numbers {
            if self.sessions.get(&number).is_some_and(&which) {
                self.end(number);
            }
        }
    }

    /// Begins a sign-in by code.
    pub fn begin_flow(&mut self, flow: Flow) {
        if self.flows.len() == MOST_FLOWS {
            self.flows.pop_front();
        }
        self.flows.push_back(flow);
    }

    /// The latest sign-in by code of a user.
    pub fn flow_of(&self, user: &Uuid) -> Option<&Flow> {
        self.flows.iter().rev().find(|flow| flow.user == *user)
    }

    /// The sign-in with this code.
    pub fn flow(&self, code: &str) -> Option<&Flow> {
        self.flows.iter().find(|flow| flow.code == code)
    }

    /// Ends the sign-in with this code.
    pub fn end_flow(&mut self, code: &str) {
        self.flows.retain(|flow| flow.code != code);
    }
}

fn full() -> AuthError {
    let message = "Database error saving new user";
    AuthError::new(http::StatusCode::INTERNAL_SERVER_ERROR, "unexpected_failure", message)
}
