//! [`MemoryGroup`]: the control group in which an app's memory is counted, as data that target, pressure and
//! probe share. Which files to read, and what their text means; reading them is each stage's own business.

use serde::{Deserialize, Serialize};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// Takes so many bytes of an app's limit away from it, where firedrill itself enforces the limit; 0 gives them back.
pub type Reserve = Arc<dyn Fn(u64) -> io::Result<()> + Send + Sync>;

/// Which generation of the kernel's control groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupKind {
    /// cgroup v1 (`memory.limit_in_bytes`); many hosts still keep the memory controller there.
    V1,
    /// cgroup v2 (`memory.max`).
    V2,
}

/// A memory control group of the kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryGroup {
    /// Which generation, hence which files.
    pub kind: GroupKind,
    /// Its folder.
    pub dir: PathBuf,
    /// The limit in force in bytes, enclosing groups included; `None` is unlimited.
    pub limit: Option<u64>,
}

impl MemoryGroup {
    /// The file that lists the group's processes, and that takes new ones.
    #[must_use]
    pub fn procs_file(&self) -> PathBuf {
        self.dir.join("cgroup.procs")
    }

    /// The file that holds the bytes in use, reclaimable file cache included.
    #[must_use]
    pub fn usage_file(&self) -> PathBuf {
        self.dir.join(match self.kind {
            GroupKind::V1 => "memory.usage_in_bytes",
            GroupKind::V2 => "memory.current",
        })
    }

    /// The file that takes the group's own limit.
    #[must_use]
    pub fn limit_file(&self) -> PathBuf {
        self.dir.join(match self.kind {
            GroupKind::V1 => "memory.limit_in_bytes",
            GroupKind::V2 => "memory.max",
        })
    }

    /// The file with what the bytes in use are made of.
    #[must_use]
    pub fn stat_file(&self) -> PathBuf {
        self.dir.join("memory.stat")
    }

    /// The file with the kernel's count of kills for lack of memory.
    #[must_use]
    pub fn oom_file(&self) -> PathBuf {
        self.dir.join(match self.kind {
            GroupKind::V1 => "memory.oom_control",
            GroupKind::V2 => "memory.events",
        })
    }

    /// The working set in bytes, from the texts of [`Self::usage_file`] and [`Self::stat_file`]: bytes in use
    /// without file pages that nobody used lately. It is the figure that container platforms show and act on;
    /// bytes in use alone stand at the limit for any app that reads files, without any danger.
    #[must_use]
    pub fn working_set(&self, usage: &str, stat: &str) -> Option<u64> {
        let idle = self.stat_value(stat, "inactive_file").unwrap_or(0);
        Some(usage.trim().parse::<u64>().ok()?.saturating_sub(idle))
    }

    /// The bytes that the kernel could not get back by dropping file pages, from the same two texts: what is left
    /// when the group stands at its limit.
    #[must_use]
    pub fn unreclaimable(&self, usage: &str, stat: &str) -> Option<u64> {
        let files = self.stat_value(stat, if self.kind == GroupKind::V1 { "cache" } else { "file" }).unwrap_or(0);
        let shared = self.stat_value(stat, "shmem").unwrap_or(0);
        Some(usage.trim().parse::<u64>().ok()?.saturating_sub(files.saturating_sub(shared)))
    }

    /// The kernel's count of kills for lack of memory, from the text of [`Self::oom_file`].
    #[must_use]
    pub fn oom_kills(&self, text: &str) -> Option<u64> {
        value_of(text, "oom_kill")
    }

    /// The name of this generation for sentences.
    #[must_use]
    pub const fn version(&self) -> &'static str {
        match self.kind {
            GroupKind::V1 => "cgroup v1",
            GroupKind::V2 => "cgroup v2",
        }
    }

    /// A line of `memory.stat` that counts the groups below too, which in v1 has a prefix.
    fn stat_value(&self, stat: &str, key: &str) -> Option<u64> {
        match self.kind {
            GroupKind::V1 => value_of(stat, &format!("total_{key}")),
            GroupKind::V2 => value_of(stat, key),
        }
    }
}

/// The number after `key` in a text of `key number` lines.
fn value_of(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_generations() {
        let v1 = MemoryGroup { kind: GroupKind::V1, dir: "/g".into(), limit: None };
        let stat = "cache 1\ninactive_file 1\ntotal_cache 300\ntotal_shmem 100\ntotal_inactive_file 150\n";
        assert_eq!(v1.working_set("1000\n", stat), Some(850));
        assert_eq!(v1.unreclaimable("1000\n", stat), Some(800));
        assert_eq!(v1.oom_kills("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"), Some(3));
        let v2 = MemoryGroup { kind: GroupKind::V2, dir: "/g".into(), limit: None };
        let stat = "anon 700\nfile 300\nshmem 100\ninactive_file 150\n";
        assert_eq!(v2.working_set("1000\n", stat), Some(850));
        assert_eq!(v2.unreclaimable("1000\n", stat), Some(800));
        assert_eq!(v2.oom_kills("oom 4\noom_kill 2\noom_group_kill 9\n"), Some(2));
        assert_eq!(v2.oom_kills(""), None);
    }
}
