//! Subvolumes and quota groups of btrfs, by ioctl (linux/btrfs.h; btrfs-ioctl(2)).

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::libc::{self, c_char};
use nix::{ioctl_read, ioctl_readwrite, ioctl_write_ptr};

const MAGIC: u8 = 0x94;
/// `f_type` of a btrfs in statfs(2).
pub const SUPER_MAGIC: i64 = 0x9123_683e;
/// The inode number of every subvolume's root (BTRFS_FIRST_FREE_OBJECTID).
pub const SUBVOLUME_INODE: u64 = 256;
const PATH_NAME_MAX: usize = 4087;

#[repr(C)]
pub struct VolumeArgs {
    fd: i64,
    name: [c_char; PATH_NAME_MAX + 1],
}

#[repr(C)]
#[derive(Default)]
pub struct QuotaArgs {
    command: u64,
    status: u64,
}

#[repr(C)]
#[derive(Default)]
pub struct QgroupCreateArgs {
    create: u64,
    qgroup: u64,
}

#[repr(C)]
#[derive(Default)]
pub struct QgroupLimitArgs {
    qgroup: u64,
    flags: u64,
    max_referenced: u64,
    max_exclusive: u64,
    reserved_referenced: u64,
    reserved_exclusive: u64,
}

#[repr(C)]
pub struct InodeLookupArgs {
    tree: u64,
    object: u64,
    name: [c_char; 4080],
}

ioctl_write_ptr!(subvolume_create, MAGIC, 14, VolumeArgs);
ioctl_write_ptr!(snapshot_destroy, MAGIC, 15, VolumeArgs);
ioctl_readwrite!(inode_lookup, MAGIC, 18, InodeLookupArgs);
ioctl_read!(subvolume_getflags, MAGIC, 25, u64);
ioctl_write_ptr!(subvolume_setflags, MAGIC, 26, u64);
ioctl_readwrite!(quota_control, MAGIC, 40, QuotaArgs);
ioctl_write_ptr!(qgroup_create, MAGIC, 42, QgroupCreateArgs);
ioctl_read!(qgroup_limit, MAGIC, 43, QgroupLimitArgs);

/// How quota is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quota {
    /// Extents belong to the subvolume that first wrote them (Linux 6.7).
    Simple = 4,
    /// Extents are counted by back references.
    Full = 1,
}

fn volume_args(name: &str) -> io::Result<VolumeArgs> {
    if name.len() > PATH_NAME_MAX || name.contains(['/', '\0']) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut args = VolumeArgs { fd: 0, name: [0; PATH_NAME_MAX + 1] };
    for (to, from) in args.name.iter_mut().zip(name.bytes()) {
        *to = c_char::from_ne_bytes([from]);
    }
    Ok(args)
}

/// Makes an empty subvolume `name` in the directory `parent`.
///
/// # Errors
/// `AlreadyExists`, and what else BTRFS_IOC_SUBVOL_CREATE says.
pub fn create_subvolume(parent: BorrowedFd<'_>, name: &str) -> io::Result<()> {
    let args = volume_args(name)?;
    // SAFETY: the kernel reads a VolumeArgs, whose name ends with a NUL.
    unsafe { subvolume_create(parent.as_raw_fd(), &raw const args) }?;
    Ok(())
}

/// Removes the subvolume `name` from the directory `parent`, with all it holds.
///
/// # Errors
/// What BTRFS_IOC_SNAP_DESTROY says.
pub fn destroy_subvolume(parent: BorrowedFd<'_>, name: &str) -> io::Result<()> {
    let args = volume_args(name)?;
    // SAFETY: as in `create_subvolume`.
    unsafe { snapshot_destroy(parent.as_raw_fd(), &raw const args) }?;
    Ok(())
}

/// The number of the subvolume a descriptor lies in; its qgroup is `0/number`.
///
/// # Errors
/// What BTRFS_IOC_INO_LOOKUP says.
pub fn subvolume_number(fd: BorrowedFd<'_>) -> io::Result<u64> {
    let mut args = InodeLookupArgs { tree: 0, object: SUBVOLUME_INODE, name: [0; 4080] };
    // SAFETY: the kernel reads and writes an InodeLookupArgs.
    unsafe { inode_lookup(fd.as_raw_fd(), &raw mut args) }?;
    Ok(args.tree)
}

/// Makes a subvolume read-only or writable again.
///
/// # Errors
/// What BTRFS_IOC_SUBVOL_SETFLAGS says.
pub fn set_read_only(subvolume: BorrowedFd<'_>, read_only: bool) -> io::Result<()> {
    const READ_ONLY: u64 = 1 << 1;
    let mut flags = 0;
    // SAFETY: the kernel writes a u64.
    unsafe { subvolume_getflags(subvolume.as_raw_fd(), &raw mut flags) }?;
    flags = if read_only { flags | READ_ONLY } else { flags & !READ_ONLY };
    // SAFETY: the kernel reads a u64.
    unsafe { subvolume_setflags(subvolume.as_raw_fd(), &raw const flags) }?;
    Ok(())
}

/// Switches quota on for the whole file system.
///
/// # Errors
/// What BTRFS_IOC_QUOTA_CTL says; `EINVAL` for [`Quota::Simple`] before Linux 6.7.
pub fn enable_quota(root: BorrowedFd<'_>, quota: Quota) -> io::Result<()> {
    let mut args = QuotaArgs { command: quota as u64, status: 0 };
    // SAFETY: the kernel reads and writes a QuotaArgs.
    unsafe { quota_control(root.as_raw_fd(), &raw mut args) }?;
    Ok(())
}

/// Limits the bytes of the subvolume a descriptor lies in; `None` lifts the limit.
///
/// # Errors
/// What BTRFS_IOC_QGROUP_LIMIT says; `ENOTCONN` while quota is off.
pub fn limit_subvolume(subvolume: BorrowedFd<'_>, bytes: Option<u64>) -> io::Result<()> {
    const MAX_REFERENCED: u64 = 1;
    // Without a limit the kernel wants the flag set and the value all ones (CLEAR_VALUE).
    let mut args = QgroupLimitArgs {
        flags: MAX_REFERENCED,
        max_referenced: bytes.unwrap_or(u64::MAX),
        ..QgroupLimitArgs::default()
    };
    // SAFETY: the kernel reads a QgroupLimitArgs; qgroup 0 means the descriptor's subvolume.
    unsafe { qgroup_limit(subvolume.as_raw_fd(), &raw mut args) }?;
    Ok(())
}

/// Removes the qgroup `0/number` that a destroyed subvolume left behind.
///
/// # Errors
/// What BTRFS_IOC_QGROUP_CREATE says; `EBUSY` until the cleaner has freed the subvolume,
/// `ENOENT` when the kernel removed it itself.
pub fn remove_qgroup(root: BorrowedFd<'_>, number: u64) -> io::Result<()> {
    let args = QgroupCreateArgs { create: 0, qgroup: number };
    // SAFETY: the kernel reads a QgroupCreateArgs.
    unsafe { qgroup_create(root.as_raw_fd(), &raw const args) }?;
    Ok(())
}

/// Whether a descriptor lies on btrfs.
///
/// # Errors
/// What fstatfs(2) says.
pub fn is_btrfs(fd: BorrowedFd<'_>) -> io::Result<bool> {
    Ok(rustix::fs::fstatfs(fd)?.f_type == SUPER_MAGIC as libc::__fsword_t)
}
