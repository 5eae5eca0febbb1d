//! [`ToxicSet`]: the toxics of a proxy at a moment, and which connections they touch.

use crate::fault::Draw;
use crate::model::toxic::{Direction, Toxic, ToxicKind};
use crate::units::{Seed, Share};
use std::sync::Arc;

/// A toxic that struck a connection: the ground truth.
#[derive(Clone, Debug)]
pub struct Hit {
    /// The proxy's name.
    pub proxy: Arc<str>,
    /// The connection's number at this proxy, from 0.
    pub connection: u64,
    /// The toxic.
    pub toxic: Arc<Toxic>,
    /// The fault rule that it carries out, by its index in the plan; `None` if it was put on by hand.
    pub rule: Option<usize>,
    /// Whether it is the first that strikes this connection.
    pub first: bool,
}

/// A toxic that carries out a fault rule, or a part of it.
#[derive(Clone, Debug)]
pub struct PlannedToxic {
    /// The rule's index in the plan.
    pub rule: usize,
    /// What it does. Its name is unique among the planned toxics of its proxy.
    pub toxic: Arc<Toxic>,
    /// What decides which connections it touches: the same for all parts of a rule.
    pub seed: Seed,
    /// Only every n-th connection, counted from 1 since the proxy began.
    pub nth: Option<u64>,
    /// Which time it is that the rule is on: a connection is told of as hit once each time, whatever parts strike it.
    pub wave: u64,
    /// For a latency: how long it is, if that is not the toxic's even spread.
    pub delay: Option<Drawn>,
}

/// A delay that is drawn, and how much of it is in force.
#[derive(Clone, Debug)]
pub struct Drawn {
    /// The distribution.
    pub draw: Arc<Draw>,
    /// A factor, from 0 to 1.
    pub strength: f64,
}

/// A toxic in its set.
#[derive(Clone, Debug)]
pub struct Placed {
    /// What it does.
    pub toxic: Arc<Toxic>,
    /// The fault rule that it carries out, if any.
    pub rule: Option<usize>,
    /// Which time it is that the rule is on.
    pub wave: u64,
    /// The seed for what it draws.
    pub seed: Seed,
    /// For a latency: how long it is, if that is not the toxic's even spread.
    pub delay: Option<Drawn>,
    nth: Option<u64>,
}

impl Placed {
    /// Whether both are the same toxic, at most with other attributes.
    pub fn is_same(&self, other: &Self) -> bool {
        self.rule == other.rule
            && self.toxic.name == other.toxic.name
            && self.toxic.kind.name() == other.toxic.kind.name()
    }

    /// Whether it touches a connection: a pure draw from its seed and the connection's number, so the answer stays the
    /// same however often the set around it changes.
    fn touches(&self, connection: u64) -> bool {
        // Planned faults count from 1, as everywhere in a plan; a toxic that was put on by hand by connections.
        let n = if self.rule.is_some() { connection + 1 } else { connection };
        self.nth.is_none_or(|nth| n.is_multiple_of(nth.max(1))) && self.seed.unit(&[n]) < self.toxic.toxicity.fraction()
    }
}

/// The toxics of a proxy at a moment. It never changes; a change is a new set.
#[derive(Clone, Debug)]
pub struct ToxicSet {
    toxics: Vec<Placed>,
    /// How many of them, from the end, were put on by hand.
    by_hand: usize,
    /// Whether somebody switched the proxy off.
    pub disabled: bool,
    seed: Seed,
}

impl ToxicSet {
    /// No toxics. `seed` is the proxy's own.
    #[must_use]
    pub fn new(seed: Seed) -> Self {
        Self { toxics: Vec::new(), by_hand: 0, disabled: false, seed }
    }

    /// The same with these toxics put on by hand, in the order in which they were added.
    #[must_use]
    pub fn with_toxics(&self, toxics: Vec<Arc<Toxic>>) -> Self {
        let mut all: Vec<Placed> = self.planned().to_vec();
        let by_hand = toxics.len();
        all.extend(toxics.into_iter().map(|toxic| {
            let seed = self.seed.derive(&toxic.name);
            Placed { toxic, rule: None, wave: 0, seed, delay: None, nth: None }
        }));
        Self { toxics: all, by_hand, ..*self }
    }

    /// The same with these faults of the plan; what was put on by hand comes after them.
    #[must_use]
    pub fn with_faults(&self, faults: Vec<PlannedToxic>) -> Self {
        let placed = |fault: PlannedToxic| Placed {
            toxic: fault.toxic,
            rule: Some(fault.rule),
            wave: fault.wave,
            seed: fault.seed,
            delay: fault.delay,
            nth: fault.nth,
        };
        let toxics = faults.into_iter().map(placed).chain(self.by_hand().iter().cloned()).collect();
        Self { toxics, ..*self }
    }

    /// The same, switched on or off.
    #[must_use]
    pub fn with_disabled(&self, disabled: bool) -> Self {
        Self { toxics: self.toxics.clone(), disabled, ..*self }
    }

    fn planned(&self) -> &[Placed] {
        &self.toxics[..self.toxics.len() - self.by_hand]
    }

    /// Those that were put on by hand.
    pub fn by_hand(&self) -> &[Placed] {
        &self.toxics[self.toxics.len() - self.by_hand..]
    }

    /// Whether nobody may connect: then the address itself refuses, as that of a server which is gone.
    pub fn is_closed(&self) -> bool {
        let refuses_all = |placed: &Placed| {
            matches!(placed.toxic.kind, ToxicKind::Refuse {})
                && placed.toxic.toxicity == Share::ALL
                && placed.nth.is_none()
        };
        // By hand it is "the nearest to a refused connection": what Toxiproxy refuses truly, is a disabled proxy.
        self.disabled || self.planned().iter().any(refuses_all)
    }

    /// Those that touch a connection as it comes.
    pub fn at_the_gate(&self, connection: u64) -> impl Iterator<Item = &Placed> {
        self.toxics.iter().filter(move |placed| placed.toxic.kind.is_gate() && placed.touches(connection))
    }

    /// Those that touch the bytes of a connection in one direction.
    pub fn on(&self, direction: Direction, connection: u64) -> impl Iterator<Item = &Placed> {
        self.toxics.iter().filter(move |placed| {
            placed.toxic.stream == direction && !placed.toxic.kind.is_gate() && placed.touches(connection)
        })
    }
}
