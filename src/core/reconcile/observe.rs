//! What the kernel has of a room.

use std::fs;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::live::{Init, Live};
use super::plan::Observed;
use crate::core::kernel::cgroup::Cgroups;
use crate::core::kernel::pool::Pool;
use crate::model::RoomId;

/// Reads a room's state from the kernel again.
pub fn observe(room: RoomId, live: &Live, pool: &Pool, cgroups: &Cgroups) -> Observed {
    let running = live.init(room).is_some_and(|init| is_alive(&init.pidfd));
    let layer = pool.has_layer(room);
    Observed {
        layer,
        remains: layer || pool.room(room).exists() || cgroups.exists(room),
        running,
        ready: running && live.is_ready(room),
    }
}

/// Whether the process of a pidfd lives (a dead one makes it readable, pidfd_open(2)).
fn is_alive(pidfd: &OwnedFd) -> bool {
    let mut fds = [PollFd::new(pidfd, PollFlags::IN)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    matches!(poll(&mut fds, Some(&now)), Ok(0))
}

/// Finds a room's pid 1 among the processes of its cgroup: the one whose pid in the room's
/// namespace, one below ours, is 1. For rooms that were running before this core.
pub fn find_init(room: RoomId, cgroups: &Cgroups) -> Option<Init> {
    cgroups.processes(room).into_iter().find_map(|pid| {
        // Opened before it is looked at: it cannot become another process in between unseen.
        let pidfd = pidfd_open(Pid::from_raw(pid)?, PidfdFlags::empty()).ok()?;
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        (is_init(&status) && is_alive(&pidfd)).then(|| Init { pid, pidfd: Arc::new(pidfd) })
    })
}

/// Whether a process's status(5) shows pid 1 of a namespace just below ours.
fn is_init(status: &str) -> bool {
    let line = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    let pids: Vec<&str> = line.map(|line| line.split_whitespace().collect()).unwrap_or_default();
    pids.len() == 2 && pids[1] == "1"
}

/// Every `cgroup.procs` a process must be written to, to join those of `pid`, and the v2 one.
pub fn cgroup_procs(pid: i32, cgroups: &Cgroups) -> Vec<std::path::PathBuf> {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    cgroups.procs_of(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_init_of_a_room_is_told_from_others() {
        assert!(is_init("Name:\tsystemd\nNSpid:\t4711\t1\n"));
        assert!(!is_init("NSpid:\t4711\t7\n"));
        // A container inside the room.
        assert!(!is_init("NSpid:\t4711\t7\t1\n"));
        assert!(!is_init("NSpid:\t1\n"));
        assert!(!is_init(""));
    }

    #[test]
    fn a_living_process_is_alive() {
        let me = Pid::from_raw(std::process::id().cast_signed()).expect("a pid");
        let pidfd = pidfd_open(me, PidfdFlags::empty()).expect("pidfd");
        assert!(is_alive(&pidfd));
    }
}
