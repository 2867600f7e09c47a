//! The living house, as handlers, the administrator's socket and front's line see it: narrow
//! views of the reconciler, the keeper and the builder.

use std::fs;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::broadcast;

use super::admin::{AdminService, Answer};
use super::builder::Builder;
use super::handle::{Handler, House, HouseStatus, Live as LiveView};
use super::keeper::{Desk, Keeper};
use super::kernel::cgroup::Cgroups;
use super::kernel::pool::Pool;
use super::launch::{self, Enter as EnterOrder};
use super::reconcile::{Ledger, Live, Reconciler};
use super::store::{Actor, Room, Store};
use crate::model::{JobId, Phase, RoomId, RoomName, TemplateName, Token};
use crate::wire::attach::{Enter, RoomCommand};
use crate::wire::{Caller, Command, Fault, FaultKind, JobEvent, Reply};

/// What the house does, to handlers.
pub struct Living {
    pub reconciler: Arc<Reconciler>,
    pub live: Arc<Live>,
    pub builder: Arc<Builder>,
    pub keeper: Arc<Keeper>,
    pub cgroups: Cgroups,
    pub pool: Pool,
    /// What was found at the start that an administrator should know.
    pub warnings: Vec<String>,
}

/// The pool is nearly full from this share on, in percent.
const NEARLY_FULL: u64 = 90;

impl House for Living {
    fn wake(&self, room: RoomId) {
        self.reconciler.wake(room);
    }

    fn wake_template(&self, job: JobId, name: TemplateName) {
        self.builder.build(job, name);
    }

    fn live(&self, room: RoomId) -> LiveView {
        let phase = self.live.phase(room);
        let on = matches!(phase, Phase::Running | Phase::Starting | Phase::Stopping);
        LiveView {
            phase,
            memory_used: on.then(|| self.cgroups.memory_used(room)).flatten(),
            cpu_used_ms: on.then(|| self.cgroups.cpu_used_ms(room)).flatten(),
        }
    }

    fn console_log(&self, room: RoomId) -> String {
        self.live.console(room).map(|console| console.past()).unwrap_or_default()
    }

    fn status(&self) -> HouseStatus {
        let usage = self.pool.usage().ok();
        let (size, used) = usage.map_or((0, 0), |usage| (usage.size, usage.used));
        let mut warnings = self.warnings.clone();
        if size > 0 && used.saturating_mul(100) / size >= NEARLY_FULL {
            warnings.push("the pool is nearly full: rooms will soon be unable to write".to_owned());
        }
        if self.keeper.pid() == 0 {
            warnings.push("front is not running: no site is served at the moment".to_owned());
        }
        HouseStatus {
            pool_size: size,
            pool_used: used,
            core_memory: resident("self"),
            front_memory: resident(&self.keeper.pid().to_string()),
            front_restarts: self.keeper.restarts(),
            warnings,
        }
    }
}

/// Resident memory of a process in bytes (proc_pid_status(5), VmRSS).
fn resident(pid: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or_default() * 1024
}

/// Commands from front: who asks is told by the token alone.
pub struct FrontDesk(pub Handler);

impl Desk for FrontDesk {
    fn answer(
        &self,
        token: Option<Token>,
        command: Command,
    ) -> Pin<Box<dyn Future<Output = Result<Reply, Fault>> + Send + '_>> {
        Box::pin(async move {
            let caller = self.0.caller_of(token.clone()).await;
            self.0.handle(caller, token, command).await
        })
    }
}

/// What the administrator's socket needs.
pub struct AdminDesk {
    pub handler: Handler,
    pub store: Store,
    pub reconciler: Arc<Reconciler>,
    pub live: Arc<Live>,
    pub builder: Arc<Builder>,
    pub ledger: Ledger,
}

impl AdminDesk {
    /// The room of that name, which must run.
    async fn running(&self, name: &RoomName) -> Result<Room, Fault> {
        let room =
            self.store.room(name).await?.ok_or_else(|| {
                Fault::new(FaultKind::NotFound, format!("there is no room `{name}`"))
            })?;
        match self.live.init(room.id) {
            Some(_) => Ok(room),
            None => Err(Fault::new(
                FaultKind::Conflict,
                format!("the room `{name}` is off; `piaule start {name}` starts it"),
            )),
        }
    }

    async fn note(
        &self,
        caller: &Caller,
        action: &str,
        room: &RoomName,
        detail: &str,
    ) -> Result<(), Fault> {
        let now = jiff::Timestamp::now();
        self.store.audit_note(Actor::from(caller), now, action, room.as_ref(), detail).await?;
        Ok(())
    }
}

impl AdminService for AdminDesk {
    fn command(&self, caller: Caller, command: Command) -> Answer<'_, Reply> {
        Box::pin(self.handler.handle(caller, None, command))
    }

    fn job_events(&self) -> broadcast::Receiver<Arc<JobEvent>> {
        self.ledger.events()
    }

    fn enter(&self, caller: Caller, enter: Enter, fds: Vec<OwnedFd>) -> Answer<'_, i32> {
        Box::pin(async move {
            let room = self.running(&enter.name).await?;
            let command = enter.command.as_ref().map(RoomCommand::words).unwrap_or_default();
            // Before it runs: what cannot be written down is not done.
            let said = if command.is_empty() { "a shell".to_owned() } else { command.join(" ") };
            self.note(&caller, "room.enter", &room.name, &said).await?;
            let inside = self.reconciler.inside(room.id).ok_or_else(|| {
                Fault::new(
                    FaultKind::Conflict,
                    format!("the room `{}` has just stopped", room.name),
                )
            })?;
            let order = EnterOrder {
                room: inside,
                command: command.to_vec(),
                term: enter.term.map_or_else(|| "dumb".to_owned(), String::from),
            };
            launch::run::enter(order, fds).await.map_err(|error| {
                Fault::internal("the command could not be run in the room", &error)
            })
        })
    }

    fn console(&self, caller: Caller, name: RoomName) -> Answer<'_, OwnedFd> {
        Box::pin(async move {
            let room = self.running(&name).await?;
            self.note(&caller, "room.console", &name, "").await?;
            let console = self.live.console(room.id).ok_or_else(|| {
                Fault::new(
                    FaultKind::Unavailable,
                    format!("the console was lost with an earlier core; `piaule restart {name}` gives a new one"),
                )
            })?;
            console
                .attach()
                .map_err(|error| Fault::internal("the console cannot be attached to", &error))
        })
    }

    fn template_export(
        &self,
        caller: Caller,
        name: TemplateName,
        to: OwnedFd,
    ) -> Answer<'_, Reply> {
        Box::pin(async move { self.builder.export(Actor::from(&caller), name, to).await })
    }

    fn template_import(
        &self,
        caller: Caller,
        name: TemplateName,
        from: OwnedFd,
    ) -> Answer<'_, Reply> {
        Box::pin(async move { self.builder.import(Actor::from(&caller), name, from).await })
    }
}
