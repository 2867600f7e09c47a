//! What people write for ports, jobs and keys.

use std::io::Read;
use std::str::FromStr;

use anyhow::Context;

use crate::model::{Invalid, JobId, Protocol, PublicPort, RoomName, SshKey};
use crate::wire::{Fault, FaultKind, NewPort};

/// `[PUBLIC:]ROOM[/udp]`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PortSpec(pub(super) NewPort);

impl FromStr for PortSpec {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let (ports, protocol) = with_protocol(text)?;
        let (public, room) = match ports.split_once(':') {
            Some((public, room)) => (Some(public.parse()?), room),
            None => (None, ports),
        };
        Ok(Self(NewPort { protocol, room: room.parse()?, public }))
    }
}

/// `PUBLIC[/udp]`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PublicSpec {
    pub(super) protocol: Protocol,
    pub(super) public: PublicPort,
}

impl FromStr for PublicSpec {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let (public, protocol) = with_protocol(text)?;
        Ok(Self { protocol, public: public.parse()? })
    }
}

fn with_protocol(text: &str) -> Result<(&str, Protocol), Invalid> {
    match text.split_once('/') {
        Some((ports, protocol)) => Ok((ports, protocol.parse()?)),
        None => Ok((text, Protocol::Tcp)),
    }
}

/// A room whose jobs to list, or one job. Names begin with a letter and numbers do not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum JobsOf {
    Room(RoomName),
    Job(JobId),
}

impl FromStr for JobsOf {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            text.parse().map(Self::Job)
        } else {
            text.parse().map(Self::Room)
        }
    }
}

/// The longest file of keys read, in bytes.
const LONGEST: u64 = 64 * 1024;

/// The keys that `source` names: a file, `-` for standard input, or a key itself.
pub(super) fn keys(source: &str) -> anyhow::Result<Vec<SshKey>> {
    if source.contains(' ') && !std::path::Path::new(source).exists() {
        return Ok(vec![source.parse().map_err(Fault::from)?]);
    }
    let text = if source == "-" {
        read(std::io::stdin().lock())
    } else {
        std::fs::File::open(source).and_then(read)
    };
    let whence = if source == "-" { "standard input" } else { source };
    let text = text.map_err(|error| {
        Fault::new(FaultKind::Invalid, format!("cannot read a key from {whence}: {error}"))
    })?;
    keys_in(&text).with_context(|| format!("{whence} cannot be used"))
}

fn read(from: impl Read) -> std::io::Result<String> {
    let mut text = String::new();
    from.take(LONGEST).read_to_string(&mut text)?;
    Ok(text)
}

/// One key a line; empty lines and comments are passed over, as sshd(8) does.
fn keys_in(text: &str) -> Result<Vec<SshKey>, Fault> {
    if text.contains("PRIVATE KEY") {
        // The parser knows what to say of these.
        text.lines().next().unwrap_or_default().parse::<SshKey>()?;
    }
    let lines = text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#'));
    let keys: Vec<SshKey> = lines.map(str::parse).collect::<Result<_, Invalid>>()?;
    if keys.is_empty() {
        return Err(Fault::new(FaultKind::Invalid, "there is no key"));
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti ada";

    #[test]
    fn ports() {
        let port = |text: &str| text.parse::<PortSpec>().map(|spec| spec.0);
        let tcp = port("8080").expect("valid");
        assert_eq!((tcp.protocol, u16::from(tcp.room), tcp.public), (Protocol::Tcp, 8080, None));
        let udp = port("20010:27015/udp").expect("valid");
        assert_eq!((udp.protocol, u16::from(udp.room)), (Protocol::Udp, 27015));
        assert_eq!(udp.public.map(u16::from), Some(20010));
        for bad in ["", "x", "0", "80:80", ":80", "80:", "1:2:3", "80/", "80/TCP", "80/tcp/udp"] {
            assert!(port(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn keys_from_text() {
        assert_eq!(keys(KEY).expect("a key").len(), 1);
        assert_eq!(keys_in(&format!("# mine\n\n{KEY}\r\n{KEY}\n")).expect("keys").len(), 2);
        assert!(keys_in("# none\n").is_err());
        let private = keys_in("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n").expect_err("private");
        assert!(private.message.contains("private key"), "{private}");
    }

    #[test]
    fn a_missing_file_is_the_askers_mistake() {
        let error = keys("/nowhere/key.pub").expect_err("missing");
        assert_eq!(super::super::failure::status(&error), 2);
    }
}
