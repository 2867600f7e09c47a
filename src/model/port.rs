//! Port redirections: `public → room`, over TCP or UDP.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Invalid, parsed_string};

/// The transport a redirection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// RFC 9293.
    Tcp,
    /// RFC 768.
    Udp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

impl FromStr for Protocol {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "tcp" => Ok(Self::Tcp),
            "udp" => Ok(Self::Udp),
            _ => Err(Invalid::new("the protocol is `tcp` or `udp`")),
        }
    }
}

macro_rules! port {
    ($($(#[$doc:meta])* $type:ident: $lowest:literal, $sentence:literal),+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "u16", into = "u16")]
        pub struct $type(u16);

        impl TryFrom<u16> for $type {
            type Error = Invalid;
            fn try_from(port: u16) -> Result<Self, Invalid> {
                if port >= $lowest { Ok(Self(port)) } else { Err(Invalid::new($sentence)) }
            }
        }
        impl From<$type> for u16 {
            fn from(port: $type) -> Self {
                port.0
            }
        }
        impl FromStr for $type {
            type Err = Invalid;
            fn from_str(text: &str) -> Result<Self, Invalid> {
                text.parse::<u16>().map_err(|_| Invalid::new($sentence))?.try_into()
            }
        }
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )+};
}

port!(
    /// A port on the box's public address, above the well-known ones (RFC 6335 §6).
    PublicPort: 1024, "a public port is a number from 1024 to 65535",
    /// A port inside a room.
    RoomPort: 1, "a room's port is a number from 1 to 65535"
);

/// The public ports the house gives out, first and last included: `20000-29999`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicPorts(String, PublicPort, PublicPort);

impl PublicPorts {
    /// Whether a port is one of them.
    #[must_use]
    pub fn contains(&self, port: PublicPort) -> bool {
        (self.1..=self.2).contains(&port)
    }

    /// All of them, lowest first.
    pub fn iter(&self) -> impl Iterator<Item = PublicPort> + use<> {
        (self.1.0..=self.2.0).map(PublicPort)
    }
}

impl FromStr for PublicPorts {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let refused =
            || Invalid::new("public ports are a range such as `20000-29999`, from 1024 up");
        let (first, last) = text.split_once('-').ok_or_else(refused)?;
        let (first, last): (PublicPort, PublicPort) =
            (first.parse().map_err(|_| refused())?, last.parse().map_err(|_| refused())?);
        if first > last { Err(refused()) } else { Ok(Self(text.to_owned(), first, last)) }
    }
}

parsed_string!(PublicPorts);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds() {
        assert!("1023".parse::<PublicPort>().is_err());
        assert!("65536".parse::<PublicPort>().is_err());
        assert!("0".parse::<RoomPort>().is_err());
        assert!("-1".parse::<RoomPort>().is_err());
        let ports: PublicPorts = "20000-20009".parse().expect("valid");
        assert_eq!(ports.iter().count(), 10);
        assert!(!ports.contains("20010".parse().expect("valid")));
        assert!("20009-20000".parse::<PublicPorts>().is_err());
    }
}
