//! The name service: authoritative for the hosting zone and the rooms' reverse zones, and on
//! the gateway's sockets the resolver of the rooms.
//!
//! ```text
//! datagram / stream ─ query::parse ─ answer ─┬─ compose ──────────────────────── reply
//!                                            └─ resolver: cache, else ask ─ relay ──┘  (rooms only)
//! ```
//!
//! Front calls [`serve`] once. It trusts core's snapshot and settings, and nothing that arrives
//! by a socket: every name, length and pointer is checked by the codec before it is looked at.
//!
//! Decisions and their price:
//! - **Codec by `domain`, engine of ours.** `domain`'s own server and zone tree are `unstable-*`
//!   features, free to break with any patch release; its tree versions single writes, while our
//!   zones are a pure function of a snapshot and swapped whole; and its services box a stream
//!   per answer, where ours is one hash look-up and one buffer. The price: transfers and signing
//!   come without their surroundings, though `domain`'s TSIG and signer work on the same record
//!   types that `zone` holds.
//! - **An index, not the snapshot.** Names are hashed when the zone changes, never per query.
//! - **Rooms forward.** Questions of others go to the configured resolvers and are not resolved
//!   from the root: validation is theirs. Only clients inside the rooms' prefix are served so,
//!   each with a share of the places, so that a room can starve nobody but itself.
//! - **No amplifier.** Strangers get answers of at most 1,232 octets over UDP, one set for "any"
//!   (RFC 8482), and of other zones REFUSED, no longer than what they sent.
//! - Messages on one TCP connection are answered in order, where RFC 7766 §6.2.1.1 would rather
//!   not wait: a slow one holds up those behind it, but only those.

mod answer;
mod compose;
mod query;
mod quota;
mod resolver;
mod service;
mod tcp;
mod udp;
mod zone;

#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinSet;

use self::service::{Service, Side};
use super::view::View;
use crate::wire::FrontSettings;

/// The port resolvers listen on.
const PORT: u16 = 53;

/// What the service listens on.
#[derive(Debug, Default)]
pub struct Sockets {
    /// Of the public address: the house's own zones only.
    pub udp: Vec<UdpSocket>,
    /// Of the public address.
    pub tcp: Vec<TcpListener>,
    /// Of the gateway: rooms may ask about any name.
    pub room_udp: Vec<UdpSocket>,
    /// Of the gateway.
    pub room_tcp: Vec<TcpListener>,
}

/// Answers for ever, from the latest snapshot. To be started once the first one is in `view`:
/// an empty house says of every room that it does not exist.
pub async fn serve(sockets: Sockets, view: Arc<View>, settings: Arc<FrontSettings>) {
    let resolvers = resolvers(&settings);
    serve_with(sockets, view, settings, resolvers).await;
}

/// The configured resolvers but the house itself, which would ask itself for ever.
fn resolvers(settings: &FrontSettings) -> Vec<SocketAddr> {
    let own = [settings.network.gateway(), settings.public_address];
    let others = settings.resolvers.iter().filter(|resolver| !own.contains(resolver));
    others.map(|resolver| SocketAddr::new(IpAddr::V4(*resolver), PORT)).collect()
}

async fn serve_with(
    sockets: Sockets,
    view: Arc<View>,
    settings: Arc<FrontSettings>,
    resolvers: Vec<SocketAddr>,
) {
    let mut changes = view.changes();
    let service = Arc::new(Service::new(settings, resolvers));
    service.index(&view.now());
    let mut listeners = listen(sockets, &service);
    loop {
        tokio::select! {
            // The view outlives this loop, so there is always a sender.
            _ = changes.changed() => service.index(&view.now()),
            Some(ended) = listeners.join_next() => end_with(ended),
        }
    }
}

/// One task per socket.
fn listen(sockets: Sockets, service: &Arc<Service>) -> JoinSet<()> {
    let mut listeners = JoinSet::new();
    for (side, sockets) in [(Side::Public, sockets.udp), (Side::Room, sockets.room_udp)] {
        for socket in sockets {
            listeners.spawn(udp::serve(socket, side, Arc::clone(service)));
        }
    }
    for (side, sockets) in [(Side::Public, sockets.tcp), (Side::Room, sockets.room_tcp)] {
        for listener in sockets {
            listeners.spawn(tcp::serve(listener, side, Arc::clone(service)));
        }
    }
    listeners
}

/// Listeners never return: one that ended panicked, and takes the service with it.
fn end_with(ended: Result<(), tokio::task::JoinError>) {
    if let Some(panic) = ended.err().and_then(|error| error.try_into_panic().ok()) {
        std::panic::resume_unwind(panic);
    }
}
