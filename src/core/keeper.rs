//! Keeps front: starts it, feeds it, starts it again, and replaces an earlier core's.
//!
//! ```text
//!   start ──▶ Begin + sockets ──▶ snapshot ──▶ Ready ──▶ calls, events, snapshots…
//!     ▲                                                       │
//!     └───────────── it ended: again, at once, then slower ◀──┘
//! ```
//!
//! Front is told nothing it does not serve, and believed nothing: each call carries the token of
//! the person it is for, and who that is core finds out itself. A front that outlived its core
//! goes on serving; the new core starts its own on the same sockets, and once that one is ready
//! asks the old one to drain.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::pin::Pin;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::process::{Child, Command as Program};
use tokio::sync::{Mutex, Semaphore, broadcast, watch};

use super::authority::{Authority, AuthorityError};
use super::doors::Door;
use super::kernel::process::{Process, Word};
use super::reconcile::Publisher;
use super::store::{Room, Store, StoreError};
use crate::model::{MacAddr, Token, Wanted};
use crate::wire::channel::{AsyncChannel, Channel};
use crate::wire::{
    Command, Fault, FaultKind, FromFront, FrontSettings, JobEvent, Lease, Reply, Route, RouteState,
    Snapshot, ToFront, Zone,
};

/// The longest pause before front is started again.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A front that has served this long failed for a new reason: no pause.
const SOUND: Duration = Duration::from_secs(10);
/// A front that takes longer over a frame does not read its line any more.
const PATIENCE: Duration = Duration::from_secs(5);
/// Commands from front that are worked on at a time.
const MOST_CALLS: usize = 64;

const BUSY: &str = "the house is busy; try again in a moment";

/// Answers commands that come from front.
pub trait Desk: Send + Sync {
    /// Does what is asked by whoever holds `token`.
    fn answer(
        &self,
        token: Option<Token>,
        command: Command,
    ) -> Pin<Box<dyn Future<Output = Result<Reply, Fault>> + Send + '_>>;
}

/// Why a snapshot could not be rendered.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    #[error("cannot read what is wanted")]
    Store(#[from] StoreError),
    #[error("cannot have a certificate")]
    Authority(#[from] AuthorityError),
}

/// The keeper of front.
pub struct Keeper {
    store: Store,
    settings: FrontSettings,
    authority: Authority,
    doors: Vec<Door>,
    /// Where the pid of the front that serves is written.
    record: PathBuf,
    /// The line to the front that serves; held while a snapshot is rendered and sent, so that
    /// they arrive in order.
    line: Mutex<Option<Arc<AsyncChannel>>>,
    generation: AtomicU64,
    restarts: AtomicU32,
    pid: AtomicU32,
    ready: watch::Sender<bool>,
}

impl Keeper {
    pub fn new(
        store: Store,
        settings: FrontSettings,
        authority: Authority,
        doors: Vec<Door>,
        record: PathBuf,
    ) -> Self {
        Self {
            store,
            settings,
            authority,
            doors,
            record,
            line: Mutex::new(None),
            generation: AtomicU64::new(0),
            restarts: AtomicU32::new(0),
            pid: AtomicU32::new(0),
            ready: watch::Sender::new(false),
        }
    }

    /// Times front was started again.
    pub fn restarts(&self) -> u32 {
        self.restarts.load(Ordering::Relaxed)
    }

    /// The pid of the front that serves, 0 while there is none.
    pub fn pid(&self) -> u32 {
        self.pid.load(Ordering::Relaxed)
    }

    /// Waits until front serves.
    pub async fn wait_ready(&self) {
        // The sender lives as long as `self`.
        let _ = self.ready.subscribe().wait_for(|ready| *ready).await;
    }

    /// Keeps front for as long as core lives.
    pub async fn keep(
        self: Arc<Self>,
        desk: Arc<dyn Desk>,
        events: broadcast::Sender<Arc<JobEvent>>,
    ) {
        let mut earlier = self.recorded();
        let mut pause = Duration::ZERO;
        loop {
            let begun = Instant::now();
            match self.serve(&desk, events.subscribe(), &mut earlier).await {
                Ok(status) => tracing::error!(%status, "front ended; starting it again"),
                Err(error) => tracing::error!(%error, "front cannot be kept; starting it again"),
            }
            *self.line.lock().await = None;
            self.ready.send_replace(false);
            self.pid.store(0, Ordering::Relaxed);
            self.restarts.fetch_add(1, Ordering::Relaxed);
            pause = if begun.elapsed() > SOUND { Duration::ZERO } else { longer(pause) };
            tokio::time::sleep(pause).await;
        }
    }

    /// The life of one front.
    async fn serve(
        &self,
        desk: &Arc<dyn Desk>,
        mut events: broadcast::Receiver<Arc<JobEvent>>,
        earlier: &mut Option<Recorded>,
    ) -> io::Result<std::process::ExitStatus> {
        let (mut child, line) = self.start().await?;
        self.pid.store(child.id().unwrap_or_default(), Ordering::Relaxed);
        *self.line.lock().await = Some(Arc::clone(&line));
        self.publish().await;
        let calls = Arc::new(Semaphore::new(MOST_CALLS));
        loop {
            tokio::select! {
                status = child.wait() => return status,
                event = events.recv() => if let Ok(event) = event {
                    self.tell(&line, &ToFront::Job(Box::new(JobEvent::clone(&event)))).await?;
                },
                frame = line.receive::<FromFront>() => match frame? {
                    None => return child.wait().await,
                    Some((FromFront::Ready, _)) => {
                        self.record(&child);
                        if let Some(earlier) = earlier.take() {
                            earlier.retire();
                        }
                        self.ready.send_replace(true);
                    }
                    Some((FromFront::Call { call, token, command }, _)) => {
                        let (desk, line) = (Arc::clone(desk), Arc::clone(&line));
                        let Ok(turn) = Arc::clone(&calls).try_acquire_owned() else {
                            let result = Err(Fault::new(FaultKind::Unavailable, BUSY));
                            self.tell(&line, &ToFront::Answer { call, result }).await?;
                            continue;
                        };
                        tokio::spawn(async move {
                            let result = desk.answer(token, *command).await;
                            drop(turn);
                            // A front that has ended waits for no answer.
                            let _ = line.send(&ToFront::Answer { call, result }, &[]).await;
                        });
                    }
                },
            }
        }
    }

    /// Sends one frame; a front that does not take it is ended, so that nobody waits for it.
    async fn tell(&self, line: &AsyncChannel, frame: &ToFront) -> io::Result<()> {
        let sent = tokio::time::timeout(PATIENCE, line.send(frame, &[])).await;
        sent.unwrap_or_else(|_| {
            let front = Process::open(self.pid().cast_signed());
            front.map_or(Ok(()), |front| front.tell(Word::Kill))?;
            Err(io::Error::new(io::ErrorKind::TimedOut, "front does not read its line"))
        })
    }

    async fn start(&self) -> io::Result<(Child, Arc<AsyncChannel>)> {
        let (ours, theirs) = Channel::pair()?;
        let child = Program::new("/proc/self/exe")
            .arg0("piaule-front")
            .arg("front")
            .env_clear()
            .stdin(Stdio::from(theirs.into_fd()))
            .spawn()?;
        let line = Arc::new(AsyncChannel::new(ours)?);
        let sockets = self.doors.iter().map(|(name, _)| name.clone()).collect();
        let fds: Vec<BorrowedFd<'_>> = self.doors.iter().map(|(_, fd)| fd.as_fd()).collect();
        let begin = ToFront::Begin { settings: self.settings.clone(), sockets };
        line.send(&begin, &fds).await?;
        Ok((child, line))
    }

    async fn render(&self) -> Result<Snapshot, RenderError> {
        let rooms = self.store.rooms().await?;
        let rooms: Vec<&Room> =
            rooms.iter().filter(|room| room.wanted != Wanted::Destroyed).collect();
        let zone = self.settings.zone.as_ref();
        let mut names = vec![zone.to_owned(), format!("*.{zone}")];
        if !covers(zone, self.settings.panel.as_ref()) {
            names.push(self.settings.panel.to_string());
        }
        let certificates = vec![self.authority.current(&names, Timestamp::now())?];
        let zone = Zone {
            serial: self.store.zone_serial().await?,
            rooms: rooms.iter().map(|room| (room.name.clone(), room.address)).collect(),
        };
        let lease = |room: &&Room| Lease {
            mac: MacAddr::of_room(room.address),
            address: room.address,
            name: room.name.clone(),
        };
        Ok(Snapshot {
            generation: self.generation.fetch_add(1, Ordering::Relaxed) + 1,
            zone,
            routes: rooms.iter().filter_map(|room| self.route(room)).collect(),
            leases: rooms.iter().map(lease).collect(),
            certificates,
        })
    }

    fn route(&self, room: &Room) -> Option<Route> {
        let state = match room.wanted {
            Wanted::Running => RouteState::Up,
            Wanted::Stopped => RouteState::Down,
            Wanted::Archived => RouteState::Archived,
            Wanted::Destroyed => return None,
        };
        let host = self.settings.zone.child(room.name.as_ref()).ok()?;
        Some(Route { host, address: room.address, state })
    }

    fn recorded(&self) -> Option<Recorded> {
        Recorded::read(&self.record)
    }

    fn record(&self, child: &Child) {
        let Some(pid) = child.id().map(u32::cast_signed) else { return };
        let written = Process::open(pid)
            .and_then(|process| process.started_at())
            .map(|started| format!("{pid} {started}\n"))
            .ok_or(io::ErrorKind::NotFound.into())
            .and_then(|text| fs::write(&self.record, text));
        if let Err(error) = written {
            tracing::warn!(%error, "front's pid is not recorded: a next core could not replace it");
        }
    }
}

impl Publisher for Keeper {
    fn publish(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async {
            let line = self.line.lock().await;
            // Without a front there is nobody to tell; the next one begins with a snapshot.
            let Some(line) = line.as_ref() else { return };
            match self.render().await {
                Ok(snapshot) => {
                    if let Err(error) =
                        self.tell(line, &ToFront::Snapshot(Box::new(snapshot))).await
                    {
                        tracing::warn!(%error, "front does not take a snapshot");
                    }
                }
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(error, "no snapshot can be rendered");
                }
            }
        })
    }
}

/// Whether `*.zone` or `zone` is the host's certificate name.
fn covers(zone: &str, host: &str) -> bool {
    host == zone || host.split_once('.').is_some_and(|(_, parent)| parent == zone)
}

fn longer(pause: Duration) -> Duration {
    if pause.is_zero() { Duration::from_millis(50) } else { (pause * 2).min(LONGEST_PAUSE) }
}

/// The front of an earlier core.
#[derive(Debug)]
pub struct Recorded(Process);

impl Recorded {
    /// The front written down in `record`, if it still runs.
    #[must_use]
    pub fn read(record: &std::path::Path) -> Option<Self> {
        let text = fs::read_to_string(record).ok()?;
        let (pid, started) = text.trim().split_once(' ')?;
        let (pid, started): (i32, u64) = (pid.parse().ok()?, started.parse().ok()?);
        let process = Process::open(pid)?;
        (process.started_at() == Some(started)).then_some(Self(process))
    }

    /// Ends it at once.
    pub fn end(self) {
        // It may have ended by itself.
        let _ = self.0.tell(Word::Kill);
    }

    /// Asks it to drain and end.
    pub fn retire(self) {
        if let Err(error) = self.0.tell(Word::Terminate) {
            tracing::warn!(%error, "the earlier front cannot be asked to drain");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound() {
        let mut pause = Duration::ZERO;
        for _ in 0..20 {
            pause = longer(pause);
        }
        assert_eq!(pause, LONGEST_PAUSE);
    }

    #[test]
    fn wildcards_cover_one_label() {
        assert!(covers("a.example", "panel.a.example"));
        assert!(covers("a.example", "a.example"));
        assert!(!covers("a.example", "x.panel.a.example"));
        assert!(!covers("a.example", "panel.example"));
    }

    #[test]
    fn a_process_is_recognised_by_its_start() {
        let folder = tempfile::tempdir().expect("folder");
        let record = folder.path().join("front.pid");
        let me = std::process::id().cast_signed();
        let started = Process::open(me).and_then(|me| me.started_at()).expect("started");
        fs::write(&record, format!("{me} {started}\n")).expect("write");
        assert!(Recorded::read(&record).is_some());
        fs::write(&record, format!("{me} {}\n", started + 1)).expect("write");
        assert!(Recorded::read(&record).is_none());
    }
}
