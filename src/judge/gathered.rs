//! [`Gathered`]: what a measure saw, and how that becomes a criterion's state.

use crate::model::verdict::{Figure, Finding, Origin, State};

/// A breach with what the verdict's sentence needs of it.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub finding: Finding,
    pub story: Story,
    /// When, in words.
    pub when: String,
}

/// A finding in the short words of the verdict's sentence.
#[derive(Clone, Debug)]
pub(super) enum Story {
    /// Something that should succeed does not; several of one criterion are told together.
    Broken { subject: String, ok: u64, tries: u64, plain_ok: u64 },
    /// Anything else.
    Said(String),
}

/// What looks like a breach, but on too little evidence to say so.
#[derive(Clone, Debug)]
pub(super) struct Suspicion {
    pub origin: Origin,
    pub text: String,
}

/// What a measure saw.
#[derive(Clone, Debug, Default)]
pub(super) struct Gathered {
    pub found: Vec<Found>,
    pub suspicions: Vec<Suspicion>,
    /// Parts that could not be measured, in words; without any finding they keep the criterion from being clear.
    pub gaps: Vec<String>,
    pub closest: Option<(f64, Figure)>,
    pub windows: u64,
    pub samples: u64,
    /// For the verdict's notes.
    pub notes: Vec<String>,
    /// Nothing measured it at all, for this reason.
    pub unmeasured: Option<String>,
}

impl Gathered {
    /// Nothing measured it.
    pub(super) fn not_measured(why: impl Into<String>) -> Self {
        Self { unmeasured: Some(why.into()), ..Self::default() }
    }

    /// Keeps the figure with the highest `risk`.
    pub(super) fn consider(&mut self, risk: f64, figure: Figure) {
        if self.closest.as_ref().is_none_or(|(highest, _)| risk > *highest) {
            self.closest = Some((risk, figure));
        }
    }

    /// The state that follows. Nothing seen is never clear.
    pub(super) fn state(&self) -> State {
        if !self.found.is_empty() {
            return State::Breached;
        }
        if let Some(suspicion) = self.suspicions.first() {
            return State::Inconclusive(suspicion.text.clone());
        }
        if let Some(why) = &self.unmeasured {
            return State::NotMeasured(why.clone());
        }
        if !self.gaps.is_empty() {
            return State::Inconclusive(self.gaps.join("; "));
        }
        if self.windows == 0 {
            return State::Inconclusive("no window had enough samples".to_owned());
        }
        State::Clear
    }
}
