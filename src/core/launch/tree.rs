//! The room's mounts, made by the child inside its own namespaces.
//!
//! `/sys` is read-only, else an init waits for udev; `/proc` and the cgroup tree show the room's
//! own namespaces. Mounts made here can be unmounted by the room's root, so none of them is a
//! wall: what must hold is held by the kernel's own checks, by seccomp and by AppArmor.

use std::fs::{self, File};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
use std::path::Path;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use rustix::fs::CWD;
use rustix::mount::{MoveMountFlags, move_mount};
use rustix::process::{fchdir, pivot_root};

use super::devices::Devices;
use super::{StageError, doing};

const SAFE: MsFlags = MsFlags::MS_NOSUID.union(MsFlags::MS_NODEV);
const INERT: MsFlags = SAFE.union(MsFlags::MS_NOEXEC);
/// Where pid 1 finds the socket to report to.
pub const NOTIFY: &str = "/run/host/notify";

/// Makes `root` the process's root, with everything mounted, and lets go of the host's.
pub fn build(root: &OwnedFd, devices: &Devices) -> Result<(), StageError> {
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)
        .map_err(doing("make mounts private"))?;
    attach(root, Path::new("."))?;
    fchdir(root).map_err(doing("enter the room's root"))?;
    // The old root stays stacked over the new one until the end: the kernel mounts a new /proc
    // only where another is fully visible (mount_namespaces(7)).
    pivot_root(".", ".").map_err(doing("make it the root"))?;
    fresh("proc", "/proc", INERT, None)?;
    fresh("sysfs", "/sys", INERT | MsFlags::MS_RDONLY, None)?;
    fresh("cgroup2", "/sys/fs/cgroup", INERT, None)?;
    fill_dev(devices)?;
    fresh("tmpfs", "/run", SAFE, Some("mode=755,size=20%,nr_inodes=800k"))?;
    folder("/run/host", 0o755)?;
    attach_file(&devices.notify, NOTIFY)?;
    umount2(".", MntFlags::MNT_DETACH).map_err(doing("let go of the host's root"))?;
    std::env::set_current_dir("/").map_err(doing("enter /"))
}

fn fill_dev(devices: &Devices) -> Result<(), StageError> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_STRICTATIME;
    fresh("tmpfs", "/dev", flags, Some("mode=755,size=4m,nr_inodes=1k"))?;
    for (name, node) in &devices.nodes {
        attach_file(node, &format!("/dev/{name}"))?;
    }
    attach_file(&devices.console, "/dev/console")?;
    folder("/dev/pts", 0o755)?;
    folder("/dev/shm", 0o1777)?;
    folder("/dev/mqueue", 0o755)?;
    // gid 5 is Debian's `tty`.
    let pts = "newinstance,ptmxmode=0666,mode=0620,gid=5,max=1024";
    fresh("devpts", "/dev/pts", MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC, Some(pts))?;
    fresh("tmpfs", "/dev/shm", SAFE, Some("mode=1777"))?;
    for (target, link) in [
        ("pts/ptmx", "/dev/ptmx"),
        ("/proc/self/fd", "/dev/fd"),
        ("/proc/self/fd/0", "/dev/stdin"),
        ("/proc/self/fd/1", "/dev/stdout"),
        ("/proc/self/fd/2", "/dev/stderr"),
    ] {
        symlink(target, link).map_err(doing(format!("link {link}")))?;
    }
    Ok(())
}

fn fresh(kind: &str, at: &str, flags: MsFlags, options: Option<&str>) -> Result<(), StageError> {
    mount(Some(kind), at, Some(kind), flags, options)
        .map_err(doing(format!("mount {kind} on {at}")))
}

fn folder(path: &str, mode: u32) -> Result<(), StageError> {
    let create = fs::DirBuilder::new().mode(mode).create(path);
    // The sticky bit and the group's rights pass no umask.
    create
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(mode)))
        .map_err(doing(format!("create {path}")))
}

/// Attaches a detached mount of a file over a new empty file.
fn attach_file(mount: &OwnedFd, path: &str) -> Result<(), StageError> {
    File::create(path).map_err(doing(format!("create {path}")))?;
    attach(mount, Path::new(path))
}

fn attach(mount: &OwnedFd, at: &Path) -> Result<(), StageError> {
    move_mount(mount.as_fd(), "", CWD, at, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
        .map_err(doing(format!("attach {}", at.display())))
}
