//! Clones of the host's objects that a room gets: device nodes, its console, the notify socket.
//!
//! They are taken as detached mounts while the stage still is on the host, so the child needs no
//! path there.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, fchown};
use rustix::mount::{OpenTreeFlags, open_tree};
use rustix::process::{Gid, Uid};

use super::{StageError, Start, doing};

/// The device nodes of a room, named as under /dev.
const NODES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

/// What will be attached under the room's /dev and /run.
pub struct Devices {
    /// Name under /dev, and the node.
    pub nodes: Vec<(&'static str, OwnedFd)>,
    pub console: OwnedFd,
    pub notify: OwnedFd,
}

/// Takes the clones. The console's slave becomes the room's own, else its init could not open it.
pub fn take(order: &Start, console: &OwnedFd) -> Result<Devices, StageError> {
    let nodes = NODES
        .into_iter()
        .map(|name| Ok((name, tree(&Path::new("/dev").join(name))?)))
        .collect::<Result<_, StageError>>()?;
    let base = order.uids.base();
    fchown(console, Some(Uid::from_raw(base)), Some(Gid::from_raw(base)))
        .map_err(doing("give the console to the room"))?;
    let slave = format!("/proc/self/fd/{}", console.as_fd().as_raw_fd());
    Ok(Devices { nodes, console: tree(Path::new(&slave))?, notify: tree(&order.notify)? })
}

fn tree(path: &Path) -> Result<OwnedFd, StageError> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    open_tree(CWD, path, flags).map_err(doing(format!("take a clone of {}", path.display())))
}
