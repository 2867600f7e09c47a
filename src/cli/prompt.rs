//! Asking the administrator: a password without echo, a name typed again.

use std::fs::File;
use std::io::{self, BufRead, IsTerminal, Read, Write};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use super::failure::Said;
use crate::model::Password;
use crate::wire::{Fault, FaultKind};

/// A new password: the first line of standard input, or typed twice.
pub(super) fn new_password(from_stdin: bool) -> anyhow::Result<Password> {
    if from_stdin {
        let mut line = String::new();
        io::stdin().lock().take(4096).read_line(&mut line).map_err(|error| {
            Fault::internal("cannot read the password from standard input", &error)
        })?;
        return Ok(line.trim_end_matches(['\r', '\n']).parse().map_err(Fault::from)?);
    }
    let first: Password = typed("New password: ")?.parse().map_err(Fault::from)?;
    if typed("Once more: ")? == first.expose() {
        return Ok(first);
    }
    Err(Fault::new(FaultKind::Invalid, "the two passwords differ; nothing was changed").into())
}

/// Goes on only when `word` is typed.
pub(super) fn confirm(warning: &str, word: &str) -> anyhow::Result<()> {
    let refuse = |sentence: String| Err(Fault::new(FaultKind::Invalid, sentence).into());
    if !io::stdin().is_terminal() {
        return refuse("nobody is there to confirm it; give --yes".to_owned());
    }
    let mut terminal = io::stderr();
    write!(terminal, "{warning}\nType `{word}` to go on: ")?;
    terminal.flush()?;
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    if line.trim() == word {
        return Ok(());
    }
    refuse(format!("that is not `{word}`; nothing was changed"))
}

/// One line typed at the terminal, unseen.
fn typed(question: &str) -> anyhow::Result<String> {
    let mut terminal = File::options().read(true).write(true).open("/dev/tty").map_err(|_| {
        Fault::new(FaultKind::Invalid, "there is no terminal to ask at; use --password-stdin")
    })?;
    terminal.write_all(question.as_bytes())?;
    let line = {
        let quiet = Quiet::begin(terminal.try_clone()?)?;
        // A byte at a time: what is typed after the line is somebody else's.
        read_line(io::BufReader::with_capacity(1, &quiet.terminal))
    };
    terminal.write_all(b"\n")?;
    line?.ok_or_else(|| Said(130).into())
}

/// A terminal that neither echoes nor sends signals, until dropped: Ctrl-C comes as a byte, so
/// that no way out leaves the echo off.
struct Quiet {
    terminal: File,
    before: Termios,
}

impl Quiet {
    fn begin(terminal: File) -> io::Result<Self> {
        let before = tcgetattr(&terminal)?;
        let mut quiet = before.clone();
        quiet.local_modes -= LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG;
        tcsetattr(&terminal, OptionalActions::Flush, &quiet)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // Nothing better can be done than to have tried.
        let _ = tcsetattr(&self.terminal, OptionalActions::Flush, &self.before);
    }
}

/// A line as edited by what is typed; `None` when given up.
fn read_line(from: impl BufRead) -> anyhow::Result<Option<String>> {
    const END_OF_TEXT: u8 = 3;
    const END_OF_TRANSMISSION: u8 = 4;
    const KILL: u8 = 21;
    let mut line = Vec::new();
    for byte in from.bytes() {
        match byte? {
            b'\r' | b'\n' => {
                let text = String::from_utf8(line);
                return Ok(Some(text.map_err(|_| {
                    Fault::new(FaultKind::Invalid, "a password is written in UTF-8")
                })?));
            }
            END_OF_TEXT | END_OF_TRANSMISSION => return Ok(None),
            KILL => line.clear(),
            8 | 127 => erase(&mut line),
            byte => line.push(byte),
        }
    }
    Ok(None)
}

/// Takes the last character away, however many bytes it has (RFC 3629 §3).
fn erase(line: &mut Vec<u8>) {
    while line.pop().is_some_and(|byte| byte & 0b1100_0000 == 0b1000_0000) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_edited() {
        let cases: [(&[u8], Option<&str>); 6] = [
            (b"abc\r", Some("abc")),
            (b"abx\x7fc\n", Some("abc")),
            ("abé\x7fc\n".as_bytes(), Some("abc")),
            (b"wrong\x15abc\n\n", Some("abc")),
            (b"abc\x03", None),
            (b"abc", None),
        ];
        for (typed, line) in cases {
            assert_eq!(read_line(typed).expect("read").as_deref(), line, "{typed:?}");
        }
        assert!(read_line(&b"\xff\n"[..]).is_err());
    }
}
