//! Messages with descriptors on the administrator's socket, beside HTTP.
//!
//! ```text
//! client ─▶ core   NUL {"enter":{…}} LF      descriptors on the NUL
//! core ─▶ client   {"exit":0} LF             a console's descriptor on the first byte
//! ```
//!
//! HTTP never begins with NUL (RFC 9112 §3), so one byte tells the two apart. Descriptors ride on
//! the first byte (SCM_RIGHTS, unix(7)). One connection carries one exchange: the client hanging
//! up is how it says that nobody waits any more.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream as BlockingStream;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncWriteExt, Interest};
use tokio::net::UnixStream;

use super::{Fault, Reply};
use crate::model::{Invalid, RoomName, TemplateName};
use crate::sys::fdpass;

/// What a connection begins with when it carries such a message.
pub const FIRST_BYTE: u8 = 0;
/// The longest message, in bytes.
const LONGEST: usize = 256 * 1024;
/// The most descriptors one message needs: standard input, output and error.
pub const MOST_DESCRIPTORS: usize = 3;

/// What is asked with descriptors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Attach {
    /// Run a command in a room. → `Exit`
    Enter(Enter),
    /// See and type on a room's console. → `Console` with one descriptor
    Console { name: RoomName },
    /// Write the newest version of a template as tar.zst to the descriptor. → `Reply`
    TemplateExport { name: TemplateName },
    /// Read a new version of a template, tar.zst, from the descriptor. → `Reply`
    TemplateImport { name: TemplateName },
}

/// A command to run in a room. Its three descriptors are standard input, output and error. One
/// alone is a Unix socket: the command gets a terminal of the room's own, whose master comes over
/// it with one byte, and begins when the other end closes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enter {
    pub name: RoomName,
    /// Root's login shell when absent.
    #[serde(default)]
    pub command: Option<RoomCommand>,
    /// `TERM` in the room.
    #[serde(default)]
    pub term: Option<Term>,
    /// Whether the command gets a terminal.
    #[serde(default)]
    pub tty: bool,
}

impl Enter {
    /// How many descriptors come with it.
    #[must_use]
    pub fn descriptors(&self) -> usize {
        if self.tty { 1 } else { 3 }
    }
}

/// What is answered.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attached {
    /// The command ended with this status; 128 + N when signal N killed it.
    Exit(i32),
    /// The descriptor beside this is the console.
    Console,
    /// Done, with this reply.
    Reply(Reply),
    /// It could not be done.
    Fault(Fault),
}

/// A command's words: at least one, none with a NUL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct RoomCommand(Vec<String>);

impl RoomCommand {
    /// The words, the program first.
    #[must_use]
    pub fn words(&self) -> &[String] {
        &self.0
    }
}

impl TryFrom<Vec<String>> for RoomCommand {
    type Error = Invalid;

    fn try_from(words: Vec<String>) -> Result<Self, Invalid> {
        let named = words.first().is_some_and(|program| !program.is_empty());
        if named && words.iter().all(|word| !word.contains('\0')) {
            Ok(Self(words))
        } else {
            Err(Invalid::new("a command is a program and its arguments, without NUL characters"))
        }
    }
}

impl From<RoomCommand> for Vec<String> {
    fn from(command: RoomCommand) -> Self {
        command.0
    }
}

/// A terminal's name (term(7)).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Term(String);

impl AsRef<str> for Term {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Term {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"+-._".contains(&b);
        if (1..=64).contains(&text.len()) && text.bytes().all(plain) {
            Ok(Self(text))
        } else {
            Err(Invalid::new("a terminal's name looks like `xterm-256color`"))
        }
    }
}

impl From<Term> for String {
    fn from(term: Term) -> Self {
        term.0
    }
}

/// Sends a request on a fresh connection, blocking.
///
/// # Errors
/// What sendmsg(2) and write(2) say.
pub fn ask(stream: &BlockingStream, request: &Attach, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    fdpass::send(stream.as_fd(), &[FIRST_BYTE], fds)?;
    (&*stream).write_all(&line)
}

/// Waits for the answer to [`ask`] and its descriptors.
///
/// # Errors
/// `UnexpectedEof` when core hangs up, `InvalidData` for what is no answer, and what the kernel
/// says.
pub fn answer(stream: &BlockingStream) -> io::Result<(Attached, Vec<OwnedFd>)> {
    let mut line = Line::default();
    line.push(fdpass::receive(stream.as_fd(), 1)?)?;
    while !line.is_whole() {
        let mut bytes = [0; 4096];
        let read = (&*stream).read(&mut bytes)?;
        line.push((read > 0).then(|| (bytes[..read].to_vec(), Vec::new())))?;
    }
    line.parse(0)
}

/// The master of the terminal that a command got, from the socket sent with [`Enter`]; `None`
/// when there was none and core's answer says why.
///
/// # Errors
/// What recvmsg(2) says.
pub fn terminal(socket: &BlockingStream) -> io::Result<Option<OwnedFd>> {
    Ok(fdpass::receive(socket.as_fd(), 1)?.and_then(|(_, mut fds)| fds.pop()))
}

/// The first byte of a connection, left where it is; `None` at its end.
///
/// # Errors
/// What recv(2) says.
pub async fn peek(stream: &UnixStream) -> io::Result<Option<u8>> {
    let mut byte = [0];
    let flags = rustix::net::RecvFlags::PEEK;
    let look = || Ok(rustix::net::recv(stream, &mut byte, flags)?.1);
    let read = stream.async_io(Interest::READABLE, look).await?;
    Ok((read == 1).then_some(byte[0]))
}

/// Receives a request and its descriptors, once [`peek`] has seen [`FIRST_BYTE`].
///
/// # Errors
/// As [`answer`].
pub async fn receive(stream: &UnixStream) -> io::Result<(Attach, Vec<OwnedFd>)> {
    let mut line = Line::default();
    while !line.is_whole() {
        let read = || fdpass::receive(stream.as_fd(), 4096);
        line.push(stream.async_io(Interest::READABLE, read).await?)?;
    }
    line.parse(1)
}

/// Sends the answer and its descriptors.
///
/// # Errors
/// What sendmsg(2) and write(2) say.
pub async fn reply(
    stream: &mut UnixStream,
    answer: &Attached,
    fds: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    let send = || fdpass::send(stream.as_fd(), &line[..1], fds);
    stream.async_io(Interest::WRITABLE, send).await?;
    stream.write_all(&line[1..]).await
}

/// A message as it comes in.
#[derive(Default)]
struct Line {
    bytes: Vec<u8>,
    fds: Vec<OwnedFd>,
}

impl Line {
    fn is_whole(&self) -> bool {
        self.bytes.last() == Some(&b'\n')
    }

    fn push(&mut self, received: Option<(Vec<u8>, Vec<OwnedFd>)>) -> io::Result<()> {
        let (bytes, fds) = received.ok_or(io::ErrorKind::UnexpectedEof)?;
        self.bytes.extend(bytes);
        self.fds.extend(fds);
        if self.bytes.len() > LONGEST || self.fds.len() > MOST_DESCRIPTORS {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the message is too long"));
        }
        Ok(())
    }

    fn parse<T: DeserializeOwned>(self, from: usize) -> io::Result<(T, Vec<OwnedFd>)> {
        Ok((serde_json::from_slice(&self.bytes[from..])?, self.fds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enter(command: &[&str]) -> serde_json::Value {
        serde_json::json!({"enter": {"name": "blog", "command": command, "tty": false}})
    }

    #[test]
    fn commands_and_terminals_are_checked() {
        assert!(serde_json::from_value::<Attach>(enter(&["sh", "-c", ""])).is_ok());
        for bad in [&[][..], &[""], &["sh", "a\0b"]] {
            assert!(serde_json::from_value::<Attach>(enter(bad)).is_err(), "{bad:?}");
        }
        assert!(Term::try_from("xterm-256color".to_owned()).is_ok());
        for bad in ["", "a b", "x\n", "../x/y z", &"x".repeat(65)] {
            assert!(Term::try_from(bad.to_owned()).is_err(), "{bad:?}");
        }
    }

    #[tokio::test]
    async fn requests_answers_and_descriptors_cross() {
        let (mut core, client) = UnixStream::pair().expect("pair");
        let client = client.into_std().expect("std");
        client.set_nonblocking(false).expect("blocking");
        let asked: Attach =
            serde_json::from_value(enter(&["sh", "-c", &"x".repeat(100_000)])).expect("a request");
        let sent = asked.clone();
        let client = std::thread::spawn(move || {
            let (reader, _writer) = io::pipe().expect("pipe");
            ask(&client, &sent, &[reader.as_fd()]).expect("ask");
            answer(&client).expect("answer")
        });
        assert_eq!(peek(&core).await.expect("peek"), Some(FIRST_BYTE));
        let (received, fds) = receive(&core).await.expect("receive");
        assert_eq!(received, asked);
        assert_eq!(fds.len(), 1);
        reply(&mut core, &Attached::Console, &[fds[0].as_fd()]).await.expect("reply");
        let (answered, fds) = client.join().expect("thread");
        assert!(matches!(answered, Attached::Console));
        assert_eq!(fds.len(), 1);
    }

    #[tokio::test]
    async fn a_message_without_end_is_cut() {
        let (core, mut client) = UnixStream::pair().expect("pair");
        let flood = tokio::spawn(async move { client.write_all(&vec![b'x'; LONGEST * 2]).await });
        let error = receive(&core).await.expect_err("too long");
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        drop(core);
        assert!(flood.await.expect("task").is_err());
    }
}
