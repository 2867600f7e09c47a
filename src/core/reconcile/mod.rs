//! The loop that makes the kernel agree with the store.
//!
//! A command writes what is wanted and calls [`Reconciler::wake`]; nothing is polled. Each room
//! has at most one worker, so one broken room never holds another up. A round observes the
//! kernel, plans (pure), and applies, recording each step:
//!
//! - **A step fails**: what this round made is undone, last first. A creation that fails leaves
//!   no row either, so its name is free again and the job says what went wrong; a start that
//!   fails leaves the room off with its problem, until the next command or boot.
//! - **Core is killed**: nothing is undone. The next core observes and plans from there; done
//!   steps of open jobs are in the store.
//! - **A room ends by itself**: a power-off from inside turns what is wanted to stopped; a
//!   reboot or a crash starts it again, unless it keeps happening.
//!
//! Firewall and snapshot are made beside the bring-up, not before it: the firewall drops what it
//! does not know, so the order is safe either way.

mod apply;
mod border;
mod ledger;
mod live;
mod observe;
pub mod plan;
mod workers;

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use futures_util::future::try_join_all;
use jiff::Timestamp;

pub use apply::StepError;
pub use border::{Border, BorderError};
pub use ledger::{Cause, Ledger, Recorded};
pub use live::Live;
use plan::{Desired, Observed, OpenJob, Step};
use workers::Workers;

use super::kernel::cgroup::Cgroups;
use super::kernel::console::Console;
use super::kernel::pool::Pool;
use super::kernel::process::{End, Process};
use super::store::{Room, Store, StoreError};
use crate::model::{HostName, JobKind, JobState, RoomId, RoomNetwork, StepState, Wanted};
use crate::wire::JobView;

/// Gives front the house as it is wanted now. Implemented by the keeper.
pub trait Publisher: Send + Sync {
    /// Renders and sends a snapshot.
    fn publish(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// What every room's bring-up needs to know of the house.
#[derive(Debug, Clone)]
pub struct RoomSettings {
    pub zone: HostName,
    pub network: RoomNetwork,
    /// The socket on which inits say they are ready.
    pub notify: PathBuf,
}

/// The reconciler. It lives in an `Arc`; its workers hold it.
pub struct Reconciler {
    store: Store,
    pool: Pool,
    cgroups: Cgroups,
    border: Border,
    ledger: Ledger,
    publisher: Arc<dyn Publisher>,
    settings: RoomSettings,
    live: Arc<Live>,
    workers: Workers,
    myself: std::sync::Weak<Self>,
}

/// The pieces a reconciler is made of.
pub struct Pieces {
    pub store: Store,
    pub pool: Pool,
    pub cgroups: Cgroups,
    pub border: Border,
    pub ledger: Ledger,
    pub publisher: Arc<dyn Publisher>,
    pub settings: RoomSettings,
    pub live: Arc<Live>,
}

impl Reconciler {
    pub fn new(pieces: Pieces) -> Arc<Self> {
        let Pieces { store, pool, cgroups, border, ledger, publisher, settings, live } = pieces;
        Arc::new_cyclic(|myself| Self {
            store,
            pool,
            cgroups,
            border,
            ledger,
            publisher,
            settings,
            live,
            workers: Workers::default(),
            myself: myself.clone(),
        })
    }

    /// Takes up the rooms as the last core left them: adopts those that run, then wakes all.
    /// What runs or lies there without a row is removed. Rooms that are still to say that they are
    /// ready are waited for only if they can be `heard`; else they have had their time.
    ///
    /// # Errors
    /// When the store or the border fails: nothing could be right then.
    pub async fn begin(
        &self,
        consoles: Vec<(RoomId, std::os::fd::OwnedFd)>,
        heard: bool,
    ) -> Result<(), StepError> {
        let rooms = self.store.rooms().await?;
        for (room, master) in consoles {
            match Console::restore(master) {
                Ok(console) => self.live.set_console(room, Arc::new(console)),
                Err(error) => tracing::warn!(%room, %error, "a console is lost"),
            }
        }
        for room in &rooms {
            if let Some(init) = observe::find_init(room.id, &self.cgroups) {
                tracing::info!(room = %room.name, pid = init.pid(), "adopted");
                self.watch(room.id, init, !heard);
            }
        }
        for room in rooms.iter().filter(|room| self.pool.has_layer(room.id)) {
            // An earlier core may have ended while it was lifted for a launch.
            self.pool.limit_layer(room.id, Some(room.limits.disk))?;
        }
        self.border.settle().await?;
        self.remove_strays(&rooms).await;
        for room in rooms {
            self.wake(room.id);
        }
        Ok(())
    }

    async fn remove_strays(&self, rooms: &[Room]) {
        let mut strays = self.cgroups.rooms();
        strays.extend(self.pool.room_ids().unwrap_or_default());
        strays.retain(|stray| !rooms.iter().any(|room| room.id == *stray));
        strays.sort_unstable();
        strays.dedup();
        for stray in strays {
            tracing::warn!(room = %stray, "removing what is left of a room that is no more");
            self.cgroups.end(stray).await;
            let removed = self.cgroups.remove(stray).map_err(StepError::from);
            let removed = removed.and_then(|()| Ok(self.pool.destroy_layer(stray)?));
            if let Err(error) = removed {
                tracing::error!(room = %stray, error = &error as &dyn std::error::Error, "it cannot be removed");
            }
        }
    }

    /// Something about a room changed: see to it.
    pub fn wake(&self, room: RoomId) {
        let Some(myself) = self.myself.upgrade() else { return };
        if self.workers.enlist(room) {
            tokio::spawn(async move {
                while myself.workers.begin(room) {
                    if let Err(error) = myself.round(room).await {
                        tracing::error!(%room, error = &error as &dyn std::error::Error, "a room's round failed");
                    }
                }
            });
        }
    }

    async fn round(&self, id: RoomId) -> Result<(), StoreError> {
        let Some(room) = self.store.room_by_id(id).await? else { return Ok(()) };
        let jobs = self.store.open_jobs(id).await?;
        let desired = desired(&room, &jobs);
        let seen = self.observe(id).await;
        let steps = plan::plan(&desired, seen);
        let cause = Cause {
            room: Some((id, room.name.clone())),
            jobs: jobs.iter().map(|job| (job.id, job.accepted_at)).collect(),
        };
        let creating = jobs.iter().any(|job| job.kind == JobKind::Create);
        if !steps.is_empty() {
            self.ledger.begun(&cause, self.live.phase(id));
        }
        match self.carry_out(&steps, &room, &cause).await {
            Ok(()) => {
                self.live.set_failed(id, false);
                self.ledger.end(&cause, self.live.phase(id), JobState::Done, None);
                Ok(())
            }
            // The next round, already called for, goes on from here.
            Err(Failure { error: StepError::Overtaken, .. }) => Ok(()),
            Err(failure) => self.fail(&room, creating, failure, &cause).await,
        }
    }

    async fn observe(&self, room: RoomId) -> Observed {
        let (live, pool, cgroups) =
            (Arc::clone(&self.live), self.pool.clone(), self.cgroups.clone());
        let look = move || observe::observe(room, &live, &pool, &cgroups);
        tokio::task::spawn_blocking(look).await.unwrap_or_default()
    }

    /// Does the steps in order; in front of a launch, those that may go beside the others do.
    async fn carry_out(&self, steps: &[Step], room: &Room, cause: &Cause) -> Result<(), Failure> {
        let launches = steps.contains(&Step::Launch);
        let goes_beside = |step: &&Step| launches && step.aside();
        let beside = steps.iter().filter(goes_beside).map(|step| self.take(*step, room, cause));
        let in_order = steps.iter().filter(|step| !goes_beside(step) && **step != Step::Ready);
        let mut done = Vec::new();
        let main = async {
            for step in in_order {
                self.take(*step, room, cause).await?;
                done.push(*step);
            }
            Ok(())
        };
        let (main, beside) = tokio::join!(main, try_join_all(beside));
        let outcome = match main.and(beside.map(drop)) {
            Ok(()) if steps.contains(&Step::Ready) => self.take(Step::Ready, room, cause).await,
            other => other,
        };
        outcome.map_err(|(step, error)| Failure { step, error, done })
    }

    /// Does one step and records it.
    async fn take(&self, step: Step, room: &Room, cause: &Cause) -> Result<(), (Step, StepError)> {
        let begun = Instant::now();
        let outcome = self.apply(step, room).await;
        if matches!(outcome, Err(StepError::Overtaken)) {
            return outcome.map_err(|error| (step, error));
        }
        let recorded = Recorded {
            name: step.name(),
            state: if outcome.is_ok() { StepState::Done } else { StepState::Failed },
            at: Timestamp::now(),
            took_ms: begun.elapsed().as_secs_f64() * 1e3,
            detail: outcome.as_ref().err().map(|error| chain(error)),
        };
        self.ledger.step(cause, self.live.phase(room.id), &recorded);
        outcome.map_err(|error| (step, error))
    }

    /// Undoes what a failed round had made, and says so.
    async fn fail(
        &self,
        room: &Room,
        creating: bool,
        failure: Failure,
        cause: &Cause,
    ) -> Result<(), StoreError> {
        let Failure { step, error, done } = failure;
        let said = format!("{}: {}", step.name(), chain(&error));
        tracing::error!(room = %room.name, step = step.name(), error = chain(&error), "a step failed");
        // A room that does not become ready runs: its owner may want to look into it.
        if step != Step::Ready || creating {
            for step in done.into_iter().rev().filter(|step| step.leaves_something()) {
                self.take_back(step, room, cause).await;
            }
        }
        self.live.set_failed(room.id, true);
        if creating {
            self.unmake(room).await;
        } else {
            self.store.room_set_problem(room.id, Some(said.clone())).await?;
        }
        self.ledger.end(cause, self.live.phase(room.id), JobState::Failed, Some(&said));
        Ok(())
    }

    /// Removes a room whose creation failed, what earlier, interrupted rounds made included.
    /// Its name is free when its job ends.
    async fn unmake(&self, room: &Room) {
        for step in [Step::Release, Step::Erase, Step::Forget, Step::Network] {
            if let Err(error) = self.apply(step, room).await {
                let step = step.name();
                tracing::error!(room = %room.name, step, error = chain(&error), "a failed creation leaves something behind");
                return;
            }
        }
    }

    async fn take_back(&self, step: Step, room: &Room, cause: &Cause) {
        let begun = Instant::now();
        if let Err(error) = self.undo(step, room).await {
            let step = step.name();
            tracing::error!(room = %room.name, step, error = chain(&error), "a step cannot be undone");
            return;
        }
        let recorded = Recorded {
            name: step.name(),
            state: StepState::Undone,
            at: Timestamp::now(),
            took_ms: begun.elapsed().as_secs_f64() * 1e3,
            detail: None,
        };
        self.ledger.step(cause, self.live.phase(room.id), &recorded);
    }

    /// Watches a pid 1 until it ends, then sees to its room.
    pub(super) fn watch(&self, room: RoomId, init: Process, ready: bool) {
        self.live.began(room, init.clone(), ready);
        // It may have said so before it was known here.
        if self.cgroups.is_ready(room, init.pid()) {
            self.live.said_ready(room);
        }
        let Some(myself) = self.myself.upgrade() else { return };
        tokio::spawn(async move {
            let end = init.ended().await.unwrap_or_else(|error| {
                tracing::error!(%room, %error, "a room's init cannot be watched");
                End::Unknown
            });
            let by_us = myself.live.ended(room);
            tracing::info!(%room, pid = init.pid(), ?end, by_us, "a room's init ended");
            if !by_us && let Err(error) = myself.ended_by_itself(room, end).await {
                tracing::error!(%room, error = &error as &dyn std::error::Error, "a room's end is not seen to");
            }
        });
    }

    async fn ended_by_itself(&self, id: RoomId, end: End) -> Result<(), StoreError> {
        let Some(room) = self.store.room_by_id(id).await? else { return Ok(()) };
        if room.wanted == Wanted::Running {
            let why = if end.is_power_off() {
                Some("powered off from inside")
            } else if self.live.may_revive(id, Instant::now()) {
                None
            } else {
                Some("it kept ending by itself")
            };
            if let Some(why) = why {
                self.store
                    .room_set_wanted_by_house(Timestamp::now(), id, Wanted::Stopped, why)
                    .await?;
            }
        }
        self.wake(id);
        Ok(())
    }
}

/// A round that stopped at a step, and the steps it had done before.
struct Failure {
    step: Step,
    error: StepError,
    done: Vec<Step>,
}

fn desired(room: &Room, jobs: &[JobView]) -> Desired {
    let done = |job: &JobView| {
        let steps = job.steps.iter().filter(|step| step.state == StepState::Done);
        steps.map(|step| step.name.clone()).collect()
    };
    let jobs = jobs.iter().map(|job| OpenJob { kind: job.kind, done: done(job) }).collect();
    Desired { wanted: room.wanted, jobs }
}

/// An error and its causes in one line.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let mut said: Vec<String> = causes.map(ToString::to_string).collect();
    said.dedup();
    said.join(": ")
}
