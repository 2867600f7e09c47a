//! The rooms' DHCP server (RFC 2131): one fixed address per hardware address, out of the
//! snapshot.
//!
//! Front calls [`serve`] once, with a socket core bound to port 67 of the rooms' interface
//! (SO_BINDTODEVICE, SO_BROADCAST). It trusts core's snapshot and settings; a message is trusted
//! for its hardware address only as far as core's ingress filter binds each frame to its room.
//!
//! Decisions and their price:
//! - **No state.** An address is a room's as long as the room is; leases only make clients ask
//!   again. So nothing is written, nothing can run out, and DECLINE and RELEASE change nothing:
//!   a room that declines its address goes on being offered the same one.
//! - **Silence for strangers.** A hardware address without a lease gets no answer, not even NAK:
//!   another server may be theirs.
//! - **Replies stay in the house.** They go to the room's leased address or are broadcast on the
//!   rooms' interface, whatever the request says; nobody can have datagrams sent elsewhere.
//! - **Unicast to a client without address** (RFC 2131 §4.1) relies on the permanent neighbour
//!   entries core keeps for rooms.
//! - Relayed requests are ignored: rooms sit on the house's own link.

mod message;
mod reply;

use std::sync::Arc;
use std::time::Duration;

use tokio::net::UdpSocket;

use self::reply::{Leases, reply};
use super::view::View;
use crate::wire::FrontSettings;

/// The longest message read, in octets: an Ethernet frame's.
const LONGEST: usize = 1500;
/// The pause after a failed receive, so that a lasting failure does not spin.
const PAUSE: Duration = Duration::from_millis(100);

/// Answers on this socket for ever, from the latest snapshot.
pub async fn serve(socket: UdpSocket, view: Arc<View>, settings: Arc<FrontSettings>) {
    let mut changes = view.changes();
    let mut leases = Leases::new(Arc::clone(&settings), &view.now().leases);
    let mut buffer = [0; LONGEST];
    loop {
        tokio::select! {
            biased;
            // The view outlives this loop, so there is always a sender.
            _ = changes.changed() => {
                leases = Leases::new(Arc::clone(&settings), &view.now().leases);
            }
            received = socket.recv_from(&mut buffer) => match received {
                Ok((length, _)) => answer(&socket, &buffer[..length], &leases).await,
                Err(error) => {
                    tracing::warn!(%error, "cannot receive a DHCP message");
                    tokio::time::sleep(PAUSE).await;
                }
            },
        }
    }
}

async fn answer(socket: &UdpSocket, received: &[u8], leases: &Leases) {
    let Some(request) = message::read(received) else { return };
    let Some(reply) = reply(&request, leases) else { return };
    let Some(bytes) = message::write(&reply.message) else { return };
    if let Err(error) = socket.send_to(&bytes, reply.to).await {
        tracing::debug!(%error, to = %reply.to, "cannot send a DHCP reply");
    }
}
