//! Datagrams to requests, and replies to datagrams.
//!
//! Only the four options that decide anything are decoded. The codec's full decoder stops at the
//! first option it cannot read, so that a strange host name would hide the requested address,
//! and asserts on some lengths, so that a room could end this process.

use std::net::Ipv4Addr;

use dhcproto::Encodable;
use dhcproto::v4::{
    DhcpOption, Flags, HType, MAGIC, MIN_PACKET_SIZE, Message, MessageType, Opcode, OptionCode,
    borrowed,
};

use crate::model::MacAddr;

/// Where the options begin with their cookie (RFC 2131 §3).
const COOKIE_AT: usize = 236;
/// The octets of an Ethernet address.
const ETHERNET_LENGTH: u8 = 6;

/// What a client on the rooms' own link asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) xid: u32,
    pub(super) flags: Flags,
    pub(super) mac: MacAddr,
    /// `ciaddr`: the address the client says it has; 0.0.0.0 if none.
    pub(super) current: Ipv4Addr,
    /// Option 53; plain BOOTP has none.
    pub(super) kind: Option<MessageType>,
    /// Option 50: the address it would like.
    pub(super) requested: Option<Ipv4Addr>,
    /// Option 54: the server it speaks to.
    pub(super) server: Option<Ipv4Addr>,
    /// Option 61, as it came.
    pub(super) client_id: Option<Vec<u8>>,
}

/// Reads a request. `None` for what is not one: a reply, another protocol's cookie, another
/// link layer, or what a relay passed on.
pub(super) fn read(datagram: &[u8]) -> Option<Request> {
    let cookie = datagram.get(COOKIE_AT..COOKIE_AT + MAGIC.len())?;
    let message = borrowed::Message::new(datagram).ok()?;
    let sound = cookie == MAGIC
        && message.opcode() == Opcode::BootRequest
        && message.htype() == HType::Eth
        // Checked before the address is: it is cut to this length unseen.
        && message.hlen() == ETHERNET_LENGTH
        && message.giaddr().is_unspecified();
    if !sound {
        return None;
    }
    let mut request = Request {
        xid: message.xid(),
        flags: message.flags(),
        mac: MacAddr(message.chaddr().try_into().ok()?),
        current: message.ciaddr(),
        kind: None,
        requested: None,
        server: None,
        client_id: None,
    };
    for option in message.opts() {
        request.take(option);
    }
    Some(request)
}

impl Request {
    /// Takes in an option of interest; one of a wrong length is as good as absent.
    fn take(&mut self, option: borrowed::DhcpOption<'_>) {
        let interesting = matches!(
            option.code(),
            OptionCode::MessageType
                | OptionCode::RequestedIpAddress
                | OptionCode::ServerIdentifier
                | OptionCode::ClientIdentifier
        );
        if !interesting {
            return;
        }
        match option.into_option() {
            Ok(DhcpOption::MessageType(kind)) => self.kind = Some(kind),
            Ok(DhcpOption::RequestedIpAddress(address)) => self.requested = Some(address),
            Ok(DhcpOption::ServerIdentifier(server)) => self.server = Some(server),
            Ok(DhcpOption::ClientIdentifier(id)) => self.client_id = Some(id),
            _ => {}
        }
    }
}

/// Writes a reply, as long as the shortest BOOTP message: some clients drop shorter ones
/// (RFC 951 §3, RFC 1542 §2.1).
pub(super) fn write(message: &Message) -> Option<Vec<u8>> {
    let mut datagram = message.to_vec().ok()?;
    if datagram.len() < MIN_PACKET_SIZE {
        datagram.resize(MIN_PACKET_SIZE, 0);
    }
    Some(datagram)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::front::dhcp::reply::{Leases, reply, tests};

    /// A header from the room of the leases, and these options.
    fn datagram(options: &[u8]) -> Vec<u8> {
        let mut message = Message::default();
        message.set_xid(7).set_chaddr(&[2, 0x37, 192, 168, 200, 2]);
        let mut datagram = message.to_vec().expect("fits");
        datagram.extend(options);
        datagram
    }

    const DISCOVER: &[u8] = &[53, 1, 1];

    #[test]
    fn what_is_not_a_request() {
        assert!(read(&datagram(DISCOVER)).is_some());
        let changes: [(&str, usize, u8); 6] = [
            ("a reply", 0, 2),
            ("another link layer", 1, 32),
            ("a short hardware address", 2, 5),
            ("one beyond its field", 2, 255),
            ("relayed", 24, 10),
            ("another cookie", COOKIE_AT, 0),
        ];
        for (what, at, value) in changes {
            let mut datagram = datagram(DISCOVER);
            datagram[at] = value;
            assert!(read(&datagram).is_none(), "{what}");
        }
        assert!(read(&datagram(DISCOVER)[..COOKIE_AT]).is_none(), "cut short");
    }

    #[test]
    fn strange_options_hide_nothing() {
        let strange: &[u8] = &[12, 2, 0xff, 0xfe, 54, 3, 1, 2, 3, 0, 0, 81, 1, 0];
        let wanted: &[u8] = &[50, 4, 192, 168, 200, 2, 61, 2, 9, 9, 255, 53, 1, 7];
        let request = read(&datagram(&[strange, DISCOVER, wanted].concat())).expect("sound");
        assert_eq!(request.kind, Some(MessageType::Discover), "what follows the end is not read");
        assert_eq!(request.requested, Some(Ipv4Addr::new(192, 168, 200, 2)));
        assert_eq!(request.server, None, "cut short");
        assert_eq!(request.client_id, Some(vec![9, 9]));
    }

    #[test]
    fn replies_are_never_short() {
        assert_eq!(write(&Message::default()).expect("fits").len(), MIN_PACKET_SIZE);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn no_request_brings_it_down(
            kind in 1_u8..9,
            options in proptest::collection::vec(any::<u8>(), 0..600),
        ) {
            let leases = Leases::new(Arc::new(tests::settings()), &tests::leases());
            let datagram = datagram(&[&[53, 1, kind], options.as_slice()].concat());
            if let Some(answer) = read(&datagram).and_then(|request| reply(&request, &leases)) {
                prop_assert!(write(&answer.message).is_some());
            }
        }
    }
}
