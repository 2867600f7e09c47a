//! Descriptors passed by the service manager (sd_listen_fds(3)).

use std::os::fd::{FromRawFd, OwnedFd};
use std::sync::Once;

/// Takes them with their names, close-on-exec. Nothing the second time, or when none were passed.
pub fn take() -> Vec<(String, OwnedFd)> {
    static TAKEN: Once = Once::new();
    let mut taken = Vec::new();
    TAKEN.call_once(|| {
        let passed = sd_notify::listen_fds_with_names().into_iter().flatten();
        // SAFETY: `LISTEN_PID` said these are for this process, and they are taken once.
        taken.extend(passed.map(|(fd, name)| (name, unsafe { OwnedFd::from_raw_fd(fd) })));
    });
    taken
}
