//! One worker per room at a time: a room called while it is being worked on is gone over again.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::model::RoomId;

/// Which rooms are being worked on, and which of them were called meanwhile.
#[derive(Debug, Default)]
pub struct Workers {
    called: Mutex<HashMap<RoomId, bool>>,
    call: Notify,
}

impl Workers {
    fn lock(&self) -> MutexGuard<'_, HashMap<RoomId, bool>> {
        self.called.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls for a room; `true` when the caller must start its worker.
    pub fn enlist(&self, room: RoomId) -> bool {
        let fresh = self.lock().insert(room, true).is_none();
        self.call.notify_waiters();
        fresh
    }

    /// Begins a round; `false`, and the worker is dismissed, when nobody has called.
    pub fn begin(&self, room: RoomId) -> bool {
        let mut called = self.lock();
        if called.get(&room) == Some(&true) {
            called.insert(room, false);
            true
        } else {
            called.remove(&room);
            false
        }
    }

    /// Whether a room has been called since its round began.
    pub fn is_called(&self, room: RoomId) -> bool {
        self.lock().get(&room) == Some(&true)
    }

    /// Waits for the next call, of any room.
    pub async fn call(&self) {
        self.call.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_during_a_round_means_another_round() {
        let workers = Workers::default();
        let room = RoomId(1);
        assert!(workers.enlist(room));
        assert!(workers.begin(room));
        assert!(!workers.is_called(room));
        assert!(!workers.enlist(room));
        assert!(workers.is_called(room));
        assert!(workers.begin(room));
        assert!(!workers.begin(room));
        assert!(workers.enlist(room));
    }
}
