//! [`Ledger`]: what is under way on a session, shared by its two directions.

use crate::model::fault::{FaultDecision, PostgresError};
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use tokio::sync::Notify;

/// What a client waits for: the answer to a simple Query, or to everything up to a Sync. It ends with ReadyForQuery.
#[derive(Debug, Default)]
pub struct Awaited {
    /// Whether a Sync ends it.
    extended: bool,
    /// The fault that strikes when the server's error comes: it was made to fail.
    pub fails: Option<Strike>,
    /// The fault that cuts its rows off, and after how many.
    pub cut: Option<(Strike, u64)>,
}

/// A fault that will be told of once it strikes.
#[derive(Clone, Debug)]
pub struct Strike {
    /// The decision.
    pub decision: FaultDecision,
}

#[derive(Debug, Default)]
struct State {
    awaited: VecDeque<Awaited>,
    /// The status in the last ReadyForQuery: `I` outside a transaction, `T` inside, `E` inside a failed one.
    status: u8,
    /// Whether the client is to send the data of a COPY.
    copying: bool,
    /// The Sync that follows such data belongs to one that was sent, and ignored, before it.
    sync_is_known: bool,
    /// What the session ends with, once everything before is answered.
    farewell: Option<(Strike, PostgresError)>,
}

/// What is under way on a session.
#[derive(Debug, Default)]
pub struct Ledger {
    state: Mutex<State>,
    farewell: Notify,
}

impl Ledger {
    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Something was sent whose answer ends with ReadyForQuery.
    pub fn asked(&self, awaited: Awaited) {
        self.with(|state| state.awaited.push_back(awaited));
    }

    /// A Sync was sent that ends a batch.
    pub fn synced(&self, awaited: Awaited) {
        self.with(|state| {
            if state.copying || std::mem::take(&mut state.sync_is_known) {
                // The server ignores it, or has it already.
                return;
            }
            state.awaited.push_back(Awaited { extended: true, ..awaited });
        });
    }

    /// The client has sent the end of a COPY's data.
    pub fn copied(&self) {
        self.with(|state| state.copying = false);
    }

    /// The server wants the data of a COPY.
    pub fn copies(&self) {
        self.with(|state| {
            state.copying = true;
            state.sync_is_known = state.awaited.front().is_some_and(|awaited| awaited.extended);
        });
    }

    /// The server is ready for the next.
    pub fn ready(&self, status: u8) {
        self.with(|state| {
            state.status = status;
            state.copying = false;
            state.sync_is_known = false;
            state.awaited.pop_front();
        });
    }

    /// Whether a transaction has failed already: then nothing further can.
    pub fn has_failed(&self) -> bool {
        self.with(|state| state.status == b'E')
    }

    /// Looks at what is being answered.
    pub fn answering<T>(&self, look: impl FnOnce(&mut Awaited) -> T) -> Option<T> {
        self.with(|state| state.awaited.front_mut().map(look))
    }

    /// Lets the session end once everything that was asked is answered.
    pub fn end_with(&self, strike: Strike, error: PostgresError) {
        self.with(|state| state.farewell = Some((strike, error)));
        self.farewell.notify_one();
    }

    /// What the session ends with, if nothing is under way any more.
    pub fn farewell(&self) -> Option<(Strike, PostgresError)> {
        self.with(|state| if state.awaited.is_empty() { state.farewell.take() } else { None })
    }

    /// Waits until the session is told to end.
    pub async fn told_to_end(&self) {
        self.farewell.notified().await;
    }
}
