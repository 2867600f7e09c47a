//! Core's side: starting a stage, telling it its order, reading its report.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command as Program};
use tokio::time::{Instant, timeout, timeout_at};

use super::order::{Enter, Order, Report, Start, WriteKeys};
use crate::core::kernel::fdstore;
use crate::core::kernel::process::{End, Process, Word};
use crate::wire::channel::{AsyncChannel, Channel};

/// How long a stage may take to bring a room up, or to write its keys. A busy machine needs a
/// second; past this something in the room holds the stage up.
const DEADLINE: Duration = Duration::from_secs(20);

/// Why a stage did not do what it was told.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    #[error("cannot start a stage")]
    Spawn(#[source] io::Error),
    #[error("cannot talk to the stage")]
    Talk(#[source] io::Error),
    #[error("the stage took longer than {} seconds", DEADLINE.as_secs())]
    Late,
    #[error("the stage ended without a word")]
    Silent,
    #[error("{0}")]
    Failed(String),
}

/// Brings a room up; gives its pid 1. `cgroup` is its cgroup v2 directory, `console` its
/// terminal's slave.
///
/// # Errors
/// With the stage's own words. Nothing of the room runs then, unless the stage was late.
pub async fn start(
    order: Start,
    cgroup: BorrowedFd<'_>,
    console: BorrowedFd<'_>,
) -> Result<Process, LaunchError> {
    let stage = Stage::begin(&Order::Start(Box::new(order)), &[cgroup, console]).await?;
    let deadline = Instant::now() + DEADLINE;
    let init = match timeout_at(deadline, stage.report()).await.map_err(|_| LaunchError::Late)?? {
        (Report::Cloned { pid }, mut fds) => {
            Process::new(pid, fds.pop().ok_or(LaunchError::Silent)?)
        }
        (other, _) => return Err(unexpected(other)),
    };
    let outcome = match timeout_at(deadline, stage.report()).await {
        Ok(Ok((Report::Started, _))) => return Ok(init),
        Ok(Ok((other, _))) => unexpected(other),
        Ok(Err(error)) => error,
        Err(_) => LaunchError::Late,
    };
    reap(init);
    Err(outcome)
}

/// Replaces the managed keys of a running room.
///
/// # Errors
/// With the stage's own words.
pub async fn write_keys(order: WriteKeys) -> Result<(), LaunchError> {
    let stage = Stage::begin(&Order::WriteKeys(order), &[]).await?;
    match timeout(DEADLINE, stage.report()).await.map_err(|_| LaunchError::Late)?? {
        (Report::KeysWritten, _) => Ok(()),
        (other, _) => Err(unexpected(other)),
    }
}

/// Runs a command in a room, with a terminal or three pipes, until it ends; gives its exit
/// status, 128 + the number of the signal that killed it. Dropping the future ends the command.
///
/// # Errors
/// With the stage's own words.
pub async fn enter(order: Enter, fds: Vec<OwnedFd>) -> Result<i32, LaunchError> {
    let stage = Stage::begin(&Order::Enter(order), &fdstore::borrow(&fds)).await?;
    // The command's copies alone keep the other ends open.
    drop(fds);
    let command = match timeout(DEADLINE, stage.report()).await.map_err(|_| LaunchError::Late)?? {
        (Report::Cloned { pid }, mut fds) => {
            Command(Process::new(pid, fds.pop().ok_or(LaunchError::Silent)?))
        }
        (other, _) => return Err(unexpected(other)),
    };
    match command.0.ended().await.map_err(LaunchError::Talk)? {
        End::Exited(status) => Ok(status),
        End::Killed(signal) => Ok(128 + signal),
        End::Unknown => Err(LaunchError::Silent),
    }
}

/// A command that ends with whoever waits for it.
struct Command(Process);

impl Drop for Command {
    fn drop(&mut self) {
        reap(self.0.clone());
    }
}

/// Ends a child of core and takes its status, without which it would stay a zombie, and its
/// room's pid namespace with it.
fn reap(child: Process) {
    if let Err(error) = child.tell(Word::Kill) {
        tracing::error!(%error, "a room's process cannot be killed");
    }
    tokio::spawn(async move { child.ended().await });
}

fn unexpected(report: Report) -> LaunchError {
    match report {
        Report::Failed(said) => LaunchError::Failed(said),
        _ => LaunchError::Silent,
    }
}

/// A stage at work. It is killed when dropped.
struct Stage {
    channel: AsyncChannel,
    _child: Child,
}

impl Stage {
    async fn begin(order: &Order, fds: &[BorrowedFd<'_>]) -> Result<Self, LaunchError> {
        let (ours, theirs) = Channel::pair().map_err(LaunchError::Spawn)?;
        // The program as it was started, even if an upgrade has replaced its file.
        let child = Program::new("/proc/self/exe")
            .arg0("piaule-stage")
            .arg("stage")
            .env_clear()
            .stdin(Stdio::from(theirs.into_fd()))
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(LaunchError::Spawn)?;
        let channel = AsyncChannel::new(ours).map_err(LaunchError::Talk)?;
        channel.send(order, fds).await.map_err(LaunchError::Talk)?;
        Ok(Self { channel, _child: child })
    }

    async fn report(&self) -> Result<(Report, Vec<OwnedFd>), LaunchError> {
        self.channel.receive().await.map_err(LaunchError::Talk)?.ok_or(LaunchError::Silent)
    }
}
