//! [`Place`]: where a ballast can press on the app.

use crate::model::memory_group::{MemoryGroup, Reserve};

/// Where a ballast can press on the app.
#[derive(Clone)]
pub enum Place {
    /// In the app's own control group: real memory, and the kernel decides what gives.
    Group(MemoryGroup),
    /// On the limit that firedrill itself enforces: it is lowered by the ballast's size.
    Reserve(Reserve),
    /// On the process's own limits (`RLIMIT_DATA`, `RLIMIT_AS`), if it has any: they are lowered by the ballast's size.
    Rlimit {
        /// The app's pid.
        pid: u32,
    },
    /// Nowhere, and why.
    Nowhere(String),
}

impl Place {
    /// The best place for what is known of an app: its group, else the limit that firedrill enforces, else its own.
    #[must_use]
    pub fn find(group: Option<&MemoryGroup>, reserve: Option<Reserve>, pid: Option<u32>) -> Self {
        match (group, reserve, pid) {
            (Some(group), _, _) => Self::Group(group.clone()),
            (None, Some(reserve), _) => Self::Reserve(reserve),
            (None, None, Some(pid)) => Self::Rlimit { pid },
            (None, None, None) => Self::Nowhere("the app's process is not known (no pid)".to_owned()),
        }
    }
}
