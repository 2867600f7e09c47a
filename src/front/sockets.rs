//! The sockets core opened for front, by service.

use std::net::{TcpListener, UdpSocket};
use std::os::fd::OwnedFd;

use super::FrontError;
use crate::wire::channel::socket;

/// What each service serves. All sockets are non-blocking; those of TCP listen already.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    pub(super) http: Vec<TcpListener>,
    pub(super) https: Vec<TcpListener>,
    pub(super) dns_udp: Vec<UdpSocket>,
    pub(super) dns_tcp: Vec<TcpListener>,
    pub(super) room_dns_udp: Vec<UdpSocket>,
    pub(super) room_dns_tcp: Vec<TcpListener>,
    pub(super) dhcp: Vec<UdpSocket>,
}

impl Sockets {
    /// Sorts descriptors by the names that came with them.
    ///
    /// # Errors
    /// `Sockets` when names and descriptors don't match, or a name is unknown.
    pub(super) fn sort(names: &[String], fds: Vec<OwnedFd>) -> Result<Self, FrontError> {
        if names.len() != fds.len() {
            return Err(FrontError::Sockets(format!("{} for {} names", fds.len(), names.len())));
        }
        let mut sockets = Self::default();
        for (name, fd) in names.iter().zip(fds) {
            match name.as_str() {
                socket::HTTP => tcp(&mut sockets.http, fd)?,
                socket::HTTPS => tcp(&mut sockets.https, fd)?,
                socket::DNS_UDP => udp(&mut sockets.dns_udp, fd)?,
                socket::DNS_TCP => tcp(&mut sockets.dns_tcp, fd)?,
                socket::ROOM_DNS_UDP => udp(&mut sockets.room_dns_udp, fd)?,
                socket::ROOM_DNS_TCP => tcp(&mut sockets.room_dns_tcp, fd)?,
                socket::DHCP => udp(&mut sockets.dhcp, fd)?,
                other => return Err(FrontError::Sockets(format!("one is called `{other}`"))),
            }
        }
        Ok(sockets)
    }
}

fn tcp(group: &mut Vec<TcpListener>, fd: OwnedFd) -> Result<(), FrontError> {
    let socket = TcpListener::from(fd);
    socket.set_nonblocking(true).map_err(FrontError::Socket)?;
    group.push(socket);
    Ok(())
}

fn udp(group: &mut Vec<UdpSocket>, fd: OwnedFd) -> Result<(), FrontError> {
    let socket = UdpSocket::from(fd);
    socket.set_nonblocking(true).map_err(FrontError::Socket)?;
    group.push(socket);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_go_where_their_names_say() {
        let tcp = || OwnedFd::from(TcpListener::bind("127.0.0.1:0").expect("bind"));
        let udp = || OwnedFd::from(UdpSocket::bind("127.0.0.1:0").expect("bind"));
        let names = ["https", "dhcp", "https", "room-dns-tcp"].map(String::from);
        let sockets = Sockets::sort(&names, vec![tcp(), udp(), tcp(), tcp()]).expect("sorted");
        assert_eq!(
            (sockets.https.len(), sockets.dhcp.len(), sockets.room_dns_tcp.len()),
            (2, 1, 1)
        );
        assert!(sockets.http.is_empty());

        assert!(Sockets::sort(&names, vec![tcp()]).is_err());
        assert!(Sockets::sort(&["smtp".to_owned()], vec![tcp()]).is_err());
    }
}
