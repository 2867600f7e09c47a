//! Processes by pidfd (pidfd_open(2)): rooms' inits, and fronts of earlier cores.
//!
//! A pid alone may be another process's by the time it is used; a pidfd never is.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions, pidfd_open, waitid};
use tokio::io::Interest;

use crate::sys::{readiness, signal};

/// What a room's init is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// Shut the room down, as `systemctl poweroff` would (systemd(1), SIGNALS).
    PowerOff,
    /// Drain and end.
    Terminate,
    /// End at once.
    Kill,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// With this exit status.
    Exited(i32),
    /// By this signal.
    Killed(i32),
    /// It was another's child, an earlier core's.
    Unknown,
}

impl End {
    /// Whether a room's init ended by `poweroff` or `halt` inside: reboot(2) in a pid namespace
    /// ends it with SIGINT then, and with SIGHUP for a reboot.
    #[must_use]
    pub fn is_power_off(self) -> bool {
        self == Self::Killed(nix::libc::SIGINT)
    }
}

/// A process that cannot be taken for another.
#[derive(Debug, Clone)]
pub struct Process {
    pid: i32,
    pidfd: Arc<OwnedFd>,
}

impl Process {
    /// The process of a pidfd.
    #[must_use]
    pub fn new(pid: i32, pidfd: OwnedFd) -> Self {
        Self { pid, pidfd: Arc::new(pidfd) }
    }

    /// The process that has this pid now, if it lives. Whatever it is recognised by must be read
    /// afterwards.
    #[must_use]
    pub fn open(pid: i32) -> Option<Self> {
        let pidfd = pidfd_open(Pid::from_raw(pid)?, PidfdFlags::empty()).ok()?;
        Some(Self::new(pid, pidfd))
    }

    /// Its pid, its own as long as it lives.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Whether it lives: a dead one makes its pidfd readable.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        let mut fds = [PollFd::new(&*self.pidfd, PollFlags::IN)];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        matches!(poll(&mut fds, Some(&now)), Ok(0))
    }

    /// Tells it something; one that has ended hears nothing, which is no error.
    ///
    /// # Errors
    /// What pidfd_send_signal(2) says.
    pub fn tell(&self, word: Word) -> io::Result<()> {
        let number = match word {
            Word::PowerOff => signal::power_off(),
            Word::Terminate => nix::libc::SIGTERM,
            Word::Kill => nix::libc::SIGKILL,
        };
        match signal::send(self.pidfd.as_fd(), number) {
            Err(error) if error.raw_os_error() == Some(nix::libc::ESRCH) => Ok(()),
            other => other,
        }
    }

    /// Waits until it has ended, and reaps it if it is a child of ours.
    ///
    /// # Errors
    /// When it cannot be watched.
    pub async fn ended(&self) -> io::Result<End> {
        let watched = readiness::watch(self.pidfd.try_clone()?, Interest::READABLE)?;
        drop(watched.readable().await?);
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        let status = waitid(WaitId::PidFd(self.pidfd.as_fd()), options).ok().flatten();
        let exited = status.and_then(|status| status.exit_status()).map(End::Exited);
        let killed = status.and_then(|status| status.terminating_signal()).map(End::Killed);
        // ECHILD for a child of another.
        Ok(exited.or(killed).unwrap_or(End::Unknown))
    }

    /// Whether it is pid 1 of a pid namespace just below ours.
    #[must_use]
    pub fn is_init(&self) -> bool {
        fs::read_to_string(format!("/proc/{}/status", self.pid)).is_ok_and(|text| shows_init(&text))
    }

    /// When it started, in clock ticks since boot (proc_pid_stat(5), field 22).
    #[must_use]
    pub fn started_at(&self) -> Option<u64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid)).ok()?;
        // The name, field 2, may hold anything but ends with the last parenthesis.
        let (_, rest) = stat.rsplit_once(')')?;
        rest.split_whitespace().nth(19)?.parse().ok()
    }
}

/// Kills a process by pid alone: for what lies in a cgroup of ours and may be gone already.
pub fn kill(pid: i32) {
    let _ =
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
}

/// Whether a status(5) text shows pid 1 of a namespace just below the reader's.
fn shows_init(status: &str) -> bool {
    let line = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    let pids: Vec<&str> = line.map(|line| line.split_whitespace().collect()).unwrap_or_default();
    pids.len() == 2 && pids[1] == "1"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_init_of_a_room_is_told_from_others() {
        assert!(shows_init("Name:\tsystemd\nNSpid:\t4711\t1\n"));
        assert!(!shows_init("NSpid:\t4711\t7\n"));
        // A container inside the room.
        assert!(!shows_init("NSpid:\t4711\t7\t1\n"));
        assert!(!shows_init("NSpid:\t1\n"));
        assert!(!shows_init(""));
    }

    #[test]
    fn a_living_process_is_alive() {
        let me = Process::open(std::process::id().cast_signed()).expect("a process");
        assert!(me.is_alive() && !me.is_init());
        assert!(me.started_at().is_some());
    }

    #[tokio::test]
    async fn an_end_is_noticed() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().expect("sleep");
        let process = Process::open(child.id().cast_signed()).expect("a process");
        process.tell(Word::Kill).expect("kill");
        assert_eq!(process.ended().await.expect("end"), End::Killed(nix::libc::SIGKILL));
        assert!(!process.is_alive());
        process.tell(Word::Terminate).expect("telling the dead is no error");
        assert!(child.wait().is_err(), "it was reaped already");
    }
}
