//! Joining a running room: to run a command in it, or to write its managed keys.

use std::convert::Infallible;
use std::fs;
use std::os::fd::{AsFd, OwnedFd};

use nix::sched::{CloneFlags, setns};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Pid, setsid};
use rustix::process::{PidfdFlags, pidfd_open};

use super::order::Inside;
use super::start::{PATH, become_root, execute};
use super::{Enter, Report, StageError, WriteKeys, confine, doing, personal};
use crate::sys::{clone, pty};
use crate::wire::channel::Channel;

/// Runs a command in the room and reports its exit status.
pub fn run(order: &Enter, fds: Vec<OwnedFd>, channel: &Channel) -> Result<(), StageError> {
    let filters = confine::compile()?;
    let init = join(&order.room)?;
    // The mounts last, in the child: with them the host's /proc is gone, which the fork looks at.
    let status = in_room(move || {
        join_mounts(&init)?;
        become_root()?;
        attach(&fds)?;
        confine::enter(&filters)?;
        command(order)
    })?;
    channel.send(&Report::Exited(status), &[]).map_err(doing("report the exit"))
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

/// Runs `act` in a child, which the room's pid namespace contains, and gives its exit status:
/// 128 + the signal's number when it was killed, 126 when it could not be executed.
fn in_room(act: impl FnOnce() -> Result<Infallible, StageError>) -> Result<i32, StageError> {
    let child = clone::fork(|| {
        let Err(error) = act();
        eprintln!("piaule: {}", error.line());
        126
    })
    .map_err(doing("fork into the room"))?;
    loop {
        match waitpid(Pid::from_raw(child), None) {
            Ok(WaitStatus::Exited(_, status)) => return Ok(status),
            Ok(WaitStatus::Signaled(_, signal, _)) => return Ok(128 + signal as i32),
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(doing("wait for the command")(error)),
        }
    }
}

/// Puts one terminal, or three pipes, in the place of stdin, stdout and stderr.
fn attach(fds: &[OwnedFd]) -> Result<(), StageError> {
    setsid().map_err(doing("begin a session"))?;
    let terminal = fds.len() == 1;
    let mut fds = fds.iter().cycle();
    let mut next = || fds.next().ok_or(rustix::io::Errno::BADF);
    let (stdin, stdout, stderr) = next()
        .and_then(|stdin| Ok((stdin, next()?, next()?)))
        .map_err(doing("take the descriptors"))?;
    if terminal {
        pty::take_controlling(stdin.as_fd()).map_err(doing("take the terminal"))?;
    }
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
                std::process::exit(127)
            }
        }
    }
}
