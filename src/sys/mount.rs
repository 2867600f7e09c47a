//! Identity-mapped mounts (mount_setattr(2)), which no crate wraps.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::libc;

const IDMAP: u64 = 0x0010_0000;

/// Maps the owners of a detached mount through a user namespace.
///
/// # Errors
/// What mount_setattr(2) says.
pub fn map_owners(mount: BorrowedFd<'_>, user_namespace: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: mount_attr is plain data, for which all zeros is valid.
    let mut attributes: libc::mount_attr = unsafe { std::mem::zeroed() };
    attributes.attr_set = IDMAP;
    attributes.userns_fd = user_namespace.as_raw_fd().cast_unsigned().into();
    // SAFETY: the path is an empty C string, and the kernel reads a mount_attr of that size.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
