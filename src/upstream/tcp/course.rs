//! [`Course`]: what the toxics of the moment make of one direction of one connection.

use super::shaper::Shaper;
use super::toxics::{Placed, ToxicSet};
use crate::model::toxic::{Direction, ToxicKind};
use std::time::Duration;
use tokio::time::Instant;

/// How a toxic ends a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severance {
    /// An orderly close of both sides.
    Close,
    /// A reset of both sides.
    Reset,
    /// A close of this direction only.
    HalfClose,
}

/// What becomes of bytes that come now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    /// They go on.
    Open,
    /// They wait where they are.
    Held,
    /// They are thrown away.
    Lost,
}

/// A toxic at work on this direction, with what it has seen.
#[derive(Debug)]
struct Active {
    placed: Placed,
    since: Instant,
    passed: u64,
    /// Whether it has done something yet.
    struck: bool,
}

impl Active {
    fn kind(&self) -> ToxicKind {
        self.placed.toxic.kind
    }
}

/// What happens on a direction, to which toxics may do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// Bytes came, or wait to be let in.
    Bytes,
    /// The sender has finished.
    End,
    /// The time of a toxic that ends connections is up.
    Deadline,
}

/// The toxics at work on one direction of a connection, and what follows from them.
#[derive(Debug, Default)]
pub struct Course {
    active: Vec<Active>,
    shaper: Option<Shaper>,
}

impl Course {
    /// Takes over a new set. Toxics that stay keep what they have seen. Says whether the connection can go on: not when
    /// one that threw bytes away was taken off, for what it swallowed is missing.
    pub fn turn(&mut self, set: &ToxicSet, direction: Direction, connection: u64, now: Instant) -> bool {
        let before = std::mem::take(&mut self.active);
        for placed in set.on(direction, connection) {
            let known = before.iter().find(|active| active.placed.is_same(placed));
            let (since, passed, struck) =
                known.map_or((now, 0, false), |active| (active.since, active.passed, active.struck));
            self.active.push(Active { placed: placed.clone(), since, passed, struck });
        }
        let swallowed = before.iter().any(|gone| {
            let lost = match gone.kind() {
                ToxicKind::Timeout { .. } | ToxicKind::ResetPeer { .. } => true,
                ToxicKind::Blackhole { bytes } => gone.passed >= bytes,
                _ => false,
            };
            lost && !self.active.iter().any(|active| active.placed.is_same(&gone.placed))
        });

        let mut shaper = Shaper::default();
        let mut shapes = false;
        for active in &self.active {
            shapes |= shaper.add(&active.placed);
        }
        if let (true, Some(earlier)) = (shapes, &self.shaper) {
            shaper.follow(earlier);
        }
        self.shaper = shapes.then_some(shaper);
        !swallowed && !set.disabled
    }

    /// The toxics that do something for the first time, now that this happens.
    pub fn strike(&mut self, occasion: Occasion) -> impl Iterator<Item = &Placed> {
        self.active.iter_mut().filter_map(move |active| {
            let strikes = match active.kind() {
                ToxicKind::SlowClose { .. } => occasion == Occasion::End,
                // What it does is seen when it is reached: see `admit`.
                ToxicKind::LimitData { bytes }
                | ToxicKind::HalfClose { bytes }
                | ToxicKind::Blackhole { bytes }
                | ToxicKind::ResetAfter { bytes } => active.passed >= bytes && occasion == Occasion::Bytes,
                ToxicKind::Timeout { .. } | ToxicKind::ResetPeer { .. } => true,
                _ => occasion != Occasion::Deadline,
            };
            let first = strikes && !active.struck;
            active.struck |= strikes;
            first.then_some(&active.placed)
        })
    }

    /// Whether a toxic is at work that has not done anything yet.
    pub fn may_strike(&self) -> bool {
        self.active.iter().any(|active| !active.struck)
    }

    /// Whether nothing is at work: bytes may be passed on as they come.
    pub fn is_clear(&self) -> bool {
        self.active.is_empty()
    }

    /// What shapes the bytes, if anything does.
    pub fn shaper(&mut self) -> Option<&mut Shaper> {
        self.shaper.as_mut()
    }

    /// What becomes of bytes that come now.
    pub fn passage(&self) -> Passage {
        let mut passage = Passage::Open;
        for active in &self.active {
            match active.kind() {
                ToxicKind::Timeout { .. } | ToxicKind::ResetPeer { .. } => return Passage::Lost,
                ToxicKind::Blackhole { bytes } if active.passed >= bytes => return Passage::Lost,
                ToxicKind::Partition {} | ToxicKind::Bandwidth { rate: 0 } => passage = Passage::Held,
                _ => {}
            }
        }
        passage
    }

    /// When the connection ends whatever happens, and how.
    pub fn deadline(&self) -> Option<(Instant, Severance)> {
        self.active
            .iter()
            .filter_map(|active| match active.kind() {
                ToxicKind::Timeout { timeout } if timeout > 0 => {
                    Some((active.since + Duration::from_millis(timeout), Severance::Close))
                }
                ToxicKind::ResetPeer { timeout } => {
                    Some((active.since + Duration::from_millis(timeout), Severance::Reset))
                }
                _ => None,
            })
            .min_by_key(|(at, _)| *at)
    }

    /// How many of `length` bytes may pass; fewer where a limit is reached, and then how it ends.
    pub fn admit(&mut self, length: u64) -> (u64, Option<Severance>) {
        let mut admitted = length;
        let mut severance = None;
        for active in &self.active {
            let (limit, end) = match active.kind() {
                ToxicKind::LimitData { bytes } => (bytes, Some(Severance::Close)),
                ToxicKind::HalfClose { bytes } => (bytes, Some(Severance::HalfClose)),
                ToxicKind::ResetAfter { bytes } => (bytes, Some(Severance::Reset)),
                ToxicKind::Blackhole { bytes } => (bytes, None),
                _ => continue,
            };
            let left = limit.saturating_sub(active.passed);
            if left <= admitted {
                admitted = left;
                severance = end.or(severance);
            }
        }
        for active in &mut self.active {
            active.passed += admitted;
        }
        (admitted, severance)
    }

    /// How much later than the peer's the closing comes.
    pub fn close_delay(&self) -> Duration {
        self.active
            .iter()
            .filter_map(|active| match active.kind() {
                ToxicKind::SlowClose { delay } => Some(Duration::from_millis(delay)),
                _ => None,
            })
            .sum()
    }
}
