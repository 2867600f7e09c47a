//! Visitors who send what they should not, or too much, or nothing.

use std::net::Ipv4Addr;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use piaule::front::proxy::Bounds;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::house::{House, within};

#[tokio::test(flavor = "multi_thread")]
async fn shows_no_certificate_to_who_asks_for_none_of_ours() {
    let house = House::open().await;
    for (name, alert) in [
        ("nobody.example", "UnrecognisedName"),
        ("a.blog.host.example", "UnrecognisedName"),
        ("127.0.0.1", "MissingExtension"),
    ] {
        let error = house.dial(name).await.expect_err("a certificate was shown");
        assert!(
            error.to_string().contains(alert) || format!("{error:?}").contains(alert),
            "{name}: {error:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_for_its_certificate_s_hosts() {
    let house = House::open().await;
    let ask = async |host: &str| {
        let url = house.url("blog.host.example", "/");
        let host = format!("Host: {host}");
        house.curl(&["-o", "/dev/null", "--write-out", "%{http_code}", "-H", &host, &url]).await
    };
    assert_eq!(ask("wiki.host.example").await, "200", "the wildcard speaks for it");
    assert_eq!(ask("WIKI.host.example.:443").await, "200", "the same name, written otherwise");
    assert_eq!(ask("club.example").await, "421");
    assert_eq!(ask("evil.example").await, "421");
    assert_eq!(ask("user@blog.host.example").await, "400");
    assert_eq!(house.room.requests.load(Ordering::SeqCst), 2);
}

/// Sent behind what must not be taken for the end of a request.
const SMUGGLED: &str = "GET /head?smuggled HTTP/1.1\r\nHost: blog.host.example\r\n\r\n";

/// What one connection's bytes get, and how many requests the room saw of them.
async fn smuggle(house: &House, request: &str) -> (String, usize) {
    let before = house.room.requests.load(Ordering::SeqCst);
    let said = house.talk("blog.host.example", request).await;
    (said, house.room.requests.load(Ordering::SeqCst) - before)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_smuggled() {
    let house = House::open().await;
    for (what, head) in [
        (
            "two hosts",
            "GET /head HTTP/1.1\r\nHost: blog.host.example\r\nHost: club.example\r\n\r\n",
        ),
        (
            "the same host twice",
            "GET /head HTTP/1.1\r\nHost: blog.host.example\r\nHost: blog.host.example\r\n\r\n",
        ),
        ("no host", "GET /head HTTP/1.1\r\nConnection: close\r\n\r\n"),
        (
            "a folded line",
            "GET /head HTTP/1.1\r\nHost: blog.host.example\r\nX-A: 1\r\n X-B: 2\r\n\r\n",
        ),
        (
            "a space before the colon",
            "GET /head HTTP/1.1\r\nHost: blog.host.example\r\nContent-Length : 5\r\n\r\nhello",
        ),
        (
            "two lengths",
            "POST /head HTTP/1.1\r\nHost: blog.host.example\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        ),
        (
            "a signed length",
            "POST /head HTTP/1.1\r\nHost: blog.host.example\r\nContent-Length: +5\r\n\r\nhello",
        ),
        (
            "chunked not last",
            "POST /head HTTP/1.1\r\nHost: blog.host.example\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        ),
        (
            "an unknown coding",
            "POST /head HTTP/1.1\r\nHost: blog.host.example\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        ),
        (
            "a coding in HTTP/1.0",
            "POST /head HTTP/1.0\r\nHost: blog.host.example\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        (
            "a bare carriage return",
            "GET /head HTTP/1.1\r\nHost: blog.host.example\r\nX-A: 1\rX-B: 2\r\n\r\n",
        ),
        (
            "absolute, another certificate's host",
            "GET https://club.example/head HTTP/1.1\r\nHost: blog.host.example\r\nConnection: close\r\n\r\n",
        ),
        (
            "connect",
            "CONNECT blog.host.example:80 HTTP/1.1\r\nHost: blog.host.example\r\nConnection: close\r\n\r\n",
        ),
    ] {
        let request = format!("{head}{SMUGGLED}");
        let (said, requests) = smuggle(&house, &request).await;
        assert!(said.starts_with("HTTP/1.1 4") || said.is_empty(), "{what}: {said}");
        assert!(said.matches("HTTP/1.1").count() <= 1, "{what}: {said}");
        assert_eq!(requests, 0, "{what}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_framings_leave_one_request() {
    let house = House::open().await;
    for order in [
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
    ] {
        // By length the body is `0\r\n\r`; by chunks it is empty. Either way what follows is not
        // a request: RFC 9112 §6.3 has the connection closed.
        let request = format!(
            "POST /upload HTTP/1.1\r\nHost: blog.host.example\r\n{order}\r\n0\r\n\r\n{SMUGGLED}"
        );
        let (said, requests) = smuggle(&house, &request).await;
        assert_eq!(said.matches("HTTP/1.1 ").count(), 1, "{said}");
        assert!(said.ends_with("0 0"), "an empty upload: {said}");
        assert_eq!(requests, 1, "{said}");
    }
    // The room's connection is clean for the next visitor.
    let head = house.curl(&[&house.url("blog.host.example", "/head")]).await;
    assert!(head.starts_with("GET /head HTTP/1.1\r\n"), "{head}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_absolute_target_counts_before_the_host_line() {
    let house = House::open().await;
    let request = "GET http://wiki.host.example/head HTTP/1.1\r\nHost: blog.host.example\r\nConnection: close\r\n\r\n";
    let (said, requests) = smuggle(&house, request).await;
    assert!(
        said.contains("\r\nGET /head HTTP/1.1\r\n")
            && said.contains("\r\nhost: wiki.host.example\r\n"),
        "{said}"
    );
    assert!(!said.contains("blog.host.example"), "{said}");
    assert_eq!(requests, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn h2c_is_not_passed_on() {
    let house = House::open().await;
    let request = "GET /head HTTP/1.1\r\nHost: blog.host.example\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n";
    let (said, _) = smuggle(&house, request).await;
    assert!(
        said.starts_with("HTTP/1.1 200")
            && !said.contains("upgrade")
            && !said.contains("http2-settings"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn closes_on_who_sends_nothing() {
    let short = Duration::from_millis(200);
    let house =
        House::open_within(Bounds { handshake: short, head: short, ..Bounds::default() }).await;
    let mut silent = TcpStream::connect((Ipv4Addr::LOCALHOST, house.https)).await.expect("connect");
    assert_eq!(within(silent.read(&mut [0])).await.expect("closed"), 0);
    let said = house.talk("blog.host.example", "GET / HTTP/1.1\r\nHost: blog.h").await;
    assert!(said.is_empty() || said.starts_with("HTTP/1.1 408"), "{said}");
    let mut plain = TcpStream::connect((Ipv4Addr::LOCALHOST, house.http)).await.expect("connect");
    plain.write_all(b"GET / HTTP/1.1\r\n").await.expect("write");
    let mut said = Vec::new();
    within(plain.read_to_end(&mut said)).await.expect("closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn gives_up_on_who_stops_sending() {
    let bounds = Bounds { answer: Duration::from_millis(300), ..Bounds::default() };
    let house = House::open_within(bounds).await;
    let half =
        "POST /upload HTTP/1.1\r\nHost: blog.host.example\r\nContent-Length: 10\r\n\r\nhello";
    let said = house.talk("blog.host.example", half).await;
    assert!(said.starts_with("HTTP/1.1 408"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn caps_connections_of_one_client() {
    let house = House::open_within(Bounds { per_address: 2, ..Bounds::default() }).await;
    let _first = house.dial("blog.host.example").await.expect("handshake");
    let second = house.dial("blog.host.example").await.expect("handshake");
    assert!(house.dial("blog.host.example").await.is_err(), "a third was served");
    drop(second);
    let deadline = Instant::now() + Duration::from_secs(5);
    while house.dial("blog.host.example").await.is_err() {
        assert!(Instant::now() < deadline, "the place is not given back");
    }
}
