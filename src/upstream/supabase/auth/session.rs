//! [`Session`]: one sign-in with its chain of refresh tokens, which are recognised without being kept.

use super::error::{AuthError, Result};
use crate::units::Seed;
use std::collections::VecDeque;

/// How long a refresh token that was already used may be used again, in microseconds (Auth's default).
const REUSE_INTERVAL: u64 = 10_000_000;
/// Refresh tokens of a session whose history is kept; older ones were used long ago.
const KEPT: usize = 16;
/// Sessions are numbered with so many bits, the tokens of a session with the rest of [`TOKEN_BITS`].
const SESSION_BITS: u32 = 36;
/// What a refresh token of 12 characters of base32 holds, as Auth's are.
const TOKEN_BITS: u32 = 60;
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// A sign-in.
#[derive(Clone, Debug)]
pub struct Session {
    /// Its id, which access tokens carry as `session_id`.
    pub id: uuid::Uuid,
    /// Whose it is.
    pub user: uuid::Uuid,
    /// How the user signed in (`amr`).
    pub method: &'static str,
    /// When, in microseconds since 1970.
    pub created: u64,
    tokens: VecDeque<RefreshToken>,
    issued: u32,
}

#[derive(Clone, Copy, Debug)]
struct RefreshToken {
    number: u32,
    parent: Option<u32>,
    revoked: bool,
    /// When it was issued or revoked.
    updated: u64,
}

impl Session {
    /// A new session, with its first refresh token.
    pub fn new(id: uuid::Uuid, user: uuid::Uuid, method: &'static str, now: u64) -> Self {
        let mut session = Self { id, user, method, created: now, tokens: VecDeque::with_capacity(2), issued: 0 };
        session.issue(None, now);
        session
    }

    /// The number of the newest token.
    pub fn newest(&self) -> u32 {
        self.issued
    }

    fn issue(&mut self, parent: Option<u32>, now: u64) -> u32 {
        self.issued += 1;
        if self.tokens.len() == KEPT {
            self.tokens.pop_front();
        }
        self.tokens.push_back(RefreshToken { number: self.issued, parent, revoked: false, updated: now });
        self.issued
    }

    /// Exchanges a refresh token for the one to use from now on, by the rules of Auth's source
    /// (`RefreshTokenGrant`): a used token is replaced by its successor if that is still unused, may branch off within
    /// the reuse interval, and afterwards costs the whole family.
    ///
    /// # Errors
    /// `refresh_token_not_found` for a number that was never issued, `refresh_token_already_used`.
    pub fn exchange(&mut self, number: u32, now: u64) -> Result<u32> {
        if number == 0 || number > self.issued {
            return Err(not_found());
        }
        let presented = self.tokens.iter().find(|token| token.number == number).copied();
        match presented {
            Some(token) if !token.revoked => {}
            _ => {
                let active = self.tokens.iter().rev().find(|token| !token.revoked);
                if let Some(active) = active.filter(|active| active.parent == Some(number)) {
                    return Ok(active.number);
                }
                if presented.is_none_or(|token| now > token.updated + REUSE_INTERVAL) {
                    self.revoke(now);
                    let message = "Invalid Refresh Token: Already Used";
                    return Err(AuthError::bad_request("refresh_token_already_used", message));
                }
            }
        }
        if let Some(token) = self.tokens.iter_mut().find(|token| token.number == number) {
            token.revoked = true;
            token.updated = now;
        }
        Ok(self.issue(Some(number), now))
    }

    /// Revokes every token.
    fn revoke(&mut self, now: u64) {
        for token in self.tokens.iter_mut().filter(|token| !token.revoked) {
            token.revoked = true;
            token.updated = now;
        }
    }
}

/// The refusal of a refresh token that nobody knows.
pub fn not_found() -> AuthError {
    AuthError::bad_request("refresh_token_not_found", "Invalid Refresh Token: Refresh Token Not Found")
}

/// Writes refresh tokens and reads them again. A token is the numbers of its session and in it, shuffled by the seed:
/// whatever was issued is recognised at any time without being kept, and what was not is told from it by leading to no
/// session.
#[derive(Clone, Copy, Debug)]
pub struct TokenWriter {
    seed: Seed,
}

impl TokenWriter {
    /// A writer of its own for each seed.
    pub fn new(seed: Seed) -> Self {
        Self { seed: seed.derive("refresh tokens") }
    }

    /// The token of this number in the session of this number.
    pub fn write(&self, session: u64, number: u32) -> String {
        let number = u64::from(number) & ((1 << (TOKEN_BITS - SESSION_BITS)) - 1);
        let mut bits = self.shuffled((session & ((1 << SESSION_BITS) - 1)) << (TOKEN_BITS - SESSION_BITS) | number);
        let mut text = [0; 12];
        for place in text.iter_mut().rev() {
            *place = ALPHABET[(bits & 31) as usize];
            bits >>= 5;
        }
        text.iter().map(|byte| char::from(*byte)).collect()
    }

    /// The session's number and the token's in it, if the text has the form of a token.
    pub fn read(&self, token: &str) -> Option<(u64, u32)> {
        let digits = token.bytes().map(|byte| ALPHABET.iter().position(|letter| *letter == byte));
        let bits = (token.len() == 12).then(|| digits.map(|digit| digit.map(|digit| digit as u64)))?;
        let bits = self.unshuffled(bits.reduce(|all, digit| Some(all? << 5 | digit?))??);
        let number = bits & ((1 << (TOKEN_BITS - SESSION_BITS)) - 1);
        Some((bits >> (TOKEN_BITS - SESSION_BITS), u32::try_from(number).ok()?))
    }

    /// A Feistel network of four rounds over the two halves.
    fn shuffled(&self, bits: u64) -> u64 {
        (0..4).fold(bits, |bits, round| {
            let (left, right) = halves(bits);
            right << HALF | (left ^ self.round(round, right))
        })
    }

    fn unshuffled(&self, bits: u64) -> u64 {
        (0..4).rev().fold(bits, |bits, round| {
            let (left, right) = halves(bits);
            (right ^ self.round(round, left)) << HALF | left
        })
    }

    fn round(&self, round: u64, half: u64) -> u64 {
        self.seed.draw(&[round, half]) & ((1 << HALF) - 1)
    }
}

const HALF: u32 = TOKEN_BITS / 2;

fn halves(bits: u64) -> (u64, u64) {
    (bits >> HALF, bits & ((1 << HALF) - 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn session() -> Session {
        Session::new(uuid::Uuid::nil(), uuid::Uuid::nil(), "password", 0)
    }

    fn code(result: Result<u32>) -> &'static str {
        result.map_or_else(|error| error.code(), |_| "ok")
    }

    #[test]
    fn tokens_rotate_and_the_parent_of_the_newest_gives_the_newest_again() {
        let mut session = session();
        assert_eq!(session.exchange(1, 1).unwrap(), 2);
        // A client that lost the answer asks again, however late.
        assert_eq!(session.exchange(1, 100 * REUSE_INTERVAL).unwrap(), 2);
        assert_eq!(session.exchange(2, 100 * REUSE_INTERVAL).unwrap(), 3);
    }

    #[test]
    fn an_old_token_branches_within_the_interval_and_costs_the_family_after_it() {
        let mut session = session();
        for number in 1..=3 {
            session.exchange(number, 0).unwrap();
        }
        assert_eq!(session.exchange(1, REUSE_INTERVAL).unwrap(), 5, "within the interval");
        assert_eq!(code(session.exchange(2, REUSE_INTERVAL + 1)), "refresh_token_already_used");
        // All tokens were revoked just now, so that the interval counts for them, too.
        let later = 2 * REUSE_INTERVAL + 2;
        for number in 1..=5 {
            assert_eq!(code(session.exchange(number, later + u64::from(number))), "refresh_token_already_used");
        }
        assert_eq!(code(session.exchange(9, later)), "refresh_token_not_found");
    }

    #[test]
    fn a_token_used_long_ago_is_still_known() {
        let mut session = session();
        for number in 1..=200 {
            session.exchange(number, 0).unwrap();
        }
        assert_eq!(session.tokens.len(), KEPT);
        assert_eq!(code(session.exchange(3, 1)), "refresh_token_already_used");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(seed: u64, session in 0_u64..1 << SESSION_BITS, number in 0_u32..1 << 24) {
            let writer = TokenWriter::new(Seed(seed));
            let token = writer.write(session, number);
            prop_assert_eq!(token.len(), 12);
            prop_assert_eq!(writer.read(&token), Some((session, number)));
        }

        #[test]
        fn any_text_can_be_read(text in "\\PC{0,14}") {
            let _ = TokenWriter::new(Seed(1)).read(&text);
        }
    }
}
