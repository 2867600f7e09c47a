//! Landlock (landlock(7)): no path, no TCP port to listen on, no signal to anyone else.

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetError,
    RulesetStatus, Scope,
};

use super::SandboxError;

/// Forbids as much of it as this kernel can: Debian 12's knows files only. What it lacks, the
/// empty root and the seccomp profile refuse too, so an old kernel is no reason to stop.
pub(super) fn forbid() -> Result<(), SandboxError> {
    match restrict().map_err(SandboxError::Landlock)? {
        RulesetStatus::NotEnforced => {
            tracing::warn!("this kernel has no Landlock; front does without");
        }
        status => tracing::debug!(?status, "Landlock"),
    }
    Ok(())
}

/// Everything handled and no rule: nothing is allowed. TCP connections, which the proxy makes,
/// are not handled.
fn restrict() -> Result<RulesetStatus, RulesetError> {
    let ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(ABI::V6))?
        .handle_access(AccessNet::BindTcp)?
        .scope(Scope::from_all(ABI::V6))?
        .create()?;
    Ok(ruleset.restrict_self()?.ruleset)
}
