//! The sockets that front serves, opened by core, which never reads them.
//!
//! Each is bound to the public address or to the gateway, not to every address of the box: the
//! host's other services stay as they are, and rooms find only what is meant for them.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrIn, bind, listen, setsockopt, socket,
    sockopt,
};

use super::kernel::fdstore::{self, Kept};
use super::kernel::link::GATEWAY;
use crate::wire::channel::socket as name;

/// A socket and the name front knows it by.
pub type Door = (String, OwnedFd);

/// Why a socket could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} ({name}): is another service there? `ss -lnp` tells")]
pub struct DoorError {
    name: &'static str,
    address: SocketAddrV4,
    source: Errno,
}

impl DoorError {
    /// Whether somebody else has the address.
    #[must_use]
    pub fn is_in_use(&self) -> bool {
        self.source == Errno::EADDRINUSE
    }
}

/// What to open.
#[derive(Debug, Clone, Copy)]
struct Plan {
    name: &'static str,
    address: SocketAddrV4,
    kind: SockType,
    /// Only frames of the rooms' side count.
    rooms_only: bool,
}

fn plans(public: Ipv4Addr, gateway: Ipv4Addr) -> Vec<Plan> {
    let at = |name, host, port, kind| Plan {
        name,
        address: SocketAddrV4::new(host, port),
        kind,
        rooms_only: false,
    };
    let (tcp, udp) = (SockType::Stream, SockType::Datagram);
    vec![
        at(name::HTTP, public, 80, tcp),
        at(name::HTTP, gateway, 80, tcp),
        at(name::HTTPS, public, 443, tcp),
        at(name::HTTPS, gateway, 443, tcp),
        at(name::DNS_UDP, public, 53, udp),
        at(name::DNS_TCP, public, 53, tcp),
        at(name::ROOM_DNS_UDP, gateway, 53, udp),
        at(name::ROOM_DNS_TCP, gateway, 53, tcp),
        // DHCP asks from 0.0.0.0 to 255.255.255.255, so the address cannot tell the rooms apart.
        Plan { rooms_only: true, ..at(name::DHCP, Ipv4Addr::UNSPECIFIED, 67, udp) },
    ]
}

/// The name a socket is stored under: unique, since a store keeps no order.
fn stored_as(plan: &Plan) -> String {
    format!("{}-{}", plan.name, plan.address.ip().to_string().replace('.', "-"))
}

/// Takes up the sockets an earlier core stored, and opens those that are missing.
///
/// # Errors
/// When one cannot be opened.
pub fn open(public: Ipv4Addr, gateway: Ipv4Addr, kept: &mut Kept) -> Result<Vec<Door>, DoorError> {
    plans(public, gateway)
        .into_iter()
        .map(|plan| {
            let stored = kept.remove(&stored_as(&plan)).into_iter().next();
            let fd = if let Some(fd) = stored {
                fd
            } else {
                let fd = open_one(&plan).map_err(|source| DoorError {
                    name: plan.name,
                    address: plan.address,
                    source,
                })?;
                fdstore::keep(&stored_as(&plan), &[fd.as_fd()]);
                fd
            };
            Ok((plan.name.to_owned(), fd))
        })
        .collect()
}

fn open_one(plan: &Plan) -> nix::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd = socket(AddressFamily::Inet, plan.kind, flags, None)?;
    if plan.kind == SockType::Stream || plan.rooms_only {
        setsockopt(&fd, sockopt::ReuseAddr, &true)?;
    }
    if plan.rooms_only {
        setsockopt(&fd, sockopt::BindToDevice, &GATEWAY.into())?;
        setsockopt(&fd, sockopt::Broadcast, &true)?;
    } else {
        // The uplink may come up after us.
        setsockopt(&fd, sockopt::IpFreebind, &true)?;
    }
    bind(fd.as_raw_fd(), &SockaddrIn::from(plan.address))?;
    if plan.kind == SockType::Stream {
        listen(&fd, Backlog::MAXCONN)?;
    }
    Ok(fd)
}
