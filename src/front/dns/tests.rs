//! Requests against a whole service: first the decisions as bytes, then the loops with `dig` and
//! resolvers that misbehave.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use domain::base::iana::{Class, Rcode, Rtype};
use domain::base::name::Name;
use domain::base::{Message, MessageBuilder};
use domain::rdata::{A, AllRecordData, Txt};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};

use super::query::Transport;
use super::service::{Outcome, Service, Side};
use super::tcp::framed;
use super::*;
use crate::wire::{Snapshot, Zone};

const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7));
const ROOM: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 168, 200, 2));

fn settings(network: &str) -> Arc<FrontSettings> {
    Arc::new(FrontSettings {
        zone: "hosting.example".parse().expect("valid"),
        panel: "my.panel.hosting.example".parse().expect("valid"),
        public_address: Ipv4Addr::new(203, 0, 113, 5),
        network: network.parse().expect("valid"),
        resolvers: Vec::new(),
        uid: 0,
        gid: 0,
    })
}

fn snapshot(generation: u64, rooms: &[(&str, [u8; 4])]) -> Snapshot {
    let room = |(name, address): &(&str, [u8; 4])| {
        (name.parse().expect("valid"), Ipv4Addr::from(*address))
    };
    Snapshot {
        generation,
        zone: Zone {
            serial: u32::try_from(generation).expect("small") + 40,
            rooms: rooms.iter().map(room).collect(),
        },
        routes: Vec::new(),
        leases: Vec::new(),
        certificates: Vec::new(),
    }
}

fn service() -> Service {
    let service = Service::new(settings("192.168.200.0/22"), Vec::new());
    let rooms = [("blog", [192, 168, 200, 2]), ("wiki", [192, 168, 203, 9])];
    service.index(&snapshot(2, &rooms));
    service
}

fn name(text: &str) -> Name<Vec<u8>> {
    text.parse().expect("valid")
}

/// A request with RD, without EDNS.
pub(super) fn request(text: &str, rtype: Rtype, class: Class) -> Vec<u8> {
    let mut builder = MessageBuilder::new_vec();
    builder.header_mut().set_id(0x1234);
    builder.header_mut().set_rd(true);
    let mut builder = builder.question();
    builder.push((name(text), rtype, class)).expect("fits");
    builder.finish()
}

/// `RCODE flags` and each record of each section, as a zone file would have it.
fn show(reply: &[u8]) -> Vec<String> {
    let message = Message::from_slice(reply).expect("sound");
    let header = message.header();
    assert_eq!(header.id(), 0x1234);
    let mut lines = vec![format!("{} {}", header.rcode(), header.flags())];
    let (_, answer, authority, additional) = message.sections().expect("sound");
    for (section, records) in [("an", answer), ("ns", authority), ("ar", additional)] {
        for record in records {
            let record = record.expect("sound");
            let record = record.to_any_record::<AllRecordData<_, _>>().expect("sound");
            let (owner, ttl) = (record.owner(), record.ttl().as_secs());
            lines.push(format!("{section} {owner} {ttl} {} {}", record.rtype(), record.data()));
        }
    }
    lines
}

fn decide(service: &Service, request: &[u8], client: IpAddr, side: Side) -> Option<Vec<u8>> {
    match service.decide(request, client, side, Transport::Udp) {
        Outcome::Reply(reply) => Some(reply),
        Outcome::Silence | Outcome::Forward(_) => None,
    }
}

#[test]
fn answers_of_the_house() {
    let service = service();
    let soa = |apex: &str| {
        format!(
            "ns {apex} 60 SOA ns1.hosting.example. hostmaster.hosting.example. \
             42 3600 600 1209600 60"
        )
    };
    let (zone, reverse) = (soa("hosting.example"), soa("200.168.192.in-addr.arpa"));
    let the_box = |name: &str| format!("an {name} 300 A 203.0.113.5");
    let cases: Vec<(&str, Rtype, Vec<&str>)> = vec![
        ("hosting.example", Rtype::A, vec!["NOERROR QR AA RD", "apex"]),
        ("blog.hosting.example", Rtype::A, vec!["NOERROR QR AA RD", "same"]),
        ("BLOG.Hosting.example", Rtype::A, vec!["NOERROR QR AA RD", "same"]),
        ("ns1.hosting.example", Rtype::A, vec!["NOERROR QR AA RD", "same"]),
        ("my.panel.hosting.example", Rtype::A, vec!["NOERROR QR AA RD", "same"]),
        ("panel.hosting.example", Rtype::A, vec!["NOERROR QR AA RD", &zone]),
        ("blog.hosting.example", Rtype::AAAA, vec!["NOERROR QR AA RD", &zone]),
        ("blog.hosting.example", Rtype::ANY, vec!["NOERROR QR AA RD", "same"]),
        ("none.hosting.example", Rtype::A, vec!["NXDOMAIN QR AA RD", &zone]),
        ("deep.blog.hosting.example", Rtype::A, vec!["NXDOMAIN QR AA RD", &zone]),
        ("200.168.192.in-addr.arpa", Rtype::A, vec!["NOERROR QR AA RD", &reverse]),
        ("3.200.168.192.in-addr.arpa", Rtype::PTR, vec!["NXDOMAIN QR AA RD", &reverse]),
        (
            "9.203.168.192.in-addr.arpa",
            Rtype::PTR,
            vec!["NOERROR QR AA RD", "an 9.203.168.192.in-addr.arpa 300 PTR wiki.hosting.example."],
        ),
        (
            "hosting.example",
            Rtype::NS,
            vec![
                "NOERROR QR AA RD",
                "an hosting.example 300 NS ns1.hosting.example.",
                "ar ns1.hosting.example 300 A 203.0.113.5",
            ],
        ),
        ("example", Rtype::A, vec!["REFUSED QR RD"]),
        ("xhosting.example", Rtype::A, vec!["REFUSED QR RD"]),
        ("1.204.168.192.in-addr.arpa", Rtype::PTR, vec!["REFUSED QR RD"]),
        ("hosting.example", Rtype::AXFR, vec!["REFUSED QR RD"]),
        ("hosting.example", Rtype::MAILB, vec!["NOTIMP QR RD"]),
        ("hosting.example", Rtype::OPT, vec!["FORMERR QR RD"]),
    ];
    for (asked, rtype, expected) in cases {
        let reply = decide(&service, &request(asked, rtype, Class::IN), STRANGER, Side::Public);
        let expected: Vec<String> = expected
            .into_iter()
            .map(|line| if matches!(line, "apex" | "same") { the_box(asked) } else { line.into() })
            .collect();
        assert_eq!(show(&reply.expect("a reply")), expected, "{asked} {rtype}");
    }
}

#[test]
fn only_rooms_are_helped_with_other_names() {
    let service = service();
    let other = request("example.org", Rtype::A, Class::IN);
    let forwarded = |request: &[u8], client, side| {
        matches!(service.decide(request, client, side, Transport::Udp), Outcome::Forward(_))
    };
    assert!(forwarded(&other, ROOM, Side::Room));
    assert!(!forwarded(&other, ROOM, Side::Public));
    assert!(!forwarded(&other, STRANGER, Side::Room));
    let mut unwanted = other.clone();
    unwanted[2] = 0;
    assert!(!forwarded(&unwanted, ROOM, Side::Room), "no recursion desired");
    let version = request("version.bind", Rtype::TXT, Class::CH);
    for side in [Side::Public, Side::Room] {
        let reply = decide(&service, &version, ROOM, side).expect("a reply");
        assert!(show(&reply)[0].starts_with("REFUSED"));
        assert!(reply.len() <= version.len());
    }
    let own = request("blog.hosting.example", Rtype::A, Class::IN);
    let reply = decide(&service, &own, ROOM, Side::Room).expect("a reply");
    assert_eq!(show(&reply)[0], "NOERROR QR AA RD RA");
}

#[test]
fn a_newer_zone_replaces_the_old_one() {
    let service = service();
    service.index(&snapshot(3, &[("wiki", [192, 168, 200, 2])]));
    let ask = |text: &str, rtype| {
        let reply = decide(&service, &request(text, rtype, Class::IN), STRANGER, Side::Public);
        show(&reply.expect("a reply"))
    };
    assert!(ask("blog.hosting.example", Rtype::A)[0].starts_with("NXDOMAIN"));
    assert!(ask("2.200.168.192.in-addr.arpa", Rtype::PTR)[1].ends_with("wiki.hosting.example."));
    assert!(ask("hosting.example", Rtype::SOA)[1].contains(" 43 "));
}

/// What a resolver of these tests does with a question.
#[derive(Clone, Copy)]
enum Manner {
    /// Answers `192.0.2.80` for A.
    Answers,
    /// Sends forgeries first: other ids, another question.
    AfterForgeries,
    /// Answers cut short over UDP, with 60 TXT strings over TCP.
    Truncates,
    Silent,
    Fails,
}

struct Resolver {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
}

async fn resolver(manner: Manner) -> Resolver {
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("free port");
    let address = socket.local_addr().expect("bound");
    let listener = TcpListener::bind(address).await.expect("same port");
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    tokio::spawn(async move {
        let mut buffer = [0; 1232];
        loop {
            let (length, client) = socket.recv_from(&mut buffer).await.expect("receives");
            count.fetch_add(1, Ordering::SeqCst);
            for reply in replies(&buffer[..length], manner) {
                socket.send_to(&reply, client).await.expect("sends");
            }
        }
    });
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.expect("accepts");
            let length = stream.read_u16().await.expect("a request");
            let mut request = vec![0; usize::from(length)];
            stream.read_exact(&mut request).await.expect("a request");
            let reply = resolved(&request, false, true);
            stream.write_all(&framed(&reply)).await.expect("sends");
        }
    });
    Resolver { address, asked }
}

fn replies(request: &[u8], manner: Manner) -> Vec<Vec<u8>> {
    let good = resolved(request, false, false);
    match manner {
        Manner::Silent => Vec::new(),
        Manner::Answers => vec![good],
        Manner::Truncates => vec![resolved(request, true, false)],
        Manner::Fails => {
            let mut failed = good;
            failed[3] = failed[3] & 0xf0 | Rcode::SERVFAIL.to_int();
            vec![failed]
        }
        Manner::AfterForgeries => {
            let forge = |at: usize| {
                let mut forged = good.clone();
                forged[at] ^= 0x01;
                *forged.last_mut().expect("not empty") = 66;
                forged
            };
            // The id, the QR bit's octet kept, and the first letter of the name.
            vec![forge(0), forge(1), forge(13), good.clone()]
        }
    }
}

fn resolved(request: &[u8], truncated: bool, long: bool) -> Vec<u8> {
    let request = Message::from_slice(request).expect("sound");
    let mut builder =
        MessageBuilder::new_vec().start_answer(request, Rcode::NOERROR).expect("fits");
    builder.header_mut().set_ra(true);
    builder.header_mut().set_tc(truncated);
    let asked = request.sole_question().expect("one");
    for number in 0..if long { 60_u8 } else { 0 } {
        let text = Txt::<Vec<u8>>::build_from_slice(&[b'a' + number % 26; 40]).expect("short");
        builder.push((asked.qname(), 100, text)).expect("fits");
    }
    if !truncated && !long {
        builder.push((asked.qname(), 100, A::from_octets(192, 0, 2, 80))).expect("fits");
    }
    builder.finish()
}

/// A service for rooms on 127.0.0.0/16; its port is free over UDP and TCP.
async fn house(resolvers: &[&Resolver]) -> u16 {
    let udp = UdpSocket::bind("127.0.0.1:0").await.expect("free port");
    let address = udp.local_addr().expect("bound");
    let tcp = TcpListener::bind(address).await.expect("same port");
    let sockets = Sockets { room_udp: vec![udp], room_tcp: vec![tcp], ..Sockets::default() };
    let resolvers = resolvers.iter().map(|resolver| resolver.address).collect();
    tokio::spawn(serve_with(sockets, Arc::new(View::empty()), settings("127.0.0.0/16"), resolvers));
    address.port()
}

async fn dig(port: u16, arguments: &str) -> String {
    let base = format!("@127.0.0.1 -p {port} +tries=1 +timeout=8 {arguments}");
    let mut command = tokio::process::Command::new("dig");
    let Output { status, stdout, .. } =
        command.args(base.split(' ')).output().await.expect("dig is installed");
    let said = String::from_utf8(stdout).expect("text");
    assert!(status.success(), "{said}");
    said
}

#[tokio::test]
async fn forwards_and_remembers() {
    let behind = resolver(Manner::Answers).await;
    let port = house(&[&behind]).await;
    let said = dig(port, "www.Example.org A").await;
    assert!(said.contains("status: NOERROR") && said.contains("flags: qr rd ra;"), "{said}");
    assert!(said.contains("192.0.2.80") && said.contains("www.Example.org."), "{said}");
    assert!(said.contains("udp: 1232"), "{said}");
    let said = dig(port, "WWW.example.org A +noedns").await;
    assert!(said.contains("192.0.2.80") && said.contains("WWW.example.org."), "{said}");
    assert!(!said.contains("OPT PSEUDOSECTION"), "{said}");
    assert_eq!(behind.asked.load(Ordering::SeqCst), 1, "the second came from the cache");
}

#[tokio::test]
async fn forgeries_are_passed_over() {
    let behind = resolver(Manner::AfterForgeries).await;
    let said = dig(house(&[&behind]).await, "www.example.org A +short").await;
    assert_eq!(said.trim(), "192.0.2.80");
}

#[tokio::test]
async fn a_truncated_answer_is_fetched_over_tcp() {
    let behind = resolver(Manner::Truncates).await;
    let port = house(&[&behind]).await;
    let said = dig(port, "long.example.org TXT +ignore").await;
    assert!(said.contains("flags: qr tc rd ra;") && said.contains("ANSWER: 0"), "{said}");
    let said = dig(port, "long.example.org TXT").await;
    assert!(said.contains("ANSWER: 60") && said.contains("(TCP)"), "{said}");
}

#[tokio::test]
async fn another_resolver_steps_in() {
    let (silent, failing, good) = (
        resolver(Manner::Silent).await,
        resolver(Manner::Fails).await,
        resolver(Manner::Answers).await,
    );
    let port = house(&[&silent, &failing, &good]).await;
    assert_eq!(dig(port, "www.example.org A +short").await.trim(), "192.0.2.80");
    let said = dig(house(&[&failing]).await, "www.example.org A").await;
    assert!(said.contains("status: SERVFAIL"), "{said}");
    let said = dig(house(&[]).await, "www.example.org A").await;
    assert!(said.contains("status: SERVFAIL"), "{said}");
}

#[test]
fn the_house_does_not_ask_itself() {
    let mut settings = FrontSettings::clone(&settings("192.168.200.0/22"));
    settings.resolvers = ["192.168.200.1", "203.0.113.5", "192.0.2.53"]
        .map(|address| address.parse().expect("valid"))
        .to_vec();
    assert_eq!(resolvers(&settings), ["192.0.2.53:53".parse().expect("valid")]);
}

/// Sound headers and names now and then, so that the parsers get past them.
pub(super) fn noise() -> impl Strategy<Value = Vec<u8>> {
    let plausible = prop_oneof![
        Just(b"\x04blog\x07hosting\x07example\0\0\x01\0\x01".to_vec()),
        Just(b"\0\0\x29\x10\0\0\0\x80\0\0\0".to_vec()),
        Just(b"\xc0\x0c\0\x05\0\x01\0\0\0\x09\0\x02\xc0\x0c".to_vec()),
        proptest::collection::vec(any::<u8>(), 0..40),
    ];
    let header = [2_u8, 1, 1, 2].map(|largest| 0..=largest);
    let parts = proptest::collection::vec(plausible, 0..5);
    (any::<[u8; 2]>(), header, parts).prop_map(|(flags, counts, parts)| {
        let mut bytes = vec![0x12, 0x34, flags[0], flags[1] & 0xf0];
        bytes.extend(counts.map(|count| u16::from(count).to_be_bytes()).as_flattened());
        bytes.extend(parts.concat());
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_request_brings_it_down(request in noise()) {
        if let Some(reply) = decide(&service(), &request, ROOM, Side::Room) {
            prop_assert!(Message::from_slice(&reply).is_ok_and(|reply| reply.header().qr()));
            prop_assert!(reply.len() <= 1232);
        }
    }
}
