//! The wall around front, built by front itself while it is still root, single-threaded and has
//! not yet read a byte from outside.
//!
//! Assume that one of the parsers here is taken over. What its new master has left:
//!
//! | wall | what it takes away |
//! |---|---|
//! | descriptors | everything but stderr, the channel and the sockets core sent |
//! | an empty read-only root | every path: no file of the store, no socket of the host |
//! | another uid, no group | files and signals of others, should a path appear |
//! | no capability, and none to be had | administration of anything |
//! | `no_new_privs` | what set-uid programs would give back |
//! | Landlock | the same paths again, TCP ports to listen on, signals to others |
//! | seccomp allow-list | exec, open, fork, ptrace, mount, listen, all but IP sockets |
//!
//! They overlap on purpose, as each has had holes. It keeps the host's network namespace, for
//! its sockets must reach rooms and resolvers: it can still connect wherever the host can. That
//! is the price of front making its own connections.
//!
//! Every wall but Landlock, which the kernel may lack in part, is required and looked at from
//! the inside before [`enter`] returns. Only then may a runtime be built: threads inherit
//! these walls from the thread that makes them, and from no other.

mod identity;
mod paths;
mod proof;
mod root;

use std::io;
use std::os::fd::BorrowedFd;

use nix::errno::Errno;
use seccompiler::TargetArch;

use crate::sys;
use crate::sys::seccomp::SeccompError;
use crate::wire::FrontSettings;

/// The system calls front may make, with a reason each.
const PROFILE: &str = include_str!("../../../profiles/seccomp/front.json");

/// Why front could not be walled in.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    #[error("descriptors that front should not have cannot be closed")]
    Descriptors(#[source] io::Error),
    #[error("the limits of the process cannot be set")]
    Limits(#[source] Errno),
    #[error("the empty root cannot be made: {0} failed")]
    Root(&'static str, #[source] Errno),
    #[error("capabilities cannot be given up")]
    Capabilities(#[source] caps::errors::CapsError),
    #[error("front cannot become uid {0}, gid {1}")]
    Identity(u32, u32, #[source] Errno),
    #[error("Landlock cannot be set up")]
    Landlock(#[source] landlock::RulesetError),
    #[error("the seccomp profile of front is wrong")]
    Profile(#[source] SeccompError),
    #[error("the seccomp profile of front cannot be installed")]
    Seccomp(#[source] io::Error),
    /// A wall is up, and does not hold.
    #[error("front is not walled in: {0}")]
    Open(&'static str),
}

/// Leaves the process with the descriptors it needs: standard ones and `channel`.
///
/// # Errors
/// What close_range(2) says.
pub fn keep_only(channel: BorrowedFd<'_>) -> Result<(), SandboxError> {
    sys::descriptor::close_others(channel).map_err(SandboxError::Descriptors)
}

/// Gives up everything front does not need, for good, and checks that it is gone.
///
/// To be called as root, by the only thread of the process.
///
/// # Errors
/// The step that failed. The process is then half walled in and must end.
pub fn enter(settings: &FrontSettings) -> Result<(), SandboxError> {
    let arch = TargetArch::try_from(std::env::consts::ARCH)
        .map_err(|_| SandboxError::Open("there is no seccomp profile for this architecture"))?;
    let programs = sys::seccomp::compile(PROFILE, arch).map_err(SandboxError::Profile)?;
    sys::memory::limit_arenas(2);

    identity::limit()?;
    root::empty()?;
    identity::give_up(settings.uid, settings.gid)?;
    paths::forbid()?;
    proof::of_identity(settings.uid, settings.gid)?;
    proof::of_empty_root()?;
    for program in &programs {
        sys::bpf::install(program).map_err(SandboxError::Seccomp)?;
    }
    proof::of_filter()
}
