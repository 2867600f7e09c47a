//! The doors: listening sockets, and who is let in.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::sleep;

use super::Proxy;
use super::connection::{drained, serve_plain, serve_tls};
use super::places::Place;

/// After accepting failed for want of descriptors or memory, until some may be free again.
const EXHAUSTED: Duration = Duration::from_millis(100);

/// What is spoken at a listening socket.
#[derive(Debug, Clone, Copy)]
pub(super) enum Door {
    /// HTTP/1.1 in the clear.
    Plain,
    /// TLS.
    Tls,
}

/// Takes connections at one door until the proxy drains; then the door's socket is closed here.
pub(super) async fn accept(
    proxy: &Arc<Proxy>,
    door: Door,
    listener: TcpListener,
    mut drain: watch::Receiver<bool>,
) {
    loop {
        let next = async {
            let permit = proxy.places.free().await;
            (permit, listener.accept().await)
        };
        let accepted = tokio::select! {
            biased;
            () = drained(&mut drain) => return,
            accepted = next => accepted,
        };
        match accepted {
            (Some(permit), Ok((stream, address))) => {
                if let Some(place) = proxy.places.take(permit, address.ip()) {
                    admit(Arc::clone(proxy), door, stream, address, place, drain.clone());
                }
            }
            (_, Err(error)) if !transient(&error) => {
                tracing::warn!(%error, "cannot accept a connection");
                sleep(EXHAUSTED).await;
            }
            _ => {}
        }
    }
}

fn admit(
    proxy: Arc<Proxy>,
    door: Door,
    stream: TcpStream,
    address: SocketAddr,
    place: Place,
    drain: watch::Receiver<bool>,
) {
    match door {
        Door::Plain => tokio::spawn(serve_plain(proxy, stream, place, drain)),
        Door::Tls => tokio::spawn(serve_tls(proxy, stream, address, place, drain)),
    };
}

/// Errors of a connection that died in the queue (accept(2), "Error handling").
fn transient(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::ConnectionAborted
            | Kind::ConnectionReset
            | Kind::Interrupted
            | Kind::NetworkUnreachable
            | Kind::HostUnreachable
    )
}
