//! The administrator's client: `piaule VERB`.
//!
//! It says one `Command` to core over the Unix socket and shows the reply: a table for people,
//! with `--json` the reply itself. A verb that begins a job stays until the job ends and shows
//! its steps as they come. It decides nothing about rights and trusts nothing in a reply that a
//! room could have written: control characters do not reach the terminal.
//!
//! The process exits with the status of the fault's kind, so scripts can tell "no such room"
//! from "the house is down" without reading sentences; `enter` exits as the command did.
//!
//! `enter` and `console` never hand the administrator's own terminal or files to a room: a
//! room's root could push characters into a terminal it holds (TIOCSTI, ioctl_tty(2)), or seek
//! and write a file that was only meant to be read. It gets a terminal or pipes made for it, at
//! the price of copying every byte once more.

mod args;
mod attach;
mod client;
mod failure;
mod follow;
mod input;
mod prompt;
mod show;
mod verb;

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

pub use failure::report;

use args::{Arguments, Verb};

/// What the program was called for.
#[derive(Debug)]
pub enum Role {
    /// Be the house.
    Core {
        /// The settings file.
        config: PathBuf,
    },
    /// Remove the house from this machine; already confirmed.
    Dismantle {
        /// The settings file.
        config: PathBuf,
    },
    /// Done as asked; exit so.
    Exit(ExitCode),
}

/// Reads the command line, and does what it asks unless that takes root's own work.
#[must_use]
pub fn run() -> Role {
    let arguments = Arguments::parse();
    match arguments.verb {
        Verb::Core { config } => Role::Core { config },
        Verb::Dismantle { config, yes } => match confirm_dismantling(yes) {
            Ok(()) => Role::Dismantle { config },
            Err(error) => Role::Exit(report(&error)),
        },
        Verb::Completion { shell } => {
            Role::Exit(exit(completion(shell).map(|()| 0).map_err(Into::into)))
        }
        _ => Role::Exit(exit(verb::run(arguments))),
    }
}

fn exit(outcome: anyhow::Result<u8>) -> ExitCode {
    outcome.map_or_else(|error| report(&error), ExitCode::from)
}

fn confirm_dismantling(yes: bool) -> anyhow::Result<()> {
    if yes {
        return Ok(());
    }
    let warning = "This removes every room, every account and the pool from this machine.";
    prompt::confirm(warning, "dismantle")
}

fn completion(shell: clap_complete::Shell) -> std::io::Result<()> {
    // Rendered first: the generator panics when what it writes to is gone.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "piaule", &mut script);
    std::io::stdout().write_all(&script)
}

/// Whether to colour standard output (no-color.org).
fn colour() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|no| no.is_empty())
}
