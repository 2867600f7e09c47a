//! Redirections of public ports.

use jiff::Timestamp;
use rusqlite::{Connection, Row, params};

use super::{allot, numbered, touch, wanted};
use crate::core::store::audit::{Actor, note};
use crate::core::store::error::{conflict, not_found};
use crate::core::store::rows::{bounded, parsed};
use crate::core::store::{Store, StoreError, house, job};
use crate::model::{JobId, JobKind, Protocol, PublicPort, PublicPorts, RoomId};
use crate::wire::{NewPort, PortView};

impl Store {
    /// Redirects a public port to a room, one of `range` or any free one of it.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` when the public port is taken, the room's port has a redirection
    /// already, or the room is being destroyed; `Invalid` out of range; `Limit` past 20, or when
    /// no port is free.
    pub async fn port_add(
        &self,
        actor: Actor,
        now: Timestamp,
        room: RoomId,
        port: NewPort,
        range: &PublicPorts,
    ) -> Result<(PortView, JobId), StoreError> {
        let range = range.clone();
        self.write(move |tx| {
            let room = numbered(tx, room)?;
            wanted::refuse_if_leaving(&room)?;
            let added = add(tx, room.id, &[port], &range)?;
            let added = *added.first().ok_or(rusqlite::Error::QueryReturnedNoRows)?;
            touch(tx, room.id)?;
            let job = job::accept(tx, now, JobKind::Ports, Some(room.id), room.name.as_ref())?;
            note(tx, &actor, now, "port.add", room.name.as_ref(), &arrow(added))?;
            Ok((added, job))
        })
        .await
    }

    /// Ends a redirection.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` for the one that leads to SSH, or when the room is being destroyed.
    pub async fn port_delete(
        &self,
        actor: Actor,
        now: Timestamp,
        room: RoomId,
        protocol: Protocol,
        public: PublicPort,
    ) -> Result<JobId, StoreError> {
        self.write(move |tx| {
            let room = numbered(tx, room)?;
            wanted::refuse_if_leaving(&room)?;
            let port = room
                .ports
                .iter()
                .find(|port| (port.protocol, port.public) == (protocol, public))
                .ok_or_else(|| {
                    not_found(format!("`{}` has no public {protocol} port {public}", room.name))
                })?;
            if allot::is_ssh(protocol, port.room) {
                return Err(conflict("the redirection to SSH stays: it is the way into the room"));
            }
            tx.execute(
                "DELETE FROM port WHERE protocol = ?1 AND public = ?2",
                params![protocol.to_string(), u16::from(public)],
            )?;
            touch(tx, room.id)?;
            note(tx, &actor, now, "port.delete", room.name.as_ref(), &arrow(*port))?;
            job::accept(tx, now, JobKind::Ports, Some(room.id), room.name.as_ref())
        })
        .await
    }
}

/// Gives a room the redirections asked for.
pub(super) fn add(
    tx: &Connection,
    room: RoomId,
    asked: &[NewPort],
    range: &PublicPorts,
) -> Result<Vec<PortView>, StoreError> {
    let taken = tx
        .prepare_cached("SELECT protocol, public FROM port")?
        .query_map([], |row| Ok((parsed(row, "protocol")?, bounded::<u16, _>(row, "public")?)))?
        .collect::<Result<_, _>>()?;
    let last = house::last_given(tx)?;
    let (given, port) = allot::ports(asked, &of(tx, room)?, taken, range, last.port)?;
    house::set_last_given(tx, house::LastGiven { port, ..last })?;
    let mut row = tx.prepare_cached(
        "INSERT INTO port (room, protocol, public, room_port) VALUES (?1, ?2, ?3, ?4)",
    )?;
    for port in &given {
        let (public, inner) = (u16::from(port.public), u16::from(port.room));
        row.execute(params![room.0, port.protocol.to_string(), public, inner])?;
    }
    Ok(given)
}

/// A room's redirections in the order they were added.
pub(super) fn of(tx: &Connection, room: RoomId) -> Result<Vec<PortView>, StoreError> {
    let mut rows = tx.prepare_cached("SELECT * FROM port WHERE room = ?1 ORDER BY id")?;
    Ok(rows.query_map([room.0], read)?.collect::<Result<_, _>>()?)
}

/// `tcp 20000→22`
pub(super) fn arrow(port: PortView) -> String {
    format!("{} {}→{}", port.protocol, port.public, port.room)
}

fn read(row: &Row<'_>) -> rusqlite::Result<PortView> {
    Ok(PortView {
        protocol: parsed(row, "protocol")?,
        public: bounded::<u16, _>(row, "public")?,
        room: bounded::<u16, _>(row, "room_port")?,
    })
}
