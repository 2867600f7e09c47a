//! The descriptors a process is started with (close_range(2), fcntl(2)).

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// Takes over a descriptor that the parent left open under this number, and makes it
/// close-on-exec. To be called once per number, before anything else could own it.
///
/// # Errors
/// `EBADF` when there is none.
pub fn inherited(number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: both commands take no pointer; a number that is not open is an error.
    let status = unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) };
    if status < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it is open, and by this function's contract nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Closes every descriptor but standard input, output, error and `kept`. To be called at the
/// start of a role, before anything else is opened.
///
/// # Errors
/// What close_range(2) says.
pub fn close_others(kept: BorrowedFd<'_>) -> io::Result<()> {
    let kept = kept.as_raw_fd().unsigned_abs();
    close_range(3, kept.saturating_sub(1))?;
    close_range(kept.max(2) + 1, libc::c_uint::MAX)
}

fn close_range(first: libc::c_uint, last: libc::c_uint) -> io::Result<()> {
    if first > last {
        return Ok(());
    }
    // SAFETY: at a role's start, so by the caller's contract, nobody owns these.
    let status = unsafe { libc::close_range(first, last, 0) };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
