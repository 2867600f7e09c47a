//! The descriptors a process is started with (close_range(2)).

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::libc;

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

/// Takes over standard input, which the parent left as one end of a channel. To be called once,
/// before anything reads from it.
///
/// # Errors
/// `AlreadyExists` the second time, `EBADF` when it is closed.
pub fn inherited() -> io::Result<OwnedFd> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    if TAKEN.swap(true, Ordering::Relaxed) {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "standard input is taken"));
    }
    fcntl(io::stdin(), FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    // SAFETY: it is open, and nobody else takes it over or reads from it.
    Ok(unsafe { OwnedFd::from_raw_fd(libc::STDIN_FILENO) })
}
