//! What the kernel has of a room.

use std::fs;
use std::path::PathBuf;

use super::live::Live;
use super::plan::Observed;
use crate::core::kernel::cgroup::Cgroups;
use crate::core::kernel::pool::Pool;
use crate::core::kernel::process::Process;
use crate::model::RoomId;

/// Reads a room's state from the kernel again.
pub fn observe(room: RoomId, live: &Live, pool: &Pool, cgroups: &Cgroups) -> Observed {
    let running = live.init(room).is_some_and(|init| init.is_alive());
    Observed {
        layer: pool.has_layer(room),
        cgroup: cgroups.exists(room),
        running,
        ready: running && live.is_ready(room),
    }
}

/// Finds a room's pid 1 among the processes of its cgroup: the one whose pid in the room's
/// namespace, one below ours, is 1. For rooms that were running before this core.
pub fn find_init(room: RoomId, cgroups: &Cgroups) -> Option<Process> {
    let processes = cgroups.processes(room).into_iter().filter_map(Process::open);
    processes.into_iter().find(|process| process.is_init() && process.is_alive())
}

/// Every `cgroup.procs` a process must be written to, to join the process `pid`.
pub fn cgroup_procs(pid: i32, cgroups: &Cgroups) -> Vec<PathBuf> {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    cgroups.procs_of(&text)
}
