//! [`Subject`]: for whom something is generated.

use crate::target::reference::coordination::Key;
use crate::target::reference::query::Query;

/// What the app takes when no archetype is given.
pub(in crate::target::reference) const DEFAULT_ARCHETYPE: &str = "Foundation Builder";

/// A user with an archetype.
#[derive(Clone, Debug)]
pub(in crate::target::reference) struct Subject {
    pub(in crate::target::reference) user: String,
    pub(in crate::target::reference) archetype: String,
    /// Whether the request named the archetype; if not, freshness is judged by the profile.
    pub(in crate::target::reference) named: bool,
}

impl Subject {
    /// Any text is an archetype; empty or missing means the default.
    pub(in crate::target::reference) fn new(user: &str, archetype: Option<&str>) -> Self {
        let archetype = archetype.filter(|text| !text.is_empty());
        Self {
            user: user.to_owned(),
            archetype: archetype.unwrap_or(DEFAULT_ARCHETYPE).to_owned(),
            named: archetype.is_some(),
        }
    }

    /// Under which the app remembers things.
    pub(in crate::target::reference) fn key(&self) -> Key {
        Key { user: self.user.clone(), archetype: self.archetype.clone() }
    }

    /// The user's and archetype's analysis results, newest first.
    pub(super) fn results(&self, limit: u32) -> Query {
        Query::of("holistic_analysis_results")
            .select("*")
            .eq("user_id", &self.user)
            .eq("archetype", &self.archetype)
            .newest_first()
            .limit(limit)
    }

    /// The tracking row of a kind of analysis.
    pub(super) fn tracking(&self, columns: &str, kind: &str) -> Query {
        Query::of("archetype_analysis_tracking")
            .select(columns)
            .eq("user_id", &self.user)
            .eq("archetype", &self.archetype)
            .eq("analysis_type", kind)
    }
}
