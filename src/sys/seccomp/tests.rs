//! Profiles are installed in forked children, which then make the calls for real.

use seccompiler::TargetArch;

use super::*;
use crate::sys::bpf;

const ARCH: TargetArch =
    if cfg!(target_arch = "x86_64") { TargetArch::x86_64 } else { TargetArch::aarch64 };
const ROOM: &str = include_str!("../../../profiles/seccomp/default.json");
const FRONT: &str = include_str!("../../../profiles/seccomp/front.json");

const INSTALLED: i32 = 250;
const DIED: i32 = -1;

/// What a child that lives under `programs` gets as `errno` of each of `calls`, 0 for success;
/// at most one byte of it. A child killed by a signal ends the list with [`DIED`].
fn answers(programs: &[BpfProgram], calls: &[(i64, [u64; 6])]) -> Vec<i32> {
    use std::io::Read;
    use std::os::fd::AsRawFd;
    let (mut reader, writer) = std::io::pipe().expect("pipe");
    let raw = writer.as_raw_fd();
    // SAFETY: between fork and _exit the child makes system calls only, on memory made before.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "fork");
    if child == 0 {
        // SAFETY: as above; the arguments are numbers and null pointers, harmless to refuse.
        unsafe {
            let tell = |code: i32| libc::write(raw, (&raw const code).cast(), 4);
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
            for program in programs {
                if bpf::install(program).is_err() {
                    libc::_exit(2);
                }
            }
            tell(INSTALLED);
            for (number, a) in calls {
                let status = libc::syscall(*number, a[0], a[1], a[2], a[3], a[4], a[5]);
                tell(if status < 0 { *libc::__errno_location() } else { 0 });
            }
            libc::_exit(0);
        }
    }
    drop(writer);
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).expect("read");
    let mut status = 0;
    // SAFETY: our own child, once.
    unsafe { libc::waitpid(child, &raw mut status, 0) };
    let mut codes: Vec<i32> =
        bytes.chunks_exact(4).map(|code| i32::from_ne_bytes(code.try_into().expect("4"))).collect();
    assert_eq!(codes.first(), Some(&INSTALLED), "the filter was not installed");
    codes.remove(0);
    if libc::WIFSIGNALED(status) {
        codes.push(DIED);
    }
    codes
}

/// The number of a call, read from the program seccompiler makes of it.
fn number(name: &str) -> i64 {
    if let Some((_, number)) = NEWER.iter().find(|(newer, _)| *newer == name) {
        return i64::from(*number);
    }
    let profile = json!({ "default": "allow",
        "rules": [{ "syscalls": [name], "action": "EPERM", "reason": "probe" }] });
    let program = compile(&profile.to_string(), ARCH).expect(name).remove(0);
    let jump = program.iter().rev().find(|i| u32::from(i.code) == libc::BPF_JMP | libc::BPF_JEQ);
    i64::from(jump.expect("a comparison").k)
}

fn room_rules() -> Vec<Rule> {
    let profile: Profile = serde_json::from_str(ROOM).expect("profile");
    profile
        .rules
        .into_iter()
        .filter(|rule| rule.arch.is_none_or(|machine| machine.is(ARCH)))
        .collect()
}

#[test]
fn both_profiles_compile_for_both_machines() {
    for arch in [TargetArch::x86_64, TargetArch::aarch64] {
        assert_eq!(compile(ROOM, arch).expect("room").len(), 3);
        assert_eq!(compile(FRONT, arch).expect("front").len(), 2);
    }
}

#[test]
fn every_refusal_of_the_rooms_is_answered_for_real() {
    let programs = compile(ROOM, ARCH).expect("room");
    for rule in room_rules().iter().filter(|rule| rule.args.is_empty()) {
        for name in &rule.syscalls {
            let got = answers(&programs, &[(number(name), [u64::MAX; 6])]);
            assert_eq!(got, [rule.action.errno().expect("a refusal")], "{name}");
        }
    }
}

#[test]
fn refusals_by_argument() {
    const NEWUSER: u64 = 0x1000_0000;
    let programs = compile(ROOM, ARCH).expect("room");
    let refused = [
        ("umount2", [0, 1, 0, 0, 0, 0], libc::EPERM),
        ("umount2", [0, 3, 0, 0, 0, 0], libc::EPERM),
        ("clone", [NEWUSER | 0x11, 0, 0, 0, 0, 0], libc::EPERM),
        ("unshare", [NEWUSER, 0, 0, 0, 0, 0], libc::EPERM),
        ("unshare", [NEWUSER | 0x2_0000, 0, 0, 0, 0, 0], libc::EPERM),
        // What the kernel does not look at must not hide what it does.
        ("unshare", [1 << 63 | NEWUSER, 0, 0, 0, 0, 0], libc::EPERM),
        ("personality", [0x40_0000, 0, 0, 0, 0, 0], libc::EPERM),
        ("socket", [40, 1, 0, 0, 0, 0], libc::EAFNOSUPPORT),
        ("socket", [1 << 32 | 0x28, 1, 0, 0, 0, 0], libc::EAFNOSUPPORT),
        ("socket", [38, 5, 0, 0, 0, 0], libc::EAFNOSUPPORT),
    ];
    for (name, args, errno) in refused {
        assert_eq!(answers(&programs, &[(number(name), args)]), [errno], "{name} {args:x?}");
    }
    let allowed = [
        ("umount2", [0, 2, 0, 0, 0, 0], libc::EFAULT),
        ("unshare", [0x400, 0, 0, 0, 0, 0], 0),
        ("personality", [0xffff_ffff, 0, 0, 0, 0, 0], 0),
        ("personality", [0x4_0000, 0, 0, 0, 0, 0], 0),
        ("socket", [1, 1, 0, 0, 0, 0], 0),
        ("socket", [16, 3, 0, 0, 0, 0], 0),
        // PTRACE_TRACEME, for gdb and strace.
        ("ptrace", [0, 0, 0, 0, 0, 0], 0),
        // PR_SET_SECCOMP through seccomp(2) without a program: it reaches the kernel.
        ("seccomp", [1, 0, 0, 0, 0, 0], libc::EFAULT),
        ("mount", [0, 0, 0, 0, 0, 0], libc::EFAULT),
    ];
    for (name, args, errno) in allowed {
        assert_eq!(answers(&programs, &[(number(name), args)]), [errno], "{name} {args:x?}");
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn the_x32_door_is_shut() {
    let getpid = 0x27 | i64::from(X32_BIT);
    let quotactl = 0xb3 | i64::from(X32_BIT);
    for profile in [ROOM, FRONT] {
        let programs = compile(profile, ARCH).expect("profile");
        let got = answers(&programs, &[(getpid, [0; 6]), (quotactl, [0; 6])]);
        assert_eq!(got, [libc::ENOSYS; 2]);
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn the_i386_door_is_shut() {
    for profile in [ROOM, FRONT] {
        let programs = compile(profile, ARCH).expect("profile");
        // SAFETY: the child makes one call through the 32-bit gate, getpid, and exits.
        let status = unsafe {
            let child = libc::fork();
            assert!(child >= 0);
            if child == 0 {
                libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
                if programs.iter().any(|program| bpf::install(program).is_err()) {
                    libc::_exit(2);
                }
                std::arch::asm!("int 0x80", inout("eax") 20 => _);
                libc::_exit(3);
            }
            let mut status = 0;
            libc::waitpid(child, &raw mut status, 0);
            status
        };
        assert!(libc::WIFSIGNALED(status), "{status:x}");
        assert_eq!(libc::WTERMSIG(status), libc::SIGSYS);
    }
}

#[test]
fn front_may_do_little() {
    let programs = compile(FRONT, ARCH).expect("front");
    let refused = [
        "execve",
        "execveat",
        "openat",
        "openat2",
        "ptrace",
        "mount",
        "unshare",
        "setns",
        "listen",
        "seccomp",
        "setresuid",
        "capset",
        "kill",
        "pidfd_open",
        "process_vm_readv",
        "memfd_create",
        "io_uring_setup",
        "bpf",
        "userfaultfd",
        "keyctl",
        "chroot",
        "prlimit64",
        "landlock_restrict_self",
    ];
    for name in refused {
        assert_eq!(answers(&programs, &[(number(name), [0; 6])]), [libc::EPERM], "{name}");
    }
    assert_eq!(answers(&programs, &[(number("clone3"), [0; 6])]), [libc::ENOSYS]);
}

#[test]
fn front_by_argument() {
    let programs = compile(FRONT, ARCH).expect("front");
    let fd = u64::from(u32::MAX);
    let cases: &[(&str, [u64; 6], i32)] = &[
        ("socket", [2, 0o1 | 0o2_004_000, 0, 0, 0, 0], 0),
        ("socket", [10, 0o2 | 0o2_004_000, 0, 0, 0, 0], 0),
        ("socket", [1, 1, 0, 0, 0, 0], libc::EPERM),
        ("socket", [2, 3, 0, 0, 0, 0], libc::EPERM),
        ("socket", [2, 1, 132, 0, 0, 0], libc::EPERM),
        ("socket", [16, 3, 0, 0, 0, 0], libc::EPERM),
        ("socket", [17, 3, 0, 0, 0, 0], libc::EPERM),
        // Memory that is or becomes executable.
        ("mmap", [0, 4096, 3, 0x22, fd, 0], 0),
        ("mmap", [0, 4096, 7, 0x22, fd, 0], libc::EPERM),
        ("mprotect", [0, 0, 5, 0, 0, 0], libc::EPERM),
        // A fork, and a thread in a namespace of its own.
        ("clone", [17, 0, 0, 0, 0, 0], libc::EPERM),
        ("clone", [0x3d_0f00 | 0x1000_0000, 0, 0, 0, 0, 0], libc::EPERM),
        ("tgkill", [1, 1, 9, 0, 0, 0], libc::EPERM),
        ("ioctl", [fd, 0x5412, 0, 0, 0, 0], libc::EPERM),
        ("ioctl", [fd, 0x5421, 0, 0, 0, 0], libc::EBADF),
        ("prctl", [15, 0, 0, 0, 0, 0], libc::EFAULT),
        ("prctl", [4, 1, 0, 0, 0, 0], libc::EPERM),
        // SO_ATTACH_FILTER and TCP_ULP.
        ("setsockopt", [fd, 1, 26, 0, 0, 0], libc::EPERM),
        ("setsockopt", [fd, 6, 31, 0, 0, 0], libc::EPERM),
        ("setsockopt", [fd, 6, 1, 0, 0, 0], libc::EBADF),
        ("fcntl", [fd, 3, 0, 0, 0, 0], libc::EBADF),
        ("fcntl", [fd, 8, 0, 0, 0, 0], libc::EPERM),
    ];
    for (name, args, errno) in cases {
        assert_eq!(answers(&programs, &[(number(name), *args)]), [*errno], "{name} {args:x?}");
    }
}

#[test]
fn a_cancelled_call_passes_and_profiles_must_make_sense() {
    let programs = compile(ROOM, ARCH).expect("room");
    assert_eq!(answers(&programs, &[(-1, [0; 6])]), [libc::ENOSYS]);

    let rule =
        |name: &str, action: &str| json!({ "syscalls": [name], "action": action, "reason": "x" });
    let when = |name: &str, action: &str| {
        let mut rule = rule(name, action);
        rule["args"] = json!([{ "index": 0, "op": "eq", "value": 1 }]);
        rule
    };
    let allow = |rules: Vec<Value>| json!({ "default": "allow", "rules": rules });
    let deny =
        |rules: Vec<Value>| json!({ "default": "deny", "deny_errno": "EPERM", "rules": rules });
    let mut unreasoned = rule("bpf", "EPERM");
    unreasoned["reason"] = json!("");
    let bad = [
        allow(vec![rule("no_such_call", "EPERM")]),
        allow(vec![rule("bpf", "EPERM"), rule("bpf", "ENOSYS")]),
        allow(vec![rule("bpf", "EPERM"), when("bpf", "EPERM")]),
        allow(vec![when("bpf", "EPERM"), rule("bpf", "EPERM")]),
        allow(vec![rule("bpf", "allow")]),
        allow(vec![unreasoned]),
        allow(vec![when("open_tree_attr", "EPERM")]),
        deny(vec![rule("bpf", "EPERM")]),
        deny(vec![when("bpf", "ENOSYS")]),
        json!({ "default": "deny", "rules": [] }),
        json!({ "default": "allow", "deny_errno": "EPERM", "rules": [] }),
        json!({ "default": "allow", "rules": [], "comment": "unknown" }),
    ];
    for profile in bad {
        assert!(compile(&profile.to_string(), ARCH).is_err(), "{profile}");
    }
    assert!(
        compile(&allow(vec![when("bpf", "EPERM"), when("bpf", "EPERM")]).to_string(), ARCH).is_ok()
    );
}
