//! [`Mark`]: good, bad or unknown, always as a symbol and a word, never as a colour alone.

use crate::model::verdict::State;

/// How something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// It is broken.
    Bad,
    /// It is well.
    Good,
    /// The measurement cannot tell.
    Unknown,
    /// Nothing measured it.
    Absent,
}

impl Mark {
    /// The mark of a criterion's state.
    pub fn of(state: &State) -> Self {
        match state {
            State::Breached => Self::Bad,
            State::Clear => Self::Good,
            State::NotMeasured(_) => Self::Absent,
            State::Inconclusive(_) => Self::Unknown,
        }
    }

    /// Its symbol.
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Bad => "✗",
            Self::Good => "✓",
            Self::Unknown => "?",
            Self::Absent => "–",
        }
    }

    /// Its class in the style sheet.
    pub const fn class(self) -> &'static str {
        match self {
            Self::Bad => "bad",
            Self::Good => "good",
            Self::Unknown => "unknown",
            Self::Absent => "absent",
        }
    }

    /// Its word for a criterion.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Bad => "breached",
            Self::Good => "clear",
            Self::Unknown => "inconclusive",
            Self::Absent => "not measured",
        }
    }
}
