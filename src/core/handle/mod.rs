//! Turns commands into changes of the store, and rows of the store into replies.
//!
//! ```text
//! command + caller ─▶ gate ─▶ whose is it? ─▶ one transaction ─▶ wake the reconciler ─▶ reply
//! ```
//!
//! The admin socket and the keeper of front call it, with a caller they have established. It
//! trusts neither with rights: every command passes the gate here, and a room is looked up
//! together with whose it is, so there is no way to a room that skips the question. Somebody
//! else's room is answered exactly as one that does not exist.
//!
//! A command runs in a task of its own. If whoever asked hangs up between the commit and the
//! wake-up, the change would otherwise lie on disk with nobody working at it.

mod account;
mod audit;
mod job;
mod password;
mod room;
mod status;
mod template;
#[cfg(test)]
mod tests;

use std::net::Ipv4Addr;
use std::sync::Arc;

use aws_lc_rs::digest;
use jiff::Timestamp;

use super::gate;
use super::store::{Actor, Store};
use crate::model::{
    HostName, JobId, Limits, Phase, PublicPorts, RoomId, RoomNetwork, TemplateName, Token,
};
use crate::wire::{Caller, Command, Fault, FaultKind, Reply};

/// What handlers need of the living house. Nothing here waits.
pub trait House: Send + Sync {
    /// What is wanted of a room changed.
    fn wake(&self, room: RoomId);
    /// A template is to be built, as this job.
    fn wake_template(&self, job: JobId, name: TemplateName);
    /// What a room does now.
    fn live(&self, room: RoomId) -> Live;
    /// The end of what a room wrote on its console.
    fn console_log(&self, room: RoomId) -> String;
    /// How the house itself does.
    fn status(&self) -> HouseStatus;
}

/// What a room is seen to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Live {
    pub phase: Phase,
    /// In bytes, while it runs.
    pub memory_used: Option<u64>,
    /// In milliseconds since it started.
    pub cpu_used_ms: Option<u64>,
}

/// What is measured of the house.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HouseStatus {
    /// Bytes of the pool, and those in use.
    pub pool_size: u64,
    pub pool_used: u64,
    /// Resident memory in bytes.
    pub core_memory: u64,
    pub front_memory: u64,
    /// Times front had to be started again.
    pub front_restarts: u32,
    /// What an administrator should know, a sentence each.
    pub warnings: Vec<String>,
}

/// What the settings file says that replies and new rooms depend on.
#[derive(Debug, Clone)]
pub struct HandlerSettings {
    pub zone: HostName,
    pub panel: HostName,
    pub public_address: Ipv4Addr,
    pub network: RoomNetwork,
    pub public_ports: PublicPorts,
    /// Of every new room.
    pub limits: Limits,
    /// How long an archived room is kept.
    pub archive_days: u32,
}

/// Handles commands; clones share everything.
#[derive(Clone)]
pub struct Handler {
    store: Store,
    house: Arc<dyn House>,
    settings: Arc<HandlerSettings>,
    hasher: password::Hasher,
}

impl Handler {
    /// A handler for this house.
    #[must_use]
    pub fn new(store: Store, house: Arc<dyn House>, settings: HandlerSettings) -> Self {
        let (settings, hasher) = (Arc::new(settings), password::Hasher::default());
        Self { store, house, settings, hasher }
    }

    /// Who holds `token`: its account, or nobody known.
    pub async fn caller_of(&self, token: Option<Token>) -> Caller {
        let Some(token) = token else { return Caller::Anonymous };
        match self.store.session(sha256(&token), Timestamp::now()).await {
            Ok(Some((id, login))) => Caller::Account { id, login },
            Ok(None) => Caller::Anonymous,
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "cannot read sessions");
                Caller::Anonymous
            }
        }
    }

    /// Does what `caller` asks, if they may. `token` is the session it came with.
    ///
    /// # Errors
    /// Why it was not done; the chain of causes is for administrators only.
    pub async fn handle(
        &self,
        caller: Caller,
        token: Option<Token>,
        command: Command,
    ) -> Result<Reply, Fault> {
        let this = self.clone();
        let asker = caller.clone();
        let task = tokio::spawn(async move {
            gate::allow(&caller, &command)?;
            this.dispatch(&caller, token, command, Timestamp::now()).await
        });
        let outcome = task.await.unwrap_or_else(|error| {
            Err(Fault::internal("the house failed at this command", &error))
        });
        outcome.map_err(|fault| told_to(&asker, fault))
    }

    async fn dispatch(
        &self,
        caller: &Caller,
        token: Option<Token>,
        command: Command,
        now: Timestamp,
    ) -> Result<Reply, Fault> {
        let accounts = account::Accounts {
            store: &self.store,
            hasher: &self.hasher,
            actor: caller.into(),
            now,
        };
        let rooms = room::Rooms {
            store: &self.store,
            house: self.house.as_ref(),
            settings: &self.settings,
            caller,
            now,
        };
        match command {
            Command::SignIn { login, password } => accounts.sign_in(login, password).await,
            Command::SignOut => accounts.sign_out(token).await,
            Command::WhoAmI => accounts.who_am_i(caller).await,
            Command::Status => {
                status::status(&self.store, self.house.as_ref(), &self.settings).await
            }
            Command::AccountCreate { login, email, password, max_rooms } => {
                accounts.create(login, email, password, max_rooms).await
            }
            Command::AccountList => accounts.list().await,
            Command::AccountShow { login } => accounts.show(login).await,
            Command::AccountPassword { login, password } => {
                accounts.set_password(login, password).await
            }
            Command::AccountRooms { login, max_rooms } => {
                accounts.set_rooms(login, max_rooms).await
            }
            Command::AccountDelete { login } => accounts.delete(login).await,
            Command::TemplateList => template::list(&self.store).await,
            Command::TemplateBuild { name } => {
                template::build(&self.store, self.house.as_ref(), Actor::from(caller), now, name)
                    .await
            }
            Command::RoomCreate { name, template, owner, keys, ports } => {
                rooms.create(room::Wish { name, template, owner, keys, ports }).await
            }
            Command::RoomList => rooms.list().await,
            Command::RoomShow { name } => rooms.show(&name).await,
            Command::RoomStart { name } => rooms.want(&name, room::Turn::Start).await,
            Command::RoomStop { name } => rooms.want(&name, room::Turn::Stop).await,
            Command::RoomRestart { name } => rooms.want(&name, room::Turn::Restart).await,
            Command::RoomArchive { name } => rooms.want(&name, room::Turn::Archive).await,
            Command::RoomUnarchive { name } => rooms.want(&name, room::Turn::Unarchive).await,
            Command::RoomDestroy { name } => rooms.want(&name, room::Turn::Destroy).await,
            Command::RoomLog { name } => rooms.log(&name).await,
            Command::PortAdd { name, port } => rooms.port_add(&name, port).await,
            Command::PortDelete { name, protocol, public } => {
                rooms.port_delete(&name, protocol, public).await
            }
            Command::KeyAdd { name, key } => rooms.key_add(&name, key).await,
            Command::KeyDelete { name, fingerprint } => rooms.key_delete(&name, fingerprint).await,
            Command::JobShow { job } => job::show(&self.store, &rooms, job).await,
            Command::JobList { name } => job::list(&self.store, &rooms, &name).await,
            Command::AuditList { object, limit } => audit::list(&self.store, object, limit).await,
            Command::AuditVerify => audit::verify(&self.store).await,
        }
    }
}

/// Logs the house's own failures, and keeps causes from those who are not administrators: they
/// may hold host paths.
fn told_to(caller: &Caller, mut fault: Fault) -> Fault {
    if fault.kind == FaultKind::Internal {
        tracing::error!(message = %fault.message, chain = ?fault.chain, "a command failed");
    }
    if !matches!(caller, Caller::Admin { .. }) {
        fault.chain.clear();
    }
    fault
}

/// What the store knows a token by.
fn sha256(token: &Token) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest::digest(&digest::SHA256, token.expose().as_bytes()).as_ref());
    bytes
}
