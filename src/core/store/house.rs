//! The house's own counters, and what it gave out last.

use std::net::Ipv4Addr;

use rusqlite::{Connection, params};

use super::rows::{bounded, if_any, parsed};
use super::{Store, StoreError};
use crate::model::{PublicPort, UidRange};

impl Store {
    /// The SOA serial: it grows whenever a name comes or goes, and after the highest begins
    /// again (RFC 1982).
    pub async fn zone_serial(&self) -> Result<u32, StoreError> {
        self.read(|tx| Ok(tx.query_row("SELECT zone_serial FROM house", [], |row| row.get(0))?))
            .await
    }

    /// Grows with every change to rooms, ports and keys.
    pub async fn generation(&self) -> Result<u64, StoreError> {
        self.read(|tx| {
            Ok(tx.query_row("SELECT generation FROM house", [], |row| {
                bounded::<i64, _>(row, "generation")
            })?)
        })
        .await
    }
}

/// What was given out last, if ever.
#[derive(Debug, Clone, Copy)]
pub(super) struct LastGiven {
    pub(super) address: Option<Ipv4Addr>,
    pub(super) uids: Option<UidRange>,
    pub(super) port: Option<PublicPort>,
}

/// Reads what was given out last.
pub(super) fn last_given(tx: &Connection) -> Result<LastGiven, StoreError> {
    Ok(tx.query_row("SELECT * FROM house", [], |row| {
        Ok(LastGiven {
            address: if_any(row, "last_address", parsed)?,
            uids: if_any(row, "last_uids", bounded::<u32, _>)?,
            port: if_any(row, "last_port", bounded::<u16, _>)?,
        })
    })?)
}

/// Remembers what was given out last.
pub(super) fn set_last_given(tx: &Connection, given: LastGiven) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE house SET last_address = ?1, last_uids = ?2, last_port = ?3",
        params![
            given.address.map(|address| address.to_string()),
            given.uids.map(u32::from),
            given.port.map(u16::from)
        ],
    )?;
    Ok(())
}

/// Something about a room changed.
pub(super) fn changed(tx: &Connection) -> Result<(), StoreError> {
    tx.execute("UPDATE house SET generation = generation + 1", [])?;
    Ok(())
}

/// A name came or went.
pub(super) fn zone_changed(tx: &Connection) -> Result<(), StoreError> {
    tx.execute("UPDATE house SET zone_serial = (zone_serial + 1) & 4294967295", [])?;
    Ok(())
}
