//! Jobs. Whoever may know of a room may see its jobs; those of templates and of rooms that are
//! gone are for administrators.

use super::room::Rooms;
use crate::core::store::Store;
use crate::model::{JobId, RoomName};
use crate::wire::{Fault, FaultKind, Reply};

/// Jobs listed at most.
const MOST: u32 = 50;

pub(super) async fn show(store: &Store, rooms: &Rooms<'_>, job: JobId) -> Result<Reply, Fault> {
    let none = || Fault::new(FaultKind::NotFound, format!("there is no job {job}"));
    let view = store.job(job).await?.ok_or_else(none)?;
    let visible = rooms.is_admin()
        || match store.job_room(job).await? {
            Some(room) => rooms.knows(room).await?,
            None => false,
        };
    if visible { Ok(Reply::Job(view)) } else { Err(none()) }
}

pub(super) async fn list(
    store: &Store,
    rooms: &Rooms<'_>,
    name: &RoomName,
) -> Result<Reply, Fault> {
    let room = rooms.find(name).await?;
    Ok(Reply::Jobs(store.jobs_of(room.id, MOST).await?))
}
