//! Rooms' consoles.
//!
//! Core keeps the master of each room's console and its slave open (a master without an open
//! slave reports a hang-up for ever), reads what the room writes, so that its init never blocks,
//! and remembers the end of it. An administrator who attaches gets one end of a stream, never
//! the master itself. The pair lies in the service manager's store, so it outlives core.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream as StdStream;
use std::sync::{Arc, Mutex};

use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::UnixStream;
use tokio::sync::broadcast;
use tokio::task::AbortHandle;

use super::fdstore;
use crate::model::RoomId;
use crate::sys::{pty, readiness};

/// Bytes of a console's past that are remembered.
const REMEMBERED: usize = 64 * 1024;

/// One room's console. Its output is read until the last handle is dropped.
#[derive(Debug)]
pub struct Console {
    terminal: Arc<Terminal>,
    slave: OwnedFd,
    reading: AbortHandle,
}

#[derive(Debug)]
struct Terminal {
    master: AsyncFd<OwnedFd>,
    past: Mutex<VecDeque<u8>>,
    written: broadcast::Sender<Arc<[u8]>>,
}

impl Drop for Console {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

/// The name under which a room's console is stored.
fn stored_as(room: RoomId) -> String {
    format!("console-{room}")
}

/// The room whose console is stored under a name.
#[must_use]
pub fn room_of(name: &str) -> Option<RoomId> {
    name.strip_prefix("console-")?.parse().ok()
}

/// Lets go of a stored console.
pub fn forget(room: RoomId) {
    fdstore::forget(&stored_as(room));
}

impl Console {
    /// A new console for a room, stored and being read.
    ///
    /// # Errors
    /// What the kernel says of the terminal.
    pub fn open(room: RoomId) -> io::Result<Self> {
        let master = pty::open_master()?;
        fdstore::forget(&stored_as(room));
        fdstore::keep(&stored_as(room), &[master.as_fd()]);
        Self::restore(master)
    }

    /// The console whose master an earlier core stored.
    ///
    /// # Errors
    /// What the kernel says of the terminal.
    pub fn restore(master: OwnedFd) -> io::Result<Self> {
        let slave = pty::open_slave(master.as_fd())?;
        let terminal = Arc::new(Terminal {
            master: readiness::watch(master, Interest::READABLE | Interest::WRITABLE)?,
            past: Mutex::default(),
            written: broadcast::Sender::new(64),
        });
        let reading = tokio::spawn(read(Arc::clone(&terminal))).abort_handle();
        Ok(Self { terminal, slave, reading })
    }

    /// The terminal to hand to the room.
    pub fn slave(&self) -> std::os::fd::BorrowedFd<'_> {
        self.slave.as_fd()
    }

    /// What the room last wrote, as text without colours and control characters.
    #[must_use]
    pub fn past(&self) -> String {
        let bytes: Vec<u8> = self
            .terminal
            .past
            .lock()
            .map(|past| past.iter().copied().collect())
            .unwrap_or_default();
        plain(&String::from_utf8_lossy(&bytes))
    }

    /// A stream of what the room writes from now on; what is written to it is typed into the
    /// console.
    ///
    /// # Errors
    /// What the kernel says of the socket pair.
    pub fn attach(&self) -> io::Result<OwnedFd> {
        let (ours, theirs) = StdStream::pair()?;
        ours.set_nonblocking(true)?;
        let (mut reader, mut writer) = UnixStream::from_std(ours)?.into_split();
        let mut written = self.terminal.written.subscribe();
        let terminal = Arc::clone(&self.terminal);
        tokio::spawn(async move {
            let output = async {
                loop {
                    match written.recv().await {
                        Ok(bytes) if writer.write_all(&bytes).await.is_ok() => {}
                        // A slow reader misses some, as on a real terminal line.
                        Err(broadcast::error::RecvError::Lagged(_)) => {}
                        _ => return,
                    }
                }
            };
            let input = async {
                let mut buffer = [0; 1024];
                while let Ok(length @ 1..) = reader.read(&mut buffer).await {
                    if terminal.type_in(&buffer[..length]).await.is_err() {
                        return;
                    }
                }
            };
            tokio::select! { () = output => {}, () = input => {} }
        });
        Ok(theirs.into())
    }
}

async fn read(terminal: Arc<Terminal>) {
    let mut buffer = [0; 4096];
    loop {
        let read = |fd: &OwnedFd| Ok(nix::unistd::read(fd, &mut buffer)?);
        match terminal.master.async_io(Interest::READABLE, read).await {
            Ok(length) => terminal.remember(&buffer[..length]),
            Err(error) => return tracing::warn!(%error, "a console can no longer be read"),
        }
    }
}

impl Terminal {
    fn remember(&self, bytes: &[u8]) {
        if let Ok(mut past) = self.past.lock() {
            past.extend(bytes);
            let excess = past.len().saturating_sub(REMEMBERED);
            past.drain(..excess);
        }
        // Nobody may be attached.
        let _ = self.written.send(bytes.into());
    }

    async fn type_in(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let write = |fd: &OwnedFd| Ok(nix::unistd::write(fd, bytes)?);
            let length = self.master.async_io(Interest::WRITABLE, write).await?;
            bytes = &bytes[length..];
        }
        Ok(())
    }
}

/// A terminal's output without its escape sequences (ECMA-48 §5.4: `ESC [`, parameters, a final
/// byte) and control characters but the newline.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if character == '\u{1b}' {
            if characters.next_if_eq(&'[').is_some() {
                while characters.next().is_some_and(|c| !('@'..='~').contains(&c)) {}
            }
        } else if character == '\n' || !character.is_control() {
            plain.push(character);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_plain_text() {
        assert_eq!(
            plain("[\u{1b}[0;32m  OK  \u{1b}[0m] Started.\r\r\n\u{7}"),
            "[  OK  ] Started.\n"
        );
        assert_eq!(plain("\u{1b}["), "");
    }
}
