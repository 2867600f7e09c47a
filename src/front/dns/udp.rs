//! Datagrams in, datagrams out.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::UdpSocket;

use super::query::Transport;
use super::service::{Outcome, Service, Side};

/// The longest request read, in octets; what is longer is cut, and then malformed.
const LONGEST: usize = 4096;
/// The pause after a failed receive, so that a lasting failure does not spin.
const PAUSE: Duration = Duration::from_millis(100);

/// Answers on one socket for ever.
pub(super) async fn serve(socket: UdpSocket, side: Side, service: Arc<Service>) {
    let socket = Arc::new(socket);
    let mut buffer = vec![0; LONGEST];
    loop {
        let (length, client) = match socket.recv_from(&mut buffer).await {
            Ok(received) => received,
            Err(error) => {
                tracing::warn!(%error, "cannot receive a DNS request");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        match service.decide(&buffer[..length], client.ip(), side, Transport::Udp) {
            Outcome::Silence => {}
            // Whether it arrives or not: a client that gets no answer asks again.
            Outcome::Reply(reply) => drop(socket.send_to(&reply, client).await),
            Outcome::Forward(query) => {
                let (socket, service) = (Arc::clone(&socket), Arc::clone(&service));
                tokio::spawn(async move {
                    let reply = service.forward(&query, client.ip()).await;
                    drop(socket.send_to(&reply, client).await);
                });
            }
        }
    }
}
