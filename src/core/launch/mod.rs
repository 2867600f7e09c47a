//! A room's bring-up: the `stage` role.
//!
//! Core starts one stage per start or entering, tells it one [`Order`] over a channel and reads
//! its [`Report`]s. A stage is single-threaded, because a threaded process must not clone itself
//! into new namespaces, and ends in milliseconds. In order:
//!
//! ```text
//! stage, root on the host                      child, root of the room
//! ───────────────────────                      ───────────────────────
//! layers    idmapped template + upper ─▶ root
//! devices   clones of /dev nodes, console
//! clone3 ──────────────────────────────────▶   (waits)
//! maps      uid_map, gid_map
//! cgroup    v1 attach
//! network   macvlan, address, route
//! go ──────────────────────────────────────▶   cgroup namespace, uid 0
//!                                              tree      /, /proc, /sys, /dev, /run
//!                                              personal  host name, keys, host keys
//!                                              confine   capabilities, seccomp
//! reads the end of the pipe ◀── exec closes it exec /sbin/init
//! reports the pidfd, ends
//! ```
//!
//! The child trusts nothing in the room's file system: it reaches it only from inside, with the
//! room's own identity, so a link in there leads nowhere but to the room itself. Whatever it
//! needs of the host it holds as a descriptor before it enters.

mod confine;
mod devices;
mod enter;
mod layers;
mod network;
mod order;
mod personal;
pub mod run;
mod start;
mod tree;

pub use order::{Enter, Identity, Inside, Start, WriteKeys};
use order::{Order, Report};
pub use run::{LaunchError, Started};

use std::os::fd::OwnedFd;

use crate::wire::channel::Channel;

/// What a stage could not do, for the report.
#[derive(Debug, thiserror::Error)]
#[error("{doing}")]
pub struct StageError {
    doing: String,
    source: std::io::Error,
}

/// Names the failing operation.
fn doing<E: Into<std::io::Error>>(what: impl Into<String>) -> impl FnOnce(E) -> StageError {
    move |error| StageError { doing: what.into(), source: error.into() }
}

impl StageError {
    /// The operation and the kernel's word on it, in one line.
    fn line(&self) -> String {
        format!("cannot {}: {}", self.doing, self.source)
    }
}

/// The `stage` role: carries out the one order that comes through `channel`.
///
/// # Errors
/// Only when core cannot be told; everything else is in the report.
pub fn stage(channel: OwnedFd) -> Result<(), StageError> {
    let channel = Channel::new(channel);
    let Some((order, fds)) = channel.receive::<Order>().map_err(doing("read the order"))? else {
        return Ok(());
    };
    let outcome = match order {
        Order::Start(start) => start::run(&start, fds, &channel),
        Order::Enter(enter) => enter::run(&enter, fds, &channel),
        Order::WriteKeys(keys) => enter::write_keys(&keys, &channel),
    };
    match outcome {
        Ok(()) => Ok(()),
        Err(error) => {
            channel.send(&Report::Failed(error.line()), &[]).map_err(doing("report a failure"))
        }
    }
}
