//! Everything front serves. Core renders it whole from the store; front swaps it whole.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::model::{HostName, MacAddr, RoomName, RoomNetwork};

/// What front needs to know once, before its first snapshot.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FrontSettings {
    /// The hosting zone; rooms are its children.
    pub zone: HostName,
    /// The panel's host.
    pub panel: HostName,
    /// Where visitors reach the box.
    pub public_address: Ipv4Addr,
    /// The rooms' prefix; its first address is the gateway.
    pub network: RoomNetwork,
    /// Resolvers that rooms' other questions are forwarded to.
    pub resolvers: Vec<Ipv4Addr>,
    /// The uid and gid to become.
    pub uid: u32,
    pub gid: u32,
}

/// The state of the house as visitors and rooms see it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Snapshot {
    /// Grows with every change; front ignores one that is not newer.
    pub generation: u64,
    pub zone: Zone,
    pub routes: Vec<Route>,
    pub leases: Vec<Lease>,
    pub certificates: Vec<Certificate>,
}

/// What is answered for the hosting zone and for the rooms' reverse zone.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Zone {
    /// The SOA serial (RFC 1912 §2.2); it grows whenever a name comes, goes or moves.
    pub serial: u32,
    /// The rooms: each name points to the box's public address, each address back to the name.
    pub rooms: Vec<(RoomName, Ipv4Addr)>,
}

/// How to treat a request for a room's site.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Route {
    pub host: HostName,
    pub address: Ipv4Addr,
    pub state: RouteState,
}

/// Whether a room can answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RouteState {
    /// It is on, or coming on: connect, and wait for it a little when it refuses.
    Up,
    /// It is off.
    Down,
    /// It is in the archive.
    Archived,
}

/// The one address a hardware address may have.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Lease {
    pub mac: MacAddr,
    pub address: Ipv4Addr,
    pub name: RoomName,
}

/// A certificate with its key, both DER (RFC 5280, RFC 5958).
#[derive(Clone, Serialize, Deserialize)]
pub struct Certificate {
    /// The names it is good for; `*.zone` covers one label.
    pub names: Vec<String>,
    /// Leaf first.
    pub chain: Vec<Vec<u8>>,
    pub key: Vec<u8>,
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificate").field("names", &self.names).finish_non_exhaustive()
    }
}
