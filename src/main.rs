//! One binary, four roles: `piaule core`, `piaule front`, `piaule stage`, and `piaule VERB`, the
//! administrator's client.
//!
//! Front and stage are started by core only, with their channel as standard input. They are told
//! apart before the command line is read: a stage lives for milliseconds, and front should hold
//! nothing in memory that it does not serve.

use std::ffi::OsStr;
use std::process::ExitCode;

use piaule::{cli, core, front, sys};

fn main() -> ExitCode {
    if let Err(error) = sys::allocator::map_large_blocks_apart() {
        return done(Err(error.into()));
    }
    sys::memory::limit_arenas(2);
    match std::env::args_os().nth(1).as_deref().and_then(OsStr::to_str) {
        Some("front") => {
            done(sys::descriptor::inherited().map_err(Into::into).and_then(front_role))
        }
        Some("stage") => {
            done(sys::descriptor::inherited().map_err(Into::into).and_then(stage_role))
        }
        _ => match cli::run() {
            cli::Role::Core { config } => done(core::run(&config).map_err(anyhow::Error::from)),
            cli::Role::Dismantle { config } => {
                done(core::dismantle(&config).map_err(anyhow::Error::from))
            }
            cli::Role::Exit(status) => status,
        },
    }
}

fn front_role(channel: std::os::fd::OwnedFd) -> anyhow::Result<()> {
    front::run(channel)?;
    Ok(())
}

fn stage_role(channel: std::os::fd::OwnedFd) -> anyhow::Result<()> {
    core::launch::stage(channel)?;
    Ok(())
}

/// The end of a role: its failure is told here, once, with its causes.
fn done(outcome: anyhow::Result<()>) -> ExitCode {
    outcome.map_or_else(|error| cli::report(&error), |()| ExitCode::SUCCESS)
}
