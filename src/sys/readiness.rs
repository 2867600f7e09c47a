//! Descriptors watched by the tokio runtime (epoll(7)).

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Watches a descriptor on the current runtime.
///
/// # Errors
/// What epoll_ctl(2) says; `EPERM` for a regular file.
pub fn watch(fd: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an OwnedFd is always the same open descriptor, and AsyncFd owns it until it is
    // dropped.
    unsafe { AsyncFd::register_with_interest(fd, interest) }.map_err(io::Error::from)
}
