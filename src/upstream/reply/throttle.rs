//! [`Throttle`]: lets a body go out more slowly than it is there.

use crate::fault::Draw;
use crate::model::fault::{Delay, Drip, SlowTokens};
use crate::units::Seed;
use crate::upstream::fire::Fire;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// The ways of being slow, each with what notes that it had an effect. Several hold an event one after the other.
#[derive(Default)]
pub struct Throttle {
    holds: Vec<Hold>,
    gaps: Vec<(SlowTokens, Fire)>,
    drips: Vec<(Drip, Fire)>,
    /// Events that were let through or are being held.
    events: u64,
    /// Whether the present event has got its time already.
    entered: bool,
    /// When the last frame went, and when the last event was out.
    last_frame: Option<Instant>,
    last_event: Option<Instant>,
    /// When the next frame may go.
    next: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

struct Hold {
    draw: Draw,
    seed: Seed,
    fire: Fire,
}

impl Throttle {
    /// Holds each event for a time drawn by its number.
    pub fn hold(&mut self, delay: &Delay, seed: Seed, fire: Fire) {
        self.holds.push(Hold { draw: Draw::new(delay), seed, fire });
    }

    /// Lets events come no faster than this.
    pub fn slow(&mut self, slow: SlowTokens, fire: Fire) {
        self.gaps.push((slow, fire));
    }

    /// Sends a few bytes at a time.
    pub fn drip(&mut self, drip: Drip, fire: Fire) {
        self.drips.push((drip, fire));
    }

    /// Whether it slows nothing.
    pub fn is_empty(&self) -> bool {
        self.holds.is_empty() && self.gaps.is_empty() && self.drips.is_empty()
    }

    /// Whether it must know where events begin and end.
    pub fn counts_events(&self) -> bool {
        !self.holds.is_empty() || !self.gaps.is_empty()
    }

    /// How many bytes may go at once.
    pub fn room(&self) -> usize {
        let least = self.drips.iter().map(|(drip, _)| drip.bytes.get().max(1)).min();
        least.map_or(usize::MAX, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX))
    }

    /// Ready once the next frame of the present event may go; `length` is what is left of the event.
    pub fn poll_ready(&mut self, cx: &mut Context<'_>, length: usize) -> Poll<()> {
        if !self.entered {
            self.enter(length);
        }
        let Some(next) = self.next else { return Poll::Ready(()) };
        if next > Instant::now() {
            let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(next)));
            if timer.deadline() != next {
                timer.as_mut().reset(next);
            }
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
        self.next = None;
        Poll::Ready(())
    }

    /// A frame went; `ends` if it was the last of its event.
    pub fn sent(&mut self, ends: bool) {
        let now = Instant::now();
        self.last_frame = Some(now);
        if ends {
            self.last_event = Some(now);
            self.entered = false;
            self.events += 1;
        } else {
            self.next = self.drips.iter().map(|(drip, _)| drip.every.get()).max().map(|every| after(now, every));
        }
    }

    /// Gives a new event its time.
    fn enter(&mut self, length: usize) {
        self.entered = true;
        let now = Instant::now();
        let mut next = now;
        for hold in &mut self.holds {
            let held = hold.draw.draw(hold.seed, &[self.events]);
            if !held.is_zero() {
                hold.fire.now();
                next = after(next, held);
            }
        }
        for (slow, fire) in &mut self.gaps {
            let earliest = self.last_event.map(|last| after(last, slow.every.get()));
            if let Some(earliest) = earliest.filter(|earliest| *earliest > next) {
                fire.now();
                next = earliest;
            }
        }
        for (drip, fire) in &mut self.drips {
            if length as u64 > drip.bytes.get().max(1) {
                fire.now();
            }
            let earliest = self.last_frame.map(|last| after(last, drip.every.get()));
            next = earliest.map_or(next, |earliest| next.max(earliest));
        }
        self.next = (next > now).then_some(next);
    }
}

/// A time beyond the clock's end is no time to wait for.
fn after(from: Instant, time: Duration) -> Instant {
    from.checked_add(time).unwrap_or(from)
}
