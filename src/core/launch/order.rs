//! What core tells a stage, and what a stage reports.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::model::{MacAddr, RoomName, UidRange};

/// The one message from core to a stage.
#[derive(Debug, Serialize, Deserialize)]
pub enum Order {
    /// Bring a room up. Descriptors: the cgroup v2 directory, the console's slave.
    Start(Box<Start>),
    /// Run a command inside. Descriptors: a socket for the master of its terminal, or stdin,
    /// stdout and stderr.
    Enter(Enter),
    /// Replace the keys the house manages inside a running room.
    WriteKeys(WriteKeys),
}

/// How to bring a room up.
#[derive(Debug, Serialize, Deserialize)]
pub struct Start {
    pub identity: Identity,
    pub uids: UidRange,
    /// The template's root file system.
    pub template: PathBuf,
    /// The overlay's upper layer.
    pub upper: PathBuf,
    /// The overlay's work directory, on the same file system.
    pub work: PathBuf,
    /// v1 `cgroup.procs` files the room's pid 1 is written to.
    pub v1_procs: Vec<PathBuf>,
    /// The Unix socket pid 1 reports `READY=1` to.
    pub notify: PathBuf,
    /// Parent of the room's macvlan.
    pub lan: String,
    pub mac: MacAddr,
    pub address: Ipv4Addr,
    pub prefix: u8,
    pub gateway: Ipv4Addr,
}

/// What makes the room's file system the student's.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Identity {
    pub name: RoomName,
    /// `NAME.ZONE`.
    pub host: String,
    /// 32 hexadecimal digits (machine-id(5)).
    pub machine_id: String,
    pub resolver: Ipv4Addr,
    /// The managed `authorized_keys`, whole.
    pub authorized_keys: String,
}

/// What to run in a running room, as its root.
#[derive(Debug, Serialize, Deserialize)]
pub struct Enter {
    pub room: Inside,
    /// The login shell when empty.
    pub command: Vec<String>,
    /// `TERM`.
    pub term: String,
}

/// The keys to write in a running room.
#[derive(Debug, Serialize, Deserialize)]
pub struct WriteKeys {
    pub room: Inside,
    pub authorized_keys: String,
}

/// Where a running room is.
#[derive(Debug, Serialize, Deserialize)]
pub struct Inside {
    /// Its pid 1 as the host sees it. Core holds its pidfd, so the pid cannot be another's.
    pub pid: i32,
    /// Every `cgroup.procs` to join.
    pub cgroup_procs: Vec<PathBuf>,
}

/// What a stage reports.
#[derive(Debug, Serialize, Deserialize)]
pub enum Report {
    /// The room's pid 1, or the command, is there as core's child. Descriptor: its pidfd. For
    /// pid 1, `Started` or `Failed` follows.
    Cloned { pid: i32 },
    /// Pid 1 has been executed.
    Started,
    /// The keys are written.
    KeysWritten,
    /// In one line, what could not be done and why. Nothing runs.
    Failed(String),
}
