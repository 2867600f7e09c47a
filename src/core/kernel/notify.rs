//! The socket on which each room's pid 1 says that it is ready (sd_notify(3)).
//!
//! One datagram socket for all rooms, bound into each at `/run/host/notify`. Who speaks is told
//! by the kernel (SCM_CREDENTIALS, unix(7)), never by the message; only a room's own pid 1 is
//! listened to, and of what it says only `READY=1`.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::fdstore;
use crate::sys::fdpass::{self, Taking};
use crate::sys::readiness;

/// The name it is stored under.
pub const STORED_AS: &str = "notify";

/// The socket, being watched.
#[derive(Debug)]
pub struct Notify(AsyncFd<OwnedFd>);

impl Notify {
    /// Takes up the stored socket, which rooms already hold, or binds a new one at `path`.
    ///
    /// # Errors
    /// What the kernel says of the socket.
    pub fn open(path: &Path, stored: Option<OwnedFd>) -> io::Result<Self> {
        let socket = match stored {
            Some(socket) => socket,
            None => bind(path)?,
        };
        Ok(Self(readiness::watch(socket, Interest::READABLE)?))
    }

    /// Waits for the next `READY=1`; gives the pid of whoever said it. The word stays in the
    /// socket until it is [`taken`](Self::taken): a core that ends in between leaves it to the
    /// next, since an init says it only once.
    ///
    /// # Errors
    /// What recvmsg(2) says.
    pub async fn ready(&self) -> io::Result<i32> {
        loop {
            let look = |fd: &OwnedFd| fdpass::receive_from(fd.as_fd(), LONGEST, Taking::Peek);
            let (message, pid) = self.0.async_io(Interest::READABLE, look).await?;
            if let Some(pid) = pid.filter(|_| says_ready(&message)) {
                return Ok(pid);
            }
            self.taken()?;
        }
    }

    /// Takes the word that was last heard out of the socket.
    ///
    /// # Errors
    /// What recvmsg(2) says.
    pub fn taken(&self) -> io::Result<()> {
        fdpass::receive_from(self.0.get_ref().as_fd(), LONGEST, Taking::Take).map(drop)
    }
}

/// More than systemd sends; what is longer is cut, harmlessly.
const LONGEST: usize = 4096;

fn bind(path: &Path) -> io::Result<OwnedFd> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let socket = UnixDatagram::bind(path)?;
    // The rooms' roots are other users to the host; they reach the socket inside their rooms.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666))?;
    socket.set_nonblocking(true)?;
    rustix::net::sockopt::set_socket_passcred(&socket, true)?;
    fdstore::keep(STORED_AS, &[socket.as_fd()]);
    Ok(socket.into())
}

fn says_ready(message: &[u8]) -> bool {
    message.split(|byte| *byte == b'\n').any(|line| line == b"READY=1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_line_counts() {
        assert!(says_ready(b"STATUS=x\nREADY=1"));
        assert!(says_ready(b"READY=1\n"));
        assert!(!says_ready(b"NOTREADY=1"));
        assert!(!says_ready(b"READY=10"));
        assert!(!says_ready(b""));
    }
}
