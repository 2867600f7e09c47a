//! Pseudoterminals (pty(7)).

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::fdpass::set_nonblocking;
use nix::libc;
use rustix::pty::{OpenptFlags, openpt, unlockpt};

/// A new master, non-blocking.
///
/// # Errors
/// What the kernel says of the opening.
pub fn open_master() -> io::Result<OwnedFd> {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    unlockpt(&master)?;
    set_nonblocking(master.as_fd())?;
    Ok(master)
}

/// The slave of a master, opened from the master itself (TIOCGPTPEER, ioctl_tty(2)), so no path
/// or mount of devpts can stand in between.
///
/// # Errors
/// What the kernel says of the opening.
pub fn open_slave(master: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: the ioctl takes open flags and returns a descriptor or -1.
    let slave = unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCGPTPEER, flags) };
    if slave < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just installed this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(slave) })
}

/// Makes a terminal the controlling one of the calling session leader (TIOCSCTTY).
///
/// # Errors
/// What ioctl_tty(2) says.
pub fn take_controlling(terminal: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: takes a number.
    let result = unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSCTTY, 0) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
