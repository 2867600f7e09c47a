//! Seccomp profiles: from our data, a reason beside each entry, to programs for the kernel.
//!
//! A profile is JSON:
//!
//! ```json
//! { "default": "deny", "deny_errno": "EPERM", "rules": [
//!   { "syscalls": ["clone"], "action": "allow", "reason": "threads",
//!     "args": [{ "index": 0, "op": "masked_eq", "mask": 65536, "value": 65536 }] } ] }
//! ```
//!
//! The conditions of one rule must all hold; of several rules for one call, one. They compare
//! 32 bits, since every argument worth a condition is an `int` to the kernel: it does not look
//! at the upper half, so neither may we. `arch` limits a rule to the machine that has its calls.
//!
//! seccompiler knows one answer per program, so a profile with several becomes several programs,
//! to be installed in order. What seccompiler lacks is put in front of each: x32 calls, which
//! would pass its check of the architecture under other numbers, answer `ENOSYS`; and so do the
//! calls that are newer than its table get their answer. Calls of another architecture kill the
//! process: a 32-bit program ends with a clear "bad system call" instead of half-working.

use std::collections::{BTreeMap, BTreeSet};

use seccompiler::{BpfProgram, TargetArch, compile_from_json, sock_filter};
use serde::Deserialize;
use serde_json::{Value, json};

/// Why a profile cannot be compiled.
#[derive(Debug, thiserror::Error)]
pub enum SeccompError {
    /// It is not JSON of the form above.
    #[error("the seccomp profile cannot be read")]
    Read(#[source] serde_json::Error),
    /// An entry says nothing, or contradicts another.
    #[error("the seccomp profile's entry for `{0}` {1}")]
    Entry(String, &'static str),
    /// A call this architecture does not have, or a program too long for the kernel.
    #[error("the seccomp profile cannot be compiled")]
    Compile(#[source] seccompiler::Error),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Profile {
    default: Default,
    #[serde(default)]
    deny_errno: Option<Action>,
    rules: Vec<Rule>,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Default {
    Allow,
    Deny,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    syscalls: Vec<String>,
    action: Action,
    reason: String,
    #[serde(default)]
    arch: Option<Machine>,
    #[serde(default)]
    args: Vec<Condition>,
}

/// What a call is answered.
#[derive(Deserialize, Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Action {
    #[serde(rename = "allow")]
    Allow,
    #[serde(rename = "EPERM")]
    Eperm,
    #[serde(rename = "ENOSYS")]
    Enosys,
    #[serde(rename = "EAFNOSUPPORT")]
    Eafnosupport,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Machine {
    #[serde(rename = "x86_64")]
    X86,
    Aarch64,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
enum Condition {
    Eq { index: u8, value: u32 },
    Ne { index: u8, value: u32 },
    MaskedEq { index: u8, mask: u32, value: u32 },
}

/// Calls newer than seccompiler's table (Linux 6.12). Since 5.0 a new call has the same number
/// everywhere (`scripts/syscall.tbl` of the kernel).
const NEWER: [(&str, u32); 1] = [("open_tree_attr", 467)];

/// The programs of a profile, to be installed in this order with
/// [`install`](super::bpf::install). The last may well refuse seccomp(2).
///
/// # Errors
/// For a profile that is malformed, contradicts itself, lacks a reason, or names a call that
/// `arch` does not have.
pub fn compile(profile: &str, arch: TargetArch) -> Result<Vec<BpfProgram>, SeccompError> {
    let profile: Profile = serde_json::from_str(profile).map_err(SeccompError::Read)?;
    let rules: Vec<&Rule> = profile
        .rules
        .iter()
        .filter(|rule| rule.arch.is_none_or(|machine| machine.is(arch)))
        .collect();
    check(&profile, &rules)?;
    layers(&profile, &rules).into_iter().map(|layer| layer.compile(arch)).collect()
}

/// Refuses what seccompiler would silently compile to something else.
fn check(profile: &Profile, rules: &[&Rule]) -> Result<(), SeccompError> {
    let wrong = |name: &str, why| Err(SeccompError::Entry(name.to_owned(), why));
    if (profile.default == Default::Deny) != profile.deny_errno.is_some()
        || profile.deny_errno == Some(Action::Allow)
    {
        return wrong("default", "needs `deny_errno` to deny, and only then");
    }
    let mut conditional: BTreeMap<&str, bool> = BTreeMap::new();
    for rule in rules {
        for name in rule.syscalls.iter().map(String::as_str) {
            if rule.reason.is_empty() {
                return wrong(name, "has no reason");
            }
            if rule.action == profile.default_action() {
                return wrong(name, "says what the default says");
            }
            if profile.default == Default::Deny
                && rule.action != Action::Allow
                && !rule.args.is_empty()
            {
                return wrong(name, "refuses by argument what is refused by default");
            }
            if NEWER.iter().any(|(newer, _)| *newer == name) && !rule.args.is_empty() {
                return wrong(name, "has arguments, which a call so new cannot have here");
            }
            let both = rule.args.is_empty() || conditional.get(name) == Some(&false);
            if conditional.insert(name, !rule.args.is_empty()).is_some() && both {
                return wrong(name, "makes another one moot");
            }
        }
    }
    Ok(())
}

impl Profile {
    fn default_action(&self) -> Action {
        self.deny_errno.unwrap_or(Action::Allow)
    }
}

impl Machine {
    fn is(self, arch: TargetArch) -> bool {
        matches!(
            (self, arch),
            (Self::X86, TargetArch::x86_64) | (Self::Aarch64, TargetArch::aarch64)
        )
    }
}

/// One program: the calls it answers with `matched`, the others with `otherwise`.
struct Layer<'a> {
    otherwise: Action,
    matched: Action,
    entries: Vec<(&'a str, &'a [Condition])>,
}

/// A layer per error that is not the default, then, for a default refusal, what is allowed.
///
/// The kernel runs them all and takes the strictest answer; between two errors, that of the
/// program installed last (seccomp(2)). So the allow-list lets the calls of the other layers
/// through, for these to answer.
fn layers<'a>(profile: &Profile, rules: &[&'a Rule]) -> Vec<Layer<'a>> {
    let entries = |wanted: &dyn Fn(Action) -> bool| {
        rules
            .iter()
            .filter(|rule| wanted(rule.action))
            .flat_map(|rule| rule.syscalls.iter().map(|name| (name.as_str(), rule.args.as_slice())))
            .collect()
    };
    let errors: BTreeSet<Action> =
        rules.iter().map(|rule| rule.action).filter(|action| *action != Action::Allow).collect();
    let mut layers: Vec<Layer<'a>> = errors
        .into_iter()
        .map(|matched| Layer {
            otherwise: Action::Allow,
            matched,
            entries: entries(&|action| action == matched),
        })
        .collect();
    if let Some(otherwise) = profile.deny_errno {
        layers.push(Layer { otherwise, matched: Action::Allow, entries: entries(&|_| true) });
    }
    layers
}

impl Layer<'_> {
    fn compile(&self, arch: TargetArch) -> Result<BpfProgram, SeccompError> {
        let number = |name: &str| NEWER.iter().find(|(newer, _)| *newer == name).map(|(_, nr)| *nr);
        let newer: Vec<u32> = self.entries.iter().filter_map(|(name, _)| number(name)).collect();
        let known: Vec<Value> = self
            .entries
            .iter()
            .filter(|(name, _)| number(name).is_none())
            .map(|(name, conditions)| seccompiler_rule(name, conditions))
            .collect();
        let filter = json!({ "layer": {
            "mismatch_action": self.otherwise.to_seccompiler(),
            "match_action": self.matched.to_seccompiler(),
            "filter": known,
        }});
        let mut programs = compile_from_json(filter.to_string().as_bytes(), arch)
            .map_err(SeccompError::Compile)?;
        let mut program = prelude(arch, &newer, self.matched);
        program.extend(programs.remove("layer").unwrap_or_default());
        Ok(program)
    }
}

/// A rule in the form of seccompiler's JSON.
fn seccompiler_rule(name: &str, conditions: &[Condition]) -> Value {
    if conditions.is_empty() {
        return json!({ "syscall": name });
    }
    let args: Vec<Value> = conditions
        .iter()
        .map(|condition| {
            let (index, op, value) = match *condition {
                Condition::Eq { index, value } => (index, json!("eq"), value),
                Condition::Ne { index, value } => (index, json!("ne"), value),
                Condition::MaskedEq { index, mask, value } => {
                    (index, json!({ "masked_eq": mask }), value)
                }
            };
            json!({ "index": index, "type": "dword", "op": op, "val": value })
        })
        .collect();
    json!({ "syscall": name, "args": args })
}

impl Action {
    fn errno(self) -> Option<i32> {
        match self {
            Self::Allow => None,
            Self::Eperm => Some(libc::EPERM),
            Self::Enosys => Some(libc::ENOSYS),
            Self::Eafnosupport => Some(libc::EAFNOSUPPORT),
        }
    }

    fn to_seccompiler(self) -> Value {
        self.errno().map_or(json!("allow"), |errno| json!({ "errno": errno }))
    }

    fn to_kernel(self) -> u32 {
        self.errno().map_or(libc::SECCOMP_RET_ALLOW, |errno| {
            libc::SECCOMP_RET_ERRNO | (errno.unsigned_abs() & libc::SECCOMP_RET_DATA)
        })
    }
}

/// The bit that tells x32 calls from those of x86-64 (`asm/unistd.h`).
const X32_BIT: u32 = 0x4000_0000;
/// The number of a call that a tracer has cancelled; not an x32 one.
const CANCELLED: u32 = u32::MAX;

/// Instructions that go in front of seccompiler's; they fall through to it.
fn prelude(arch: TargetArch, newer: &[u32], action: Action) -> BpfProgram {
    use libc::{BPF_JEQ, BPF_JGE};
    let mut program = vec![
        load(std::mem::offset_of!(libc::seccomp_data, arch)),
        jump(BPF_JEQ, audit(arch), 1, 0),
        answer(libc::SECCOMP_RET_KILL_PROCESS),
        load(std::mem::offset_of!(libc::seccomp_data, nr)),
    ];
    if arch == TargetArch::x86_64 {
        program.extend([
            jump(BPF_JEQ, CANCELLED, 2, 0),
            jump(BPF_JGE, X32_BIT, 0, 1),
            answer(Action::Enosys.to_kernel()),
        ]);
    }
    for number in newer {
        program.extend([jump(BPF_JEQ, *number, 0, 1), answer(action.to_kernel())]);
    }
    program
}

/// `AUDIT_ARCH_*` of `linux/audit.h`: the ELF machine, 64-bit, little-endian.
fn audit(arch: TargetArch) -> u32 {
    let machine = match arch {
        TargetArch::x86_64 => libc::EM_X86_64,
        TargetArch::aarch64 => libc::EM_AARCH64,
        TargetArch::riscv64 => libc::EM_RISCV,
    };
    0xC000_0000 | u32::from(machine)
}

/// A BPF instruction; `code` fits 16 bits by construction (`linux/bpf_common.h`).
fn instruction(code: u32, jt: u8, jf: u8, k: u32) -> sock_filter {
    sock_filter { code: u16::try_from(code).unwrap_or_default(), jt, jf, k }
}

fn load(offset: usize) -> sock_filter {
    let offset = u32::try_from(offset).unwrap_or_default();
    instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, offset)
}

fn jump(comparison: u32, with: u32, if_so: u8, if_not: u8) -> sock_filter {
    instruction(libc::BPF_JMP | comparison | libc::BPF_K, if_so, if_not, with)
}

fn answer(with: u32) -> sock_filter {
    instruction(libc::BPF_RET | libc::BPF_K, 0, 0, with)
}

#[cfg(test)]
mod tests;
