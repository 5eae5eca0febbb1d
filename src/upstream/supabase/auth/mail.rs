//! [`Mailbox`]: the mails that Auth would have sent, for tests that complete a flow.

use crate::upstream::supabase::moment::Moment;
use serde::Serialize;
use std::collections::VecDeque;

/// Mails that are kept; older ones are forgotten.
const KEPT: usize = 1_000;

/// One mail.
#[derive(Clone, Debug, Serialize)]
pub struct Mail {
    /// The address.
    pub to: String,
    /// What it is for: `signup`, `invite`, `magiclink`, `recovery`, `email_change`, `reauthentication`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The code of six digits to type in.
    pub token: String,
    /// The hash to verify instead of the code.
    pub token_hash: String,
    /// The link to follow.
    pub link: String,
    /// When it was sent.
    pub sent_at: Moment,
}

/// All mails, the newest last.
#[derive(Debug, Default)]
pub struct Mailbox {
    mails: VecDeque<Mail>,
}

impl Mailbox {
    /// Puts a mail into the box.
    pub fn put(&mut self, mail: Mail) {
        if self.mails.len() == KEPT {
            self.mails.pop_front();
        }
        self.mails.push_back(mail);
    }

    /// Every mail.
    pub fn all(&self) -> impl Iterator<Item = &Mail> {
        self.mails.iter()
    }
}
