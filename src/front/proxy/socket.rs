//! Socket options of every connection, towards visitors and rooms alike.

use std::io;
use std::time::Duration;

use rustix::net::sockopt;
use tokio::net::TcpStream;

/// Time before the kernel asks whether a silent peer is still there, and between askings.
const IDLE: Duration = Duration::from_secs(30);
/// Time a peer may leave what was sent unacknowledged, or its window shut (tcp(7),
/// `TCP_USER_TIMEOUT`), in milliseconds.
const UNACKNOWLEDGED: u32 = 120_000;

/// Sends without waiting to fill segments, and notices a peer that is gone or will not read.
pub(super) fn prepare(stream: &TcpStream) {
    let set = || -> io::Result<()> {
        stream.set_nodelay(true)?;
        sockopt::set_socket_keepalive(stream, true)?;
        sockopt::set_tcp_keepidle(stream, IDLE)?;
        sockopt::set_tcp_keepintvl(stream, IDLE)?;
        sockopt::set_tcp_user_timeout(stream, UNACKNOWLEDGED)?;
        Ok(())
    };
    // It is served all the same: these make it faster, and end it sooner when it is dead.
    if let Err(error) = set() {
        tracing::debug!(%error, "socket options were refused");
    }
}
