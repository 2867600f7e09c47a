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
pub use run::LaunchError;

use std::os::fd::OwnedFd;

use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};

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

/// Makes the kernel kill this stage when core ends (PR_SET_PDEATHSIG, prctl(2)): a stage that
/// outlived it would bring up a room beside the one the next core starts. A core that ended
/// before this took hold is found out by the channel, which remembers who made it.
fn die_with_core(channel: &OwnedFd) -> Result<(), StageError> {
    let core = rustix::net::sockopt::socket_peercred(channel).map_err(doing("look at core"))?.pid;
    die_with(Some(core))
}

/// Makes the kernel kill this process when its parent, which should be that one, ends.
fn die_with(parent: Option<Pid>) -> Result<(), StageError> {
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(doing("die with core"))?;
    if getppid() == parent {
        Ok(())
    } else {
        Err(doing("begin")(std::io::Error::other("core is gone")))
    }
}

/// The `stage` role: carries out the one order that comes through `channel`.
///
/// # Errors
/// Only when core cannot be told; everything else is in the report.
pub fn stage(channel: OwnedFd) -> Result<(), StageError> {
    die_with_core(&channel)?;
    // The kernel may spare core when memory runs out, not a room (proc_pid_oom_score_adj(5)).
    std::fs::write("/proc/self/oom_score_adj", "0").map_err(doing("be no dearer than others"))?;
    let channel = Channel::new(channel);
    let Some((order, fds)) = channel.receive::<Order>().map_err(doing("read the order"))? else {
        return Ok(());
    };
    let outcome = match order {
        Order::Start(start) => start::run(&start, fds, &channel),
        Order::Enter(enter) => enter::run(&enter, &fds, &channel),
        Order::WriteKeys(keys) => enter::write_keys(&keys, &channel),
    };
    match outcome {
        Ok(()) => Ok(()),
        Err(error) => {
            channel.send(&Report::Failed(error.line()), &[]).map_err(doing("report a failure"))
        }
    }
}
