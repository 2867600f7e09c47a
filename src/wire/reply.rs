//! What core answers. Every view is what a person may see: no host path, pid or uid.

use std::net::Ipv4Addr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{
    Email, HostName, JobId, JobKind, JobState, Limits, Login, MacAddr, Phase, Protocol, PublicPort,
    RoomName, RoomPort, StepState, TemplateName, TemplateVersion, Token, Wanted,
};

/// The answer to a `Command`; which one, the command's own documentation says.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// Done, and nothing more to say.
    Done,
    /// The wanted state is on disk; the job reports how reaching it goes.
    Accepted { job: JobId },
    /// Signed in.
    Session { token: Token, account: AccountView },
    /// One account.
    Account(AccountView),
    /// Accounts by login.
    Accounts(Vec<AccountView>),
    /// Templates by name, then version.
    Templates(Vec<TemplateView>),
    /// One room.
    Room(Box<RoomView>),
    /// Rooms by name.
    Rooms(Vec<RoomView>),
    /// One job.
    Job(JobView),
    /// Jobs, newest first.
    Jobs(Vec<JobView>),
    /// Audit rows, newest first.
    Audit(Vec<AuditView>),
    /// The house.
    Status(Box<StatusView>),
    /// Plain text for a person.
    Text(String),
}

/// An account.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AccountView {
    pub login: Login,
    pub email: Email,
    pub max_rooms: u32,
    pub rooms: Vec<RoomName>,
    pub created_at: Timestamp,
}

/// One build of a template.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TemplateView {
    pub name: TemplateName,
    pub version: TemplateVersion,
    pub built_at: Timestamp,
    /// Bytes of its files.
    pub size: u64,
    /// Rooms born with it.
    pub rooms: u32,
}

/// A redirection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortView {
    pub protocol: Protocol,
    pub public: PublicPort,
    pub room: RoomPort,
}

/// An SSH key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyView {
    /// `SHA256:…`
    pub fingerprint: String,
    /// `ssh-ed25519` and so on.
    pub algorithm: String,
    pub comment: String,
}

/// A room, as its owner sees it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RoomView {
    pub name: RoomName,
    pub owner: Login,
    pub host: HostName,
    pub template: TemplateName,
    pub template_version: TemplateVersion,
    pub wanted: Wanted,
    pub phase: Phase,
    /// Why the phase is `failed`.
    pub problem: Option<String>,
    pub address: Ipv4Addr,
    pub mac: MacAddr,
    pub limits: Limits,
    pub ports: Vec<PortView>,
    pub keys: Vec<KeyView>,
    pub created_at: Timestamp,
    /// When an archived room will be destroyed.
    pub destroy_at: Option<Timestamp>,
    /// The newest job.
    pub job: Option<JobView>,
    /// Memory in use in bytes, while it runs.
    pub memory_used: Option<u64>,
    /// Processor time used since it started, in milliseconds.
    pub cpu_used_ms: Option<u64>,
}

impl RoomView {
    /// The public port that leads to the room's SSH server, if there is one.
    #[must_use]
    pub fn ssh_port(&self) -> Option<PublicPort> {
        self.ports
            .iter()
            .find(|port| port.protocol == Protocol::Tcp && u16::from(port.room) == 22)
            .map(|port| port.public)
    }
}

/// A job and how it goes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct JobView {
    pub id: JobId,
    pub kind: JobKind,
    pub state: JobState,
    /// The room's name, or the template's.
    pub object: String,
    pub accepted_at: Timestamp,
    pub finished_at: Option<Timestamp>,
    pub error: Option<String>,
    pub steps: Vec<StepView>,
}

/// One step of a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepView {
    /// A short name such as `layer` or `launch`.
    pub name: String,
    pub state: StepState,
    /// When it ended, in milliseconds since the job was accepted.
    pub at_ms: f64,
    /// How long it took, in milliseconds.
    pub took_ms: f64,
    /// Why it failed.
    pub detail: Option<String>,
}

/// A job moved: sent to whoever watches it, and to front for its timelines.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct JobEvent {
    /// The room it is about.
    pub room: Option<RoomName>,
    /// The room's phase after it.
    pub phase: Option<Phase>,
    pub job: JobView,
}

/// An audit row. `hash` is the SHA-256 of the row and of the hash before it, in hexadecimal.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AuditView {
    pub seq: i64,
    pub at: Timestamp,
    pub actor: String,
    pub action: String,
    pub object: String,
    pub detail: String,
    pub hash: String,
}

/// The house at a glance.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StatusView {
    pub version: String,
    pub zone: HostName,
    pub panel: HostName,
    pub public_address: Ipv4Addr,
    pub accounts: u32,
    pub rooms: u32,
    pub running: u32,
    pub failed: u32,
    /// Bytes of the pool, and those in use.
    pub pool_size: u64,
    pub pool_used: u64,
    /// Resident memory of core and front in bytes.
    pub core_memory: u64,
    pub front_memory: u64,
    /// Times front had to be started again since core began.
    pub front_restarts: u32,
    /// What an administrator should know, a sentence each: no AppArmor here, pool nearly full…
    pub warnings: Vec<String>,
}
