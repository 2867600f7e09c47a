//! Descriptors that whoever started this process left open for it (exec(3)).

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};

/// Where a role finds its end of the channel to core: the first number after standard error.
const CHANNEL: i32 = 3;

static TAKEN: AtomicBool = AtomicBool::new(false);

/// Takes over descriptor 3, close-on-exec from now on. To be called before anything is opened.
///
/// # Errors
/// `EBADF` when nothing was left there, `AlreadyExists` the second time.
pub fn channel() -> io::Result<OwnedFd> {
    if TAKEN.swap(true, Ordering::Relaxed) {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "the channel is taken"));
    }
    // SAFETY: only borrowed for the question whether it is open, which the kernel answers.
    let open = unsafe { std::os::fd::BorrowedFd::borrow_raw(CHANNEL) };
    fcntl(open, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    // SAFETY: it is open, was left for this process alone, and is taken only once.
    Ok(unsafe { OwnedFd::from_raw_fd(CHANNEL) })
}
