//! [`Seed`]: the source of every random choice of a run.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;
use serde::{Deserialize, Serialize};
use std::fmt;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The seed of a run.
///
/// Every draw is a pure function of the seed and of what the draw is *for* (a label and numbers), never a
/// shared generator: which request draws first cannot change what another request draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Seed(pub u64);

impl Seed {
    /// The seed for one purpose, independent of the seeds for other labels.
    #[must_use]
    pub fn derive(self, label: &str) -> Self {
        Self(xxh3_64_with_seed(label.as_bytes(), self.0))
    }

    /// A uniform 64-bit number for `key`.
    #[must_use]
    pub fn draw(self, key: &[u64]) -> u64 {
        // Nearly all keys have one to three parts; those cost no allocation.
        let mut short = [0_u8; 32];
        if let Some(room) = short.get_mut(..key.len() * 8) {
            for (place, part) in room.chunks_exact_mut(8).zip(key) {
                place.copy_from_slice(&part.to_le_bytes());
            }
            return xxh3_64_with_seed(room, self.0);
        }
        let long: Vec<u8> = key.iter().flat_map(|part| part.to_le_bytes()).collect();
        xxh3_64_with_seed(&long, self.0)
    }

    /// A uniform number in `[0, 1)` for `key`.
    #[must_use]
    pub fn unit(self, key: &[u64]) -> f64 {
        // The upper 53 bits are what an f64 holds exactly.
        (self.draw(key) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A generator for `key`, for draws that need more than one number.
    #[must_use]
    pub fn rng(self, key: &[u64]) -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(self.draw(key))
    }
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn unit_stays_in_range_and_is_pure(seed: u64, key in proptest::collection::vec(any::<u64>(), 0..4)) {
            let seed = Seed(seed);
            let draw = seed.unit(&key);
            prop_assert!((0.0..1.0).contains(&draw));
            prop_assert_eq!(draw, seed.unit(&key));
        }
    }

    #[test]
    fn draws_are_the_hash_of_the_keys_bytes_whatever_its_length() {
        let key = [1, 2, 3, 4, 5];
        for length in 0..=key.len() {
            let bytes: Vec<u8> = key[..length].iter().flat_map(|part: &u64| part.to_le_bytes()).collect();
            assert_eq!(Seed(9).draw(&key[..length]), xxh3_64_with_seed(&bytes, 9), "{length}");
        }
    }

    #[test]
    fn draws_are_spread_evenly() {
        let seed = Seed(7).derive("spread");
        let below = (0..100_000_u64).filter(|n| seed.unit(&[*n]) < 0.3).count();
        assert!((29_000..31_000).contains(&below), "{below} of 100,000 draws fell below 0.3");
    }
}
