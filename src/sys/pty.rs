//! Pseudoterminals (pty(7)).

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::libc;
use rustix::pty::{OpenptFlags, openpt, unlockpt};

/// A master and its slave. The slave is opened from the master itself (TIOCGPTPEER, ioctl_tty(2)),
/// so no path or mount of devpts can stand in between.
///
/// # Errors
/// What the kernel says of the opening.
pub fn open_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = openpt(flags)?;
    unlockpt(&master)?;
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: the ioctl takes open flags and returns a descriptor or -1.
    let slave = unsafe { libc::ioctl(master.as_fd().as_raw_fd(), libc::TIOCGPTPEER, flags) };
    if slave < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just installed this descriptor for us.
    Ok((master, unsafe { OwnedFd::from_raw_fd(slave) }))
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
