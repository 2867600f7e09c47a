//! The live timeline of a room, as server-sent events (HTML Living Standard §9.2).
//!
//! Each event is the HTML of the room's progress, whole, so a watcher that missed some is right
//! again with the next. Whether the room belongs to the session, core says when a watcher
//! arrives, at the end of each job, and at every heartbeat, which so also tells what happened
//! without a job, such as a power-off from inside. A stream ends after [`RENEWED`], or when there
//! is nothing more to tell: the room is gone, core is, or front drains. The browser comes back by
//! itself, and finds the front and the core of that moment.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::Response;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::time::{Instant, timeout, timeout_at};

use super::pages::progress::{self, Progress};
use super::reply::{self, Refusal};
use super::request::Asked;
use super::request::session::Session;
use super::texts::Texts;
use super::{PATIENCE, Panel};
use crate::front::house::House;
use crate::front::site::Body;
use crate::model::{JobId, JobState, RoomName};
use crate::wire::{Command, Fault, FaultKind, JobEvent, Reply, RoomView};

/// Streams of one room at once: tabs, phones.
const PER_ROOM: usize = 8;
/// How long a stream lasts.
const RENEWED: Duration = Duration::from_secs(5 * 60);
/// How often a silent stream says that it is alive, and how the room is.
const HEARTBEAT: Duration = Duration::from_secs(20);
/// A comment, which browsers skip.
const BEAT: &[u8] = b":\n\n";
/// How soon a browser comes back when a stream has ended, in milliseconds.
const RETRY: &[u8] = b"retry: 500\n\n";

/// How many watch each room.
#[derive(Debug, Default)]
pub(super) struct Watchers(Mutex<HashMap<RoomName, usize>>);

/// A place among a room's watchers, given back when dropped.
#[derive(Debug)]
struct Seat {
    watchers: Arc<Watchers>,
    room: RoomName,
}

impl Watchers {
    fn seat(self: &Arc<Self>, room: &RoomName) -> Option<Seat> {
        let mut rooms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = rooms.entry(room.clone()).or_insert(0);
        if *count >= PER_ROOM {
            return None;
        }
        *count += 1;
        Some(Seat { watchers: Arc::clone(self), room: room.clone() })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut rooms = self.watchers.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = rooms.get_mut(&self.room) {
            *count -= 1;
            if *count == 0 {
                rooms.remove(&self.room);
            }
        }
    }
}

impl Panel {
    /// Opens a room's live timeline to its owner.
    pub(super) async fn watch(
        &self,
        asked: &Asked,
        name: RoomName,
    ) -> Result<Response<Body>, Refusal> {
        let session = asked.session.clone().ok_or(Refusal::SignedOut { then: None })?;
        // Listening begins before the question, so that nothing falls between.
        let jobs = self.house.jobs();
        let room = self.room(&session, &name).await?;
        let crowded = || Fault::new(FaultKind::Limit, "this room is being watched too often");
        let seat = self.watchers.seat(&name).ok_or_else(crowded)?;
        let watch = Watch {
            house: self.house.clone(),
            session,
            texts: asked.texts(),
            jobs,
            newest: room.job.as_ref().map(|job| job.id),
            ends: Instant::now() + RENEWED,
            seat,
        };
        let first = watch.room_event(&room);
        let rest = stream::unfold(watch, |mut watch| async {
            let bytes = watch.next().await?;
            Some((bytes, watch))
        });
        Ok(reply::events(stream::iter([Bytes::from_static(RETRY), first]).chain(rest)))
    }
}

/// One stream.
struct Watch {
    house: House,
    session: Session,
    texts: &'static Texts,
    jobs: broadcast::Receiver<Arc<JobEvent>>,
    newest: Option<JobId>,
    ends: Instant,
    seat: Seat,
}

/// Core no longer answers this session about this room.
struct Refused;

impl Watch {
    /// The next bytes; `None` at the end.
    async fn next(&mut self) -> Option<Bytes> {
        while Instant::now() < self.ends {
            let beat = self.ends.min(Instant::now() + HEARTBEAT);
            match timeout_at(beat, self.jobs.recv()).await {
                Ok(Ok(event)) if self.concerns(&event) => return self.told(&event).await.ok(),
                Ok(Ok(_)) => {}
                Ok(Err(RecvError::Closed)) => return None,
                Ok(Err(RecvError::Lagged(_))) | Err(_) => {
                    let room = self.renewed().await.ok()?;
                    return Some(room.unwrap_or(Bytes::from_static(BEAT)));
                }
            }
        }
        None
    }

    /// Whether an event is about this room, and not about a job that a newer one followed.
    fn concerns(&self, event: &JobEvent) -> bool {
        event.room.as_ref() == Some(&self.seat.room)
            && self.newest.is_none_or(|newest| event.job.id >= newest)
    }

    /// What to show of an event: while a job runs, the event itself; at its end, the room.
    async fn told(&mut self, event: &JobEvent) -> Result<Bytes, Refused> {
        self.newest = Some(event.job.id);
        let room = match event.job.state {
            JobState::Running => None,
            // Core knows no such room any more; that it was this session's, the line before said.
            _ if progress::is_last(&event.job) => {
                self.ends = Instant::now();
                None
            }
            _ => self.renewed().await?,
        };
        Ok(room.unwrap_or_else(|| self.job_event(event)))
    }

    /// The room as core has it now, unless core is away.
    async fn renewed(&mut self) -> Result<Option<Bytes>, Refused> {
        let command = Command::RoomShow { name: self.seat.room.clone() };
        let token = Some(self.session.token().clone());
        match timeout(PATIENCE, self.house.call(token, command)).await {
            Ok(Ok(Reply::Room(room))) => {
                self.newest = room.job.as_ref().map(|job| job.id).or(self.newest);
                Ok(Some(self.room_event(&room)))
            }
            Ok(Err(fault)) if fault.kind != FaultKind::Unavailable => Err(Refused),
            _ => Ok(None),
        }
    }

    fn room_event(&self, room: &RoomView) -> Bytes {
        event(&progress::fragment(self.texts, &Progress::of(room)).into_string())
    }

    fn job_event(&self, job: &JobEvent) -> Bytes {
        event(&progress::fragment(self.texts, &Progress::moved(job)).into_string())
    }
}

/// One event with this data, whatever line ends are in it.
fn event(data: &str) -> Bytes {
    let data = data.replace("\r\n", "\n").replace('\r', "\n");
    let mut text = String::with_capacity(data.len() + 16);
    for line in data.split('\n') {
        text.push_str("data: ");
        text.push_str(line);
        text.push('\n');
    }
    text.push('\n');
    Bytes::from(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_cannot_begin_another_field() {
        assert_eq!(event("<p>a</p>"), "data: <p>a</p>\n\n");
        assert_eq!(
            event("a\nid: 7\r\n\revent: x"),
            "data: a\ndata: id: 7\ndata: \ndata: event: x\n\n"
        );
    }

    #[test]
    fn seats_are_limited_and_given_back() {
        let watchers = Arc::new(Watchers::default());
        let (blog, wiki) = ("blog".parse().expect("name"), "wiki".parse().expect("name"));
        let seats: Vec<_> = (0..PER_ROOM).map(|_| watchers.seat(&blog).expect("a seat")).collect();
        assert!(watchers.seat(&blog).is_none());
        assert!(watchers.seat(&wiki).is_some());
        drop(seats);
        assert!(watchers.seat(&blog).is_some());
        assert!(watchers.0.lock().expect("lock").is_empty(), "nothing is kept of who left");
    }
}
