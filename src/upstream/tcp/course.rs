//! [`Course`]: what the toxics of the moment make of one direction of one connection.

use super::shaper::Shaper;
use super::toxics::ToxicSet;
use crate::model::toxic::{Direction, Toxic, ToxicKind};
use std::sync::Arc;
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
    toxic: Arc<Toxic>,
    since: Instant,
    passed: u64,
}

/// The toxics at work on one direction of a connection, and what follows from them.
#[derive(Debug, Default)]
pub struct Course {
    active: Vec<Active>,
    shaper: Option<Shaper>,
}

impl Course {
    /// Takes over a new set. Toxics that stay keep what they have seen. Says which came, and whether one that threw
    /// bytes away was taken off: what it swallowed is missing, so the connection cannot go on.
    pub fn turn(&mut self, set: &ToxicSet, direction: Direction, connection: u64, now: Instant) -> Turn {
        let before = std::mem::take(&mut self.active);
        let lossy = |kind: &ToxicKind| matches!(kind, ToxicKind::Timeout { .. } | ToxicKind::ResetPeer { .. });
        let mut arrived = Vec::new();
        for toxic in set.on(direction, connection) {
            let known = before
                .iter()
                .find(|active| active.toxic.name == toxic.name && active.toxic.kind.name() == toxic.kind.name());
            let (since, passed) = known.map_or((now, 0), |active| (active.since, active.passed));
            if known.is_none() {
                arrived.push(Arc::clone(toxic));
            }
            self.active.push(Active { toxic: Arc::clone(toxic), since, passed });
        }
        let swallowed = before.iter().any(|gone| {
            let lost = lossy(&gone.toxic.kind)
                || matches!(gone.toxic.kind, ToxicKind::Blackhole { bytes } if gone.passed >= bytes);
            lost && !self.active.iter().any(|active| active.toxic.name == gone.toxic.name)
        });

        let mut shaper = Shaper::default();
        let mut shapes = false;
        for active in &self.active {
            shapes |= shaper.add(&active.toxic, set.seed(&active.toxic));
        }
        if let (true, Some(earlier)) = (shapes, &self.shaper) {
            shaper.follow(earlier);
        }
        self.shaper = shapes.then_some(shaper);
        Turn { arrived, swallowed }
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
            match active.toxic.kind {
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
            .filter_map(|active| match active.toxic.kind {
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
            let (limit, end) = match active.toxic.kind {
                ToxicKind::LimitData { bytes } => (bytes, Some(Severance::Close)),
                ToxicKind::HalfClose { bytes } => (bytes, Some(Severance::HalfClose)),
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
            .filter_map(|active| match active.toxic.kind {
                ToxicKind::SlowClose { delay } => Some(Duration::from_millis(delay)),
                _ => None,
            })
            .sum()
    }
}

/// What a new set changed.
#[derive(Debug)]
pub struct Turn {
    /// Toxics that are at work from now on.
    pub arrived: Vec<Arc<Toxic>>,
    /// Whether bytes are missing for good.
    pub swallowed: bool,
}
