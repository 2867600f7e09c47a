//! SSH keys that open a room.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::{numbered, touch, wanted};
use crate::core::store::audit::{Actor, note};
use crate::core::store::error::{conflict, invalid, limit, not_found};
use crate::core::store::rows::parsed;
use crate::core::store::{Store, StoreError, job};
use crate::model::{JobId, JobKind, RoomId, SshKey};

/// Keys a room may have.
const MOST: usize = 20;

impl Store {
    /// Lets a key into a room.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` when the key is there already or the room is being destroyed;
    /// `Limit` past 20.
    pub async fn key_add(
        &self,
        actor: Actor,
        now: Timestamp,
        room: RoomId,
        key: SshKey,
    ) -> Result<JobId, StoreError> {
        self.write(move |tx| {
            let room = numbered(tx, room)?;
            wanted::refuse_if_leaving(&room)?;
            add(tx, room.id, std::slice::from_ref(&key))?;
            touch(tx, room.id)?;
            note(tx, &actor, now, "key.add", room.name.as_ref(), &key.fingerprint())?;
            job::accept(tx, now, JobKind::Keys, Some(room.id), room.name.as_ref())
        })
        .await
    }

    /// Lets a key in no longer.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` for the last one, or when the room is being destroyed.
    pub async fn key_delete(
        &self,
        actor: Actor,
        now: Timestamp,
        room: RoomId,
        fingerprint: String,
    ) -> Result<JobId, StoreError> {
        self.write(move |tx| {
            let room = numbered(tx, room)?;
            wanted::refuse_if_leaving(&room)?;
            if !room.keys.iter().any(|key| key.fingerprint() == fingerprint) {
                return Err(not_found(format!("`{}` has no such key", room.name)));
            }
            if room.keys.len() == 1 {
                return Err(conflict("this key is the room's last; add another first"));
            }
            tx.execute(
                "DELETE FROM ssh_key WHERE room = ?1 AND fingerprint = ?2",
                params![room.id.0, fingerprint],
            )?;
            touch(tx, room.id)?;
            note(tx, &actor, now, "key.delete", room.name.as_ref(), &fingerprint)?;
            job::accept(tx, now, JobKind::Keys, Some(room.id), room.name.as_ref())
        })
        .await
    }
}

/// Gives a room these keys.
pub(super) fn add(tx: &Connection, room: RoomId, keys: &[SshKey]) -> Result<(), StoreError> {
    let own = of(tx, room)?;
    match own.len() + keys.len() {
        0 => return Err(invalid("a room needs at least one SSH key, or nobody could get in")),
        1..=MOST => {}
        _ => return Err(limit(format!("a room has at most {MOST} SSH keys; delete one first"))),
    }
    let mut there: Vec<_> = own.iter().map(SshKey::fingerprint).collect();
    let mut row =
        tx.prepare_cached("INSERT INTO ssh_key (room, fingerprint, line) VALUES (?1, ?2, ?3)")?;
    for key in keys {
        let fingerprint = key.fingerprint();
        if there.contains(&fingerprint) {
            return Err(conflict(format!("the key {fingerprint} is there already")));
        }
        row.execute(params![room.0, fingerprint, key.as_ref()])?;
        there.push(fingerprint);
    }
    Ok(())
}

/// A room's keys in the order they were added.
pub(super) fn of(tx: &Connection, room: RoomId) -> Result<Vec<SshKey>, StoreError> {
    let mut rows = tx.prepare_cached("SELECT line FROM ssh_key WHERE room = ?1 ORDER BY id")?;
    Ok(rows.query_map([room.0], |row| parsed(row, "line"))?.collect::<Result<_, _>>()?)
}
