//! [`Store`]: the responses that can be asked for again, as many as fit.

use bytes::Bytes;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::time::Instant;

/// How many responses are kept; the oldest goes first.
const MOST: usize = 20_000;
/// How many bytes of requests and answers are kept.
const MOST_BYTES: usize = 64 << 20;
/// What an entry costs beside its bytes, roughly.
const OVERHEAD: usize = 256;

/// A response that was made.
#[derive(Debug)]
pub struct Stored {
    /// Its identifier.
    pub id: String,
    /// The request's body, for its input.
    pub request: Bytes,
    /// The whole answer, as it is once it is complete.
    pub answer: Bytes,
    /// The response that it goes on from.
    pub previous: Option<String>,
    /// Whether it was asked to be made in the background.
    pub background: bool,
    /// When work on it begins.
    pub begins: Instant,
    /// When it is complete.
    pub done: Instant,
}

/// The responses of a mock.
#[derive(Debug, Default)]
pub struct Store {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    by_key: HashMap<u128, Arc<Stored>>,
    order: VecDeque<u128>,
    bytes: usize,
    forgotten: bool,
}

impl Store {
    /// Keeps a response.
    pub fn keep(&self, stored: Stored) {
        let Some(key) = key(&stored.id) else { return };
        let mut inner = self.lock();
        inner.bytes += size(&stored);
        if let Some(before) = inner.by_key.insert(key, Arc::new(stored)) {
            inner.bytes -= size(&before);
        } else {
            inner.order.push_back(key);
        }
        while inner.by_key.len() > MOST || inner.bytes > MOST_BYTES || inner.order.len() > 2 * MOST {
            let Some(oldest) = inner.order.pop_front() else { break };
            // What was deleted is still in line, and simply not there.
            if let Some(gone) = inner.by_key.remove(&oldest) {
                inner.bytes -= size(&gone);
                inner.forgotten = true;
            }
        }
    }

    /// The response of which this is the identifier, or that of one of its items.
    pub fn find(&self, id: &str) -> Option<Arc<Stored>> {
        self.lock().by_key.get(&key(id)?).cloned()
    }

    /// Puts another in the place of a response that is still there.
    pub fn replace(&self, stored: Stored) {
        let is_there = key(&stored.id).is_some_and(|key| self.lock().by_key.contains_key(&key));
        if is_there {
            self.keep(stored);
        }
    }

    /// Removes a response; whether it was there.
    pub fn remove(&self, id: &str) -> bool {
        let Some(key) = key(id) else { return false };
        let mut inner = self.lock();
        match inner.by_key.remove(&key) {
            Some(gone) => {
                inner.bytes -= size(&gone);
                true
            }
            None => false,
        }
    }

    /// Whether a response was ever forgotten for want of room: then one that cannot be found may have been there.
    pub fn has_forgotten(&self) -> bool {
        self.lock().forgotten
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn size(stored: &Stored) -> usize {
    stored.request.len() + stored.answer.len() + OVERHEAD
}

/// The first 32 hexadecimal digits behind the prefix: what a response's identifier and those of its items have in
/// common.
fn key(id: &str) -> Option<u128> {
    let (_, digits) = id.split_once('_')?;
    u128::from_str_radix(digits.get(..32)?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(number: u128, size: usize) -> Stored {
        let now = Instant::now();
        Stored {
            id: format!("resp_{number:032x}0011223344556677"),
            request: Bytes::new(),
            answer: Bytes::from(vec![0; size]),
            previous: None,
            background: false,
            begins: now,
            done: now,
        }
    }

    #[tokio::test]
    async fn it_holds_the_latest_that_fit() {
        let store = Store::default();
        for number in 0..MOST as u128 + 5 {
            store.keep(stored(number, 10));
        }
        assert!(store.find(&stored(4, 0).id).is_none() && store.find(&stored(5, 0).id).is_some());
        assert!(store.has_forgotten());
        store.keep(stored(1 << 100, MOST_BYTES - 10 * OVERHEAD));
        assert!(store.lock().by_key.len() < 20);
        assert!(store.find(&format!("msg_{:032x}ffff", 1_u128 << 100)).is_some(), "by an item of its");
        store.keep(stored(1 << 101, MOST_BYTES + 1));
        let inner = store.lock();
        assert_eq!((inner.by_key.len(), inner.bytes), (0, 0), "what is too large is not kept");
    }

    #[tokio::test]
    async fn what_was_deleted_is_gone_and_leaves_nothing_behind() {
        let store = Store::default();
        for number in 0..3 * MOST as u128 {
            store.keep(stored(number, 1));
            assert!(store.remove(&stored(number, 0).id) && !store.remove(&stored(number, 0).id));
        }
        let inner = store.lock();
        assert!(inner.by_key.is_empty() && inner.bytes == 0 && inner.order.len() <= 2 * MOST);
    }

    #[test]
    fn no_identifier_makes_it_panic() {
        for id in ["", "resp_", "resp_xyz", "resp", "resp_€€€€€€€€€€€€€€€€", "msg_0123456789abcdef0123456789abcde€"]
        {
            assert!(Store::default().find(id).is_none(), "{id}");
        }
    }
}
