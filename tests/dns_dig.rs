//! The name service on loopback, asked by `dig`.
#![allow(clippy::expect_used, reason = "a test says what it needs by failing")]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use piaule::front::dns::{self, Sockets};
use piaule::front::view::View;
use piaule::wire::{FrontSettings, Snapshot, Zone};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

/// A running service: its view, and the ports of its two sides.
struct House {
    view: Arc<View>,
    public: SocketAddr,
    gateway: SocketAddr,
}

fn settings() -> FrontSettings {
    FrontSettings {
        zone: "hosting.example".parse().expect("valid"),
        panel: "panel.hosting.example".parse().expect("valid"),
        public_address: Ipv4Addr::new(203, 0, 113, 5),
        // Loopback stands for the rooms' network, so that dig is a room.
        network: "127.0.0.0/22".parse().expect("valid"),
        resolvers: Vec::new(),
        uid: 0,
        gid: 0,
    }
}

fn snapshot(generation: u64, rooms: &[&str]) -> Snapshot {
    let addressed = rooms
        .iter()
        .zip(10..)
        .map(|(name, last)| (name.parse().expect("valid"), Ipv4Addr::new(127, 0, 1, last)));
    Snapshot {
        generation,
        zone: Zone {
            serial: u32::try_from(generation).expect("small"),
            rooms: addressed.collect(),
        },
        routes: Vec::new(),
        leases: Vec::new(),
        certificates: Vec::new(),
    }
}

async fn bound() -> (UdpSocket, TcpListener, SocketAddr) {
    let udp = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
    let address = udp.local_addr().expect("bound");
    (udp, TcpListener::bind(address).await.expect("the same port"), address)
}

async fn house() -> House {
    let (udp, tcp, public) = bound().await;
    let (room_udp, room_tcp, gateway) = bound().await;
    let sockets = Sockets {
        udp: vec![udp],
        tcp: vec![tcp],
        room_udp: vec![room_udp],
        room_tcp: vec![room_tcp],
    };
    let view = Arc::new(View::empty());
    view.replace(snapshot(7, &["blog", "wiki"]));
    tokio::spawn(dns::serve(sockets, Arc::clone(&view), Arc::new(settings())));
    House { view, public, gateway }
}

async fn dig(server: SocketAddr, arguments: &str) -> String {
    let fixed = format!("@{} -p {} +tries=1 +timeout=5", server.ip(), server.port());
    let mut command = tokio::process::Command::new("dig");
    command.args(fixed.split(' ')).args(arguments.split(' '));
    let output = command.output().await.expect("dig (bind9-dnsutils) is installed");
    String::from_utf8(output.stdout).expect("text")
}

#[tokio::test]
async fn what_strangers_hear() {
    let house = house().await;
    let cases: &[(&str, &[&str])] = &[
        ("blog.hosting.example", &["NOERROR", "qr aa rd;", "\tA\t203.0.113.5", "udp: 1232"]),
        ("+tcp BLOG.Hosting.example", &["NOERROR", "BLOG.Hosting.example.", "(TCP)"]),
        ("+noedns hosting.example", &["NOERROR", "ADDITIONAL: 0"]),
        ("panel.hosting.example AAAA", &["NOERROR", "ANSWER: 0", "\t60\tIN\tSOA\t"]),
        ("none.hosting.example", &["NXDOMAIN", "AUTHORITY: 1", " 7 3600 600 1209600 60"]),
        ("hosting.example NS", &["NS\tns1.hosting.example.", "A\t203.0.113.5"]),
        ("hosting.example ANY +notcp", &["NOERROR", "ANSWER: 1,"]),
        ("-x 127.0.1.11", &["NOERROR", "qr aa rd;", "PTR\twiki.hosting.example."]),
        ("-x 127.0.2.1", &["NXDOMAIN", "2.0.127.in-addr.arpa."]),
        ("-x 127.0.4.1", &["REFUSED"]),
        ("example.org", &["REFUSED", "qr rd;", "recursion requested but not available"]),
        ("version.bind TXT CH", &["REFUSED"]),
        ("+edns=1 +noednsneg hosting.example", &["BADVERS", "EDNS: version: 0"]),
        ("+dnssec hosting.example", &["NOERROR", "flags: do; udp: 1232"]),
        ("+opcode=notify hosting.example SOA", &["NOTIMP"]),
        ("+header-only", &["FORMERR"]),
        ("hosting.example AXFR", &["Transfer failed."]),
    ];
    for (question, expected) in cases {
        let said = dig(house.public, question).await;
        for part in *expected {
            assert!(said.contains(part), "{question}: no `{part}` in\n{said}");
        }
    }
}

#[tokio::test]
async fn what_rooms_hear() {
    let house = house().await;
    let said = dig(house.gateway, "blog.hosting.example").await;
    assert!(said.contains("qr aa rd ra;") && said.contains("203.0.113.5"), "{said}");
    let said = dig(house.gateway, "example.org").await;
    assert!(said.contains("SERVFAIL"), "no resolver is configured: {said}");
    let said = dig(house.gateway, "+norecurse example.org").await;
    assert!(said.contains("REFUSED"), "{said}");
}

#[tokio::test]
async fn a_new_room_is_known_at_once() {
    let house = house().await;
    assert!(dig(house.public, "shop.hosting.example").await.contains("NXDOMAIN"));
    house.view.replace(snapshot(8, &["blog", "shop"]));
    let deadline = Instant::now() + Duration::from_secs(5);
    while dig(house.public, "shop.hosting.example +short").await.trim() != "203.0.113.5" {
        assert!(Instant::now() < deadline, "the new room never came");
    }
    assert!(dig(house.public, "wiki.hosting.example").await.contains("NXDOMAIN"));
    let pointer = dig(house.public, "-x 127.0.1.11 +short").await;
    assert_eq!(pointer.trim(), "shop.hosting.example.");
}

/// A question for `NAME.hosting.example A` under this id, behind its length.
fn framed(id: u8, name: &str) -> Vec<u8> {
    let mut message = vec![0, id, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in [name, "hosting", "example"] {
        message.push(u8::try_from(label.len()).expect("short"));
        message.extend(label.as_bytes());
    }
    message.extend([0, 0, 1, 0, 1]);
    let length = u16::try_from(message.len()).expect("short");
    [&length.to_be_bytes(), message.as_slice()].concat()
}

async fn reply(stream: &mut TcpStream) -> Vec<u8> {
    let length = stream.read_u16().await.expect("a reply");
    let mut message = vec![0; usize::from(length)];
    stream.read_exact(&mut message).await.expect("all of it");
    message
}

#[tokio::test]
async fn requests_in_one_stream() {
    let house = house().await;
    let mut stream = TcpStream::connect(house.public).await.expect("listening");
    let both = [framed(1, "blog"), framed(2, "none")].concat();
    // The second request arrives in pieces.
    let (first, rest) = both.split_at(both.len() - 9);
    stream.write_all(first).await.expect("open");
    let answer = reply(&mut stream).await;
    assert_eq!((answer[1], answer[3] & 0x0f), (1, 0));
    stream.write_all(rest).await.expect("open");
    let answer = reply(&mut stream).await;
    assert_eq!((answer[1], answer[3] & 0x0f), (2, 3));
    stream.write_all(&[0xff, 0xff, 0]).await.expect("open");
    let ended = stream.read(&mut [0]).await;
    assert!(matches!(ended, Ok(0) | Err(_)), "65,535 octets announced, and cut off: {ended:?}");
}

#[tokio::test]
async fn one_client_cannot_hold_every_connection() {
    let house = house().await;
    let mut held = Vec::new();
    let refused = loop {
        let mut stream = TcpStream::connect(house.public).await.expect("listening");
        let sent = stream.write_all(&framed(1, "blog")).await;
        if sent.is_err() || stream.read_u16().await.is_err() {
            break held.len();
        }
        held.push(stream);
        assert!(held.len() < 200, "no limit");
    };
    assert_eq!(refused, 16);
    assert!(dig(house.public, "blog.hosting.example +short").await.contains("203.0.113.5"));
    held.clear();
    let deadline = Instant::now() + Duration::from_secs(5);
    while !dig(house.public, "+tcp blog.hosting.example").await.contains("NOERROR") {
        assert!(Instant::now() < deadline, "places never came free");
    }
}
