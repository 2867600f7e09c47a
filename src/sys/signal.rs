//! Signals by pidfd, the real-time ones included (pidfd_send_signal(2), signal(7)).

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::libc;

/// `SIGRTMIN+3` as systemd understands it: halt (systemd(1), SIGNALS).
pub fn halt() -> i32 {
    libc::SIGRTMIN() + 3
}

/// `SIGRTMIN+4`: power off.
pub fn power_off() -> i32 {
    libc::SIGRTMIN() + 4
}

/// Sends a signal to the process a pidfd refers to.
///
/// # Errors
/// What pidfd_send_signal(2) says; `ESRCH` once it has ended.
pub fn send(pidfd: BorrowedFd<'_>, signal: i32) -> io::Result<()> {
    let none = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: a null siginfo asks the kernel to fill it as kill(2) does.
    let result =
        unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, none, 0) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Gives every signal its default action and blocks none, as a fresh program expects.
///
/// # Errors
/// What sigprocmask(2) says.
pub fn reset() -> io::Result<()> {
    use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal, signal, sigprocmask};
    for number in Signal::iterator() {
        // SAFETY: the default action runs none of our code. SIGKILL and SIGSTOP refuse, rightly.
        let _ = unsafe { signal(number, SigHandler::SigDfl) };
    }
    Ok(sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)?)
}
