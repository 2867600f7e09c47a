//! The verbs that exchange descriptors with core: `enter`, `console`, `template export` and
//! `import`.
//!
//! ```text
//! enter at a terminal   our terminal ⇄ relay ⇄ a terminal of the room ── its command
//! enter without one     standard input, output, error ⇄ relay ⇄ three pipes ── the command
//! console               our terminal ⇄ relay ⇄ what core hands out
//! ```
//!
//! One thread waits in poll(2) for bytes, for signals (signalfd(2)) and for core's answer, so
//! there is no order of events in which the terminal stays raw.

mod relay;
mod terminal;

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::client::Client;
use super::verb;
use crate::model::{RoomName, TemplateName};
use crate::wire::attach::{self, Attach, Attached, Enter, Term};
use crate::wire::{Fault, FaultKind, Reply};
use relay::{Ended, Flow, Relay};
use terminal::{RawTerminal, Signals};

/// Leaves a console: Ctrl-], as in telnet(1).
const LEAVE: u8 = 0x1d;

/// What to exchange descriptors for.
#[derive(Debug)]
pub(super) enum Session {
    Enter { name: RoomName, command: Vec<String> },
    Console { name: RoomName },
    Export { name: TemplateName, file: PathBuf },
    Import { name: TemplateName, file: PathBuf },
}

impl Session {
    /// Does it; the status to exit with.
    pub(super) fn run(self, client: &Client, json: bool) -> anyhow::Result<u8> {
        match self {
            Self::Enter { name, command } => enter(client, name, command),
            Self::Console { name } => console(client, name),
            Self::Export { name, file } => {
                verb::print(&export(client, name, &file)?, json).map(|()| 0)
            }
            Self::Import { name, file } => {
                verb::print(&import(client, name, &file)?, json).map(|()| 0)
            }
        }
    }
}

fn enter(client: &Client, name: RoomName, command: Vec<String>) -> anyhow::Result<u8> {
    let tty = io::stdin().is_terminal() && io::stdout().is_terminal();
    let command =
        if command.is_empty() { None } else { Some(command.try_into().map_err(Fault::from)?) };
    // A terminal whose name is odd is still worth entering from.
    let term =
        std::env::var("TERM").ok().filter(|_| tty).and_then(|term| Term::try_from(term).ok());
    let request = Attach::Enter(Enter { name, command, term, tty });
    if tty { enter_at_terminal(client, &request) } else { enter_with_pipes(client, &request) }
}

fn enter_at_terminal(client: &Client, request: &Attach) -> anyhow::Result<u8> {
    let (ours, rooms) = UnixStream::pair()?;
    let core = ask(client, request, &[rooms.as_fd()])?;
    // What is not held by the room any more ends without a terminal; then core says why.
    drop(rooms);
    let Some(master) = attach::terminal(&ours)? else {
        return finish(Ended::Answer(answer(&core)?.0));
    };
    let signals = Signals::catch()?;
    terminal::make_like(master.as_fd(), io::stdin().as_fd())?;
    // The command begins.
    drop(ours);
    let raw = RawTerminal::enter(io::stdin().as_fd())?;
    let (input, output) = (own(io::stdin().as_fd())?, own(io::stdout().as_fd())?);
    let relay = Relay {
        flows: vec![
            Flow::input(input, master.try_clone()?, None),
            Flow::output(master.try_clone()?, output),
        ],
        core: Some(core),
        terminal: Some(master),
        signals: Some(signals),
    };
    let ended = relay.run();
    drop(raw);
    finish(ended?)
}

fn enter_with_pipes(client: &Client, request: &Attach) -> anyhow::Result<u8> {
    let (input, to_room) = io::pipe()?;
    let (from_room, output) = io::pipe()?;
    let (errors_from_room, errors) = io::pipe()?;
    let core = ask(client, request, &[input.as_fd(), output.as_fd(), errors.as_fd()])?;
    drop((input, output, errors));
    // A command that reads nothing must not stop its output from being relayed.
    terminal::set_nonblocking(to_room.as_fd())?;
    let relay = Relay {
        flows: vec![
            Flow::input(own(io::stdin().as_fd())?, to_room.into(), None),
            Flow::output(from_room.into(), own(io::stdout().as_fd())?),
            Flow::output(errors_from_room.into(), own(io::stderr().as_fd())?),
        ],
        core: Some(core),
        terminal: None,
        signals: None,
    };
    finish(relay.run()?)
}

fn console(client: &Client, name: RoomName) -> anyhow::Result<u8> {
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        let sentence =
            "a console needs a terminal; see `piaule logs` and `piaule enter` for scripts";
        return Err(Fault::new(FaultKind::Invalid, sentence).into());
    }
    let signals = Signals::catch()?;
    let shown = name.to_string();
    let core = ask(client, &Attach::Console { name }, &[])?;
    let (answer, fds) = answer(&core)?;
    let (Attached::Console, Some(console)) = (answer, fds.into_iter().next()) else {
        return Err(unexpected().into());
    };
    writeln!(io::stderr(), "[{shown}'s console; Ctrl-] leaves it]")?;
    let raw = RawTerminal::enter(io::stdin().as_fd())?;
    let relay = Relay {
        flows: vec![
            Flow::input(own(io::stdin().as_fd())?, console.try_clone()?, Some(LEAVE)),
            Flow::output(console.try_clone()?, own(io::stdout().as_fd())?),
        ],
        core: None,
        terminal: Some(console),
        signals: Some(signals),
    };
    let ended = relay.run();
    drop(raw);
    writeln!(io::stderr(), "\n[left {shown}'s console]")?;
    finish(ended?)
}

/// What the way a relay ended means for whoever called us.
fn finish(ended: Ended) -> anyhow::Result<u8> {
    match ended {
        Ended::Left => Ok(0),
        Ended::Signal(number) => Ok(u8::try_from(128 + number).unwrap_or(u8::MAX)),
        Ended::Answer(Attached::Exit(status)) => Ok(u8::try_from(status & 0xff).unwrap_or(1)),
        Ended::Answer(Attached::Fault(fault)) => Err(fault.into()),
        Ended::Answer(_) => Err(unexpected().into()),
    }
}

fn export(client: &Client, name: TemplateName, file: &Path) -> anyhow::Result<Reply> {
    let request = Attach::TemplateExport { name };
    if file == Path::new("-") {
        if io::stdout().is_terminal() {
            let sentence = "an archive is not for a terminal; name a file, or pipe it on";
            return Err(Fault::new(FaultKind::Invalid, sentence).into());
        }
        exchange(client, &request, io::stdout().as_fd())?;
        // What goes to standard output is the archive alone.
        return Ok(Reply::Done);
    }
    // Half an archive must not pass for one.
    let mut part = file.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let to = File::create(&part).with_context(|| format!("cannot make {}", part.display()))?;
    let placed = exchange(client, &request, to.as_fd()).and_then(|reply| {
        to.sync_all()?;
        std::fs::rename(&part, file)?;
        Ok(reply)
    });
    if placed.is_err() {
        // The first failure is the one to tell.
        let _ = std::fs::remove_file(&part);
    }
    placed
}

fn import(client: &Client, name: TemplateName, file: &Path) -> anyhow::Result<Reply> {
    let request = Attach::TemplateImport { name };
    if file == Path::new("-") {
        return exchange(client, &request, io::stdin().as_fd());
    }
    let from = File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
    exchange(client, &request, from.as_fd())
}

/// Hands core one descriptor and waits until it is done with it.
fn exchange(client: &Client, request: &Attach, fd: BorrowedFd<'_>) -> anyhow::Result<Reply> {
    let core = ask(client, request, &[fd])?;
    match answer(&core)?.0 {
        Attached::Reply(reply) => Ok(reply),
        _ => Err(unexpected().into()),
    }
}

fn ask(client: &Client, request: &Attach, fds: &[BorrowedFd<'_>]) -> Result<UnixStream, Fault> {
    let core = client.connect()?;
    attach::ask(&core, request, fds).map_err(|error| lost(&error))?;
    Ok(core)
}

fn answer(core: &UnixStream) -> Result<(Attached, Vec<OwnedFd>), Fault> {
    match attach::answer(core).map_err(|error| lost(&error))? {
        (Attached::Fault(fault), _) => Err(fault),
        answer => Ok(answer),
    }
}

fn lost(error: &io::Error) -> Fault {
    let mut fault = Fault::internal("the house hung up; it may be restarting", error);
    fault.kind = FaultKind::Unavailable;
    fault
}

fn unexpected() -> Fault {
    Fault::new(FaultKind::Internal, "the house answered something else than what was asked")
}

/// A descriptor of our own for one of the standard ones.
fn own(fd: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    fd.try_clone_to_owned()
}
