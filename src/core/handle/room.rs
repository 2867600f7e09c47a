//! Rooms, their redirections and their keys.

use jiff::{SignedDuration, Timestamp};

use super::account::no_account;
use super::{HandlerSettings, House};
use crate::core::store::{Actor, NewRoom, Room, Store};
use crate::model::{
    AccountId, HostName, JobId, JobKind, Login, MacAddr, Phase, Protocol, PublicPort, RoomId,
    RoomName, SshKey, TemplateName, Wanted,
};
use crate::wire::{Caller, Fault, FaultKind, KeyView, NewPort, Reply, RoomView};

/// What commands about rooms need.
pub(super) struct Rooms<'a> {
    pub(super) store: &'a Store,
    pub(super) house: &'a dyn House,
    pub(super) settings: &'a HandlerSettings,
    pub(super) caller: &'a Caller,
    pub(super) now: Timestamp,
}

/// A room to be made.
pub(super) struct Wish {
    pub(super) name: RoomName,
    pub(super) template: TemplateName,
    pub(super) owner: Option<Login>,
    pub(super) keys: Vec<SshKey>,
    pub(super) ports: Vec<NewPort>,
}

/// What can be wanted of a room that is there.
#[derive(Debug, Clone, Copy)]
pub(super) enum Turn {
    Start,
    Stop,
    Restart,
    Archive,
    Unarchive,
    Destroy,
}

impl Turn {
    fn wanted(self) -> (Wanted, JobKind) {
        match self {
            Self::Start => (Wanted::Running, JobKind::Start),
            Self::Stop => (Wanted::Stopped, JobKind::Stop),
            Self::Restart => (Wanted::Running, JobKind::Restart),
            Self::Archive => (Wanted::Archived, JobKind::Archive),
            Self::Unarchive => (Wanted::Stopped, JobKind::Unarchive),
            Self::Destroy => (Wanted::Destroyed, JobKind::Destroy),
        }
    }
}

impl Rooms<'_> {
    pub(super) async fn create(self, wish: Wish) -> Result<Reply, Fault> {
        wish.name.refuse_reserved()?;
        if self.host_of(&wish.name)? == self.settings.panel {
            let sentence = format!("the name `{}` is reserved; choose another", wish.name);
            return Err(Fault::new(FaultKind::Invalid, sentence));
        }
        let owner = self.owner(wish.owner).await?;
        let version = self.store.template_latest(&wish.template).await?.ok_or_else(|| {
            let sentence = format!("there is no template `{}`", wish.template);
            Fault::new(FaultKind::NotFound, sentence)
        })?;
        let new = NewRoom {
            owner,
            name: wish.name,
            template: wish.template,
            version,
            limits: self.settings.limits,
            keys: wish.keys,
            ports: wish.ports,
        };
        let (network, ports) = (&self.settings.network, &self.settings.public_ports);
        let (room, job) =
            self.store.room_create(self.actor(), self.now, new, network, ports).await?;
        Ok(self.accepted(room.id, job))
    }

    pub(super) async fn list(self) -> Result<Reply, Fault> {
        let mut rooms = match self.caller {
            Caller::Admin { .. } => self.store.rooms().await?,
            Caller::Account { id, .. } => self.store.rooms_of(*id).await?,
            Caller::Anonymous => Vec::new(),
        };
        rooms.sort_by(|one, other| one.name.cmp(&other.name));
        let mut views = Vec::with_capacity(rooms.len());
        for room in rooms {
            views.push(self.view(room).await?);
        }
        Ok(Reply::Rooms(views))
    }

    pub(super) async fn show(self, name: &RoomName) -> Result<Reply, Fault> {
        let room = self.find(name).await?;
        Ok(Reply::Room(Box::new(self.view(room).await?)))
    }

    pub(super) async fn want(self, name: &RoomName, turn: Turn) -> Result<Reply, Fault> {
        let room = self.find(name).await?;
        let (wanted, kind) = turn.wanted();
        let job = self.store.room_want(self.actor(), self.now, room.id, wanted, kind).await?;
        Ok(self.accepted(room.id, job))
    }

    pub(super) async fn log(self, name: &RoomName) -> Result<Reply, Fault> {
        let room = self.find(name).await?;
        Ok(Reply::Text(self.house.console_log(room.id)))
    }

    pub(super) async fn port_add(self, name: &RoomName, port: NewPort) -> Result<Reply, Fault> {
        let room = self.find(name).await?;
        let range = &self.settings.public_ports;
        let (_, job) = self.store.port_add(self.actor(), self.now, room.id, port, range).await?;
        Ok(self.accepted(room.id, job))
    }

    pub(super) async fn port_delete(
        self,
        name: &RoomName,
        protocol: Protocol,
        public: PublicPort,
    ) -> Result<Reply, Fault> {
        let room = self.find(name).await?;
        let job = self.store.port_delete(self.actor(), self.now, room.id, protocol, public).await?;
        Ok(self.accepted(room.id, job))
    }

    pub(super) async fn key_add(self, name: &RoomName, key: SshKey) -> Result<Reply, Fault> {
        let room = self.find(name).await?;
        let job = self.store.key_add(self.actor(), self.now, room.id, key).await?;
        Ok(self.accepted(room.id, job))
    }

    pub(super) async fn key_delete(
        self,
        name: &RoomName,
        fingerprint: String,
    ) -> Result<Reply, Fault> {
        let room = self.find(name).await?;
        let job = self.store.key_delete(self.actor(), self.now, room.id, fingerprint).await?;
        Ok(self.accepted(room.id, job))
    }

    /// The room of that name, if the caller may know of it.
    pub(super) async fn find(&self, name: &RoomName) -> Result<Room, Fault> {
        let room = self.store.room(name).await?.filter(|room| self.may_know(room));
        room.ok_or_else(|| Fault::new(FaultKind::NotFound, format!("there is no room `{name}`")))
    }

    /// Whether a room is there and the caller may know of it.
    pub(super) async fn knows(&self, room: RoomId) -> Result<bool, Fault> {
        let room = self.store.room_by_id(room).await?;
        Ok(room.is_some_and(|room| self.may_know(&room)))
    }

    pub(super) fn is_admin(&self) -> bool {
        matches!(self.caller, Caller::Admin { .. })
    }

    fn may_know(&self, room: &Room) -> bool {
        match self.caller {
            Caller::Admin { .. } => true,
            Caller::Account { id, .. } => *id == room.owner_id,
            Caller::Anonymous => false,
        }
    }

    fn actor(&self) -> Actor {
        Actor::from(self.caller)
    }

    /// Has the reconciler look at the room.
    fn accepted(&self, room: RoomId, job: JobId) -> Reply {
        self.house.wake(room);
        Reply::Accepted { job }
    }

    /// Whose a new room is to be. The gate has seen that an account names no one else.
    async fn owner(&self, owner: Option<Login>) -> Result<AccountId, Fault> {
        match (self.caller, owner) {
            (Caller::Account { id, .. }, _) => Ok(*id),
            (_, Some(login)) => {
                let account = self.store.account(&login).await?;
                account.map(|account| account.id).ok_or_else(|| no_account(&login))
            }
            (_, None) => Err(Fault::new(FaultKind::Invalid, "say whose room it is to be")),
        }
    }

    /// The room's host name; never the panel's, which may be any child of the zone.
    fn host_of(&self, name: &RoomName) -> Result<HostName, Fault> {
        let host = self.settings.zone.child(name.as_ref())?;
        if host == self.settings.panel {
            let sentence = format!("the name `{name}` is reserved; choose another");
            return Err(Fault::new(FaultKind::Invalid, sentence));
        }
        Ok(host)
    }

    async fn view(&self, room: Room) -> Result<RoomView, Fault> {
        let live = self.house.live(room.id);
        let job = self.store.jobs_of(room.id, 1).await?.pop();
        let days = SignedDuration::from_hours(24 * i64::from(self.settings.archive_days));
        Ok(RoomView {
            host: self.settings.zone.child(room.name.as_ref())?,
            name: room.name,
            owner: room.owner,
            template: room.template,
            template_version: room.version,
            wanted: room.wanted,
            phase: phase(live.phase, room.problem.is_some()),
            problem: room.problem,
            address: room.address,
            mac: MacAddr::of_room(room.address),
            limits: room.limits,
            ports: room.ports,
            keys: room.keys.iter().map(key).collect(),
            created_at: room.created_at,
            destroy_at: room.archived_at.and_then(|at| at.checked_add(days).ok()),
            job,
            memory_used: live.memory_used,
            cpu_used_ms: live.cpu_used_ms,
        })
    }
}

/// A room that is off because something went wrong has failed.
fn phase(live: Phase, problem: bool) -> Phase {
    if problem && live == Phase::Stopped { Phase::Failed } else { live }
}

fn key(key: &SshKey) -> KeyView {
    KeyView {
        fingerprint: key.fingerprint(),
        algorithm: key.algorithm().to_owned(),
        comment: key.comment().to_owned(),
    }
}
