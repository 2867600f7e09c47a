//! The house's nftables: rendered whole, replaced in one transaction (nft(8)).
//!
//! Two tables are ours, `inet piaule` and `netdev piaule`; nobody else's is touched.
//!
//! - `netdev piaule`: on everything that enters `pl-gw`, hardware address, IPv4 address and ARP
//!   sender must belong together; all else is dropped, so a room whose entry is not there yet
//!   reaches nothing.
//! - `inet piaule`: redirections as one map; masquerading; a room reaches another one only
//!   through a redirection, never gateway-hairpinned; of the host, rooms reach DHCP, DNS and the
//!   proxy alone.
//!
//! Sets and maps keep the cost of a packet the same however many rooms there are. nft's text
//! syntax is used since nft 1.0.6 (Debian 12) crashes on JSON maps with concatenated data.

use std::fmt::Write as _;
use std::io;
use std::net::Ipv4Addr;
use std::process::Stdio;

use tokio::process::Command;

use super::link::GATEWAY;
use crate::model::{MacAddr, Protocol, PublicPort, RoomNetwork, RoomPort};
use crate::sys::fdpass::sealed_memfd;

/// What could not be done to the tables.
#[derive(Debug, thiserror::Error)]
pub enum FirewallError {
    #[error("cannot run nft (package nftables)")]
    Run(#[source] io::Error),
    #[error("nft refused the house's tables: {0}")]
    Refused(String),
}

/// A room as the tables see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub mac: MacAddr,
    pub address: Ipv4Addr,
    /// Redirections: protocol, public port, the room's port.
    pub ports: Vec<(Protocol, PublicPort, RoomPort)>,
}

/// What the tables are rendered from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    pub network: RoomNetwork,
    /// Where redirections are reached.
    pub public_address: Ipv4Addr,
    pub members: Vec<Member>,
}

impl Rules {
    /// The transaction that makes the tables what these rules say.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::from(
            "table netdev piaule {}\ndelete table netdev piaule\n\
             table inet piaule {}\ndelete table inet piaule\n",
        );
        self.render_binding(&mut text);
        self.render_routing(&mut text);
        text
    }

    fn render_binding(&self, text: &mut String) {
        let bound = elements(self.members.iter().map(|m| format!("{} . {}", m.mac, m.address)));
        let macs = elements(self.members.iter().map(|m| m.mac.to_string()));
        // DHCPDISCOVER comes from 0.0.0.0 (RFC 2131 §4.1), an ARP probe too (RFC 5227 §2.1.1).
        let _ = write!(
            text,
            "table netdev piaule {{
\tset bound {{
\t\ttype ether_addr . ipv4_addr
{bound}\t}}
\tset macs {{
\t\ttype ether_addr
{macs}\t}}
\tchain rooms {{
\t\ttype filter hook ingress device \"{GATEWAY}\" priority -500; policy drop;
\t\tether type ip ether saddr . ip saddr @bound accept
\t\tether type arp arp operation {{ request, reply }} ether saddr . arp saddr ip @bound arp saddr ether . arp saddr ip @bound accept
\t\tether type arp arp operation request arp saddr ip 0.0.0.0 ether saddr @macs accept
\t\tether type ip ip saddr 0.0.0.0 ip daddr 255.255.255.255 udp sport 68 udp dport 67 ether saddr @macs accept
\t}}
}}
"
        );
    }

    fn render_routing(&self, text: &mut String) {
        let Self { network, public_address, members } = self;
        let redirections = elements(members.iter().flat_map(|member| {
            let address = member.address;
            member.ports.iter().map(move |(protocol, public, room)| {
                format!("{protocol} . {public} : {address} . {room}")
            })
        }));
        let gateway = network.gateway();
        let _ = write!(
            text,
            "table inet piaule {{
\tmap redirections {{
\t\ttype inet_proto . inet_service : ipv4_addr . inet_service
{redirections}\t}}
\tchain prerouting {{
\t\ttype nat hook prerouting priority dstnat; policy accept;
\t\tip daddr {public_address} dnat ip to meta l4proto . th dport map @redirections
\t}}
\tchain output {{
\t\ttype nat hook output priority -100; policy accept;
\t\tip daddr {public_address} dnat ip to meta l4proto . th dport map @redirections
\t}}
\tchain postrouting {{
\t\ttype nat hook postrouting priority srcnat; policy accept;
\t\tip saddr {network} oifname != \"{GATEWAY}\" masquerade
\t\tip saddr {network} oifname \"{GATEWAY}\" ct status dnat masquerade
\t}}
\tchain forward {{
\t\ttype filter hook forward priority filter; policy accept;
\t\toifname \"{GATEWAY}\" ct state established,related accept
\t\toifname \"{GATEWAY}\" ct status dnat accept
\t\toifname \"{GATEWAY}\" drop
\t\tiifname \"{GATEWAY}\" ip saddr != {network} drop
\t}}
\tchain input {{
\t\ttype filter hook input priority filter; policy accept;
\t\tiifname != \"{GATEWAY}\" accept
\t\tct state established,related accept
\t\tudp sport 68 udp dport 67 accept
\t\tip daddr {gateway} meta l4proto {{ tcp, udp }} th dport 53 accept
\t\tip daddr {{ {gateway}, {public_address} }} tcp dport {{ 80, 443 }} accept
\t\tip daddr {gateway} icmp type echo-request accept
\t\tdrop
\t}}
}}
"
        );
    }
}

/// An `elements = { … }` line, or nothing: nft has no empty list.
fn elements(items: impl Iterator<Item = String>) -> String {
    let items: Vec<String> = items.collect();
    if items.is_empty() {
        String::new()
    } else {
        format!("\t\telements = {{ {} }}\n", items.join(", "))
    }
}

/// Makes the kernel's tables what `rules` say, all at once.
///
/// # Errors
/// When nft is missing or refuses; the tables then are as before.
pub async fn replace(rules: &Rules) -> Result<(), FirewallError> {
    run(&rules.render()).await
}

/// Removes both tables; they may not be there.
///
/// # Errors
/// As [`replace`].
pub async fn remove() -> Result<(), FirewallError> {
    run("table netdev piaule {}\ndelete table netdev piaule\n\
         table inet piaule {}\ndelete table inet piaule\n")
    .await
}

async fn run(text: &str) -> Result<(), FirewallError> {
    // Not by a pipe: if core ended between two writes, nft would apply the first half.
    let text = sealed_memfd(text.as_bytes()).map_err(FirewallError::Run)?;
    let child = Command::new("nft")
        .args(["-f", "-"])
        .stdin(Stdio::from(text))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(FirewallError::Run)?;
    let output = child.wait_with_output().await.map_err(FirewallError::Run)?;
    if output.status.success() {
        Ok(())
    } else {
        Err(FirewallError::Refused(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_as_nft_gets_them() {
        let address = Ipv4Addr::new(192, 168, 200, 2);
        let member = Member {
            mac: MacAddr::of_room(address),
            address,
            ports: vec![
                (Protocol::Tcp, 20000.try_into().expect("port"), 22.try_into().expect("port")),
                (Protocol::Udp, 20001.try_into().expect("port"), 1194.try_into().expect("port")),
            ],
        };
        let rules = Rules {
            network: "192.168.200.0/22".parse().expect("network"),
            public_address: Ipv4Addr::new(192, 0, 2, 1),
            members: vec![member],
        };
        insta::assert_snapshot!(rules.render());
        let empty = Rules { members: Vec::new(), ..rules };
        assert!(!empty.render().contains("elements"));
    }
}
