//! The rooms' side of the house: the pair `pl-gw` and `pl-lan`, and permanent neighbours.
//!
//! `pl-gw` has the gateway's address; `pl-lan` has none and is the parent of each room's macvlan,
//! in private mode, so that a frame from a room can go nowhere but to `pl-gw`. Permanent
//! neighbour entries say where each room's address is: nobody can claim it by ARP, and the first
//! packet to a room does not wait a second for an answer.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr};

use futures_util::TryStreamExt;
use netlink_packet_route::link::LinkMessage;
use rtnetlink::packet_route::link::LinkAttribute;
use rtnetlink::packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState,
};
use rtnetlink::packet_route::route::RouteAttribute;
use rtnetlink::{Handle, LinkUnspec, LinkVeth, RouteMessageBuilder};

use crate::model::{MacAddr, RoomNetwork};

/// The host's end: gateway, DHCP, DNS.
pub const GATEWAY: &str = "pl-gw";
/// The rooms' end: parent of their macvlans.
pub const LAN: &str = "pl-lan";

/// What could not be done to a link.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    #[error("cannot talk to the kernel by netlink")]
    Open(#[source] io::Error),
    #[error("cannot {doing} {link}")]
    Request { doing: &'static str, link: String, source: Box<rtnetlink::Error> },
    #[error("no interface leads to visitors: set `uplink` in the settings")]
    NoUplink,
    #[error("there is no interface {0}")]
    Missing(String),
    #[error("cannot set {name}")]
    Setting { name: String, source: io::Error },
}

fn on<'a>(doing: &'static str, link: &'a str) -> impl FnOnce(rtnetlink::Error) -> LinkError + 'a {
    move |source| LinkError::Request { doing, link: link.to_owned(), source: Box::new(source) }
}

/// A netlink socket in the network namespace of the thread that opened it.
#[derive(Clone)]
pub struct Links {
    handle: Handle,
}

impl Links {
    /// Opens the socket on the current runtime.
    ///
    /// # Errors
    /// What the kernel says of the socket.
    pub fn open() -> Result<Self, LinkError> {
        let (connection, handle, _) = rtnetlink::new_connection().map_err(LinkError::Open)?;
        tokio::spawn(connection);
        Ok(Self { handle })
    }

    /// The index of a link, `None` when there is none of that name.
    ///
    /// # Errors
    /// When the kernel cannot be asked.
    pub async fn index(&self, name: &str) -> Result<Option<u32>, LinkError> {
        Ok(self.find(name).await?.map(|link| link.header.index))
    }

    async fn find(&self, name: &str) -> Result<Option<LinkMessage>, LinkError> {
        let found = self.handle.link().get().match_name(name).execute().try_next().await;
        match found {
            Ok(link) => Ok(link),
            Err(rtnetlink::Error::NetlinkError(error))
                if error.raw_code() == -nix::libc::ENODEV =>
            {
                Ok(None)
            }
            Err(error) => Err(on("find", name)(error)),
        }
    }

    /// Makes the pair if it is not there, with the gateway's address, and closes it to IPv6.
    ///
    /// # Errors
    /// When a part cannot be made.
    pub async fn raise_house(&self, network: &RoomNetwork) -> Result<(), LinkError> {
        if self.index(GATEWAY).await?.is_none() {
            let pair = LinkVeth::new(GATEWAY, LAN).build();
            self.handle.link().add(pair).execute().await.map_err(on("create", GATEWAY))?;
        }
        for (link, settings) in [
            (
                GATEWAY,
                &[
                    ("ipv6", "disable_ipv6", "1"),
                    ("ipv4", "forwarding", "1"),
                    ("ipv4", "send_redirects", "0"),
                    ("ipv4", "rp_filter", "1"),
                    ("ipv4", "arp_ignore", "1"),
                ][..],
            ),
            (LAN, &[("ipv6", "disable_ipv6", "1")][..]),
        ] {
            for (family, key, value) in settings {
                set(family, link, key, value)?;
            }
            let index =
                self.index(link).await?.ok_or_else(|| LinkError::Missing(link.to_owned()))?;
            let up = LinkUnspec::new_with_index(index).up().build();
            self.handle.link().set(up).execute().await.map_err(on("raise", link))?;
        }
        let index =
            self.index(GATEWAY).await?.ok_or_else(|| LinkError::Missing(GATEWAY.to_owned()))?;
        let address = IpAddr::V4(network.gateway());
        let request = self.handle.address().add(index, address, network.prefix()).replace();
        request.execute().await.map_err(on("give its address to", GATEWAY))
    }

    /// Removes the pair, and with it what stands on it; it may not be there.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub async fn remove_house(&self) -> Result<(), LinkError> {
        match self.index(GATEWAY).await? {
            Some(index) => {
                self.handle.link().del(index).execute().await.map_err(on("remove", GATEWAY))
            }
            None => Ok(()),
        }
    }

    /// Pins a room's address to its hardware address.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub async fn pin(
        &self,
        gateway: u32,
        address: Ipv4Addr,
        mac: MacAddr,
    ) -> Result<(), LinkError> {
        let request = self.handle.neighbours().add(gateway, IpAddr::V4(address));
        request
            .link_layer_address(&mac.0)
            .replace()
            .execute()
            .await
            .map_err(on("pin a neighbour on", GATEWAY))
    }

    /// Takes a pin away; it may not be there.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub async fn unpin(&self, gateway: u32, address: Ipv4Addr) -> Result<(), LinkError> {
        let request = self.handle.neighbours().add(gateway, IpAddr::V4(address));
        let mut request = request;
        let message = request.message_mut().clone();
        match self.handle.neighbours().del(message).execute().await {
            Err(rtnetlink::Error::NetlinkError(error))
                if error.raw_code() == -nix::libc::ENOENT =>
            {
                Ok(())
            }
            other => other.map_err(on("unpin a neighbour on", GATEWAY)),
        }
    }

    /// The pins that are there, by whatever core they were made.
    ///
    /// # Errors
    /// When the kernel cannot be asked.
    pub async fn pins(&self, gateway: u32) -> Result<BTreeMap<Ipv4Addr, MacAddr>, LinkError> {
        let neighbours = self.handle.neighbours().get().execute().try_collect::<Vec<_>>().await;
        let neighbours = neighbours.map_err(on("read the neighbours of", GATEWAY))?;
        let pinned = neighbours.iter().filter(|neighbour| {
            neighbour.header.ifindex == gateway
                && neighbour.header.state == NeighbourState::Permanent
        });
        Ok(pinned.filter_map(pin_of).collect())
    }

    /// The interface of the default route.
    ///
    /// # Errors
    /// [`LinkError::NoUplink`] without one.
    pub async fn default_uplink(&self) -> Result<String, LinkError> {
        let routes = self.handle.route().get(RouteMessageBuilder::<Ipv4Addr>::new().build());
        let routes: Vec<_> =
            routes.execute().try_collect().await.map_err(on("read the routes of", "the host"))?;
        let index = routes
            .iter()
            .filter(|route| route.header.destination_prefix_length == 0)
            .find_map(|route| {
                route.attributes.iter().find_map(|attribute| match attribute {
                    RouteAttribute::Oif(index) => Some(*index),
                    _ => None,
                })
            })
            .ok_or(LinkError::NoUplink)?;
        let mut links = self.handle.link().get().match_index(index).execute();
        let link =
            links.try_next().await.map_err(on("find", "the uplink"))?.ok_or(LinkError::NoUplink)?;
        link.attributes
            .into_iter()
            .find_map(|attribute| match attribute {
                LinkAttribute::IfName(name) => Some(name),
                _ => None,
            })
            .ok_or(LinkError::NoUplink)
    }
}

fn pin_of(neighbour: &NeighbourMessage) -> Option<(Ipv4Addr, MacAddr)> {
    let attributes = &neighbour.attributes;
    let address = attributes.iter().find_map(|attribute| match attribute {
        NeighbourAttribute::Destination(NeighbourAddress::Inet(address)) => Some(*address),
        _ => None,
    })?;
    let mac = attributes.iter().find_map(|attribute| match attribute {
        NeighbourAttribute::LinkLayerAddress(mac) => mac.as_slice().try_into().ok(),
        _ => None,
    })?;
    Some((address, MacAddr(mac)))
}

/// Whether a link forwards IPv4 (`net.ipv4.conf.LINK.forwarding`).
///
/// # Errors
/// When the setting cannot be read.
pub fn forwards(link: &str) -> Result<bool, LinkError> {
    let name = path("ipv4", link, "forwarding");
    let text = fs::read_to_string(&name).map_err(|source| LinkError::Setting { name, source })?;
    Ok(text.trim() == "1")
}

/// Lets a link forward IPv4, or not.
///
/// # Errors
/// When the setting cannot be written.
pub fn set_forwarding(link: &str, forwards: bool) -> Result<(), LinkError> {
    set("ipv4", link, "forwarding", if forwards { "1" } else { "0" })
}

fn path(family: &str, link: &str, key: &str) -> String {
    format!("/proc/sys/net/{family}/conf/{link}/{key}")
}

fn set(family: &str, link: &str, key: &str, value: &str) -> Result<(), LinkError> {
    let name = path(family, link, key);
    match fs::write(&name, value) {
        // A kernel without IPv6 has nothing to close.
        Err(error) if family == "ipv6" && error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(|source| LinkError::Setting { name, source }),
    }
}
