//! Work that takes long enough to hold up others.

use tokio::runtime::{Handle, RuntimeFlavor};

/// Does work where it does not keep this thread's other connections waiting, if it is `heavy` (some 10 ms or more) and
/// the runtime has other threads.
pub fn making_way<T>(heavy: bool, work: impl FnOnce() -> T) -> T {
    let may =
        heavy && Handle::try_current().is_ok_and(|runtime| runtime.runtime_flavor() == RuntimeFlavor::MultiThread);
    if may { tokio::task::block_in_place(work) } else { work() }
}
