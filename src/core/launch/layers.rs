//! The room's root: an overlay of the template below and the room's layer above.
//!
//! The template's owners are mapped into the room's range by an idmapped mount, the upper layer
//! belongs to the range already: nothing on disk is ever shifted. Paths are used for the layers,
//! since Linux 6.1 takes no descriptors there.

use std::fs::{self, File};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use nix::libc;
use nix::mount::{MsFlags, mount};
use rustix::fs::CWD;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, fsconfig_create,
    fsconfig_set_string, fsmount, fsopen, move_mount, open_tree,
};

use super::{StageError, Start, doing};
use crate::model::UidRange;
use crate::sys::clone;
use crate::sys::mount::map_owners;

/// Where the stage, in a mount namespace of its own, puts what it needs a path for. Any
/// directory serves; this one is on every Linux system.
const SCRATCH: &str = "/mnt";

/// Leaves the host's mount namespace and makes an empty scratch tree the working directory. The
/// room's root goes there, so that the child finds it without passing through a host path.
pub fn prepare() -> Result<(), StageError> {
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS)
        .map_err(doing("leave the host's mounts"))?;
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)
        .map_err(doing("make mounts private"))?;
    mount(Some("stage"), SCRATCH, Some("tmpfs"), MsFlags::empty(), Some("mode=755,size=64k"))
        .map_err(doing("mount a scratch tmpfs"))?;
    for folder in ["lower", "root"] {
        let path = Path::new(SCRATCH).join(folder);
        fs::create_dir(&path).map_err(doing(format!("create {}", path.display())))?;
    }
    std::env::set_current_dir(Path::new(SCRATCH).join("root"))
        .map_err(doing("enter the scratch tree"))
}

/// The room's root as a detached mount.
pub fn root(order: &Start) -> Result<OwnedFd, StageError> {
    let lower = Path::new(SCRATCH).join("lower");
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let tree = open_tree(CWD, &order.template, flags)
        .map_err(doing(format!("open the template {}", order.template.display())))?;
    let namespace = user_namespace(order.uids)?;
    map_owners(tree.as_fd(), namespace.as_fd()).map_err(doing("map the template's owners"))?;
    move_mount(&tree, "", CWD, &lower, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
        .map_err(doing("attach the template"))?;

    let overlay = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC).map_err(doing("open overlay"))?;
    let set = |key: &str, path: &Path| {
        fsconfig_set_string(&overlay, key, path).map_err(doing(format!("set {key} of the overlay")))
    };
    set("source", Path::new("piaule"))?;
    set("lowerdir", &lower)?;
    set("upperdir", &order.upper)?;
    set("workdir", &order.work)?;
    fsconfig_create(&overlay).map_err(doing("make the overlay"))?;
    let root = fsmount(&overlay, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::MOUNT_ATTR_NODEV)
        .map_err(doing("mount the overlay"))?;
    let flags = rustix::fs::fstatvfs(&root).map_err(doing("look at the overlay"))?.f_flag;
    if flags.contains(rustix::fs::StatVfsMountFlags::RDONLY) {
        let full =
            std::io::Error::other("it came out read-only: the room's disk or the pool is full");
        return Err(doing("mount the overlay")(full));
    }
    Ok(root)
}

/// A user namespace with the room's maps, for the idmapped mount. It lives as long as its
/// descriptor.
fn user_namespace(uids: UidRange) -> Result<OwnedFd, StageError> {
    let holder = clone::hold_user_namespace().map_err(doing("clone into a user namespace"))?;
    let mapped = map_ids(holder.pid(), uids).and_then(|()| {
        let path = format!("/proc/{}/ns/user", holder.pid());
        File::open(&path).map(OwnedFd::from).map_err(doing(format!("open {path}")))
    });
    holder.end().map_err(doing("end the namespace's holder"))?;
    mapped
}

/// Writes the id maps of a fresh user namespace: its 0 to 65,535 are the room's range.
pub fn map_ids(pid: libc::pid_t, uids: UidRange) -> Result<(), StageError> {
    let map = format!("0 {} {}", uids.base(), UidRange::SIZE);
    for kind in ["uid_map", "gid_map"] {
        let path = format!("/proc/{pid}/{kind}");
        fs::write(&path, &map).map_err(doing(format!("write {path}")))?;
    }
    Ok(())
}
