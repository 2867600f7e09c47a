//! Bringing a room up, from both sides of the clone.

use std::convert::Infallible;
use std::ffi::CString;
use std::fs::{self, File};
use std::io::{PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, OwnedFd};

use caps::CapSet;
use nix::libc;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{Gid, Uid, execve, setgroups, sethostname, setresgid, setresuid, setsid};
use seccompiler::BpfProgram;

use super::devices::{self, Devices};
use super::{Report, StageError, Start, confine, die_with, doing, layers, network, personal, tree};
use crate::sys::clone::{self, Side};
use crate::sys::pty;
use crate::wire::channel::Channel;

const NAMESPACES: i32 = libc::CLONE_NEWUSER
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC;

/// Where a room's programs are.
pub(super) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Brings the room up and reports its pid 1.
pub fn run(order: &Start, fds: Vec<OwnedFd>, channel: &Channel) -> Result<(), StageError> {
    let [cgroup, console]: [OwnedFd; 2] = fds.try_into().map_err(|_| {
        doing("read the order")(std::io::Error::other("a start comes with a cgroup and a console"))
    })?;
    // Nothing in the room may look into this process or the child before it is executed.
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
        .map_err(doing("close this process to its peers"))?;
    let filters = confine::compile()?;
    // Before the stage leaves the host's mounts: only what is mounted in one's own namespace can
    // be cloned.
    let devices = devices::take(order, &console)?;
    layers::prepare()?;
    let root = layers::root(order)?;
    let (go_reader, go_writer) = std::io::pipe().map_err(doing("make a pipe"))?;
    let (mut word_reader, word_writer) = std::io::pipe().map_err(doing("make a pipe"))?;

    match clone_child(order, &cgroup)? {
        Side::Child => {
            drop((go_writer, word_reader));
            let Err(error) = child(order, &root, &devices, &filters, go_reader);
            report_and_end(word_writer, &error)
        }
        Side::Parent { pid, pidfd } => {
            drop((go_reader, word_writer));
            channel.send(&Report::Cloned { pid }, &[pidfd.as_fd()]).map_err(doing("report"))?;
            let outcome = settle(order, pid).and_then(|()| release(go_writer, &mut word_reader));
            if let Err(error) = outcome {
                // It may have ended by itself.
                let _ = crate::sys::signal::send(pidfd.as_fd(), libc::SIGKILL);
                return Err(error);
            }
            channel.send(&Report::Started, &[]).map_err(doing("report the start"))
        }
    }
}

/// Clones with the room's own uid effective: what the kernel counts per user (inotify instances,
/// namespaces, keys) is then counted per room, not for root as a whole.
fn clone_child(order: &Start, cgroup: &OwnedFd) -> Result<Side, StageError> {
    let raised = caps::read(None, CapSet::Permitted).map_err(capability("read"))?;
    let core = rustix::process::getppid();
    clone::set_effective_uid(order.uids.base()).map_err(doing("become the room's root"))?;
    // Another uid lifts it (prctl(2)). Once there is an init, the next core finds that one.
    die_with(core)?;
    caps::set(None, CapSet::Effective, &raised).map_err(capability("raise"))?;
    let side = clone::clone_sibling(NAMESPACES, Some(cgroup.as_fd()))
        .map_err(doing("clone into new namespaces"))?;
    if matches!(side, Side::Parent { .. }) {
        clone::set_effective_uid(0).map_err(doing("become the host's root again"))?;
        caps::set(None, CapSet::Effective, &raised).map_err(capability("raise"))?;
    }
    Ok(side)
}

fn capability(verb: &'static str) -> impl FnOnce(caps::errors::CapsError) -> StageError {
    move |error| doing(format!("{verb} capabilities"))(std::io::Error::other(error.to_string()))
}

/// What only the host's root can do for the child.
fn settle(order: &Start, pid: i32) -> Result<(), StageError> {
    layers::map_ids(pid, order.uids)?;
    for procs in &order.v1_procs {
        fs::write(procs, pid.to_string()).map_err(doing(format!("join {}", procs.display())))?;
    }
    network::raise(order, pid)
}

/// Lets the child go on and waits until it is executed or says why not.
fn release(mut go: PipeWriter, word: &mut PipeReader) -> Result<(), StageError> {
    go.write_all(b"g").map_err(doing("release the room's init"))?;
    let mut said = String::new();
    word.read_to_string(&mut said).map_err(doing("hear from the room's init"))?;
    if said.is_empty() {
        Ok(())
    } else {
        Err(doing("start the room's init")(std::io::Error::other(said)))
    }
}

fn report_and_end(mut word: PipeWriter, error: &StageError) -> ! {
    // With nobody left to read it, the status alone tells.
    let _ = word.write_all(error.line().as_bytes());
    std::process::exit(127)
}

/// The child: waits for the parent, becomes the room's root, and executes its init.
fn child(
    order: &Start,
    root: &OwnedFd,
    devices: &Devices,
    filters: &[BpfProgram],
    mut go: PipeReader,
) -> Result<Infallible, StageError> {
    let mut byte = [0];
    go.read_exact(&mut byte).map_err(doing("wait for the stage"))?;
    // Not in the clone: there it would show the stage's own v1 paths on hybrid machines.
    unshare(CloneFlags::CLONE_NEWCGROUP).map_err(doing("make a cgroup namespace"))?;
    become_root()?;
    tree::build(root, devices)?;
    let name: &str = order.identity.name.as_ref();
    sethostname(name).map_err(doing("set the host name"))?;
    // Everybody in the room may ping (icmp(7)); no service of the room sets sysctls.
    let range = "/proc/sys/net/ipv4/ping_group_range";
    fs::write(range, "0 65535").map_err(doing(format!("write {range}")))?;
    personal::write(&order.identity)?;
    let console = take_console()?;
    confine::enter(filters)?;
    drop(console);
    execute("/sbin/init", &["/sbin/init"], &environment())
}

/// Becomes uid and gid 0 of the room's user namespace.
pub(super) fn become_root() -> Result<(), StageError> {
    let (uid, gid) = (Uid::from_raw(0), Gid::from_raw(0));
    setgroups(&[]).map_err(doing("leave the host's groups"))?;
    setresgid(gid, gid, gid).map_err(doing("become the room's group 0"))?;
    setresuid(uid, uid, uid).map_err(doing("become the room's root"))
}

fn take_console() -> Result<File, StageError> {
    let failed = || doing::<std::io::Error>("take the console");
    setsid().map_err(doing("begin a session"))?;
    let console = File::options().read(true).write(true).open("/dev/console").map_err(failed())?;
    pty::take_controlling(console.as_fd()).map_err(failed())?;
    nix::unistd::dup2_stdin(&console).map_err(doing("take the console"))?;
    nix::unistd::dup2_stdout(&console).map_err(doing("take the console"))?;
    nix::unistd::dup2_stderr(&console).map_err(doing("take the console"))?;
    Ok(console)
}

fn environment() -> Vec<String> {
    vec![
        format!("PATH={PATH}"),
        "TERM=linux".to_owned(),
        // systemd's container interface: what runs it, and whom to tell when it is ready.
        "container=piaule".to_owned(),
        format!("NOTIFY_SOCKET={}", tree::NOTIFY),
    ]
}

/// Executes a program with no signal blocked or ignored.
pub(super) fn execute(
    program: &str,
    arguments: &[&str],
    environment: &[String],
) -> Result<Infallible, StageError> {
    let refused = |_| doing::<std::io::Error>("execute")(std::io::ErrorKind::InvalidInput.into());
    let path = CString::new(program).map_err(refused)?;
    let arguments: Vec<CString> = arguments
        .iter()
        .map(|text| CString::new(*text))
        .collect::<Result<_, _>>()
        .map_err(refused)?;
    let environment: Vec<CString> = environment
        .iter()
        .map(|text| CString::new(text.as_str()))
        .collect::<Result<_, _>>()
        .map_err(refused)?;
    crate::sys::signal::reset().map_err(doing("reset signals"))?;
    execve(&path, &arguments, &environment).map_err(doing(format!("execute {program}")))
}
