//! Who front is and what it may use: limits, uid, capabilities.

use caps::CapSet;
use nix::errno::Errno;
use nix::sys::prctl::{set_dumpable, set_no_new_privs};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid, setsid};

use super::SandboxError;

/// What front may use at most, or less where core itself is held to less (getrlimit(2)).
/// Descriptors: two per proxied connection. Processes: those of its uid, and each thread counts;
/// an old front may be draining meanwhile. Core files would hold certificates' keys.
const LIMITS: [(Resource, u64); 3] =
    [(Resource::RLIMIT_NOFILE, 65_536), (Resource::RLIMIT_NPROC, 64), (Resource::RLIMIT_CORE, 0)];

/// Sets the limits, and leaves the terminal core may have been started from, whose interrupt
/// key is meant for core.
pub(super) fn limit() -> Result<(), SandboxError> {
    // EPERM: it already leads a session of its own.
    let _ = setsid();
    for (resource, most) in LIMITS {
        let (_, hard) = getrlimit(resource).map_err(SandboxError::Limits)?;
        let most = most.min(hard);
        setrlimit(resource, most, most).map_err(SandboxError::Limits)?;
    }
    Ok(())
}

/// Becomes `uid` and `gid` with no other group and no capability in any set, with no way back:
/// nothing executed from here on gains a privilege, and nobody of that uid may trace us.
pub(super) fn give_up(uid: u32, gid: u32) -> Result<(), SandboxError> {
    if uid == 0 || gid == 0 {
        return Err(SandboxError::Open("the account it should become is root"));
    }
    // The bounding set goes first, while CAP_SETPCAP is there.
    caps::clear(None, CapSet::Bounding).map_err(SandboxError::Capabilities)?;
    let refused = |errno: Errno| SandboxError::Identity(uid, gid, errno);
    let (user, group) = (Uid::from_raw(uid), Gid::from_raw(gid));
    setgroups(&[]).map_err(refused)?;
    setresgid(group, group, group).map_err(refused)?;
    setresuid(user, user, user).map_err(refused)?;
    for set in [CapSet::Ambient, CapSet::Inheritable, CapSet::Effective, CapSet::Permitted] {
        caps::clear(None, set).map_err(SandboxError::Capabilities)?;
    }
    // After the change of uid, which sets it anew (proc(5), fs.suid_dumpable).
    set_dumpable(false).map_err(refused)?;
    set_no_new_privs().map_err(refused)
}
