//! Who descends from a process, thoroughly: for killing all of them, and for weighing them.

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// One line of the process table.
struct Row {
    pid: u32,
    parent: u32,
    zombie: bool,
}

/// All living descendants of `root`, without itself. Walks the whole table, so that nobody is missed whose own
/// children list is not readable.
pub(super) fn descendants(root: u32) -> BTreeSet<u32> {
    let mut children: BTreeMap<u32, Vec<Row>> = BTreeMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        if let Some(row) = read_row(pid) {
            children.entry(row.parent).or_default().push(row);
        }
    }
    let (mut found, mut open) = (BTreeSet::new(), vec![root]);
    while let Some(pid) = open.pop() {
        // Removing guards against a cycle, which pids that are reused during the walk could make.
        for row in children.remove(&pid).unwrap_or_default() {
            open.push(row.pid);
            if !row.zombie {
                found.insert(row.pid);
            }
        }
    }
    found
}

fn read_row(pid: u32) -> Option<Row> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may itself hold anything, so fields are counted from its last parenthesis.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?;
    Some(Row { pid, parent: fields.next()?.parse().ok()?, zombie: matches!(state, "Z" | "X") })
}

/// When a process started, in clock ticks since boot: with its pid, an identity. `None` if it lives no more.
pub(super) fn birth(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    if matches!(*fields.first()?, "Z" | "X") {
        return None;
    }
    // Field 22 of proc_pid_stat(5); the first two are before the parenthesis.
    fields.get(19)?.parse().ok()
}

/// Resident bytes of one process; 0 if it is gone.
pub(super) fn resident(pid: u32) -> u64 {
    let pages = fs::read_to_string(format!("/proc/{pid}/statm"))
        .ok()
        .and_then(|text| text.split_ascii_whitespace().nth(1)?.parse::<u64>().ok())
        .unwrap_or(0);
    pages * rustix::param::page_size() as u64
}

/// Resident bytes of one process, with pages that several share divided among them. Costs a walk over its mappings.
pub(super) fn proportional(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    Some(line.split_ascii_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

/// Sends a signal to a process; one that is gone already is fine.
pub(super) fn send(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

/// Sends a signal to a process group; one that is gone already is fine.
pub(super) fn send_group(group: u32, signal: Signal) {
    if let Some(group) = i32::try_from(group).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(group, signal);
    }
}
