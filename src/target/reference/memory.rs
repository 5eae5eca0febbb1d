//! [`Memory`]: real, touched memory, so that limits, probes and OOM kills have something to bite on.
//!
//! The figures are those measured on HolisticOS (RSS): 113 MiB idle, 235 after 10 journeys, 388 after 100, and
//! some 10 MiB per generation under way. 72.7·ln(1 + n/2.3) is the curve through them.

use std::sync::{Mutex, PoisonError};

const MIB: usize = 1 << 20;
/// RSS of the idle app.
const IDLE: usize = 113 * MIB;
/// Held while a plan or an analysis is being made.
const IN_FLIGHT: usize = 10 * MIB;
/// Growth is taken in steps of this size.
const STEP: usize = MIB;

/// The app's memory.
pub(super) struct Memory {
    state: Mutex<State>,
    grows: bool,
}

#[derive(Default)]
struct State {
    /// Routine-equivalents handled.
    handled: f64,
    /// Held for good.
    kept: Vec<Vec<u8>>,
    /// Held until a clean-up.
    hoarded: Vec<Vec<u8>>,
    grown: usize,
}

/// Memory of a request under way; given back when dropped.
pub(super) struct Scratch {
    _memory: Vec<u8>,
}

impl Memory {
    /// Fills the process up to the idle figure; `grows` is whether requests leave memory behind.
    pub(super) fn new(grows: bool) -> Self {
        let idle = touched(IDLE.saturating_sub(resident_bytes()));
        Self { state: Mutex::new(State { kept: vec![idle], ..State::default() }), grows }
    }

    /// The memory of one generation under way.
    pub(super) fn scratch(&self) -> Scratch {
        Scratch { _memory: touched(if self.grows { IN_FLIGHT } else { MIB / 4 }) }
    }

    /// Notes a handled generation that counts `routines` routines.
    pub(super) fn handled(&self, routines: f64) {
        if !self.grows {
            return;
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.handled += routines;
        let due = growth(state.handled).saturating_sub(state.grown) / STEP * STEP;
        if due > 0 {
            state.kept.push(touched(due));
            state.grown += due;
        }
    }

    /// Keeps memory for good.
    pub(super) fn leak(&self, bytes: usize) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).kept.push(touched(bytes));
    }

    /// Keeps memory until a clean-up.
    pub(super) fn hoard(&self, bytes: usize) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).hoarded.push(touched(bytes));
    }

    /// Gives back what is held until a clean-up, and says how much that was.
    pub(super) fn clean_up(&self) -> usize {
        let hoarded = std::mem::take(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner).hoarded);
        hoarded.iter().map(Vec::len).sum()
    }
}

/// Growth after so many routine-equivalents, in bytes.
fn growth(handled: f64) -> usize {
    (72.7 * (1.0 + handled / 2.3).ln() * MIB as f64) as usize
}

/// Memory that is really there: a value other than zero has to be written to every page.
fn touched(bytes: usize) -> Vec<u8> {
    vec![0xA5; bytes]
}

/// The process's resident memory in bytes; 0 where it cannot be read.
pub(super) fn resident_bytes() -> usize {
    let pages = procfs::process::Process::myself().and_then(|me| me.statm()).map_or(0, |memory| memory.resident);
    usize::try_from(pages.saturating_mul(procfs::page_size())).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_along_the_measured_curve() {
        let mib = |journeys: f64| growth(journeys) / MIB;
        assert!((120..=124).contains(&mib(10.0)), "235 MiB after 10: {}", mib(10.0));
        assert!((270..=280).contains(&mib(100.0)), "388 MiB after 100: {}", mib(100.0));
        assert_eq!(mib(0.0), 0);
    }

    #[test]
    fn what_is_kept_is_resident() {
        let memory = Memory::new(true);
        let before = resident_bytes();
        memory.leak(32 * MIB);
        assert!(resident_bytes() >= before + 24 * MIB);
    }
}
