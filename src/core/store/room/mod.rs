//! Rooms: what is wanted of each, and everything that is its own while its row exists.
//!
//! Whether a move is possible is decided in [`wanted`], what a new room is given in [`allot`],
//! both without the database; `create`, `port` and `key` write it down. Called by the store's
//! handle only.

mod allot;
mod create;
mod key;
mod port;
mod wanted;

use std::net::Ipv4Addr;

use jiff::Timestamp;
use rusqlite::{Connection, Params, Row, params};

use super::audit::{Actor, note};
use super::error::not_found;
use super::house::{changed, zone_changed};
use super::job;
use super::rows::{bounded, if_any, parsed, time};
use super::{Store, StoreError};
use crate::model::{
    AccountId, ByteSize, Limits, Login, RoomId, RoomName, SshKey, TemplateName, TemplateVersion,
    UidRange, Wanted,
};
use crate::wire::{NewPort, PortView};

/// A room to make.
#[derive(Debug, Clone)]
pub struct NewRoom {
    pub owner: AccountId,
    pub name: RoomName,
    pub template: TemplateName,
    pub version: TemplateVersion,
    pub limits: Limits,
    /// 1 to 20, no two the same.
    pub keys: Vec<SshKey>,
    /// Besides the one for SSH, which every room gets.
    pub ports: Vec<NewPort>,
}

/// A room.
#[derive(Debug, Clone)]
pub struct Room {
    pub id: RoomId,
    pub name: RoomName,
    pub owner: Login,
    pub owner_id: AccountId,
    pub template: TemplateName,
    /// The version it was born with.
    pub version: TemplateVersion,
    pub wanted: Wanted,
    /// Grows with every change of what is wanted of it, ports and keys included.
    pub generation: u64,
    /// Why the last attempt to reach the wanted state failed.
    pub problem: Option<String>,
    pub address: Ipv4Addr,
    pub uids: UidRange,
    pub limits: Limits,
    /// In the order they were added: the one for SSH first.
    pub ports: Vec<PortView>,
    /// In the order they were added.
    pub keys: Vec<SshKey>,
    pub created_at: Timestamp,
    /// Since when it is archived, while it is.
    pub archived_at: Option<Timestamp>,
}

impl Store {
    /// The room of that name.
    pub async fn room(&self, name: &RoomName) -> Result<Option<Room>, StoreError> {
        let name = name.clone();
        self.read(move |tx| Ok(select(tx, "WHERE room.name = ?1", [name.as_ref()])?.pop())).await
    }

    /// The room of that number.
    pub async fn room_by_id(&self, id: RoomId) -> Result<Option<Room>, StoreError> {
        self.read(move |tx| Ok(select(tx, "WHERE room.id = ?1", [id.0])?.pop())).await
    }

    /// All rooms by name, archived ones too.
    pub async fn rooms(&self) -> Result<Vec<Room>, StoreError> {
        self.read(|tx| select(tx, "ORDER BY room.name", [])).await
    }

    /// An account's rooms by name, archived ones too.
    pub async fn rooms_of(&self, owner: AccountId) -> Result<Vec<Room>, StoreError> {
        self.read(move |tx| select(tx, "WHERE room.owner = ?1 ORDER BY room.name", [owner.0])).await
    }

    /// Says why the wanted state is not reached, or that nothing is in the way. No effect on a
    /// room that is gone.
    pub async fn room_set_problem(
        &self,
        room: RoomId,
        problem: Option<String>,
    ) -> Result<(), StoreError> {
        self.write(move |tx| {
            let moved = tx.execute(
                "UPDATE room SET problem = ?2 WHERE id = ?1 AND problem IS NOT ?2",
                params![room.0, problem],
            )?;
            if moved > 0 { changed(tx) } else { Ok(()) }
        })
        .await
    }

    /// Removes the row of a room of which nothing is left: its name, address, uids and ports are
    /// free again, its jobs stay. No effect on a room that is gone.
    pub async fn room_forget(&self, now: Timestamp, room: RoomId) -> Result<(), StoreError> {
        self.write(move |tx| {
            let Some(gone) = select(tx, "WHERE room.id = ?1", [room.0])?.pop() else {
                return Ok(());
            };
            tx.execute("DELETE FROM room WHERE id = ?1", [room.0])?;
            job::trim_gone(tx)?;
            zone_changed(tx)?;
            changed(tx)?;
            let detail = format!("was at {}, uids {}", gone.address, gone.uids.base());
            note(tx, &Actor::house(), now, "room.forget", gone.name.as_ref(), &detail)
        })
        .await
    }
}

/// The room of that number, or `NotFound`.
fn numbered(tx: &Connection, id: RoomId) -> Result<Room, StoreError> {
    select(tx, "WHERE room.id = ?1", [id.0])?
        .pop()
        .ok_or_else(|| not_found("there is no such room; it may have been destroyed"))
}

/// What is wanted of a room changed.
fn touch(tx: &Connection, id: RoomId) -> Result<(), StoreError> {
    tx.execute("UPDATE room SET generation = generation + 1 WHERE id = ?1", [id.0])?;
    changed(tx)
}

fn select(tx: &Connection, tail: &str, params: impl Params) -> Result<Vec<Room>, StoreError> {
    let mut rooms = tx.prepare_cached(&format!(
        "SELECT room.*, account.login FROM room JOIN account ON account.id = room.owner {tail}"
    ))?;
    let mut rooms = rooms.query_map(params, read)?.collect::<Result<Vec<_>, _>>()?;
    for room in &mut rooms {
        room.ports = port::of(tx, room.id)?;
        room.keys = key::of(tx, room.id)?;
    }
    Ok(rooms)
}

fn read(row: &Row<'_>) -> rusqlite::Result<Room> {
    Ok(Room {
        id: RoomId(row.get("id")?),
        name: parsed(row, "name")?,
        owner: parsed(row, "login")?,
        owner_id: AccountId(row.get("owner")?),
        template: parsed(row, "template")?,
        version: TemplateVersion(row.get("version")?),
        wanted: parsed(row, "wanted")?,
        generation: bounded::<i64, _>(row, "generation")?,
        problem: row.get("problem")?,
        address: parsed(row, "address")?,
        uids: bounded::<u32, _>(row, "uids")?,
        limits: Limits {
            memory: ByteSize(bounded::<i64, _>(row, "memory")?),
            cpu_millis: row.get("cpu_millis")?,
            pids: row.get("pids")?,
            disk: ByteSize(bounded::<i64, _>(row, "disk")?),
        },
        ports: Vec::new(),
        keys: Vec::new(),
        created_at: time(row, "created_at")?,
        archived_at: if_any(row, "archived_at", time)?,
    })
}
