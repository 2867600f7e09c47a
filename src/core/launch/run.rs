//! Core's side: starting a stage, telling it its order, reading its report.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::order::{Enter, Order, Report, Start, WriteKeys};
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

/// Pid 1 of a room that has just been brought up.
#[derive(Debug)]
pub struct Started {
    pub pid: i32,
    pub pidfd: OwnedFd,
}

/// Brings a room up. `cgroup` is its cgroup v2 directory, `console` its terminal's slave.
///
/// # Errors
/// With the stage's own words; nothing of the room runs then, unless the stage was late.
pub async fn start(
    order: Start,
    cgroup: BorrowedFd<'_>,
    console: BorrowedFd<'_>,
) -> Result<Started, LaunchError> {
    let stage = Stage::begin(&Order::Start(Box::new(order)), &[cgroup, console]).await?;
    match timeout(DEADLINE, stage.report()).await.map_err(|_| LaunchError::Late)?? {
        (Report::Started { pid }, mut fds) => {
            let pidfd = fds.pop().ok_or(LaunchError::Silent)?;
            Ok(Started { pid, pidfd })
        }
        (other, _) => Err(unexpected(other)),
    }
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
/// status. Dropping the future ends the command.
///
/// # Errors
/// With the stage's own words.
pub async fn enter(order: Enter, fds: Vec<OwnedFd>) -> Result<i32, LaunchError> {
    let borrowed: Vec<BorrowedFd<'_>> = fds.iter().map(AsFd::as_fd).collect();
    let stage = Stage::begin(&Order::Enter(order), &borrowed).await?;
    drop(fds);
    match stage.report().await? {
        (Report::Exited(status), _) => Ok(status),
        (other, _) => Err(unexpected(other)),
    }
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
        let child = Command::new("/proc/self/exe")
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
