//! What pid 1 of a room may not do, set just before it is executed.

use caps::{CapSet, Capability};
use seccompiler::{BpfProgram, TargetArch};

use super::{StageError, doing};
use crate::sys::{bpf, seccomp};

/// The deny-list, a reason beside each entry.
const PROFILE: &str = include_str!("../../../profiles/seccomp/default.json");

/// Capabilities a room's root never has, even over its own namespaces. Without NET_ADMIN it can
/// neither take its macvlan out of private mode nor make another with a neighbour's address;
/// the others reach the kernel as a whole (capabilities(7)).
const DROPPED: [Capability; 12] = [
    Capability::CAP_NET_ADMIN,
    Capability::CAP_SYS_MODULE,
    Capability::CAP_SYS_RAWIO,
    Capability::CAP_SYS_TIME,
    Capability::CAP_SYSLOG,
    Capability::CAP_MAC_ADMIN,
    Capability::CAP_MAC_OVERRIDE,
    Capability::CAP_WAKE_ALARM,
    Capability::CAP_BLOCK_SUSPEND,
    Capability::CAP_PERFMON,
    Capability::CAP_BPF,
    Capability::CAP_SYS_PACCT,
];

/// The profile, compiled. Do it before anything that costs the room time.
pub fn compile() -> Result<Vec<BpfProgram>, StageError> {
    let failed = || doing::<std::io::Error>("compile the seccomp profile");
    let arch = TargetArch::try_from(std::env::consts::ARCH)
        .map_err(|error| failed()(std::io::Error::other(error.to_string())))?;
    seccomp::compile(PROFILE, arch)
        .map_err(|error| failed()(std::io::Error::other(error.to_string())))
}

/// Confines the calling process, and what it executes, for ever. `no_new_privs` stays off, or
/// sudo would not work in the room; that asks for CAP_SYS_ADMIN, which the room's root has over
/// its own user namespace (seccomp(2)).
pub fn enter(filters: &[BpfProgram]) -> Result<(), StageError> {
    for capability in DROPPED {
        caps::drop(None, CapSet::Bounding, capability).map_err(|error| {
            doing(format!("drop {capability}"))(std::io::Error::other(error.to_string()))
        })?;
    }
    filters.iter().try_for_each(bpf::install).map_err(doing("install the seccomp profile"))
}
