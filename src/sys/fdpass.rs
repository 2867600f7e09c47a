//! Datagrams with descriptors over Unix sockets (unix(7), cmsg(3)), and sealed memfds.

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Read, Seek, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::fcntl::{FcntlArg, OFlag, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use rustix::io::retry_on_intr;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg,
    sendmsg, socketpair,
};

/// Descriptors one datagram may carry (the kernel's own bound is SCM_MAX_FD, 253).
pub const MOST_DESCRIPTORS: usize = 32;

/// A pair of connected `SOCK_SEQPACKET` sockets, close-on-exec.
///
/// # Errors
/// What socketpair(2) says.
pub fn seqpacket_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let (domain, kind) = (AddressFamily::UNIX, SocketType::SEQPACKET);
    Ok(socketpair(domain, kind, SocketFlags::CLOEXEC, None)?)
}

/// Sends `bytes` as one datagram with `fds` attached.
///
/// # Errors
/// What sendmsg(2) says; `InvalidInput` for more than [`MOST_DESCRIPTORS`].
pub fn send(socket: BorrowedFd<'_>, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "too many descriptors"));
    }
    let vectors = [IoSlice::new(bytes)];
    retry_on_intr(|| sendmsg(socket, &vectors, &mut control, SendFlags::NOSIGNAL))?;
    Ok(())
}

/// Receives one datagram of at most `longest` bytes and its descriptors, made close-on-exec.
/// `None` at the end of the stream.
///
/// # Errors
/// `InvalidData` for a datagram that was cut short, and what recvmsg(2) says.
pub fn receive(
    socket: BorrowedFd<'_>,
    longest: usize,
) -> io::Result<Option<(Vec<u8>, Vec<OwnedFd>)>> {
    let mut bytes = vec![0; longest];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut vectors = [IoSliceMut::new(&mut bytes)];
    let received =
        retry_on_intr(|| recvmsg(socket, &mut vectors, &mut control, RecvFlags::CMSG_CLOEXEC))?;
    let fds: Vec<OwnedFd> = control
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(fds) => Some(fds),
            _ => None,
        })
        .flatten()
        .collect();
    if received.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame was cut short"));
    }
    if received.bytes == 0 && fds.is_empty() {
        return Ok(None);
    }
    bytes.truncate(received.bytes);
    Ok(Some((bytes, fds)))
}

/// Makes a descriptor non-blocking.
///
/// # Errors
/// What fcntl(2) says.
pub fn set_nonblocking(fd: BorrowedFd<'_>) -> io::Result<()> {
    let flags = OFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFL)?);
    fcntl(fd, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    Ok(())
}

/// The seals under which a reader may trust that content and length stay as they are.
const FROZEN: SealFlag =
    SealFlag::F_SEAL_WRITE.union(SealFlag::F_SEAL_SHRINK).union(SealFlag::F_SEAL_GROW);

/// A memfd that holds `bytes`, to be read from the beginning, and cannot change any more (memfd_create(2), `F_ADD_SEALS`).
///
/// # Errors
/// What the kernel says of the making, writing or sealing.
pub fn sealed_memfd(bytes: &[u8]) -> io::Result<OwnedFd> {
    let memfd = memfd_create("frame", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?;
    let mut file = File::from(memfd);
    file.write_all(bytes)?;
    file.rewind()?;
    fcntl(file.as_fd(), FcntlArg::F_ADD_SEALS(FROZEN))?;
    Ok(file.into())
}

/// The bytes of a sealed memfd of at most `longest` bytes.
///
/// # Errors
/// `InvalidData` when it is not sealed or too long, and what the kernel says of the reading.
pub fn read_sealed_memfd(memfd: &OwnedFd, longest: u64) -> io::Result<Vec<u8>> {
    let seals = SealFlag::from_bits_retain(fcntl(memfd.as_fd(), FcntlArg::F_GET_SEALS)?);
    let mut file = File::from(memfd.try_clone()?);
    let length = file.metadata()?.len();
    if !seals.contains(FROZEN) || length > longest {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "a frame's memfd is not sealed or too long",
        ));
    }
    file.rewind()?;
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What becomes of a datagram that is received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taking {
    /// It stays where it is, first in line (MSG_PEEK, recv(2)).
    Peek,
    /// It leaves the socket.
    Take,
}

/// Receives one datagram of at most `longest` bytes, cut if longer, and the pid of its sender as
/// the kernel knows it (SO_PASSCRED must be on). Descriptors that come along are closed.
///
/// # Errors
/// What recvmsg(2) says.
pub fn receive_from(
    socket: BorrowedFd<'_>,
    longest: usize,
    taking: Taking,
) -> io::Result<(Vec<u8>, Option<i32>)> {
    let mut bytes = vec![0; longest];
    let mut space = [MaybeUninit::uninit();
        rustix::cmsg_space!(ScmCredentials(1), ScmRights(MOST_DESCRIPTORS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut vectors = [IoSliceMut::new(&mut bytes)];
    let peek = if taking == Taking::Peek { RecvFlags::PEEK } else { RecvFlags::empty() };
    let flags = RecvFlags::CMSG_CLOEXEC | peek;
    let received = retry_on_intr(|| recvmsg(socket, &mut vectors, &mut control, flags))?;
    let pid = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmCredentials(who) => Some(who.pid.as_raw_nonzero().get()),
        _ => None,
    });
    bytes.truncate(received.bytes);
    Ok((bytes, pid))
}
