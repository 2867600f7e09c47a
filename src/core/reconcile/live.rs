//! What runs now: each room's pid 1, phase and console. Kept by core for its own life; a new
//! core reads it again from the kernel.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::core::kernel::console::Console;
use crate::core::kernel::process::Process;
use crate::model::{Phase, RoomId};

#[derive(Debug, Default)]
struct Resident {
    init: Option<Process>,
    ready: bool,
    /// Set while it is being stopped by us.
    stopping: bool,
    failed: bool,
    console: Option<Arc<Console>>,
    /// When it was last started again because it had ended by itself.
    revived: Vec<Instant>,
}

/// The running rooms.
#[derive(Debug)]
pub struct Live {
    residents: Mutex<HashMap<RoomId, Resident>>,
    /// Changes whenever a room becomes ready or ends.
    changed: tokio::sync::watch::Sender<u64>,
}

/// A room that ends by itself more often than this is left alone…
const REVIVALS: usize = 5;
/// …within this time.
const REVIVAL_WINDOW: Duration = Duration::from_secs(120);

impl Default for Live {
    fn default() -> Self {
        Self { residents: Mutex::default(), changed: tokio::sync::watch::Sender::new(0) }
    }
}

impl Live {
    fn lock(&self) -> MutexGuard<'_, HashMap<RoomId, Resident>> {
        // A panic while it was held ends core; what was written before is whole.
        self.residents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, room: RoomId, act: impl FnOnce(&mut Resident) -> T) -> T {
        let result = act(self.lock().entry(room).or_default());
        self.changed.send_modify(|count| *count += 1);
        result
    }

    /// Tells whenever something changed.
    pub fn changes(&self) -> tokio::sync::watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// A room's pid 1 began.
    pub fn began(&self, room: RoomId, init: Process, ready: bool) {
        self.change(room, |resident| {
            resident.init = Some(init);
            resident.ready = ready;
            resident.stopping = false;
            resident.failed = false;
        });
    }

    /// A room's pid 1 said it is ready.
    pub fn said_ready(&self, room: RoomId) {
        self.change(room, |resident| resident.ready = resident.init.is_some());
    }

    /// A room's pid 1 ended; says whether it was being stopped.
    pub fn ended(&self, room: RoomId) -> bool {
        self.change(room, |resident| {
            resident.init = None;
            resident.ready = false;
            resident.stopping
        })
    }

    /// A room is being stopped by us.
    pub fn stopping(&self, room: RoomId) {
        self.change(room, |resident| resident.stopping = true);
    }

    /// The last attempt to reach a room's wanted state failed, or not.
    pub fn set_failed(&self, room: RoomId, failed: bool) {
        self.change(room, |resident| resident.failed = failed);
    }

    /// Forgets a room.
    pub fn forget(&self, room: RoomId) {
        self.lock().remove(&room);
    }

    /// A room's pid 1, if it has one.
    pub fn init(&self, room: RoomId) -> Option<Process> {
        self.lock().get(&room)?.init.clone()
    }

    /// Whether a room's pid 1 has said it is ready.
    pub fn is_ready(&self, room: RoomId) -> bool {
        self.lock().get(&room).is_some_and(|resident| resident.ready)
    }

    /// A room's console.
    pub fn console(&self, room: RoomId) -> Option<Arc<Console>> {
        self.lock().get(&room)?.console.clone()
    }

    /// Gives a room its console.
    pub fn set_console(&self, room: RoomId, console: Arc<Console>) {
        self.change(room, |resident| resident.console = Some(console));
    }

    /// Notes that a room that ended by itself is to be started again; `false` when it has been
    /// too often.
    pub fn may_revive(&self, room: RoomId, now: Instant) -> bool {
        self.change(room, |resident| {
            resident.revived.retain(|at| now.duration_since(*at) < REVIVAL_WINDOW);
            resident.revived.push(now);
            resident.revived.len() <= REVIVALS
        })
    }

    /// What a room is seen to do.
    pub fn phase(&self, room: RoomId) -> Phase {
        match self.lock().get(&room) {
            None => Phase::Stopped,
            Some(resident) => match (&resident.init, resident) {
                (Some(_), Resident { stopping: true, .. }) => Phase::Stopping,
                (Some(_), Resident { ready: true, .. }) => Phase::Running,
                (Some(_), _) => Phase::Starting,
                (None, Resident { failed: true, .. }) => Phase::Failed,
                (None, _) => Phase::Stopped,
            },
        }
    }

    /// How many rooms run.
    pub fn running(&self) -> usize {
        self.lock().values().filter(|resident| resident.init.is_some()).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_follow_what_happens() {
        let live = Live::default();
        let room = RoomId(1);
        assert_eq!(live.phase(room), Phase::Stopped);
        let null = std::fs::File::open("/dev/null").expect("open");
        let init = Process::new(42, null.into());
        live.began(room, init, false);
        assert_eq!(live.phase(room), Phase::Starting);
        live.said_ready(room);
        assert_eq!(live.phase(room), Phase::Running);
        live.stopping(room);
        assert_eq!(live.phase(room), Phase::Stopping);
        assert!(live.ended(room));
        assert_eq!(live.phase(room), Phase::Stopped);
    }

    #[test]
    fn a_room_that_keeps_ending_is_left_alone() {
        let live = Live::default();
        let now = Instant::now();
        let tries = (0..=REVIVALS).filter(|_| live.may_revive(RoomId(1), now)).count();
        assert_eq!(tries, REVIVALS);
        assert!(live.may_revive(RoomId(1), now + REVIVAL_WINDOW));
    }
}
