//! Descriptors that outlive core: systemd's file descriptor store (systemd.service(5),
//! `FileDescriptorStoreMax=`; sd_notify(3), `FDSTORE=1`).
//!
//! Listening sockets, consoles and the notify socket are put there, so a core that is killed or
//! upgraded finds them again. Without a service manager the store is empty and stays so: the
//! house works, but a core killed then takes its rooms' consoles with it.

use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// What was stored by an earlier core.
#[derive(Debug, Default)]
pub struct Kept {
    by_name: HashMap<String, Vec<OwnedFd>>,
}

impl Kept {
    /// Takes what the service manager passed to this process (`LISTEN_FDS`).
    #[must_use]
    pub fn take() -> Self {
        let mut kept = Self::default();
        for (name, fd) in crate::sys::listen::take() {
            kept.by_name.entry(name).or_default().push(fd);
        }
        kept
    }

    /// The descriptors stored under `name`, in the order they were stored.
    pub fn remove(&mut self, name: &str) -> Vec<OwnedFd> {
        self.by_name.remove(name).unwrap_or_default()
    }

    /// The names there are.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.by_name.keys().cloned().collect()
    }
}

/// Stores descriptors under a name: letters, digits, `-`.
pub fn keep(name: &str, fds: &[BorrowedFd<'_>]) {
    use sd_notify::NotifyState;
    let states = [NotifyState::FdStore, NotifyState::FdName(name)];
    if let Err(error) = sd_notify::notify_with_fds(&states, fds) {
        tracing::warn!(%name, %error, "the service manager does not keep a descriptor");
    }
}

/// Removes what is stored under a name.
pub fn forget(name: &str) {
    use sd_notify::NotifyState;
    let states = [NotifyState::FdStoreRemove, NotifyState::FdName(name)];
    if let Err(error) = sd_notify::notify(&states) {
        tracing::warn!(%name, %error, "the service manager does not let go of a descriptor");
    }
}

/// Borrows each of `fds`.
#[must_use]
pub fn borrow(fds: &[OwnedFd]) -> Vec<BorrowedFd<'_>> {
    fds.iter().map(AsFd::as_fd).collect()
}
