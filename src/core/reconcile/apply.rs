//! Doing the steps, and undoing them.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::timeout;

use super::Reconciler;
use super::plan::Step;
use crate::core::kernel::console::{self, Console};
use crate::core::kernel::link;
use crate::core::kernel::process::Word;
use crate::core::launch::{self, Identity, Inside, Start, WriteKeys};
use crate::core::store::Room;
use crate::model::{MacAddr, RoomId};

/// How long a room's init may take to power off before it is told again…
const POWER_OFF: Duration = Duration::from_secs(1);
/// …and how often it is told before it is killed.
const POWER_OFF_TRIES: usize = 30;
/// How long a killed init may take to be gone.
const KILLED: Duration = Duration::from_secs(10);
/// How long a room's init may take to say that it is ready.
const BOOT: Duration = Duration::from_secs(120);

/// Why a step was not done.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    #[error(transparent)]
    Border(#[from] super::border::BorderError),
    #[error(transparent)]
    Pool(#[from] crate::core::kernel::pool::PoolError),
    #[error(transparent)]
    Cgroup(#[from] crate::core::kernel::cgroup::CgroupError),
    #[error(transparent)]
    Launch(#[from] launch::LaunchError),
    #[error(transparent)]
    Store(#[from] crate::core::store::StoreError),
    #[error("cannot open the room's console")]
    Console(#[source] std::io::Error),
    #[error("cannot signal the room's init")]
    Signal(#[source] std::io::Error),
    #[error("the room's init ended before it was ready; `piaule logs` shows its last words")]
    Ended,
    #[error("the room's init was not ready after {} seconds", BOOT.as_secs())]
    NotReady,
    #[error("the room's init is still there {} seconds after it was killed", KILLED.as_secs())]
    Immortal,
    #[error("a newer command came")]
    Overtaken,
    #[error("a task of the house failed")]
    Task(#[from] tokio::task::JoinError),
}

impl Reconciler {
    /// Does one step for a room.
    pub(super) async fn apply(&self, step: Step, room: &Room) -> Result<(), StepError> {
        match step {
            Step::Publish => {
                self.publisher.publish().await;
                Ok(())
            }
            Step::Network => Ok(self.border.settle().await?),
            Step::Layer => self.make_layer(room).await,
            Step::Launch => self.launch(room).await,
            Step::Keys => self.write_keys(room).await,
            Step::Ready => self.await_ready(room.id).await,
            Step::Stop => self.stop(room.id).await,
            Step::Release => self.release(room.id).await,
            Step::Erase => self.erase(room.id).await,
            Step::Forget => {
                self.store.room_forget(Timestamp::now(), room.id).await?;
                self.live.forget(room.id);
                self.publisher.publish().await;
                Ok(())
            }
        }
    }

    /// Takes a step back that was done before a later one failed.
    pub(super) async fn undo(&self, step: Step, room: &Room) -> Result<(), StepError> {
        match step {
            Step::Launch => {
                self.kill(room.id).await?;
                self.release(room.id).await
            }
            Step::Layer => self.erase(room.id).await,
            _ => Ok(()),
        }
    }

    async fn make_layer(&self, room: &Room) -> Result<(), StepError> {
        let (pool, id, uids, disk) = (self.pool.clone(), room.id, room.uids, room.limits.disk);
        Ok(tokio::task::spawn_blocking(move || pool.create_layer(id, uids, disk)).await??)
    }

    async fn launch(&self, room: &Room) -> Result<(), StepError> {
        let (cgroups, id, uids, limits) = (self.cgroups.clone(), room.id, room.uids, room.limits);
        let placement =
            tokio::task::spawn_blocking(move || cgroups.create(id, uids, &limits)).await??;
        let console = Arc::new(Console::open(id).map_err(StepError::Console)?);
        self.live.set_console(id, Arc::clone(&console));
        let order = self.order(room, placement.v1_procs);
        // An overlay whose upper layer is at its limit would come out read-only.
        self.pool.limit_layer(id, None)?;
        let started = launch::run::start(order, placement.unified.as_fd(), console.slave()).await;
        let limited = self.pool.limit_layer(id, Some(room.limits.disk));
        let launched = started.map_err(StepError::from).and_then(|init| {
            // Also when it cannot stay: somebody must see it end.
            self.watch(id, init, false);
            Ok(limited?)
        });
        match launched {
            Ok(()) => Ok(()),
            Err(error) => {
                // A late stage may have left something running; a failed one, its cgroup.
                if let Err(error) = self.undo_launch(id).await {
                    tracing::error!(room = %id, error = &error as &dyn std::error::Error, "a failed launch leaves something behind");
                }
                Err(error)
            }
        }
    }

    async fn undo_launch(&self, room: RoomId) -> Result<(), StepError> {
        self.cgroups.end(room).await;
        self.release(room).await
    }

    fn order(&self, room: &Room, v1_procs: Vec<std::path::PathBuf>) -> Start {
        let layer = self.pool.room(room.id);
        let network = &self.settings.network;
        Start {
            identity: self.identity(room),
            uids: room.uids,
            template: self.pool.template(&room.template, room.version),
            upper: layer.join("upper"),
            work: layer.join("work"),
            v1_procs,
            notify: self.settings.notify.clone(),
            lan: link::LAN.to_owned(),
            mac: MacAddr::of_room(room.address),
            address: room.address,
            prefix: network.prefix(),
            gateway: network.gateway(),
        }
    }

    fn identity(&self, room: &Room) -> Identity {
        let mut id: [u8; 16] = rand::random();
        // machine-id(5) is a version 4 UUID without its hyphens (RFC 9562 §5.4).
        id[6] = id[6] & 0x0f | 0x40;
        id[8] = id[8] & 0x3f | 0x80;
        Identity {
            name: room.name.clone(),
            host: format!("{}.{}", room.name, self.settings.zone),
            machine_id: format!("{:032x}", u128::from_be_bytes(id)),
            resolver: self.settings.network.gateway(),
            authorized_keys: authorized_keys(room),
        }
    }

    async fn write_keys(&self, room: &Room) -> Result<(), StepError> {
        let Some(inside) = self.inside(room.id) else { return Err(StepError::Ended) };
        let order = WriteKeys { room: inside, authorized_keys: authorized_keys(room) };
        Ok(launch::run::write_keys(order).await?)
    }

    /// How to join a running room.
    pub fn inside(&self, room: RoomId) -> Option<Inside> {
        let init = self.live.init(room)?;
        let cgroup_procs = super::observe::cgroup_procs(init.pid(), &self.cgroups);
        Some(Inside { pid: init.pid(), cgroup_procs })
    }

    /// Waits until the init is ready, has ended, or a newer command wants something else.
    async fn await_ready(&self, room: RoomId) -> Result<(), StepError> {
        let mut changes = self.live.changes();
        let wait = async {
            loop {
                changes.borrow_and_update();
                if self.live.is_ready(room) {
                    return Ok(());
                }
                if self.live.init(room).is_none() {
                    return Err(StepError::Ended);
                }
                if self.workers.is_called(room) {
                    return Err(StepError::Overtaken);
                }
                tokio::select! {
                    _ = changes.changed() => {}
                    () = self.workers.call() => {}
                }
            }
        };
        timeout(BOOT, wait).await.map_err(|_| StepError::NotReady)?
    }

    async fn stop(&self, room: RoomId) -> Result<(), StepError> {
        let Some(init) = self.live.init(room) else { return Ok(()) };
        self.live.stopping(room);
        for _ in 0..POWER_OFF_TRIES {
            // An init that has just begun does not hear yet: pid 1 is spared signals it has no
            // handler for (pid_namespaces(7)). Hearing it twice changes nothing.
            init.tell(Word::PowerOff).map_err(StepError::Signal)?;
            if self.gone_within(room, POWER_OFF).await {
                return Ok(());
            }
        }
        self.kill(room).await
    }

    /// Kills the init; the kernel kills the rest of its pid namespace with it.
    async fn kill(&self, room: RoomId) -> Result<(), StepError> {
        let Some(init) = self.live.init(room) else { return Ok(()) };
        self.live.stopping(room);
        init.tell(Word::Kill).map_err(StepError::Signal)?;
        if self.gone_within(room, KILLED).await { Ok(()) } else { Err(StepError::Immortal) }
    }

    async fn gone_within(&self, room: RoomId, limit: Duration) -> bool {
        let mut changes = self.live.changes();
        let gone = async {
            while self.live.init(room).is_some() {
                // The sender lives as long as `self`.
                let _ = changes.changed().await;
            }
        };
        timeout(limit, gone).await.is_ok()
    }

    async fn release(&self, room: RoomId) -> Result<(), StepError> {
        self.cgroups.end(room).await;
        let cgroups = self.cgroups.clone();
        tokio::task::spawn_blocking(move || cgroups.remove(room)).await??;
        console::forget(room);
        Ok(())
    }

    async fn erase(&self, room: RoomId) -> Result<(), StepError> {
        let pool = self.pool.clone();
        Ok(tokio::task::spawn_blocking(move || pool.destroy_layer(room)).await??)
    }
}

/// The managed file as sshd reads it.
fn authorized_keys(room: &Room) -> String {
    let mut text = String::from("# Written by the house; change your keys in the panel.\n");
    for key in &room.keys {
        text.push_str(key.as_ref());
        text.push('\n');
    }
    text
}
