//! [`Faults`]: which faults strike a session or a statement.

use super::ledger::Strike;
use crate::fault::ConnectionRules;
use crate::model::fault::{ConnectionFault, FaultAction, FaultDecision, FaultRule, PostgresFault};
use crate::units::Seed;
use crate::upstream::notes::{HitCall, Notes};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The faults of an upstream in PostgreSQL's own words.
pub struct Faults {
    rules: ConnectionRules,
    notes: Arc<Notes>,
    connections: AtomicU64,
    statements: AtomicU64,
}

/// The rules of an upstream that speak PostgreSQL.
pub fn rules_of(rules: &[FaultRule], upstream: &str, seed: Seed) -> ConnectionRules {
    ConnectionRules::of(rules, upstream, seed, is_own)
}

const fn is_own(fault: &ConnectionFault) -> bool {
    matches!(fault, ConnectionFault::Postgres(_))
}

/// Whether it strikes statements, by their number; else it strikes connections.
const fn is_on_statements(fault: &PostgresFault) -> bool {
    matches!(
        fault,
        PostgresFault::Error(_)
            | PostgresFault::Terminate(_)
            | PostgresFault::Slow { .. }
            | PostgresFault::CutRows { .. }
    )
}

impl Faults {
    /// Those of the upstream that is noted.
    pub fn new(rules: &[FaultRule], seed: Seed, notes: Arc<Notes>) -> Self {
        let rules = rules_of(rules, notes.upstream(), seed);
        Self { rules, notes, connections: AtomicU64::new(0), statements: AtomicU64::new(0) }
    }

    /// The number of the next connection, from 1.
    pub fn next_connection(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn own(fault: &ConnectionFault) -> Option<&PostgresFault> {
        match fault {
            ConnectionFault::Postgres(fault) => Some(fault),
            _ => None,
        }
    }

    /// Whether sessions must be read, and so cannot be encrypted.
    pub fn read_sessions(&self) -> bool {
        let only_before =
            |fault: &PostgresFault| matches!(fault, PostgresFault::RefuseSsl {} | PostgresFault::StallSsl {});
        self.rules.iter().filter_map(|(_, _, fault)| Self::own(fault)).any(|fault| !only_before(fault))
    }

    /// Whether a fault on statements is on.
    pub fn strike_statements(&self) -> bool {
        self.notes.clock().is_some_and(|clock| {
            let now = clock.now();
            self.rules.iter().any(|(_, rule, fault)| rule.is_on(now) && Self::own(fault).is_some_and(is_on_statements))
        })
    }

    /// The first fault that strikes the `n`-th connection, of those that `wanted` knows.
    pub fn on_connection(&self, n: u64, wanted: impl Fn(&PostgresFault) -> bool) -> Option<(Strike, PostgresFault)> {
        let clock = self.notes.clock()?;
        self.rules.touching(clock.now(), n).find_map(|(rule, _, fault)| {
            let own = Self::own(fault).filter(|own| !is_on_statements(own) && wanted(own))?;
            Some((strike(rule, n, fault), own.clone()))
        })
    }

    /// Everything that strikes the next statement, in the order of the plan; `failed` if it would fail by itself, in a
    /// transaction that has failed.
    pub fn on_statement(&self, failed: bool) -> Vec<(Strike, PostgresFault)> {
        let n = self.statements.fetch_add(1, Ordering::Relaxed) + 1;
        let Some(clock) = self.notes.clock() else { return Vec::new() };
        let touching = self.rules.touching(clock.now(), n).filter_map(|(rule, _, fault)| {
            let own = Self::own(fault).filter(|own| is_on_statements(own))?;
            (!failed || !matches!(own, PostgresFault::Error(_))).then(|| (strike(rule, n, fault), own.clone()))
        });
        touching.collect()
    }

    /// Notes that a fault has struck `what`.
    pub fn fired(&self, strike: &Strike, what: &str) {
        if let Some(clock) = self.notes.clock() {
            let n = strike.decision.n;
            let hit = HitCall::connection(format!("{what} {n}"));
            self.notes.fired(&clock, &hit, strike.decision.clone(), what == "connection");
        }
    }

    /// Tells the reader of the run, once.
    pub fn warn(&self, message: &str) {
        self.notes.warn_once(message);
    }
}

fn strike(rule: usize, n: u64, fault: &ConnectionFault) -> Strike {
    Strike { decision: FaultDecision { rule, n, action: FaultAction::Connection(fault.clone()) } }
}
