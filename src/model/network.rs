//! The rooms' network: one IPv4 prefix, whose first address is the gateway, and the hardware
//! address that follows from a room's address.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Invalid, parsed_string};

/// An Ethernet address, written `02:37:c0:a8:c8:02`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MacAddr(pub [u8; 6]);

impl MacAddr {
    /// A room's address: `02:37` (locally administered) followed by its IPv4 address, so that
    /// either says the other.
    #[must_use]
    pub fn of_room(address: Ipv4Addr) -> Self {
        let [a, b, c, d] = address.octets();
        Self([0x02, 0x37, a, b, c, d])
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, byte) in self.0.iter().enumerate() {
            let colon = if place == 0 { "" } else { ":" };
            write!(f, "{colon}{byte:02x}")?;
        }
        Ok(())
    }
}

impl FromStr for MacAddr {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let refused = || Invalid::new("a hardware address looks like `02:37:c0:a8:c8:02`");
        let mut bytes = [0; 6];
        let mut parts = text.split(':');
        for byte in &mut bytes {
            let part = parts.next().filter(|part| part.len() == 2).ok_or_else(refused)?;
            *byte = u8::from_str_radix(part, 16).map_err(|_| refused())?;
        }
        if parts.next().is_some() { Err(refused()) } else { Ok(Self(bytes)) }
    }
}

impl TryFrom<String> for MacAddr {
    type Error = Invalid;
    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<MacAddr> for String {
    fn from(mac: MacAddr) -> Self {
        mac.to_string()
    }
}

/// The rooms' prefix, `192.168.200.0/22`: /16 to /29, its host bits zero.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RoomNetwork(String, Ipv4Addr, u8);

impl RoomNetwork {
    /// The prefix's own address (all host bits zero).
    #[must_use]
    pub fn base(&self) -> Ipv4Addr {
        self.1
    }

    /// The prefix length in bits.
    #[must_use]
    pub fn prefix(&self) -> u8 {
        self.2
    }

    /// The netmask.
    #[must_use]
    pub fn netmask(&self) -> Ipv4Addr {
        Ipv4Addr::from(u32::MAX << (32 - u32::from(self.2)))
    }

    /// The first address: the host's end, gateway, DHCP server and resolver of every room.
    #[must_use]
    pub fn gateway(&self) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.1) + 1)
    }

    /// The last address (RFC 919).
    #[must_use]
    pub fn broadcast(&self) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.1) | !u32::from(self.netmask()))
    }

    /// Every address a room may have, lowest first.
    pub fn rooms(&self) -> impl Iterator<Item = Ipv4Addr> + use<> {
        (u32::from(self.gateway()) + 1..u32::from(self.broadcast())).map(Ipv4Addr::from)
    }

    /// Whether an address lies in the prefix.
    #[must_use]
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        u32::from(address) & u32::from(self.netmask()) == u32::from(self.1)
    }
}

impl FromStr for RoomNetwork {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let refused = || {
            Invalid::new(format!(
                "`{}` is not a network such as `192.168.200.0/22` (a /16 to /29 with no host bit set)",
                text.escape_debug()
            ))
        };
        let (address, prefix) = text.split_once('/').ok_or_else(refused)?;
        let address: Ipv4Addr = address.parse().map_err(|_| refused())?;
        let prefix: u8 = prefix.parse().map_err(|_| refused())?;
        if !(16..=29).contains(&prefix) {
            return Err(refused());
        }
        let network = Self(format!("{address}/{prefix}"), address, prefix);
        if network.contains(address) { Ok(network) } else { Err(refused()) }
    }
}

parsed_string!(RoomNetwork);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mac_follows_address() {
        let mac = MacAddr::of_room(Ipv4Addr::new(192, 168, 200, 2));
        assert_eq!(mac.to_string(), "02:37:c0:a8:c8:02");
        assert_eq!(mac.to_string().parse::<MacAddr>().expect("round trip"), mac);
        assert!("02:37:c0:a8:c8".parse::<MacAddr>().is_err());
        assert!("02:37:c0:a8:c8:2".parse::<MacAddr>().is_err());
    }

    #[test]
    fn network_bounds() {
        let network: RoomNetwork = "192.168.200.0/22".parse().expect("valid");
        assert_eq!(network.gateway(), Ipv4Addr::new(192, 168, 200, 1));
        assert_eq!(network.broadcast(), Ipv4Addr::new(192, 168, 203, 255));
        assert_eq!(network.rooms().count(), 1021);
        for bad in ["192.168.200.1/22", "10.0.0.0/8", "10.0.0.0/30", "10.0.0.0", "x/22"] {
            assert!(bad.parse::<RoomNetwork>().is_err(), "{bad}");
        }
    }
}
