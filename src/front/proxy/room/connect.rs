//! Connecting to a room that may still be coming on.

use std::io;
use std::time::Duration;

use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout_at};

use super::{Room, Upload};
use crate::front::proxy::socket;

/// For one attempt. A room that is not there yet drops the SYN, and the kernel would only send
/// another after a second (RFC 6298 §2); a new attempt is sooner. One that is there answers from
/// this very kernel, whatever its programs do, in far less.
const ATTEMPT: Duration = Duration::from_millis(40);
/// Between attempts: short, since it adds to what a visitor waits for a room just booted.
const PAUSE: Duration = Duration::from_millis(10);
/// What is read ahead of a visitor who is slower than the room.
const BUFFER: usize = 64 << 10;

impl Room {
    /// Opens a connection, trying until `deadline`. Of many who wait for the same room, one
    /// tries at a time.
    pub(super) async fn connect(&self, deadline: Instant) -> io::Result<SendRequest<Upload>> {
        let stream = match self.attempt(deadline).await {
            Ok(stream) => stream,
            Err(refused) => {
                let Ok(_probe) = timeout_at(deadline, self.probe.lock()).await else {
                    return Err(refused);
                };
                self.insist(deadline).await?
            }
        };
        socket::prepare(&stream);
        let mut builder = http1::Builder::new();
        builder.max_buf_size(BUFFER);
        let (sender, connection) =
            builder.handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        tokio::spawn(async move {
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(%error, "connection to a room ended");
            }
        });
        Ok(sender)
    }

    async fn insist(&self, deadline: Instant) -> io::Result<TcpStream> {
        loop {
            match self.attempt(deadline).await {
                Err(error) if Instant::now() + PAUSE >= deadline => return Err(error),
                Err(_) => sleep(PAUSE).await,
                connected => return connected,
            }
        }
    }

    async fn attempt(&self, deadline: Instant) -> io::Result<TcpStream> {
        let until = deadline.min(Instant::now() + ATTEMPT);
        timeout_at(until, TcpStream::connect(self.address)).await?
    }
}
