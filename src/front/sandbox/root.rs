//! A root directory with nothing in it.

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{chdir, pivot_root};

use super::SandboxError;

/// Where the empty file system is mounted before it becomes the root: a directory that every
/// host has. The cover is in our own mount namespace, nobody else sees it.
const COVERED: &str = "/proc";

/// Moves the process to mount, IPC and UTS namespaces of its own, the first with an empty,
/// read-only file system as its only mount.
pub(super) fn empty() -> Result<(), SandboxError> {
    let step = |what| move |errno: Errno| SandboxError::Root(what, errno);
    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWIPC | CloneFlags::CLONE_NEWUTS)
        .map_err(step("unshare"))?;
    // Without this, what follows would be propagated to the host (mount_namespaces(7)).
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>)
        .map_err(step("mount --make-rprivate"))?;
    let locked = MsFlags::MS_RDONLY | MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let options = "mode=0555,size=4k,nr_inodes=1";
    mount(Some("piaule-front"), COVERED, Some("tmpfs"), locked, Some(options))
        .map_err(step("mounting a tmpfs"))?;
    chdir(COVERED).map_err(step("chdir"))?;
    // The old root ends up on top of the new one, and is let go (pivot_root(2), NOTES).
    pivot_root(".", ".").map_err(step("pivot_root"))?;
    umount2(".", MntFlags::MNT_DETACH).map_err(step("detaching the old root"))?;
    chdir("/").map_err(step("chdir"))
}
