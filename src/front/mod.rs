//! Everything that parses bytes from outside, without any privilege.
//!
//! Core starts this role with one end of a channel and hands it the listening sockets. It drops
//! uid, capabilities, file system and system calls in [`sandbox`] before its runtime exists, and
//! refuses to run if it can't. What it serves is the latest `Snapshot`, in [`view`]; what it
//! asks of core goes through [`house`], each command with the token of the person it serves. So
//! a front taken over can act for nobody who is not talking to it.
//!
//! It is crash-only: a panic anywhere ends the process, core starts another and sends it a full
//! snapshot. The price is that one visitor's panic closes everyone's connections; what is
//! gained is that no service ever runs on what a panic left behind.
//!
//! ```text
//!  begin ─▶ sandbox ─▶ runtime ─▶ first snapshot ─▶ serving, `Ready` ─▶ SIGTERM ─▶ drain ─▶ exit 0
//!                                                    │   ▲
//!                                    core gone ──────┘   └── the last snapshot is served on
//! ```
//!
//! The services know `view`, `house` and `site`, never each other.

pub mod dhcp;
pub mod dns;
pub mod house;
mod line;
pub mod panel;
pub mod proxy;
pub mod sandbox;
mod service;
pub mod site;
mod sockets;
pub mod view;

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use crate::wire::channel::Channel;
use crate::wire::{FrontSettings, ToFront};
use sandbox::SandboxError;
use sockets::Sockets;

/// Two: the box's cores belong to the rooms.
const WORKERS: usize = 2;
/// Bytes of a thread's stack; twice what the deepest call chain in a debug build needs.
const STACK: usize = 1 << 20;

/// Why front ended, other than when told to.
#[derive(Debug, thiserror::Error)]
pub enum FrontError {
    #[error("the line to core failed")]
    Line(#[source] io::Error),
    #[error("core did not say what to serve: {0}")]
    Silent(&'static str),
    #[error("the sockets from core are not what was agreed: {0}")]
    Sockets(String),
    #[error("a socket from core cannot be used")]
    Socket(#[source] io::Error),
    #[error("front cannot be walled in, so it does not run")]
    Sandbox(#[from] SandboxError),
    #[error("the runtime cannot be built")]
    Runtime(#[source] io::Error),
    #[error("{0} ended by itself")]
    Service(&'static str),
}

/// The whole life of front, told over `channel`, core's other end of which sends `Begin` first.
///
/// To be called as root, first thing in a process of its own, while it has one thread.
///
/// # Errors
/// Whatever keeps it from serving. `Ok` after a drain.
pub fn run(channel: OwnedFd) -> Result<(), FrontError> {
    sandbox::keep_only(channel.as_fd())?;
    log_to_stderr();
    end_on_panic();
    let channel = Channel::new(channel);
    let (settings, sockets) = begin(&channel)?;
    sandbox::enter(&settings)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .max_blocking_threads(1)
        .thread_stack_size(STACK)
        .thread_name("front")
        .enable_all()
        .build()
        .map_err(FrontError::Runtime)?;
    let end = runtime.block_on(service::run(channel, sockets, settings));
    runtime.shutdown_background();
    end
}

/// The first frame.
fn begin(channel: &Channel) -> Result<(FrontSettings, Sockets), FrontError> {
    match channel.receive().map_err(FrontError::Line)? {
        Some((ToFront::Begin { settings, sockets }, fds)) => {
            Ok((settings, Sockets::sort(&sockets, fds)?))
        }
        Some(_) => Err(FrontError::Silent("its first frame was another")),
        None => Err(FrontError::Silent("it is gone")),
    }
}

/// Logs lines without time or colour: they are core's to pass on, to the journal as a rule.
fn log_to_stderr() {
    let lines = tracing_subscriber::fmt().with_writer(io::stderr).without_time().with_ansi(false);
    // Whoever called may have set up a log of their own.
    let _ = lines.try_init();
}

/// A panic in any thread or task ends the process, with status 101.
fn end_on_panic() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        report(panic);
        std::process::exit(101);
    }));
}
