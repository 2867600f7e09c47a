//! Moving a room from one wanted state to another.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::{Room, numbered};
use crate::core::store::audit::{Actor, note};
use crate::core::store::error::{conflict, invalid};
use crate::core::store::rows::millis;
use crate::core::store::{Store, StoreError, house, job};
use crate::model::{JobId, JobKind, RoomId, Wanted};

impl Store {
    /// Writes what is wanted of a room from now on and accepts the job of reaching it. Its
    /// running jobs are superseded, but for those of ports and keys, which go on unless it is to
    /// be destroyed.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` for a move that is impossible from where the room is; `Invalid`
    /// for a kind of job that does not lead to `wanted`.
    pub async fn room_want(
        &self,
        actor: Actor,
        now: Timestamp,
        room: RoomId,
        wanted: Wanted,
        kind: JobKind,
    ) -> Result<JobId, StoreError> {
        if aim(kind) != Some(wanted) {
            return Err(invalid(format!("a job of kind `{kind}` does not make a room {wanted}")));
        }
        self.write(move |tx| {
            let room = numbered(tx, room)?;
            let under_way = job::is_open(tx, room.id, JobKind::Destroy)?;
            if let Some(reason) = refusal(room.wanted, kind, under_way) {
                return Err(conflict(format!("`{}` {reason}", room.name)));
            }
            write(tx, now, room.id, wanted)?;
            job::supersede(tx, now, room.id, kind)?;
            let job = job::accept(tx, now, kind, Some(room.id), room.name.as_ref())?;
            let detail = format!("{wanted} instead of {}, job {job}", room.wanted);
            note(tx, &actor, now, &job::action(kind), room.name.as_ref(), &detail)?;
            Ok(job)
        })
        .await
    }

    /// Takes note that a room was switched on or off from inside: the house wants it so from now
    /// on, without a job. No effect on a room that has meanwhile been archived, is being
    /// destroyed, or is gone: what a person asked for stands.
    pub async fn room_set_wanted_by_house(
        &self,
        now: Timestamp,
        room: RoomId,
        wanted: Wanted,
        why: &str,
    ) -> Result<(), StoreError> {
        let why = why.to_owned();
        self.write(move |tx| {
            let Some(room) = super::select(tx, "WHERE room.id = ?1", [room.0])?.pop() else {
                return Ok(());
            };
            let switched = |wanted| matches!(wanted, Wanted::Running | Wanted::Stopped);
            if room.wanted == wanted || !switched(room.wanted) || !switched(wanted) {
                return Ok(());
            }
            write(tx, now, room.id, wanted)?;
            let detail = format!("{wanted} instead of {}: {why}", room.wanted);
            note(tx, &Actor::house(), now, "room.wanted", room.name.as_ref(), &detail)
        })
        .await
    }
}

/// Refuses any change to a room that is being destroyed.
pub(super) fn refuse_if_leaving(room: &Room) -> Result<(), StoreError> {
    if room.wanted == Wanted::Destroyed {
        return Err(conflict(format!("`{}` {LEAVING}", room.name)));
    }
    Ok(())
}

const LEAVING: &str = "is being destroyed";

fn write(tx: &Connection, now: Timestamp, room: RoomId, wanted: Wanted) -> Result<(), StoreError> {
    let archived_at = (wanted == Wanted::Archived).then(|| millis(now));
    tx.execute(
        "UPDATE room SET wanted = ?2, archived_at = ?3, problem = NULL, generation = generation + 1
         WHERE id = ?1",
        params![room.0, wanted.as_str(), archived_at],
    )?;
    house::changed(tx)
}

/// What a job of that kind makes of a room.
fn aim(kind: JobKind) -> Option<Wanted> {
    match kind {
        JobKind::Create | JobKind::Start | JobKind::Restart => Some(Wanted::Running),
        JobKind::Stop | JobKind::Unarchive => Some(Wanted::Stopped),
        JobKind::Archive => Some(Wanted::Archived),
        JobKind::Destroy => Some(Wanted::Destroyed),
        JobKind::Ports | JobKind::Keys | JobKind::Template => None,
    }
}

/// Why a room cannot go that way, as the end of a sentence that begins with its name. A
/// destruction that failed may be asked for again.
fn refusal(now: Wanted, kind: JobKind, destruction_under_way: bool) -> Option<&'static str> {
    match (now, kind) {
        (Wanted::Destroyed, JobKind::Destroy) if !destruction_under_way => None,
        (Wanted::Destroyed, _) => Some(LEAVING),
        (Wanted::Archived, JobKind::Unarchive | JobKind::Destroy) => None,
        (Wanted::Archived, JobKind::Archive) => Some("is in the archive already"),
        (Wanted::Archived, _) => Some("is in the archive; take it out first"),
        (_, JobKind::Unarchive) => Some("is not in the archive"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moves() {
        use JobKind::{Archive, Create, Destroy, Restart, Start, Stop, Unarchive};
        let possible = [
            (Wanted::Running, vec![Create, Start, Stop, Restart, Archive, Destroy]),
            (Wanted::Stopped, vec![Create, Start, Stop, Restart, Archive, Destroy]),
            (Wanted::Archived, vec![Unarchive, Destroy]),
            (Wanted::Destroyed, vec![]),
        ];
        for (now, kinds) in possible {
            for kind in [Create, Start, Stop, Restart, Archive, Unarchive, Destroy] {
                let refused = refusal(now, kind, true);
                assert_eq!(refused.is_none(), kinds.contains(&kind), "{now} {kind}: {refused:?}");
            }
        }
        assert_eq!(refusal(Wanted::Destroyed, Destroy, false), None);
        assert_eq!(refusal(Wanted::Destroyed, Start, false), Some(LEAVING));
    }
}
