//! Making a room.

use std::collections::HashSet;
use std::net::Ipv4Addr;

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::{NewRoom, Room, allot, key, numbered, port};
use crate::core::store::account::{self, Account};
use crate::core::store::audit::{Actor, note};
use crate::core::store::error::{conflict, limit};
use crate::core::store::rows::{bounded, millis, parsed, size};
use crate::core::store::{Store, StoreError, house, job, template};
use crate::model::{JobId, JobKind, PublicPorts, RoomId, RoomName, RoomNetwork, UidRange, Wanted};

impl Store {
    /// Makes a room that is wanted running, with an address, a uid range and public ports of its
    /// own, and accepts the job of creating it: all of it or nothing.
    ///
    /// # Errors
    /// `NotFound` without such an owner or template version; `Conflict` when the name or a port
    /// asked for is taken, or something is asked for twice; `Invalid` for a port out of range or
    /// no key; `Limit` when the owner has all their rooms (archived ones count), or addresses,
    /// uid ranges, ports or keys are too many.
    pub async fn room_create(
        &self,
        actor: Actor,
        now: Timestamp,
        new: NewRoom,
        network: &RoomNetwork,
        range: &PublicPorts,
    ) -> Result<(Room, JobId), StoreError> {
        let (network, range) = (network.clone(), range.clone());
        self.write(move |tx| {
            let owner = account::numbered(tx, new.owner)?;
            refuse_one_more(&owner)?;
            refuse_taken(tx, &new.name)?;
            template::require(tx, &new.template, new.version)?;
            let id = insert(tx, now, &new, &network)?;
            let asked = [&[allot::ssh()?], new.ports.as_slice()].concat();
            port::add(tx, id, &asked, &range)?;
            key::add(tx, id, &new.keys)?;
            let job = job::accept(tx, now, JobKind::Create, Some(id), new.name.as_ref())?;
            house::zone_changed(tx)?;
            house::changed(tx)?;
            let room = numbered(tx, id)?;
            let action = job::action(JobKind::Create);
            note(tx, &actor, now, &action, room.name.as_ref(), &summary(&room))?;
            Ok((room, job))
        })
        .await
    }
}

fn refuse_one_more(owner: &Account) -> Result<(), StoreError> {
    if owner.rooms.len() < owner.max_rooms as usize {
        return Ok(());
    }
    Err(limit(match owner.max_rooms {
        0 => format!("`{}` may not have a room; ask an administrator", owner.login),
        1 => format!(
            "`{}` may have one room and has it; destroy it, or ask an administrator for more",
            owner.login
        ),
        most => format!(
            "`{}` may have {most} rooms and has them; destroy one, or ask an administrator for more",
            owner.login
        ),
    }))
}

fn refuse_taken(tx: &Connection, name: &RoomName) -> Result<(), StoreError> {
    let taken = tx.query_row(
        "SELECT EXISTS (SELECT 1 FROM room WHERE name = ?1)",
        [name.as_ref()],
        |row| row.get(0),
    )?;
    if taken {
        Err(conflict(format!("the name `{name}` is taken; choose another")))
    } else {
        Ok(())
    }
}

fn insert(
    tx: &Connection,
    now: Timestamp,
    new: &NewRoom,
    network: &RoomNetwork,
) -> Result<RoomId, StoreError> {
    let (address, uids) = give(tx, network)?;
    tx.execute(
        "INSERT INTO room (name, owner, template, version, wanted, generation, address, uids,
                           memory, cpu_millis, pids, disk, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, 1, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        params![
            new.name.as_ref(),
            new.owner.0,
            new.template.as_ref(),
            new.version.0,
            Wanted::Running.as_str(),
            address.to_string(),
            uids.base(),
            size(new.limits.memory.0),
            new.limits.cpu_millis,
            new.limits.pids,
            size(new.limits.disk.0),
            millis(now)
        ],
    )?;
    Ok(RoomId(tx.last_insert_rowid()))
}

/// An address and a uid range that no room has.
fn give(tx: &Connection, network: &RoomNetwork) -> Result<(Ipv4Addr, UidRange), StoreError> {
    let mut rows = tx.prepare_cached("SELECT address, uids FROM room")?;
    let taken = rows
        .query_map([], |row| Ok((parsed(row, "address")?, bounded::<u32, _>(row, "uids")?)))?
        .collect::<Result<Vec<(Ipv4Addr, UidRange)>, _>>()?;
    let (addresses, ranges): (HashSet<_>, HashSet<_>) = taken.into_iter().unzip();
    let last = house::last_given(tx)?;
    let address = allot::next_free(network.rooms(), last.address, |one| !addresses.contains(one))
        .ok_or_else(|| {
        limit(format!("every address of {network} is taken; destroy a room first"))
    })?;
    let uids = allot::next_free(allot::uid_ranges(), last.uids, |one| !ranges.contains(one))
        .ok_or_else(|| limit("every uid range is taken; destroy a room first"))?;
    let given = house::LastGiven { address: Some(address), uids: Some(uids), ..last };
    house::set_last_given(tx, given)?;
    Ok((address, uids))
}

fn summary(room: &Room) -> String {
    let ports: Vec<_> = room.ports.iter().copied().map(port::arrow).collect();
    format!(
        "of {}, template {} version {}, at {}, uids {}, ports {}, {} keys",
        room.owner,
        room.template,
        room.version,
        room.address,
        room.uids.base(),
        ports.join(" "),
        room.keys.len()
    )
}
