//! Memory groups of the kernel that an app was put into: found by their names below the mounts of the control groups.

use super::processes::kill;
use std::fs;
use std::path::{Path, PathBuf};

/// Deeper trees of control groups are not looked through.
const MOST_DEPTH: usize = 12;

/// The groups whose names begin with `prefix`.
pub(super) fn named(prefix: &str) -> Vec<PathBuf> {
    // Never with nothing to go by: every group of the machine would be ours.
    if prefix.len() <= "firedrill-".len() {
        return Vec::new();
    }
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mut found = Vec::new();
    for mount in memory_mounts(&mounts) {
        search(&mount, prefix, 0, &mut found);
    }
    found
}

/// Where control groups with the memory controller are mounted (proc_pid_mountinfo(5)).
fn memory_mounts(text: &str) -> Vec<PathBuf> {
    let mount = |line: &str| {
        let (left, right) = line.split_once(" - ")?;
        let at = left.split(' ').nth(4)?;
        let mut right = right.split(' ');
        let (kind, options) = (right.next()?, right.nth(1).unwrap_or(""));
        let fits = kind == "cgroup2" || kind == "cgroup" && options.split(',').any(|option| option == "memory");
        fits.then(|| PathBuf::from(at.replace("\\040", " ")))
    };
    text.lines().filter_map(mount).collect()
}

fn search(dir: &Path, prefix: &str, depth: usize, found: &mut Vec<PathBuf>) {
    if depth > MOST_DEPTH {
        return;
    }
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(prefix)) {
            found.push(entry.path());
        } else {
            search(&entry.path(), prefix, depth + 1, found);
        }
    }
}

/// Kills what is in a group and removes it; whether it is gone.
pub(super) fn clear(group: &Path) -> bool {
    for pid in members(group) {
        kill(pid);
    }
    fs::remove_dir(group).is_ok() || !group.exists()
}

fn members(group: &Path) -> Vec<u32> {
    let text = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    let me = std::process::id();
    text.lines().filter_map(|line| line.trim().parse().ok()).filter(|pid| *pid != 0 && *pid != me).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_mounts_with_the_memory_controller_are_looked_through() {
        let text = "30 25 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
                    31 25 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
                    40 25 0:36 / /sys/fs/cgroup/my\\040own rw - cgroup2 cgroup2 rw\n\
                    41 25 0:37 / / rw - ext4 /dev/vda rw\n";
        assert_eq!(memory_mounts(text), ["/sys/fs/cgroup/memory", "/sys/fs/cgroup/my own"].map(PathBuf::from));
    }

    #[test]
    fn groups_are_found_by_name_and_never_without_one() {
        let tree = tempfile::tempdir().unwrap();
        for dir in ["a/firedrill-run-7", "a/firedrill-runner-8", "b/c/firedrill-run-9/inner", "other"] {
            fs::create_dir_all(tree.path().join(dir)).unwrap();
        }
        let mut found = Vec::new();
        search(tree.path(), "firedrill-run-", 0, &mut found);
        found.sort();
        assert_eq!(found, ["a/firedrill-run-7", "b/c/firedrill-run-9"].map(|dir| tree.path().join(dir)));
        assert!(named("").is_empty() && named("firedrill-").is_empty());
    }
}
