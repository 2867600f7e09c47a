//! Bytes both ways, until the command ends, the console is left, or a signal says so.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;

use super::terminal::{Signals, follow_size};
use crate::wire::attach::{Attached, answer};

/// Bytes read at once.
const CHUNK: usize = 16 * 1024;

/// Bytes on their way in one direction. What could not be written yet is kept, and nothing more
/// is read meanwhile.
pub(super) struct Flow {
    from: Option<File>,
    to: Option<File>,
    waiting: Vec<u8>,
    /// Leaves when this byte comes.
    leave: Option<u8>,
    /// Whether it carries what the room says.
    output: bool,
}

impl Flow {
    /// From the administrator to the room.
    pub(super) fn input(from: OwnedFd, to: OwnedFd, leave: Option<u8>) -> Self {
        Self::new(from, to, leave, false)
    }

    /// From the room to the administrator.
    pub(super) fn output(from: OwnedFd, to: OwnedFd) -> Self {
        Self::new(from, to, None, true)
    }

    fn new(from: OwnedFd, to: OwnedFd, leave: Option<u8>, output: bool) -> Self {
        Self { from: Some(from.into()), to: Some(to.into()), waiting: Vec::new(), leave, output }
    }

    /// What poll(2) should wait for.
    fn waits_for(&self) -> Option<PollFd<'_>> {
        if self.waiting.is_empty() {
            self.from.as_ref().map(|from| PollFd::new(from.as_fd(), PollFlags::POLLIN))
        } else {
            self.to.as_ref().map(|to| PollFd::new(to.as_fd(), PollFlags::POLLOUT))
        }
    }

    /// Moves what can be moved without waiting. `true` when the administrator leaves.
    fn turn(&mut self) -> bool {
        let leaves = self.waiting.is_empty() && self.read();
        self.write();
        leaves
    }

    fn read(&mut self) -> bool {
        let Some(from) = &mut self.from else { return false };
        let mut bytes = [0; CHUNK];
        match from.read(&mut bytes) {
            Ok(0) => self.end(),
            Ok(count) => {
                let typed = &bytes[..count];
                let left = self.leave.and_then(|leave| typed.iter().position(|b| *b == leave));
                self.waiting.extend(&typed[..left.unwrap_or(count)]);
                return left.is_some();
            }
            Err(error) if passing(&error) => {}
            // EIO is how a pty's master tells that no slave is left (pty(7)).
            Err(_) => self.end(),
        }
        false
    }

    fn write(&mut self) {
        let Some(to) = &mut self.to else { return };
        if self.waiting.is_empty() {
            return;
        }
        match to.write(&self.waiting) {
            Ok(count) => drop(self.waiting.drain(..count)),
            Err(error) if passing(&error) => {}
            // Whoever read this is gone; closing our end tells the other side the same.
            Err(_) => self.end(),
        }
    }

    /// Closes both ends: a pipe's reader sees the end, its writer SIGPIPE.
    fn end(&mut self) {
        self.from = None;
        self.to = None;
        self.waiting.clear();
    }

    /// Moves all that is there already, when nothing new can come.
    fn drain(&mut self) {
        let ready = |flow: &Self| {
            let mut fds: Vec<_> = flow.waits_for().into_iter().collect();
            // A full terminal or pipe of ours is worth waiting for, the room's is not.
            let patience =
                if flow.waiting.is_empty() { PollTimeout::ZERO } else { PollTimeout::NONE };
            !fds.is_empty() && matches!(poll(&mut fds, patience), Ok(1))
        };
        while ready(self) {
            self.turn();
        }
    }
}

/// Whether to try again later.
fn passing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// How a relay ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// Core's answer.
    Answer(Attached),
    /// The administrator left, or the console is gone.
    Left,
    /// A signal of this number came.
    Signal(i32),
}

/// Everything that is waited for.
pub(super) struct Relay {
    pub(super) flows: Vec<Flow>,
    /// Where core's answer comes, when one is to come.
    pub(super) core: Option<UnixStream>,
    /// The room's terminal, to be of the size of ours.
    pub(super) terminal: Option<OwnedFd>,
    pub(super) signals: Option<Signals>,
}

/// Who poll(2) says is ready.
struct Ready {
    core: bool,
    signals: bool,
    flows: Vec<bool>,
}

impl Relay {
    /// Relays to the end.
    pub(super) fn run(mut self) -> io::Result<Ended> {
        loop {
            let ready = self.wait()?;
            if ready.signals
                && let Some(number) = self.signal()?
            {
                return Ok(Ended::Signal(number));
            }
            let turned = self.flows.iter_mut().zip(ready.flows).filter(|(_, ready)| *ready);
            let mut left = false;
            for (flow, _) in turned {
                left |= flow.turn();
            }
            if let (true, Some(core)) = (ready.core, &self.core) {
                let answer = answer(core)?.0;
                self.flows.iter_mut().filter(|flow| flow.output).for_each(Flow::drain);
                return Ok(Ended::Answer(answer));
            }
            let silent =
                self.flows.iter().filter(|flow| flow.output).all(|flow| flow.from.is_none());
            if left || (silent && self.core.is_none()) {
                return Ok(Ended::Left);
            }
        }
    }

    fn wait(&self) -> io::Result<Ready> {
        let core = self.core.as_ref().map(|core| PollFd::new(core.as_fd(), PollFlags::POLLIN));
        let signals = self.signals.as_ref().map(|fd| PollFd::new(fd.as_fd(), PollFlags::POLLIN));
        let flows = self.flows.iter().map(Flow::waits_for);
        let asked: Vec<Option<PollFd<'_>>> = [core, signals].into_iter().chain(flows).collect();
        let mut fds: Vec<PollFd<'_>> = asked.iter().flatten().cloned().collect();
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) | Err(nix::Error::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut polled = fds.iter();
        let mut ready = asked
            .iter()
            .map(|asked| asked.is_some() && polled.next().and_then(PollFd::any).unwrap_or(false));
        let (core, signals) = (ready.next().unwrap_or(false), ready.next().unwrap_or(false));
        Ok(Ready { core, signals, flows: ready.collect() })
    }

    /// Obeys a signal; its number when it ends us.
    fn signal(&self) -> io::Result<Option<i32>> {
        let Some(signals) = &self.signals else { return Ok(None) };
        match signals.next()? {
            Some(number) if number == Signal::SIGWINCH as i32 => {
                if let Some(terminal) = &self.terminal {
                    follow_size(io::stdin().as_fd(), terminal.as_fd());
                }
                Ok(None)
            }
            other => Ok(other),
        }
    }
}

#[cfg(test)]
mod tests;
