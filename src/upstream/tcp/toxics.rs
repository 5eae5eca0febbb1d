//! [`ToxicSet`]: the toxics of a proxy at a moment, and which connections they touch.

use crate::model::toxic::{Direction, Toxic};
use crate::units::Seed;
use std::sync::Arc;

/// A toxic that touched a connection: the ground truth.
#[derive(Clone, Debug)]
pub struct Hit {
    /// The proxy's name.
    pub proxy: Arc<str>,
    /// The connection's number at this proxy, from 0.
    pub connection: u64,
    /// The toxic.
    pub toxic: Arc<Toxic>,
}

/// The toxics of a proxy at a moment. It never changes; a change is a new set.
#[derive(Clone, Debug)]
pub struct ToxicSet {
    toxics: Vec<Arc<Toxic>>,
    seed: Seed,
}

impl ToxicSet {
    /// These toxics, in the order in which they were added. `seed` is the proxy's own.
    #[must_use]
    pub fn new(toxics: Vec<Arc<Toxic>>, seed: Seed) -> Self {
        Self { toxics, seed }
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> &[Arc<Toxic>] {
        &self.toxics
    }

    /// Those that touch a connection as it comes.
    pub fn at_the_gate(&self, connection: u64) -> impl Iterator<Item = &Arc<Toxic>> {
        self.toxics.iter().filter(move |toxic| toxic.kind.is_gate() && self.touches(toxic, connection))
    }

    /// Those that touch the bytes of a connection in one direction.
    pub fn on(&self, direction: Direction, connection: u64) -> impl Iterator<Item = &Arc<Toxic>> {
        self.toxics
            .iter()
            .filter(move |toxic| toxic.stream == direction && !toxic.kind.is_gate() && self.touches(toxic, connection))
    }

    /// The seed for what a toxic draws on a connection.
    #[must_use]
    pub fn seed(&self, toxic: &Toxic) -> Seed {
        self.seed.derive(&toxic.name)
    }

    /// Whether a toxic touches a connection: a pure draw from the toxic's name and the connection's number, so the
    /// answer stays the same however often the set around it changes.
    fn touches(&self, toxic: &Toxic, connection: u64) -> bool {
        self.seed(toxic).unit(&[connection]) < toxic.toxicity.fraction()
    }
}
