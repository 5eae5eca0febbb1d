//! `garbage`: random bytes in the place of the rest.

use super::{Edit, Edited};
use crate::model::fault::{BodyPoint, Garbage};
use crate::units::Seed;
use bytes::Bytes;
use rand::Rng as _;

/// Ends a body in garbage.
pub struct Random {
    settings: Garbage,
    draw: Seed,
    sent: u64,
    events: u64,
    over: bool,
}

impl Random {
    /// As the rule says, with bytes drawn from this.
    pub fn new(settings: Garbage, draw: Seed) -> Self {
        Self { settings, draw, sent: 0, events: 0, over: false }
    }

    /// What was sent until then, and garbage.
    fn behind(&mut self, kept: &[u8]) -> Bytes {
        self.over = true;
        let length = usize::try_from(self.settings.bytes.get()).unwrap_or(usize::MAX).min(16 << 20);
        let mut all = kept.to_vec();
        all.resize(kept.len() + length, 0);
        let garbage = &mut all[kept.len()..];
        self.draw.rng(&[]).fill_bytes(garbage);
        if let Some(first) = garbage.first_mut() {
            // No text in UTF-8 holds this byte, so that it is garbage however short it is.
            *first = 0xFF;
        }
        Bytes::from(all)
    }
}

impl Edit for Random {
    fn whole(&mut self, body: &Bytes) -> Option<Bytes> {
        match self.settings.after {
            BodyPoint::Bytes(bytes) => {
                let kept = usize::try_from(bytes.get()).ok().and_then(|length| body.get(..length))?;
                (kept.len() < body.len()).then(|| self.behind(kept))
            }
            BodyPoint::Events(0) | BodyPoint::LastEvent => Some(self.behind(b"")),
            BodyPoint::Events(_) => None,
        }
    }

    fn event(&mut self, event: Bytes) -> Edited {
        if self.over {
            return Edited::Instead(Vec::new());
        }
        let garbage = match self.settings.after {
            BodyPoint::Bytes(bytes) => {
                let left = usize::try_from(bytes.get().saturating_sub(self.sent)).unwrap_or(usize::MAX);
                event.get(..left).filter(|kept| kept.len() < event.len()).map(|kept| self.behind(kept))
            }
            BodyPoint::Events(events) => (self.events == events).then(|| self.behind(b"")),
            BodyPoint::LastEvent => None,
        };
        self.sent += event.len() as u64;
        self.events += 1;
        match garbage {
            Some(garbage) => Edited::Instead(vec![garbage]),
            None => Edited::Same(event),
        }
    }

    fn is_over(&self) -> bool {
        self.over
    }
}
