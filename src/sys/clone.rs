//! Children of a single-threaded process (clone3(2)).
//!
//! A child made here has only the calling thread, so a lock held by another one would stay held
//! in it for ever. Each function therefore refuses to work in a process with several threads,
//! which is what makes them safe to call.

use std::fs;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::libc::{self, c_long};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;

/// `CLONE_INTO_CGROUP` (linux/sched.h); libc's constant has too narrow a type.
const INTO_CGROUP: u64 = 0x2_0000_0000;

/// The side of the clone one finds oneself on.
#[derive(Debug)]
pub enum Side {
    /// The caller, with the child's pid and pidfd.
    Parent {
        /// As seen from the caller's pid namespace.
        pid: i32,
        /// Refers to the child whatever becomes of its pid.
        pidfd: OwnedFd,
    },
    /// The child.
    Child,
}

/// Refuses in a process with several threads.
fn single_threaded() -> io::Result<()> {
    match fs::read_dir("/proc/self/task")?.count() {
        1 => Ok(()),
        _ => Err(io::Error::other("a process with several threads cannot clone itself safely")),
    }
}

/// Clones the calling process into new namespaces (`CLONE_NEW…` bits, 0 for none) and into
/// `cgroup`, a descriptor of a cgroup v2 directory. The new process is the caller's sibling
/// (`CLONE_PARENT`): the caller's parent is told of its end and reaps it.
///
/// # Errors
/// With several threads, and what clone3(2) says.
pub fn clone_sibling(namespaces: i32, cgroup: Option<BorrowedFd<'_>>) -> io::Result<Side> {
    single_threaded()?;
    let mut pidfd: i32 = -1;
    let flags = namespaces | libc::CLONE_PIDFD | libc::CLONE_PARENT;
    // SAFETY: clone_args is plain data, for which all zeros is valid.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = flags.cast_unsigned().into();
    args.pidfd = (&raw mut pidfd) as u64;
    if let Some(cgroup) = cgroup {
        args.flags |= INTO_CGROUP;
        args.cgroup = cgroup.as_raw_fd().cast_unsigned().into();
    }
    // SAFETY: without CLONE_VM the child has a copy of the memory and goes on from here, as
    // after fork(2); `pidfd` outlives the call. There is one thread.
    let pid: c_long =
        unsafe { libc::syscall(libc::SYS_clone3, &raw mut args, size_of::<libc::clone_args>()) };
    match i32::try_from(pid).unwrap_or(-1) {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Side::Child),
        // SAFETY: the kernel has just installed this descriptor for us.
        pid => Ok(Side::Parent { pid, pidfd: unsafe { OwnedFd::from_raw_fd(pidfd) } }),
    }
}

/// A child that only holds a user namespace open.
#[derive(Debug)]
pub struct NamespaceHolder {
    pid: i32,
    /// The child ends when this closes.
    until: io::PipeWriter,
}

impl NamespaceHolder {
    /// Its pid.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Lets it end.
    ///
    /// # Errors
    /// What waitpid(2) says.
    pub fn end(self) -> io::Result<()> {
        let Self { pid, until } = self;
        drop(until);
        waitpid(Pid::from_raw(pid), None)?;
        Ok(())
    }
}

/// Makes a child in a new user namespace that waits to be let go.
///
/// # Errors
/// With several threads, and what clone(2) says.
pub fn hold_user_namespace() -> io::Result<NamespaceHolder> {
    single_threaded()?;
    let (mut reader, writer) = io::pipe()?;
    let flags = c_long::from(libc::CLONE_NEWUSER | libc::SIGCHLD);
    // SAFETY: without CLONE_VM and with a null stack this is fork(2) with a namespace; there is
    // one thread.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) };
    match i32::try_from(pid).unwrap_or(-1) {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            drop(writer);
            // Whatever ends the wait, it is over.
            let _ = reader.read(&mut [0]);
            end(0)
        }
        pid => Ok(NamespaceHolder { pid, until: writer }),
    }
}

fn end(status: i32) -> ! {
    // SAFETY: ends the child at once, without the parent's exit handlers.
    unsafe { libc::_exit(status) }
}

/// Sets the effective uid of the calling thread alone (setresuid(2) without the C library, which
/// would change all threads).
///
/// # Errors
/// What setresuid(2) says.
pub fn set_effective_uid(uid: u32) -> io::Result<()> {
    let keep = u32::MAX;
    // SAFETY: plain numbers.
    let result = unsafe { libc::syscall(libc::SYS_setresuid, keep, uid, keep) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
