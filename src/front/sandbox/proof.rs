//! Looks at the walls from the inside.

use std::fs::{File, read_dir};
use std::io::ErrorKind;

use caps::CapSet;
use nix::errno::Errno;
use nix::sys::prctl::{get_dumpable, get_no_new_privs};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use nix::unistd::{Gid, Uid, execv, getgroups, getresgid, getresuid};

use super::SandboxError;

/// A file that every host has.
const EVERYWHERE: &str = "/etc/passwd";

fn ensure(holds: bool, otherwise: &'static str) -> Result<(), SandboxError> {
    if holds { Ok(()) } else { Err(SandboxError::Open(otherwise)) }
}

/// The right uid and gid, alone, without capabilities, and no way to gain any.
pub(super) fn of_identity(uid: u32, gid: u32) -> Result<(), SandboxError> {
    let users = getresuid().map(|ids| [ids.real, ids.effective, ids.saved].map(Uid::as_raw));
    ensure(users == Ok([uid; 3]), "it has another uid left")?;
    let groups = getresgid().map(|ids| [ids.real, ids.effective, ids.saved].map(Gid::as_raw));
    ensure(groups == Ok([gid; 3]), "it has another gid left")?;
    ensure(getgroups().is_ok_and(|groups| groups.is_empty()), "it has a group left")?;
    let sets = [
        CapSet::Effective,
        CapSet::Permitted,
        CapSet::Inheritable,
        CapSet::Bounding,
        CapSet::Ambient,
    ];
    for set in sets {
        let left = caps::read(None, set).map_err(SandboxError::Capabilities)?;
        ensure(left.is_empty(), "it has a capability left")?;
    }
    ensure(get_no_new_privs() == Ok(true), "it could gain privileges")?;
    ensure(get_dumpable() == Ok(false), "it could be traced")
}

/// Nothing is in the root, and nothing is above it.
pub(super) fn of_empty_root() -> Result<(), SandboxError> {
    // Landlock may already refuse to list it, which is as good as empty.
    let empty = match read_dir("/") {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == ErrorKind::PermissionDenied,
    };
    ensure(empty, "its root is not empty")?;
    let above = File::open(format!("/../..{EVERYWHERE}"));
    ensure(above.is_err_and(|error| error.kind() == ErrorKind::NotFound), "it finds files")
}

/// The filter answers `EPERM` to calls that the walls before it would answer otherwise.
pub(super) fn of_filter() -> Result<(), SandboxError> {
    let opened = File::open(EVERYWHERE).map_err(|error| error.raw_os_error());
    ensure(opened.is_err_and(|errno| errno == Some(libc::EPERM)), "it can open files")?;
    // Without the filter: ENOENT.
    let path = c"/bin/sh";
    ensure(execv(path, &[path]).is_err_and(|errno| errno == Errno::EPERM), "it can execute")?;
    let unix = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None);
    ensure(unix.is_err_and(|errno| errno == Errno::EPERM), "it can make any socket")
}
