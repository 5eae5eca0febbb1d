//! [`Shaper`]: when which bytes are due, as a pure function of when they came. Latency first, then the bandwidth of
//! the line, then the slicing: as in a real network, where the way is long before the last mile is narrow.

use super::toxics::{Drawn, Placed};
use crate::model::toxic::ToxicKind;
use crate::units::Seed;
use bytes::Bytes;
use std::time::Duration;
use tokio::time::Instant;

/// A narrow line sends at least so many pieces a second (if there are as many bytes), so that it looks slow, not jumpy.
const PIECES_A_SECOND: u64 = 10;

/// Bytes with the moment at which they may go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// When.
    pub at: Instant,
    /// What.
    pub bytes: Bytes,
}

/// What shapes the bytes of one direction of one connection.
#[derive(Debug, Default)]
pub struct Shaper {
    latencies: Vec<Latency>,
    /// Bytes a second.
    rate: Option<u64>,
    slicer: Option<Slicer>,
    /// Chunks so far, for the draws.
    chunks: u64,
    /// Pieces so far, for the draws.
    pieces: u64,
    /// When the last piece is due: nothing overtakes it.
    last: Option<Instant>,
}

#[derive(Debug)]
struct Latency {
    mean: Duration,
    jitter: Duration,
    drawn: Option<Drawn>,
    seed: Seed,
}

#[derive(Debug)]
struct Slicer {
    average: u64,
    variation: u64,
    pause: Duration,
    seed: Seed,
}

impl Shaper {
    /// Takes a toxic into account; whether it was one that shapes.
    pub fn add(&mut self, placed: &Placed) -> bool {
        let seed = placed.seed;
        match placed.toxic.kind {
            ToxicKind::Latency { latency, jitter } => {
                let (mean, jitter) = (Duration::from_millis(latency), Duration::from_millis(jitter));
                self.latencies.push(Latency { mean, jitter, drawn: placed.delay.clone(), seed });
            }
            ToxicKind::Bandwidth { rate } if rate > 0 => {
                let rate = rate.saturating_mul(1_000);
                self.rate = Some(self.rate.map_or(rate, |other| other.min(rate)));
            }
            ToxicKind::Slicer { average_size, size_variation, delay } => {
                self.slicer = Some(Slicer {
                    average: average_size.max(1),
                    variation: size_variation.min(average_size.saturating_sub(1)),
                    pause: Duration::from_micros(delay),
                    seed,
                });
            }
            _ => return false,
        }
        true
    }

    /// Goes on where another shaper stopped: nothing overtakes what that one let through.
    pub fn follow(&mut self, before: &Self) {
        self.chunks = before.chunks;
        self.pieces = before.pieces;
        self.last = before.last;
    }

    /// When the pieces of a chunk that came at `now` are due.
    pub fn shape(&mut self, now: Instant, mut chunk: Bytes, mut out: impl FnMut(Due)) {
        let delay: Duration = self.latencies.iter().map(|latency| latency.draw(self.chunks)).sum();
        self.chunks += 1;
        let mut at = (now + delay).max(self.last.unwrap_or(now));
        let mut first = true;
        while !chunk.is_empty() {
            let mut size = chunk.len() as u64;
            if let Some(slicer) = &self.slicer {
                size = size.min(slicer.size(self.pieces));
                if !first {
                    at += slicer.pause;
                }
            }
            if let Some(rate) = self.rate {
                size = size.min((rate / PIECES_A_SECOND).max(1));
                at += Duration::from_secs_f64(size as f64 / rate as f64);
            }
            let bytes = chunk.split_to(usize::try_from(size).unwrap_or(usize::MAX).min(chunk.len()));
            self.pieces += 1;
            first = false;
            out(Due { at, bytes });
        }
        self.last = Some(at);
    }
}

impl Slicer {
    fn size(&self, piece: u64) -> u64 {
        let spread = self.variation * 2 + 1;
        (self.average - self.variation + self.seed.draw(&[piece]) % spread).max(1)
    }
}

impl Latency {
    /// The delay of the `n`-th chunk.
    fn draw(&self, n: u64) -> Duration {
        if let Some(Drawn { draw, strength }) = &self.drawn {
            return draw.draw(self.seed.derive("delay"), &[n]).mul_f64(strength.clamp(0.0, 1.0));
        }
        if self.jitter.is_zero() {
            return self.mean;
        }
        let offset = (self.seed.derive("delay").unit(&[n]) * 2.0 - 1.0) * self.jitter.as_secs_f64();
        Duration::from_secs_f64((self.mean.as_secs_f64() + offset).max(0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::toxic::{Direction, Toxic};
    use crate::units::Share;
    use crate::upstream::tcp::toxics::ToxicSet;
    use proptest::prelude::*;
    use std::sync::Arc;

    fn placed(kind: ToxicKind, seed: u64) -> Placed {
        let toxic = Toxic { name: "t".into(), kind, stream: Direction::Downstream, toxicity: Share::ALL };
        let set = ToxicSet::new(Seed(seed)).with_toxics(vec![Arc::new(toxic)]);
        set.by_hand()[0].clone()
    }

    fn shaped(kinds: &[ToxicKind], chunks: &[(u64, usize)]) -> Vec<(Duration, usize)> {
        let mut shaper = Shaper::default();
        for kind in kinds {
            assert!(shaper.add(&placed(*kind, 1)));
        }
        let start = Instant::now();
        let mut due = Vec::new();
        for (at, size) in chunks {
            shaper.shape(start + Duration::from_millis(*at), Bytes::from(vec![0; *size]), |piece| {
                due.push((piece.at - start, piece.bytes.len()));
            });
        }
        due
    }

    #[test]
    fn latency_delays_each_chunk_by_itself() {
        let due = shaped(&[ToxicKind::Latency { latency: 100, jitter: 0 }], &[(0, 10), (5, 10)]);
        assert_eq!(due, [(Duration::from_millis(100), 10), (Duration::from_millis(105), 10)]);
    }

    #[test]
    fn a_narrow_line_takes_the_time_that_the_bytes_need() {
        let due = shaped(&[ToxicKind::Bandwidth { rate: 10 }], &[(0, 5_000), (0, 5_000)]);
        let (last, _) = due.last().unwrap();
        assert!((last.as_secs_f64() - 1.0).abs() < 0.001, "10,000 bytes at 10 kB/s took {last:?}");
        assert!(due.iter().all(|(_, size)| *size <= 1_000));
    }

    proptest! {
        #[test]
        fn bytes_are_neither_lost_nor_reordered(
            sizes in proptest::collection::vec(1_usize..5_000, 1..8),
            jitter in 0_u64..200, average in 1_u64..100, variation in 0_u64..150, rate in 1_u64..10_000,
        ) {
            let mut shaper = Shaper::default();
            for kind in [
                ToxicKind::Latency { latency: 50, jitter },
                ToxicKind::Slicer { average_size: average, size_variation: variation, delay: 100 },
                ToxicKind::Bandwidth { rate },
            ] {
                shaper.add(&placed(kind, 3));
            }
            let start = Instant::now();
            let mut seen = Vec::new();
            let mut latest = start;
            let mut sent = Vec::new();
            for (n, size) in sizes.iter().enumerate() {
                let chunk = vec![n as u8; *size];
                sent.extend_from_slice(&chunk);
                let now = start + Duration::from_millis(10 * n as u64);
                shaper.shape(now, Bytes::from(chunk), |piece| {
                    assert!(piece.at >= latest && !piece.bytes.is_empty());
                    latest = piece.at;
                    seen.extend_from_slice(&piece.bytes);
                });
            }
            prop_assert_eq!(seen, sent);
        }
    }
}
