//! Joining a running room: to run a command in it, or to write its managed keys.

use std::convert::Infallible;
use std::fs;
use std::os::fd::{AsFd, OwnedFd};

use nix::sched::{CloneFlags, setns};
use nix::unistd::setsid;
use rustix::process::{PidfdFlags, pidfd_open};
use seccompiler::BpfProgram;

use super::order::Inside;
use super::start::{PATH, become_root, execute};
use super::{Enter, Report, StageError, WriteKeys, confine, doing, personal};
use crate::sys::clone::{self, Side};
use crate::sys::{fdpass, pty};
use crate::wire::channel::Channel;

/// The exit status of a command that could not be executed, as in the shell.
const NOT_EXECUTED: i32 = 126;
/// …and of one that is not there.
const NOT_FOUND: i32 = 127;

/// Runs a command in the room. It is core's child, which so learns how it ends.
pub fn run(order: &Enter, fds: &[OwnedFd], channel: &Channel) -> Result<(), StageError> {
    let filters = confine::compile()?;
    let init = join(&order.room)?;
    // The mounts last, in the child: with them the host's /proc is gone, which the clone looks at.
    match clone::clone_sibling(0, None).map_err(doing("clone into the room"))? {
        Side::Parent { pid, pidfd } => {
            let report = Report::Cloned { pid };
            channel.send(&report, &[pidfd.as_fd()]).map_err(doing("report the command"))
        }
        Side::Child => {
            let Err(error) = become_command(order, fds, &init, &filters);
            eprintln!("piaule: {}", error.line());
            std::process::exit(NOT_EXECUTED)
        }
    }
}

fn become_command(
    order: &Enter,
    fds: &[OwnedFd],
    init: &OwnedFd,
    filters: &[BpfProgram],
) -> Result<Infallible, StageError> {
    join_mounts(init)?;
    become_root()?;
    attach(fds)?;
    confine::enter(filters)?;
    command(order)
}

/// Replaces the managed keys in the room.
pub fn write_keys(order: &WriteKeys, channel: &Channel) -> Result<(), StageError> {
    let init = join(&order.room)?;
    join_mounts(&init)?;
    become_root()?;
    personal::keys(&order.authorized_keys)?;
    channel.send(&Report::KeysWritten, &[]).map_err(doing("report the keys"))
}

/// Moves this process into the room's cgroups and namespaces but its mounts; its pid namespace
/// is for children. Gives the pidfd of the room's init.
fn join(room: &Inside) -> Result<OwnedFd, StageError> {
    // The room's root must not trace this process while it is neither here nor there.
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
        .map_err(doing("close this process to its peers"))?;
    let gone = || doing::<rustix::io::Errno>("find the room's init");
    let pid =
        rustix::process::Pid::from_raw(room.pid).ok_or(rustix::io::Errno::SRCH).map_err(gone())?;
    let pidfd = pidfd_open(pid, PidfdFlags::empty()).map_err(gone())?;
    let me = std::process::id().to_string();
    for procs in &room.cgroup_procs {
        fs::write(procs, &me).map_err(doing(format!("join {}", procs.display())))?;
    }
    let namespaces = CloneFlags::CLONE_NEWUSER
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWCGROUP;
    setns(pidfd.as_fd(), namespaces).map_err(doing("join the room's namespaces"))?;
    Ok(pidfd)
}

fn join_mounts(init: &OwnedFd) -> Result<(), StageError> {
    setns(init.as_fd(), CloneFlags::CLONE_NEWNS).map_err(doing("join the room's mounts"))
}

/// Puts three pipes, or a terminal of the room, in the place of stdin, stdout and stderr.
fn attach(fds: &[OwnedFd]) -> Result<(), StageError> {
    setsid().map_err(doing("begin a session"))?;
    match fds {
        [stdin, stdout, stderr] => take(stdin, stdout, stderr),
        [to_whom] => {
            let terminal = open_terminal(to_whom)?;
            pty::take_controlling(terminal.as_fd()).map_err(doing("take the terminal"))?;
            take(&terminal, &terminal, &terminal)
        }
        _ => Err(doing("take the descriptors")(std::io::Error::from(rustix::io::Errno::BADF))),
    }
}

/// Opens a terminal in the room, so that it has a name there (ttyname(3)), and sends its master
/// over a socket to whoever entered. Gives the slave.
fn open_terminal(to_whom: &OwnedFd) -> Result<OwnedFd, StageError> {
    let master = pty::open_master().map_err(doing("open a terminal in the room"))?;
    let slave = pty::open_slave(master.as_fd()).map_err(doing("open a terminal in the room"))?;
    fdpass::send(to_whom.as_fd(), b"t", &[master.as_fd()])
        .map_err(doing("hand the terminal over"))?;
    // The other end closes once the terminal has the size and the modes it is to have.
    fdpass::receive(to_whom.as_fd(), 1).map_err(doing("wait for the terminal"))?;
    Ok(slave)
}

fn take(stdin: &OwnedFd, stdout: &OwnedFd, stderr: &OwnedFd) -> Result<(), StageError> {
    nix::unistd::dup2_stdin(stdin).map_err(doing("take stdin"))?;
    nix::unistd::dup2_stdout(stdout).map_err(doing("take stdout"))?;
    nix::unistd::dup2_stderr(stderr).map_err(doing("take stderr"))
}

fn command(order: &Enter) -> Result<Infallible, StageError> {
    // Without /root the shell begins in /.
    let _ = std::env::set_current_dir("/root");
    let environment = [
        format!("PATH={PATH}"),
        "HOME=/root".to_owned(),
        "USER=root".to_owned(),
        "LOGNAME=root".to_owned(),
        "SHELL=/bin/bash".to_owned(),
        "LANG=C.UTF-8".to_owned(),
        format!("TERM={}", order.term),
        "container=piaule".to_owned(),
    ];
    let there = |path: &str| fs::exists(path).unwrap_or(false);
    let arguments: Vec<&str> = order.command.iter().map(String::as_str).collect();
    match arguments.first() {
        None => {
            let shell = if there("/bin/bash") { "/bin/bash" } else { "/bin/sh" };
            execute(shell, &[shell, "-l"], &environment)
        }
        Some(program) if program.contains('/') => execute(program, &arguments, &environment),
        Some(program) => {
            let mut paths = PATH.split(':').map(|folder| format!("{folder}/{program}"));
            if let Some(path) = paths.find(|path| there(path)) {
                execute(&path, &arguments, &environment)
            } else {
                eprintln!("piaule: the room has no command `{program}`");
                std::process::exit(NOT_FOUND)
            }
        }
    }
}
