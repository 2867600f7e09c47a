//! Our terminal, the room's, and the signals that concern them.

use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize};

/// A terminal in raw mode (termios(3), cfmakeraw) until dropped.
pub(super) struct RawTerminal {
    terminal: OwnedFd,
    before: Termios,
}

impl RawTerminal {
    pub(super) fn enter(terminal: BorrowedFd<'_>) -> io::Result<Self> {
        let terminal = terminal.try_clone_to_owned()?;
        let before = tcgetattr(&terminal)?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(&terminal, OptionalActions::Drain, &raw)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        // Nothing better can be done than to have tried.
        let _ = tcsetattr(&self.terminal, OptionalActions::Drain, &self.before);
    }
}

/// Gives a room's terminal, by its master, the modes and the size of `terminal`, and makes the
/// master non-blocking.
///
/// # Errors
/// `InvalidData` for what is no terminal: a room may have put anything in the place of its own.
pub(super) fn make_like(master: BorrowedFd<'_>, terminal: BorrowedFd<'_>) -> io::Result<()> {
    if !master.is_terminal() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the room gave no terminal"));
    }
    tcsetattr(master, OptionalActions::Now, &tcgetattr(terminal)?)?;
    follow_size(terminal, master);
    set_nonblocking(master)
}

/// Gives one terminal the size of another. A console that is no terminal stays as it is.
pub(super) fn follow_size(ours: BorrowedFd<'_>, theirs: BorrowedFd<'_>) {
    if let Ok(size) = tcgetwinsize(ours) {
        let _ = tcsetwinsize(theirs, size);
    }
}

pub(super) fn set_nonblocking(fd: BorrowedFd<'_>) -> io::Result<()> {
    let flags = OFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFL)?);
    fcntl(fd, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    Ok(())
}

/// The signals that would otherwise end us with the terminal raw, and the one of a new size.
pub(super) struct Signals(SignalFd);

impl Signals {
    /// Catches them from now until the process ends, which follows at once.
    pub(super) fn catch() -> io::Result<Self> {
        let mut caught = SigSet::empty();
        for signal in
            [Signal::SIGWINCH, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT]
        {
            caught.add(signal);
        }
        caught.thread_block()?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        Ok(Self(SignalFd::with_flags(&caught, flags)?))
    }

    /// The next one's number, if one came.
    pub(super) fn next(&self) -> io::Result<Option<i32>> {
        let signal = self.0.read_signal()?;
        Ok(signal.and_then(|signal| i32::try_from(signal.ssi_signo).ok()))
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
