//! Control groups of the kernel: which are mounted, which we may use, making and removing one.

use super::descent::birth;
use crate::model::memory_group::{GroupKind, MemoryGroup};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

/// What v1 shows for "no limit" is a number just below 2^63.
const UNLIMITED: u64 = 1 << 60;

/// Where a process's memory is counted, and the mount that shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    kind: GroupKind,
    mount: PathBuf,
    dir: PathBuf,
}

/// The memory group that `pid` (or `self`) is counted in, as far as it can be seen from here.
pub(super) fn group_of(pid: &str) -> Option<MemoryGroup> {
    let place = locate(
        &fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?,
        &fs::read_to_string("/proc/self/mountinfo").ok()?,
    )?;
    let mut group = MemoryGroup { kind: place.kind, dir: place.dir, limit: None };
    group.limit = effective_limit(&group, &place.mount);
    group.procs_file().exists().then_some(group)
}

/// Reads `/proc/PID/cgroup` and `/proc/self/mountinfo`. The memory controller is either on a v1 hierarchy of its
/// own, possibly beside an empty v2 tree, or in the v2 tree.
fn locate(cgroups: &str, mounts: &str) -> Option<Place> {
    let line_of = |wanted: &dyn Fn(&str, &str) -> bool| {
        cgroups.lines().find_map(|line| {
            let mut parts = line.splitn(3, ':');
            let (id, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
            wanted(id, controllers).then_some(path)
        })
    };
    let v1 = line_of(&|_, controllers| controllers.split(',').any(|c| c == "memory"));
    let v2 = line_of(&|id, controllers| id == "0" && controllers.is_empty());
    let (kind, path) = v1.map(|p| (GroupKind::V1, p)).or_else(|| v2.map(|p| (GroupKind::V2, p)))?;
    let (root, mount) = mounts.lines().find_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        let mut left = left.split(' ').skip(3);
        let (root, at) = (unescape(left.next()?), unescape(left.next()?));
        let mut right = right.split(' ');
        let (fstype, options) = (right.next()?, right.nth(1).unwrap_or(""));
        let fits = match kind {
            GroupKind::V1 => fstype == "cgroup" && options.split(',').any(|o| o == "memory"),
            GroupKind::V2 => fstype == "cgroup2",
        };
        fits.then_some((root, PathBuf::from(at)))
    })?;
    // In a container without a namespace of its own the mount shows only a part of the tree.
    let below = if root == "/" { Some(path) } else { path.strip_prefix(root.as_str()) };
    let below = below.filter(|rest| (rest.is_empty() || rest.starts_with('/')) && !rest.starts_with("/.."));
    let dir = mount.join(below.unwrap_or("").trim_start_matches('/'));
    Some(Place { kind, mount, dir })
}

/// Spaces and tabs in mountinfo are octal.
fn unescape(text: &str) -> String {
    text.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")
}

/// The smallest limit from the group up to the mount.
fn effective_limit(group: &MemoryGroup, mount: &Path) -> Option<u64> {
    let mut limit: Option<u64> = None;
    for dir in group.dir.ancestors().take_while(|dir| dir.starts_with(mount)) {
        let at = MemoryGroup { kind: group.kind, dir: dir.to_owned(), limit: None };
        let own = fs::read_to_string(at.limit_file()).ok().and_then(|text| text.trim().parse::<u64>().ok());
        limit = match (limit, own.filter(|bytes| *bytes < UNLIMITED)) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }
    limit
}

/// Makes a group named `name` with a limit, as near to our own group as we may; or says why there is none.
pub(super) fn create(name: &str, limit: u64) -> Result<MemoryGroup, String> {
    let read = |path: &str| fs::read_to_string(path).map_err(|e| format!("{path}: {e}"));
    let place = locate(&read("/proc/self/cgroup")?, &read("/proc/self/mountinfo")?)
        .ok_or("the kernel's memory controller is not mounted here")?;
    let mut why = String::new();
    // v2 allows no groups below one that has processes, hence the way up; v1 does not mind.
    for parent in place.dir.ancestors().take_while(|dir| dir.starts_with(&place.mount)) {
        sweep(parent);
        match create_in(parent, name, limit, &place) {
            Ok(group) => return Ok(group),
            // The first reason is about the place where we belong, so it is the one that helps.
            Err(error) if why.is_empty() => why = error,
            Err(_) => {}
        }
    }
    Err(why)
}

fn create_in(parent: &Path, name: &str, limit: u64, place: &Place) -> Result<MemoryGroup, String> {
    let explain = |what: &Path| {
        let what = what.display().to_string();
        move |e: io::Error| format!("{what}: {}", e.kind())
    };
    if place.kind == GroupKind::V2 {
        let has = |file: &str| {
            fs::read_to_string(parent.join(file)).is_ok_and(|t| t.split_ascii_whitespace().any(|c| c == "memory"))
        };
        let control = parent.join("cgroup.subtree_control");
        if !has("cgroup.controllers") {
            return Err(format!("{}: no memory controller there", parent.display()));
        }
        if !has("cgroup.subtree_control") {
            fs::write(&control, "+memory").map_err(explain(&control))?;
        }
    }
    let dir = parent.join(name);
    fs::create_dir(&dir).map_err(explain(&dir))?;
    let mut group = MemoryGroup { kind: place.kind, dir, limit: Some(limit) };
    let outcome = furnish(&group, limit).and_then(|()| try_entering(&group, place));
    if let Err(why) = outcome {
        remove(&group, Duration::ZERO);
        return Err(why);
    }
    // Read back: the kernel rounds to pages, and an enclosing group may be narrower.
    group.limit = effective_limit(&group, &place.mount).or(Some(limit));
    Ok(group)
}

fn furnish(group: &MemoryGroup, limit: u64) -> Result<(), String> {
    let file = group.limit_file();
    fs::write(&file, limit.to_string()).map_err(|e| format!("{}: {}", file.display(), e.kind()))?;
    // Without swap, as the platforms that sell such instances have none. Kernels without swap accounting lack
    // these files; then swap is not limited, and that is all.
    match group.kind {
        GroupKind::V1 => {
            let _ = fs::write(group.dir.join("memory.memsw.limit_in_bytes"), limit.to_string());
            // Inherited from the parent; switched off, an app at its limit would hang instead of being killed.
            let _ = fs::write(group.oom_file(), "0");
        }
        GroupKind::V2 => {
            let _ = fs::write(group.dir.join("memory.swap.max"), "0");
        }
    }
    Ok(())
}

/// Goes in and out again: permissions on the way are the kernel's affair, and only trying tells.
fn try_entering(group: &MemoryGroup, place: &Place) -> Result<(), String> {
    let inside = group.procs_file();
    fs::write(&inside, "0").map_err(|e| format!("{}: {}", inside.display(), e.kind()))?;
    let back = place.dir.join("cgroup.procs");
    fs::write(&back, "0").map_err(|e| format!("{}: {}", back.display(), e.kind()))
}

/// Removes empty groups of guardians that were killed together with their firedrill.
fn sweep(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let maker = name.to_str().and_then(|n| n.strip_prefix(PREFIX)?.rsplit_once('-')?.1.parse::<u32>().ok());
        if maker.is_some_and(|pid| birth(pid).is_none()) {
            // Fails if somebody is inside, which is as it should be.
            let _ = fs::remove_dir(entry.path());
        }
    }
}

/// What the names of our groups begin with.
const PREFIX: &str = "firedrill-";

/// What the names of a run's groups begin with, by the run's id.
#[must_use]
pub fn group_prefix(run_id: &str) -> String {
    let run: String = run_id.chars().filter(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c)).take(80).collect();
    format!("{PREFIX}{run}-")
}

/// A group's name for a run and the process that makes it; the run's id is cut to what a file name bears.
pub(super) fn group_name(run_id: &str, pid: u32) -> String {
    format!("{}{pid}", group_prefix(run_id))
}

/// Removes a group whose processes are dead, trying for a while: the kernel may still be counting them out.
pub(super) fn remove(group: &MemoryGroup, within: Duration) {
    let step = Duration::from_millis(10);
    for _ in 0..=within.as_millis() / step.as_millis() {
        match fs::remove_dir(&group.dir) {
            Ok(()) => return,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return,
            Err(_) if within.is_zero() => return,
            Err(_) => sleep(step),
        }
    }
}

/// The processes in a group, as far as they can be seen from here.
pub(super) fn members(group: &MemoryGroup) -> Vec<u32> {
    let text = fs::read_to_string(group.procs_file()).unwrap_or_default();
    text.lines().filter_map(|line| line.trim().parse().ok()).filter(|pid| *pid != 0).collect()
}

/// The kernel's count of kills for lack of memory in a group, while there is the group.
pub(super) fn oom_kills(group: &MemoryGroup) -> Option<u64> {
    group.oom_kills(&fs::read_to_string(group.oom_file()).ok()?)
}

/// The kernel's count of kills for lack of memory on the whole machine.
pub(super) fn machine_oom_kills() -> Option<u64> {
    let text = fs::read_to_string("/proc/vmstat").ok()?;
    text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
}

/// Bytes of a group that the kernel could not get back.
pub(super) fn unreclaimable(group: &MemoryGroup) -> Option<u64> {
    group.unreclaimable(
        &fs::read_to_string(group.usage_file()).ok()?,
        &fs::read_to_string(group.stat_file()).unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const HYBRID: &str = "30 25 0:26 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n\
                          40 25 0:36 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";
    const UNIFIED: &str = "30 25 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
    const DOCKER: &str = "30 25 0:26 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n";

    #[rstest]
    #[case::hybrid("4:memory:/user/1\n0::/\n", HYBRID, GroupKind::V1, "/sys/fs/cgroup/memory/user/1")]
    #[case::joint("4:cpu,memory:/\n0::/\n", HYBRID, GroupKind::V1, "/sys/fs/cgroup/memory/")]
    #[case::unified("0::/user.slice/a.scope\n", UNIFIED, GroupKind::V2, "/sys/fs/cgroup/user.slice/a.scope")]
    #[case::outside("0::/../../b\n", UNIFIED, GroupKind::V2, "/sys/fs/cgroup/")]
    #[case::container("4:memory:/docker/abc/x\n", DOCKER, GroupKind::V1, "/sys/fs/cgroup/memory/x")]
    #[case::stranger("4:memory:/docker/abcd\n", DOCKER, GroupKind::V1, "/sys/fs/cgroup/memory/")]
    fn finds_the_memory_controller(
        #[case] cgroups: &str,
        #[case] mounts: &str,
        #[case] kind: GroupKind,
        #[case] dir: &str,
    ) {
        let place = locate(cgroups, mounts).unwrap();
        assert_eq!((place.kind, place.dir.as_path()), (kind, Path::new(dir)));
    }

    #[test]
    fn no_controller_is_no_group() {
        assert_eq!(locate("0::/\n", "30 25 0:26 / / rw - ext4 /dev/vda rw\n"), None);
        assert_eq!(locate("", UNIFIED), None);
        assert_eq!(locate("4:memory:/x\n", UNIFIED), None);
    }

    /// A v2 tree of plain files: what is written where. What a kernel makes of it needs a kernel with v2.
    #[test]
    fn a_v2_group_is_furnished_beside_ours() {
        let tree = tempfile::tempdir().unwrap();
        let (mount, own) = (tree.path().to_owned(), tree.path().join("user.slice/a.scope"));
        fs::create_dir_all(&own).unwrap();
        for dir in [&mount.join("user.slice"), &own] {
            fs::write(dir.join("cgroup.controllers"), "cpu memory\n").unwrap();
            fs::write(dir.join("cgroup.subtree_control"), "memory\n").unwrap();
        }
        fs::write(mount.join("user.slice/memory.max"), "1000000\n").unwrap();
        let place = Place { kind: GroupKind::V2, mount: mount.clone(), dir: own.clone() };
        let group = create_in(&own, "firedrill-x-1", 2_000_000, &place).unwrap();
        let read = |dir: &Path, file: &str| fs::read_to_string(dir.join(file)).unwrap();
        assert_eq!(read(&group.dir, "memory.max"), "2000000");
        assert_eq!(read(&group.dir, "memory.swap.max"), "0");
        assert_eq!((read(&group.dir, "cgroup.procs"), read(&own, "cgroup.procs")), ("0".into(), "0".into()));
        assert_eq!(group.limit, Some(1_000_000), "the enclosing group is narrower");
        let refused = create_in(&mount, "firedrill-x-1", 1, &place).unwrap_err();
        assert!(refused.ends_with("no memory controller there"), "{refused}");
    }

    #[test]
    fn names_bear_any_run_id() {
        assert_eq!(group_name("../2026 x", 7), "firedrill-..2026x-7");
    }
}
