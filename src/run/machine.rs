//! What machine a run is made on.

use crate::model::run_record::Machine;
use crate::units::ByteSize;

/// Describes this machine; what cannot be read is left at zero or "unknown".
pub(super) fn describe() -> Machine {
    let memory = procfs::Current::current().map(|info: procfs::Meminfo| info.mem_total).unwrap_or_default();
    let uname = rustix::system::uname();
    let system = format!("{} {}", uname.sysname().to_string_lossy(), uname.release().to_string_lossy());
    let cores = std::thread::available_parallelism().map_or(0, |cores| u32::try_from(cores.get()).unwrap_or(u32::MAX));
    Machine { cores, memory: ByteSize(memory).get(), system }
}
