//! Frames over a Unix `SOCK_SEQPACKET` pair (unix(7)): one datagram is one JSON message with its
//! descriptors, so a peer killed halfway never leaves half a message. A message longer than
//! [`INLINE`] travels in a sealed memfd (memfd_create(2)), as the last descriptor of a frame that
//! holds only the byte `M`.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::sys::{fdpass, readiness};

/// The longest message sent inline, in bytes: well below the smallest default socket buffer.
pub const INLINE: usize = 64 * 1024;
/// The longest message accepted, in bytes.
pub const LONGEST: u64 = 64 * 1024 * 1024;
/// What a frame begins with when its message is in a memfd. JSON never begins so.
const IN_MEMFD: &[u8] = b"M";

/// The names of the sockets that core opens for front.
pub mod socket {
    /// TCP on port 80 of the public address and of the gateway.
    pub const HTTP: &str = "http";
    /// TCP on port 443.
    pub const HTTPS: &str = "https";
    /// UDP on port 53 of the public address: authoritative answers only.
    pub const DNS_UDP: &str = "dns-udp";
    /// TCP on port 53 of the public address.
    pub const DNS_TCP: &str = "dns-tcp";
    /// UDP on port 53 of the gateway: rooms may ask about any name.
    pub const ROOM_DNS_UDP: &str = "room-dns-udp";
    /// TCP on port 53 of the gateway.
    pub const ROOM_DNS_TCP: &str = "room-dns-tcp";
    /// UDP on port 67, bound to the rooms' side of the house.
    pub const DHCP: &str = "dhcp";
}

/// One end of a channel, blocking. Stages use it, and front before its runtime exists.
#[derive(Debug)]
pub struct Channel(OwnedFd);

impl Channel {
    /// Takes over one end of a `SOCK_SEQPACKET` pair.
    #[must_use]
    pub fn new(end: OwnedFd) -> Self {
        Self(end)
    }

    /// A pair of connected ends.
    ///
    /// # Errors
    /// What socketpair(2) says.
    pub fn pair() -> io::Result<(Self, Self)> {
        let (one, other) = fdpass::seqpacket_pair()?;
        Ok((Self(one), Self(other)))
    }

    /// The descriptor, to be handed to a child.
    #[must_use]
    pub fn into_fd(self) -> OwnedFd {
        self.0
    }

    /// Sends one message with descriptors; waits for room in the socket.
    ///
    /// # Errors
    /// `EPIPE` when the peer is gone, and whatever else sendmsg(2) says.
    pub fn send(&self, message: &impl Serialize, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        let frame = Frame::encode(message, fds)?;
        fdpass::send(self.0.as_fd(), &frame.bytes, &frame.borrow(fds))
    }

    /// Waits for one message and its descriptors. `None` when the peer is gone.
    ///
    /// # Errors
    /// `InvalidData` for what is not such a message, and whatever recvmsg(2) says.
    pub fn receive<T: DeserializeOwned>(&self) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
        decode(fdpass::receive(self.0.as_fd(), INLINE)?)
    }
}

/// One end of a channel on a tokio runtime.
#[derive(Debug)]
pub struct AsyncChannel(AsyncFd<OwnedFd>);

impl AsyncChannel {
    /// Registers one end with the current runtime.
    ///
    /// # Errors
    /// What the runtime's registration says.
    pub fn new(channel: Channel) -> io::Result<Self> {
        fdpass::set_nonblocking(channel.0.as_fd())?;
        readiness::watch(channel.0, Interest::READABLE | Interest::WRITABLE).map(Self)
    }

    /// As [`Channel::send`], without blocking the thread.
    ///
    /// # Errors
    /// As [`Channel::send`].
    pub async fn send(&self, message: &impl Serialize, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        let frame = Frame::encode(message, fds)?;
        self.0
            .async_io(Interest::WRITABLE, |fd| {
                fdpass::send(fd.as_fd(), &frame.bytes, &frame.borrow(fds))
            })
            .await
    }

    /// As [`Channel::receive`], without blocking the thread.
    ///
    /// # Errors
    /// As [`Channel::receive`].
    pub async fn receive<T: DeserializeOwned>(&self) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
        let received =
            self.0.async_io(Interest::READABLE, |fd| fdpass::receive(fd.as_fd(), INLINE)).await?;
        decode(received)
    }
}

/// A message ready for sendmsg(2).
struct Frame {
    bytes: Vec<u8>,
    memfd: Option<OwnedFd>,
}

impl Frame {
    fn encode(message: &impl Serialize, fds: &[BorrowedFd<'_>]) -> io::Result<Self> {
        if fds.len() >= fdpass::MOST_DESCRIPTORS {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "too many descriptors for one frame",
            ));
        }
        let bytes = serde_json::to_vec(message)?;
        if bytes.len() <= INLINE {
            return Ok(Self { bytes, memfd: None });
        }
        let memfd = fdpass::sealed_memfd(&bytes)?;
        Ok(Self { bytes: IN_MEMFD.to_vec(), memfd: Some(memfd) })
    }

    fn borrow<'a>(&'a self, fds: &[BorrowedFd<'a>]) -> Vec<BorrowedFd<'a>> {
        fds.iter().copied().chain(self.memfd.as_ref().map(AsFd::as_fd)).collect()
    }
}

fn decode<T: DeserializeOwned>(
    received: Option<(Vec<u8>, Vec<OwnedFd>)>,
) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
    let Some((bytes, mut fds)) = received else { return Ok(None) };
    if bytes != IN_MEMFD {
        return Ok(Some((serde_json::from_slice(&bytes)?, fds)));
    }
    let memfd = fds
        .pop()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a frame lacks its memfd"))?;
    let bytes = fdpass::read_sealed_memfd(&memfd, LONGEST)?;
    Ok(Some((serde_json::from_slice(&bytes)?, fds)))
}

impl AsRawFd for Channel {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.0.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_and_descriptors_cross() {
        let (one, other) = Channel::pair().expect("pair");
        let long = "x".repeat(INLINE + 1);
        let (reader, _writer) = io::pipe().expect("pipe");
        for text in ["short", &long] {
            one.send(&text, &[reader.as_fd()]).expect("send");
            let (back, fds): (String, _) = other.receive().expect("receive").expect("a message");
            assert_eq!(back, text);
            assert_eq!(fds.len(), 1);
        }
        drop(one);
        assert!(other.receive::<String>().expect("end").is_none());
    }

    #[test]
    fn garbage_is_an_error() {
        let (one, other) = Channel::pair().expect("pair");
        one.send(&7, &[]).expect("send");
        assert!(other.receive::<String>().is_err());
    }
}
