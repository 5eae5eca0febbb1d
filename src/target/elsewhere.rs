//! [`Elsewhere`]: an app that runs already, watched from outside and left alone.

use super::connect::{ask, client};
use super::descent::birth;
use super::error::TargetError;
use super::limit;
use super::watch::near;
use crate::model::event::{EventSink, RunEvent};
use crate::model::memory_group::MemoryGroup;
use crate::model::reading::{TargetChange, TargetEvent};
use crate::units::{ByteSize, RunClock};
use reqwest::header::HeaderMap;
use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// How long an app that runs already may take to answer: a single-threaded one may be busy with something else.
const FIRST_ANSWER: Duration = Duration::from_secs(10);
/// How often a process that is not our child is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// An app that was there before us and stays after us.
pub(super) struct Elsewhere {
    pid: Option<u32>,
    group: Option<MemoryGroup>,
    events: EventSink,
    onlooker: Mutex<Option<JoinHandle<()>>>,
}

impl Elsewhere {
    /// Checks that it is there.
    pub(super) async fn find(base_url: &str, pid: Option<u32>, events: EventSink) -> Result<Self, TargetError> {
        if let Some(pid) = pid.filter(|pid| birth(*pid).is_none()) {
            return Err(TargetError::NoProcess { pid });
        }
        let unreachable = |why| TargetError::Unreachable { url: base_url.to_owned(), why };
        let client = client().map_err(|e| unreachable(e.to_string()))?;
        ask(&client, &format!("{base_url}/"), &HeaderMap::new(), FIRST_ANSWER).await.map_err(unreachable)?;
        let group = pid.and_then(|pid| limit::group_of(&pid.to_string()));
        Ok(Self { pid, group, events, onlooker: Mutex::new(None) })
    }

    /// Its pid, if it was given.
    pub(super) const fn pid(&self) -> Option<u32> {
        self.pid
    }

    /// The limited group that it is in, unless that is also ours.
    pub(super) fn group(&self) -> Option<&MemoryGroup> {
        self.group.as_ref().filter(|group| is_the_apps(group))
    }

    /// The limit in force for it, as far as it can be seen.
    pub(super) fn limit(&self) -> Option<u64> {
        self.group.as_ref().and_then(|group| group.limit)
    }

    /// What limits and what is seen of it.
    pub(super) fn means(&self) -> Vec<String> {
        let Some(pid) = self.pid else {
            return vec!["no pid: the app's memory and its process's end are not seen".to_owned()];
        };
        let limit = match &self.group {
            Some(group) => match group.limit {
                Some(limit) => format!("memory limit {} by {}, found in place", ByteSize(limit), group.version()),
                None => "no memory limit: the group that the app runs in has none".to_owned(),
            },
            None => "no memory limit is seen: the app's control group cannot be read".to_owned(),
        };
        vec![limit, format!("watched by pid {pid}; why it ends can be told only by the kernel's kill counter")]
    }

    /// Looks on from now on.
    pub(super) fn begin(&self, clock: RunClock) {
        let Some(pid) = self.pid else { return };
        let task = tokio::spawn(look_on(pid, self.group.clone(), clock, self.events.clone()));
        if let Ok(mut onlooker) = self.onlooker.lock()
            && let Some(former) = onlooker.replace(task)
        {
            former.abort();
        }
    }

    /// Stops looking.
    pub(super) async fn leave(&self) {
        let onlooker = self.onlooker.lock().ok().and_then(|mut onlooker| onlooker.take());
        if let Some(task) = onlooker {
            task.abort();
            let _ = task.await;
        }
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        if let Ok(mut onlooker) = self.onlooker.lock()
            && let Some(task) = onlooker.take()
        {
            task.abort();
        }
    }
}

/// A group that has a limit and that firedrill is not in itself: filling our own would hit us as well.
fn is_the_apps(group: &MemoryGroup) -> bool {
    group.limit.is_some() && limit::group_of("self").is_none_or(|own| own.dir != group.dir)
}

/// Looks on while a process that is not ours lives; its end is an event.
async fn look_on(pid: u32, group: Option<MemoryGroup>, clock: RunClock, events: EventSink) {
    let emit = |what| events.emit(RunEvent::Target(TargetEvent { at: clock.now(), what }));
    // The group's own count, and the machine's: who manages the group may remove it together with the process, and
    // its count with it.
    let count = || (group.as_ref().and_then(limit::oom_kills), limit::machine_oom_kills());
    let Some(born) = birth(pid) else { return };
    emit(TargetChange::Started { pid });
    // Others may share the group, so only a kill around this process's end can be its own; but a large process takes
    // its time to die, hence the last two seconds and not the last look.
    let (mut counts, mut at_limit) = (VecDeque::from([count()]), false);
    while birth(pid) == Some(born) {
        if let Some((used, limit)) = group.as_ref().and_then(|g| Some((limit::unreclaimable(g)?, g.limit?))) {
            at_limit = used >= near(limit);
        }
        counts.push_back(count());
        if counts.len() > 10 {
            counts.pop_front();
        }
        sleep(LOOK_EVERY).await;
    }
    let oom_killed = counts.front().is_some_and(|before| match (*before, count()) {
        ((Some(before), _), (Some(now), _)) => now > before,
        ((_, before), (_, now)) => group.is_some() && now > before,
    });
    emit(TargetChange::Ended { code: None, signal: None, oom_killed, at_limit: at_limit || oom_killed });
}
