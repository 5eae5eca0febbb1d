//! [`Watch`]: the guardian's eye on the app's memory: the kernel's kill counter, nearness to the limit, and, where
//! the kernel may not be asked to, enforcing the limit.

use super::descent::{descendants, proportional, resident};
use super::limit;
use crate::model::memory_group::MemoryGroup;
use crate::units::ByteSize;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::Instant;

/// How long the main process may outlive the kill of another process of the app before the two count as unrelated.
const AFTERMATH: Duration = Duration::from_secs(2);
/// How often the process table is walked for new descendants while the guardian enforces the limit.
const WALK_EVERY: Duration = Duration::from_secs(1);

/// How the app's memory is limited and what the guardian sees of it.
pub(super) struct Watch {
    /// The app's own group.
    own: Option<MemoryGroup>,
    /// The group whose counter is read: its own, or else the one that it shares with us.
    counted: Option<MemoryGroup>,
    /// The limit that the guardian enforces itself.
    enforced: Option<u64>,
    /// Bytes of that which are not the app's at the moment.
    reserved: u64,
    /// Kills that are accounted for.
    kills: u64,
    /// When an unaccounted kill was first seen.
    killed_at: Option<Instant>,
    /// Whether the app stood at its limit when last seen.
    at_limit: bool,
    /// The sentence about all this.
    means: String,
    family: BTreeSet<u32>,
    walked: Option<Instant>,
}

/// What a look at the app calls for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// Nothing.
    Nothing,
    /// A process of the app was killed by the kernel, and its main process lives on.
    PartKilled,
    /// The app exceeds the limit that the guardian enforces.
    Exceeded,
}

impl Watch {
    /// Makes the app's group, or falls back to enforcing the limit ourselves.
    pub(super) fn establish(limit: Option<u64>, name: &str) -> Self {
        let made = limit.map(|limit| (limit, limit::create(name, limit)));
        let (own, enforced, means) = match made {
            None => (None, None, "no memory limit: none is asked for".to_owned()),
            Some((wanted, Ok(group))) => {
                let mut means = format!("memory limit {} by {}", ByteSize(wanted), group.version());
                if let Some(narrower) = group.limit.filter(|limit| *limit < wanted / 100 * 99) {
                    means = format!("{means}, but an enclosing group allows only {}", ByteSize(narrower));
                }
                (Some(group), None, means)
            }
            Some((wanted, Err(why))) => {
                let means = format!(
                    "memory limit {} by firedrill's own watch (no control group: {why}): resident memory is read \
                     every 50 ms and an app above the limit is killed",
                    ByteSize(wanted)
                );
                (None, Some(wanted), means)
            }
        };
        let counted = own.clone().or_else(|| limit::group_of("self"));
        let kills = counted.as_ref().and_then(limit::oom_kills).unwrap_or(0);
        Self {
            own,
            counted,
            enforced,
            reserved: 0,
            kills,
            killed_at: None,
            at_limit: false,
            means,
            family: BTreeSet::new(),
            walked: None,
        }
    }

    /// The app's own group.
    pub(super) fn own(&self) -> Option<&MemoryGroup> {
        self.own.as_ref()
    }

    /// The limit in force for the app, bytes.
    pub(super) fn limit(&self) -> Option<u64> {
        self.own.as_ref().and_then(|group| group.limit).or(self.enforced)
    }

    /// Whether the guardian itself enforces it.
    pub(super) fn enforces(&self) -> bool {
        self.enforced.is_some()
    }

    /// The sentence about it for the report.
    pub(super) fn means(&self) -> &str {
        &self.means
    }

    /// How often [`Self::look`] wants to be called.
    pub(super) fn every(&self) -> Duration {
        Duration::from_millis(if self.enforces() { 50 } else { 200 })
    }

    /// Takes bytes of the enforced limit away from the app.
    pub(super) fn reserve(&mut self, bytes: u64) {
        self.reserved = bytes;
    }

    /// Looks at the app while it runs.
    pub(super) fn look(&mut self) -> Call {
        if let Some(limit) = self.enforced {
            return self.enforce(limit.saturating_sub(self.reserved));
        }
        if let Some(group) = &self.own {
            if let (Some(used), Some(limit)) = (limit::unreclaimable(group), group.limit) {
                self.at_limit = used >= near(limit);
            }
            let kills = limit::oom_kills(group).unwrap_or(0);
            if kills > self.kills && self.killed_at.get_or_insert_with(Instant::now).elapsed() > AFTERMATH {
                self.kills = kills;
                self.killed_at = None;
                return Call::PartKilled;
            }
        }
        Call::Nothing
    }

    fn enforce(&mut self, limit: u64) -> Call {
        if self.walked.is_none_or(|at| at.elapsed() >= WALK_EVERY) {
            self.family = descendants(std::process::id());
            self.walked = Some(Instant::now());
        }
        let used: u64 = self.family.iter().map(|pid| resident(*pid)).sum();
        self.at_limit = used >= near(limit);
        if used <= limit {
            return Call::Nothing;
        }
        // Pages that a parent shares with its workers count once for a real instance; only now is it worth the walk.
        let used: u64 = self.family.iter().map(|pid| proportional(*pid).unwrap_or_else(|| resident(*pid))).sum();
        if used > limit { Call::Exceeded } else { Call::Nothing }
    }

    /// Whether the end of the app was the kernel's doing, and whether the app stood at its limit.
    pub(super) fn verdict(&self, code: Option<i32>, signal: Option<i32>) -> (bool, bool) {
        let risen = self.counted.as_ref().and_then(limit::oom_kills).is_some_and(|kills| kills > self.kills);
        // In a group of its own every kill is the app's, whatever its main process made of it. In a shared group
        // only an end that looks like a kill can be one (137 is how shells pass SIGKILL on).
        let killed = risen && (self.own.is_some() || signal == Some(9) || code == Some(137));
        (killed, self.at_limit || killed)
    }
}

/// Within 5 % of a limit.
pub(super) fn near(limit: u64) -> u64 {
    limit - limit / 20
}
