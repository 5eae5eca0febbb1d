//! Limits of a process that a ballast lowers: as they are found, and giving them back.

use super::line::{LoweredLimit, Owner};
use procfs::process::{Limit, LimitValue, Process};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use std::io;

impl LoweredLimit {
    /// The limits of a process that a ballast would lower, as they are now.
    #[must_use]
    pub fn of(pid: u32) -> Vec<Self> {
        let limits = i32::try_from(pid).ok().and_then(|pid| Process::new(pid).and_then(|p| p.limits()).ok());
        let Some(limits) = limits else { return Vec::new() };
        [finite("data", &limits.max_data_size), finite("as", &limits.max_address_space)].into_iter().flatten().collect()
    }

    fn resource(&self) -> Option<Resource> {
        match self.resource.as_str() {
            "data" => Some(Resource::Data),
            "as" => Some(Resource::As),
            _ => None,
        }
    }
}

fn finite(resource: &str, limit: &Limit) -> Option<LoweredLimit> {
    let LimitValue::Value(soft) = limit.soft_limit else { return None };
    let hard = match limit.hard_limit {
        LimitValue::Value(hard) => Some(hard),
        LimitValue::Unlimited => None,
    };
    Some(LoweredLimit { resource: resource.to_owned(), soft, hard })
}

/// The limits that are lower than they were found, in a process that still lives.
pub(super) fn lowered(process: &Owner, found: &[LoweredLimit]) -> Vec<LoweredLimit> {
    if !process.lives() {
        return Vec::new();
    }
    let now = LoweredLimit::of(process.pid);
    let is_lower = |then: &&LoweredLimit| now.iter().any(|n| n.resource == then.resource && n.soft < then.soft);
    found.iter().filter(is_lower).cloned().collect()
}

/// Gives a process its limits back.
pub(super) fn restore(process: &Owner, limits: &[LoweredLimit]) -> io::Result<()> {
    let pid = i32::try_from(process.pid).ok().and_then(Pid::from_raw);
    for limit in limits {
        let Some(resource) = limit.resource() else { continue };
        prlimit(pid, resource, Rlimit { current: Some(limit.soft), maximum: limit.hard })?;
    }
    Ok(())
}
