//! What a request is answered. No I/O.
//!
//! ```text
//! DISCOVER ──────────────────────────────────────────► OFFER
//! REQUEST  selecting     server = us,  requested ─┐
//!          init-reboot   no server,    requested ─┼─ its own? ─► ACK
//!          renewing,     no server,    ciaddr    ─┘     └ no ──► NAK
//!          rebinding
//! INFORM   ciaddr its own ───────────────────────────► ACK, no lease
//! DECLINE, RELEASE, another server chosen, anything else: nothing
//! ```

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;

use dhcproto::v4::{CLIENT_PORT, DhcpOption, Message, MessageType, Opcode};

use super::message::Request;
use crate::model::{MacAddr, RoomName};
use crate::wire::{FrontSettings, Lease};

/// How long an address is lent, in seconds; then when to renew and when to ask anyone
/// (RFC 2131 §4.4.5: one half and seven eighths).
const LEASE_TIME: u32 = 86_400;
const RENEWAL: u32 = LEASE_TIME / 2;
const REBINDING: u32 = LEASE_TIME / 8 * 7;

/// A message and where it goes.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) message: Message,
    pub(super) to: SocketAddrV4,
}

/// Every lease by hardware address, and what all of them share.
#[derive(Debug)]
pub(super) struct Leases {
    settings: Arc<FrontSettings>,
    by_mac: HashMap<MacAddr, (Ipv4Addr, RoomName)>,
}

impl Leases {
    /// Indexes the leases of a snapshot.
    pub(super) fn new(settings: Arc<FrontSettings>, leases: &[Lease]) -> Self {
        let entry = |lease: &Lease| (lease.mac, (lease.address, lease.name.clone()));
        Self { settings, by_mac: leases.iter().map(entry).collect() }
    }

    fn of(&self, client: MacAddr) -> Option<(Ipv4Addr, &RoomName)> {
        self.by_mac.get(&client).map(|(address, name)| (*address, name))
    }
}

/// Answers a request; `None` is silence.
pub(super) fn reply(request: &Request, leases: &Leases) -> Option<Reply> {
    let (address, name) = leases.of(request.mac)?;
    let answer = Answer { request, settings: &leases.settings, address, name };
    match request.kind? {
        MessageType::Discover => Some(answer.lend(MessageType::Offer)),
        MessageType::Request => answer.request(),
        MessageType::Inform if request.current == address => Some(answer.inform()),
        kind @ (MessageType::Decline | MessageType::Release) => {
            tracing::debug!(room = %name, %address, ?kind, "a room gives its address back");
            None
        }
        _ => None,
    }
}

/// What an answer is made of.
struct Answer<'a> {
    request: &'a Request,
    settings: &'a FrontSettings,
    address: Ipv4Addr,
    name: &'a RoomName,
}

impl Answer<'_> {
    /// RFC 2131 §4.3.2. A client that wants what it cannot have is told so: it is ours, since
    /// its hardware address is.
    fn request(&self) -> Option<Reply> {
        if self.request.server.is_some_and(|chosen| chosen != self.server()) {
            return None;
        }
        let wanted = self.request.requested.unwrap_or(self.request.current);
        match wanted {
            Ipv4Addr::UNSPECIFIED => None,
            wanted if wanted == self.address => Some(self.lend(MessageType::Ack)),
            _ => Some(self.refuse()),
        }
    }

    /// OFFER or ACK: the address with everything that belongs to it.
    fn lend(&self, kind: MessageType) -> Reply {
        let mut message = self.begin(kind);
        message.set_yiaddr(self.address);
        self.configure(&mut message);
        let options = message.opts_mut();
        options.insert(DhcpOption::AddressLeaseTime(LEASE_TIME));
        options.insert(DhcpOption::Renewal(RENEWAL));
        options.insert(DhcpOption::Rebinding(REBINDING));
        // A client that says it has its address is reached there; others by the broadcast
        // flag (RFC 2131 §4.1). An address that is not its own counts as none.
        let has_address = self.request.current == self.address;
        if has_address && kind == MessageType::Ack {
            message.set_ciaddr(self.address);
        }
        let broadcast = self.request.flags.broadcast() && !has_address;
        let to = if broadcast { Ipv4Addr::BROADCAST } else { self.address };
        Reply { message, to: SocketAddrV4::new(to, CLIENT_PORT) }
    }

    /// To a client that has its address by other means (RFC 2131 §4.3.5).
    fn inform(&self) -> Reply {
        let mut message = self.begin(MessageType::Ack);
        message.set_ciaddr(self.address);
        self.configure(&mut message);
        Reply { message, to: SocketAddrV4::new(self.address, CLIENT_PORT) }
    }

    /// NAK, broadcast since the client's address is the trouble (RFC 2131 §4.1).
    fn refuse(&self) -> Reply {
        let mut message = self.begin(MessageType::Nak);
        let why = format!("the address of this room is {}", self.address);
        message.opts_mut().insert(DhcpOption::Message(why));
        Reply { message, to: SocketAddrV4::new(Ipv4Addr::BROADCAST, CLIENT_PORT) }
    }

    /// The fields and options of every reply (RFC 2131 table 3, RFC 6842 §3).
    fn begin(&self, kind: MessageType) -> Message {
        let mut message = Message::default();
        message
            .set_opcode(Opcode::BootReply)
            .set_xid(self.request.xid)
            .set_flags(self.request.flags)
            .set_chaddr(&self.request.mac.0);
        let options = message.opts_mut();
        options.insert(DhcpOption::MessageType(kind));
        options.insert(DhcpOption::ServerIdentifier(self.server()));
        if let Some(id) = &self.request.client_id {
            options.insert(DhcpOption::ClientIdentifier(id.clone()));
        }
        message
    }

    /// What a host needs besides its address.
    fn configure(&self, message: &mut Message) {
        let network = &self.settings.network;
        let options = message.opts_mut();
        options.insert(DhcpOption::SubnetMask(network.netmask()));
        options.insert(DhcpOption::BroadcastAddr(network.broadcast()));
        options.insert(DhcpOption::Router(vec![network.gateway()]));
        options.insert(DhcpOption::DomainNameServer(vec![network.gateway()]));
        options.insert(DhcpOption::DomainName(self.settings.zone.to_string()));
        options.insert(DhcpOption::Hostname(self.name.to_string()));
    }

    fn server(&self) -> Ipv4Addr {
        self.settings.network.gateway()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::fmt::Write as _;

    use dhcproto::v4::Flags;

    use super::*;

    const ROOM: Ipv4Addr = Ipv4Addr::new(192, 168, 200, 2);
    const GATEWAY: Ipv4Addr = Ipv4Addr::new(192, 168, 200, 1);
    const OTHER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 9);

    pub(in crate::front::dhcp) fn settings() -> FrontSettings {
        FrontSettings {
            zone: "hosting.example".parse().expect("valid"),
            panel: "panel.hosting.example".parse().expect("valid"),
            public_address: Ipv4Addr::new(203, 0, 113, 5),
            network: "192.168.200.0/22".parse().expect("valid"),
            resolvers: Vec::new(),
            uid: 0,
            gid: 0,
        }
    }

    pub(in crate::front::dhcp) fn leases() -> Vec<Lease> {
        let name = "blog".parse().expect("valid");
        vec![Lease { mac: MacAddr::of_room(ROOM), address: ROOM, name }]
    }

    /// What a case varies of a request.
    #[derive(Default)]
    struct Given {
        server: Option<Ipv4Addr>,
        requested: Option<Ipv4Addr>,
        current: Option<Ipv4Addr>,
        broadcast: bool,
    }

    fn request(kind: MessageType, given: &Given) -> Request {
        let flags = Flags::default();
        Request {
            xid: 77,
            flags: if given.broadcast { flags.set_broadcast() } else { flags },
            mac: MacAddr::of_room(ROOM),
            current: given.current.unwrap_or(Ipv4Addr::UNSPECIFIED),
            kind: Some(kind),
            requested: given.requested,
            server: given.server,
            client_id: Some(vec![1, 2, 3]),
        }
    }

    fn answer(request: &Request) -> Option<Reply> {
        reply(request, &Leases::new(Arc::new(settings()), &leases()))
    }

    /// `KIND yiaddr ciaddr -> destination`, or `silence`.
    fn show(reply: Option<Reply>) -> String {
        let Some(Reply { message, to }) = reply else { return "silence".to_owned() };
        assert_eq!(message.opcode(), Opcode::BootReply);
        assert_eq!(message.xid(), 77);
        assert_eq!(message.chaddr(), MacAddr::of_room(ROOM).0);
        let kind = message.opts().msg_type().expect("always");
        format!("{kind:?} {} {} -> {to}", message.yiaddr(), message.ciaddr())
    }

    #[test]
    fn every_state_of_a_client() {
        use MessageType::{Decline, Discover, Inform, LeaseQuery, Offer, Release, Request};
        let (none, room, other) = (None, Some(ROOM), Some(OTHER));
        let us = Some(GATEWAY);
        let offered = "Offer 192.168.200.2 0.0.0.0 -> 192.168.200.2:68";
        let lent = "Ack 192.168.200.2 0.0.0.0 -> 192.168.200.2:68";
        let renewed = "Ack 192.168.200.2 192.168.200.2 -> 192.168.200.2:68";
        let refused = "Nak 0.0.0.0 0.0.0.0 -> 255.255.255.255:68";
        let informed = "Ack 0.0.0.0 192.168.200.2 -> 192.168.200.2:68";
        let cases = [
            ("discover", Discover, none, none, none, offered),
            ("discover, wishing", Discover, none, other, none, offered),
            ("discover, forged address", Discover, none, none, other, offered),
            ("selecting us", Request, us, room, none, lent),
            ("selecting us, wrong", Request, us, other, none, refused),
            ("selecting another", Request, other, other, none, "silence"),
            ("init-reboot", Request, none, room, none, lent),
            ("init-reboot, moved", Request, none, other, none, refused),
            ("renewing", Request, none, none, room, renewed),
            ("renewing, moved", Request, none, none, other, refused),
            ("request for nothing", Request, none, none, none, "silence"),
            ("inform", Inform, none, none, room, informed),
            ("inform, forged address", Inform, none, none, other, "silence"),
            ("inform without address", Inform, none, none, none, "silence"),
            ("decline", Decline, us, room, none, "silence"),
            ("release", Release, us, none, room, "silence"),
            ("a server's message", Offer, us, none, none, "silence"),
            ("another protocol", LeaseQuery, none, none, none, "silence"),
        ];
        for (what, kind, server, requested, current, expected) in cases {
            let given = Given { server, requested, current, broadcast: false };
            assert_eq!(show(answer(&request(kind, &given))), expected, "{what}");
        }
    }

    #[test]
    fn the_broadcast_flag_is_heeded_by_those_without_address() {
        let flagged = |kind, current| {
            let given = Given { current, broadcast: true, ..Given::default() };
            let reply = answer(&request(kind, &given)).expect("a reply");
            assert!(reply.message.flags().broadcast());
            *reply.to.ip()
        };
        assert_eq!(flagged(MessageType::Discover, None), Ipv4Addr::BROADCAST);
        assert_eq!(flagged(MessageType::Request, Some(ROOM)), ROOM);
    }

    #[test]
    fn strangers_get_silence() {
        for kind in [MessageType::Discover, MessageType::Request] {
            let given = Given { requested: Some(OTHER), ..Given::default() };
            let stranger = Request { mac: MacAddr::of_room(OTHER), ..request(kind, &given) };
            assert!(answer(&stranger).is_none());
        }
    }

    fn options(kind: MessageType, given: &Given) -> String {
        let reply = answer(&request(kind, given)).expect("a reply");
        reply.message.opts().iter().fold(String::new(), |mut text, (_, option)| {
            let _ = writeln!(text, "{option:?}");
            text
        })
    }

    #[test]
    fn what_comes_with_an_address() {
        let offered = options(MessageType::Discover, &Given::default());
        let expected = "\
            SubnetMask(255.255.252.0)\n\
            Router([192.168.200.1])\n\
            DomainNameServer([192.168.200.1])\n\
            Hostname(\"blog\")\n\
            DomainName(\"hosting.example\")\n\
            BroadcastAddr(192.168.203.255)\n\
            AddressLeaseTime(86400)\n\
            MessageType(Offer)\n\
            ServerIdentifier(192.168.200.1)\n\
            Renewal(43200)\n\
            Rebinding(75600)\n\
            ClientIdentifier([1, 2, 3])\n";
        assert_eq!(offered, expected);
        let informed =
            options(MessageType::Inform, &Given { current: Some(ROOM), ..Given::default() });
        assert!(informed.contains("Router") && !informed.contains("LeaseTime"), "{informed}");
        let given = Given { requested: Some(OTHER), ..Given::default() };
        let expected = "\
            MessageType(Nak)\n\
            ServerIdentifier(192.168.200.1)\n\
            Message(\"the address of this room is 192.168.200.2\")\n\
            ClientIdentifier([1, 2, 3])\n";
        assert_eq!(options(MessageType::Request, &given), expected);
    }
}
