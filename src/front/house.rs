//! Front's line to core: commands with the token of whoever asks, answers, and job events.
//!
//! When core is gone the line says so at once ([`FaultKind::Unavailable`]) and the services go
//! on with the last snapshot.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{broadcast, mpsc, oneshot};

use crate::model::Token;
use crate::wire::{Command, Fault, FaultKind, FromFront, JobEvent, Reply};

/// Job events kept for a slow watcher, which is told how many it missed.
const EVENTS: usize = 256;

type Waiting = HashMap<u64, oneshot::Sender<Result<Reply, Fault>>>;

/// A handle on the line to core; clones share it.
#[derive(Debug, Clone)]
pub struct House {
    line: Arc<Line>,
}

#[derive(Debug)]
struct Line {
    next: AtomicU64,
    /// `None` once core is gone.
    waiting: Mutex<Option<Waiting>>,
    outgoing: mpsc::Sender<FromFront>,
    /// `None` once there will be no more.
    jobs: Mutex<Option<broadcast::Sender<Arc<JobEvent>>>>,
}

fn gone() -> Fault {
    Fault::new(FaultKind::Unavailable, "the house is being restarted; try again in a moment")
}

impl House {
    /// A line whose frames leave through `outgoing`.
    #[must_use]
    pub fn new(outgoing: mpsc::Sender<FromFront>) -> Self {
        let line = Line {
            next: AtomicU64::new(1),
            waiting: Mutex::new(Some(HashMap::new())),
            outgoing,
            jobs: Mutex::new(Some(broadcast::Sender::new(EVENTS))),
        };
        Self { line: Arc::new(line) }
    }

    /// Asks core, for whoever holds `token`.
    ///
    /// # Errors
    /// Core's fault, or `Unavailable` when core is gone.
    pub async fn call(&self, token: Option<Token>, command: Command) -> Result<Reply, Fault> {
        let call = self.line.next.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        self.with_waiting(|waiting| waiting.insert(call, answer)).ok_or_else(gone)?;
        let _forgotten = Forgotten { house: self, call };
        let frame = FromFront::Call { call, token, command: Box::new(command) };
        self.line.outgoing.send(frame).await.map_err(|_| gone())?;
        answered.await.unwrap_or_else(|_| Err(gone()))
    }

    /// Every job event from now on. The receiver is closed when there will be no more.
    #[must_use]
    pub fn jobs(&self) -> broadcast::Receiver<Arc<JobEvent>> {
        let closed = || broadcast::Sender::new(1).subscribe();
        let jobs = self.line.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.as_ref().map_or_else(closed, broadcast::Sender::subscribe)
    }

    /// Gives the answer of a call to whoever waits for it.
    pub fn answer(&self, call: u64, result: Result<Reply, Fault>) {
        if let Some(waiter) = self.with_waiting(|waiting| waiting.remove(&call)).flatten() {
            // The asker may have gone away meanwhile.
            let _ = waiter.send(result);
        }
    }

    /// Passes a job event on.
    pub fn job(&self, event: JobEvent) {
        // Nobody may be watching.
        let jobs = self.line.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = jobs.as_ref().map(|jobs| jobs.send(Arc::new(event)));
    }

    /// There will be no more job events here: whoever watches had better ask again, of the next
    /// front.
    pub fn hush(&self) {
        self.line.jobs.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Core is gone: every call waiting or to come is answered `Unavailable`, and there are no
    /// more events.
    pub fn lost(&self) {
        self.hush();
        if let Ok(mut waiting) = self.line.waiting.lock() {
            waiting.take();
        }
    }

    fn with_waiting<T>(&self, act: impl FnOnce(&mut Waiting) -> T) -> Option<T> {
        self.line.waiting.lock().ok()?.as_mut().map(act)
    }
}

/// Takes a call off the list however waiting for it ends: a visitor who leaves drops the future.
struct Forgotten<'a> {
    house: &'a House,
    call: u64,
}

impl Drop for Forgotten<'_> {
    fn drop(&mut self) {
        self.house.with_waiting(|waiting| waiting.remove(&self.call));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(house: &House) -> Option<usize> {
        house.with_waiting(|waiting| waiting.len())
    }

    #[tokio::test]
    async fn an_answer_reaches_who_asked() {
        let (outgoing, mut queue) = mpsc::channel(1);
        let house = House::new(outgoing);
        let asker = tokio::spawn({
            let house = house.clone();
            async move { house.call(None, Command::RoomList).await }
        });
        let Some(FromFront::Call { call, .. }) = queue.recv().await else { panic!("no call") };
        house.answer(call + 1, Ok(Reply::Done));
        house.answer(call, Ok(Reply::Done));
        assert!(matches!(asker.await.expect("joined"), Ok(Reply::Done)));
        assert_eq!(waiting(&house), Some(0));
    }

    #[tokio::test]
    async fn who_leaves_is_forgotten() {
        let (outgoing, mut queue) = mpsc::channel(1);
        let house = House::new(outgoing);
        let call = house.call(None, Command::RoomList);
        tokio::select! {
            biased;
            _ = call => panic!("answered by nobody"),
            _ = queue.recv() => {}
        }
        assert_eq!(waiting(&house), Some(0));
    }

    #[tokio::test]
    async fn when_core_goes_everyone_is_told() {
        let (outgoing, _queue) = mpsc::channel(1);
        let house = House::new(outgoing);
        let mut earlier = house.jobs();
        let (told, ()) = tokio::join!(biased; house.call(None, Command::RoomList), async {
            house.lost();
        });
        assert_eq!(told.expect_err("gone").kind, FaultKind::Unavailable);
        for jobs in [&mut earlier, &mut house.jobs()] {
            assert_eq!(jobs.recv().await.err(), Some(broadcast::error::RecvError::Closed));
        }
        let later = house.call(None, Command::RoomList).await;
        assert_eq!(later.expect_err("gone").kind, FaultKind::Unavailable);
    }
}
