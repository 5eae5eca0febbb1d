//! Memory of the app's process tree and of its group, from the kernel's own figures.

use super::beat::Beat;
use super::context::ProbeContext;
use crate::model::event::RunEvent;
use crate::model::memory_group::MemoryGroup;
use crate::model::plan::TargetPlan;
use crate::model::reading::Reading;
use crate::units::Offset;
use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How often the tree is walked for new processes; between walks only known ones are weighed.
const WALK_EVERY: Duration = Duration::from_millis(900);

/// Reads the app's memory until stopped, or until its process is gone.
pub(super) async fn run(ctx: Arc<ProbeContext>, pid: u32) {
    let mut beat = Beat::new(ctx.clock, Offset::ZERO, ctx.plan.probes.memory_every.get());
    let mut tree = Tree::new(pid);
    while beat.wait(&ctx.stop).await.is_some() {
        let at = ctx.clock.now();
        let Some(rss) = tree.resident() else {
            // The end of a child is reported by whoever started it.
            if matches!(ctx.plan.target, TargetPlan::Url { .. }) {
                ctx.warn(format!("the app's process {pid} is gone: its memory is not seen from now on"));
            }
            return;
        };
        let group = ctx.group.as_ref().and_then(working_set);
        let limit = ctx.limit.map(|limit| limit.get());
        ctx.events.emit(RunEvent::Reading(Reading::Memory { at, rss, group, limit }));
    }
}

fn working_set(group: &MemoryGroup) -> Option<u64> {
    group.working_set(
        &fs::read_to_string(group.usage_file()).ok()?,
        &fs::read_to_string(group.stat_file()).unwrap_or_default(),
    )
}

/// A process and all that descend from it.
struct Tree {
    root: u32,
    /// With the pid, the identity of the root: pids are used again.
    born: Option<u64>,
    members: BTreeSet<u32>,
    walked: Option<Instant>,
}

impl Tree {
    fn new(root: u32) -> Self {
        Self { root, born: birth(root), members: BTreeSet::new(), walked: None }
    }

    /// Resident bytes of the tree; `None` once its root is gone. Pages that several processes share count for each,
    /// as in every tool that sums RSS.
    fn resident(&mut self) -> Option<u64> {
        let born = self.born?;
        if birth(self.root) != Some(born) {
            return None;
        }
        if self.walked.is_none_or(|at| at.elapsed() >= WALK_EVERY) {
            self.members = walk(self.root);
            self.walked = Some(Instant::now());
        }
        let page = rustix::param::page_size() as u64;
        let pages: u64 = self.members.iter().filter_map(|pid| resident_pages(*pid)).sum();
        // A root that gave its memory back is about to be reaped.
        (pages > 0).then_some(pages * page)
    }
}

/// The tree's pids, by the kernel's lists of children: their cost grows with the tree, not with the machine.
fn walk(root: u32) -> BTreeSet<u32> {
    if fs::metadata(format!("/proc/{root}/task/{root}/children")).is_err() {
        return walk_table(root);
    }
    let (mut found, mut open) = (BTreeSet::from([root]), vec![root]);
    while let Some(pid) = open.pop() {
        for task in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            for child in children.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()) {
                if found.insert(child) {
                    open.push(child);
                }
            }
        }
    }
    found
}

/// The same by the whole process table, for kernels without lists of children.
fn walk_table(root: u32) -> BTreeSet<u32> {
    let table: Vec<(u32, u32)> = procfs::process::all_processes()
        .into_iter()
        .flatten()
        .filter_map(|process| {
            let stat = process.ok()?.stat().ok()?;
            Some((u32::try_from(stat.pid).ok()?, u32::try_from(stat.ppid).ok()?))
        })
        .collect();
    let mut found = BTreeSet::from([root]);
    loop {
        let new: Vec<u32> = table
            .iter()
            .filter(|(pid, parent)| found.contains(parent) && !found.contains(pid))
            .map(|row| row.0)
            .collect();
        if new.is_empty() {
            return found;
        }
        found.extend(new);
    }
}

fn resident_pages(pid: u32) -> Option<u64> {
    fs::read_to_string(format!("/proc/{pid}/statm")).ok()?.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// When a process started, in ticks since boot; `None` if it lives no more.
fn birth(pid: u32) -> Option<u64> {
    let stat = procfs::process::Process::new(i32::try_from(pid).ok()?).ok()?.stat().ok()?;
    (!matches!(stat.state, 'Z' | 'X')).then_some(stat.starttime)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_walks_agree() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let me = std::process::id();
        assert!(walk(me).is_superset(&BTreeSet::from([me, child.id()])));
        assert!(walk_table(me).is_superset(&BTreeSet::from([me, child.id()])));
        assert!(Tree::new(child.id()).resident().is_some_and(|rss| rss > 0));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(Tree::new(child.id()).resident(), None);
    }
}
