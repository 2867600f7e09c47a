//! The proxy, visited by curl and by a client that writes bytes by hand, on loopback.
#![allow(clippy::expect_used, reason = "allowed in tests; this is what they share")]

#[path = "proxy/hostile.rs"]
mod hostile;
#[path = "proxy/house.rs"]
mod house;
#[path = "proxy/room.rs"]
mod room;

use std::net::Ipv4Addr;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use house::{House, LATER, snapshot, until, within};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use piaule::front::proxy::Bounds;
use piaule::wire::RouteState;
use room::{DOWNLOAD, Room, sum};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

#[tokio::test(flavor = "multi_thread")]
async fn answers_over_every_version() {
    let house = House::open().await;
    for (options, version) in [
        (&["--http1.1", "--tlsv1.3"][..], "1.1"),
        (&["--http2", "--tlsv1.3"], "2"),
        (&["--http1.1", "--tls-max", "1.2"], "1.1"),
        (&["--http2", "--tls-max", "1.2"], "2"),
    ] {
        let url = house.url("blog.host.example", "/");
        let mut arguments = vec!["--write-out", "%{http_code} %{http_version}", &url];
        arguments.extend(options);
        let said = house.curl(&arguments).await;
        assert_eq!(said, format!("hello\n200 {version}"), "{options:?}");
    }
    let old = house.curl(&["--http1.0", &house.url("blog.host.example", "/")]).await;
    assert_eq!(old, "hello\n", "HTTP/1.0");
    let own = house.url("club.example", "/");
    assert_eq!(house.curl(&[&own]).await, "hello\n", "a domain with its own certificate");
}

#[tokio::test(flavor = "multi_thread")]
async fn tells_rooms_who_visits() {
    let house = House::open().await;
    for version in ["--http1.1", "--http2"] {
        let url = house.url("blog.host.example", "/head?a=%20b");
        let head = house
            .curl(&[
                version,
                "-H",
                "X-Forwarded-For: 10.0.0.1",
                "-H",
                "Forwarded: for=10.0.0.1",
                "-H",
                "X_Forwarded_For: 10.0.0.1",
                "-H",
                "Cookie: a=1",
                "-H",
                "Cookie: b=2",
                "-H",
                "Connection: X-Mine",
                "-H",
                "X-Mine: 1",
                "-H",
                "TE: trailers",
                &url,
            ])
            .await;
        assert!(head.starts_with("GET /head?a=%20b HTTP/1.1\r\n"), "{head}");
        let host = format!("blog.host.example:{}", house.https);
        for expected in [
            format!("\r\nhost: {host}\r\n"),
            format!("\r\nx-forwarded-host: {host}\r\n"),
            format!("\r\nforwarded: for=127.0.0.1;host=\"{host}\";proto=https\r\n"),
            "\r\nx-forwarded-for: 127.0.0.1\r\n".into(),
            "\r\nx-forwarded-proto: https\r\n".into(),
            "\r\ncookie: a=1; b=2\r\n".into(),
        ] {
            assert!(head.contains(&expected), "{version} {expected:?} in {head}");
        }
        for gone in ["10.0.0.1", "x-mine", "te:", "connection:"] {
            assert!(
                version == "--http2" && gone == "x-mine" || !head.contains(gone),
                "{version} {gone} in {head}"
            );
        }
    }
    let url = house.url("blog.host.example", "/hops");
    let head = house.curl(&["--http1.1", "--head", "-X", "GET", &url]).await;
    assert!(
        head.contains("x-kept: 1") && !head.contains("x-own") && !head.contains("keep-alive"),
        "{head}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn shows_a_page_for_what_cannot_answer() {
    let bounds = Bounds {
        boot: Duration::from_millis(300),
        answer: Duration::from_millis(500),
        ..Bounds::default()
    };
    let house = House::open_within(bounds).await;
    for (host, path, status, title) in [
        ("off.host.example", "/", "503", "Site arrêté"),
        ("old.host.example", "/", "410", "Site archivé"),
        ("nobody.host.example", "/", "404", "Aucun site ici"),
        ("absent.host.example", "/", "503", "Le site ne répond pas"),
        ("blog.host.example", "/close", "502", "Réponse incorrecte du site"),
        ("blog.host.example", "/garbage", "502", "Réponse incorrecte du site"),
        ("blog.host.example", "/late", "504", "Le site est trop lent"),
    ] {
        for version in ["--http1.1", "--http2"] {
            let url = house.url(host, path);
            let page = house
                .curl(&[version, "-i", "-H", "Accept-Language: fr-FR,fr;q=0.9,en;q=0.5", &url])
                .await;
            assert!(page.lines().next().is_some_and(|line| line.contains(status)), "{page}");
            assert!(page.contains(&format!("<h1>{title}</h1>")) && page.contains(host), "{page}");
            assert!(
                page.contains("default-src 'none'") && !page.contains("strict-transport"),
                "{page}"
            );
            assert_eq!(page.contains("retry-after:"), status == "503", "{page}");
        }
    }
    let english = house.curl(&[&house.url("off.host.example", "/")]).await;
    assert!(english.contains("Site switched off"), "{english}");
}

#[tokio::test(flavor = "multi_thread")]
async fn follows_the_snapshot() {
    let house = House::open().await;
    let url = house.url("blog.host.example", "/");
    let status =
        async || house.curl(&["-o", "/dev/null", "--write-out", "%{http_code}", &url]).await;
    assert_eq!(status().await, "200");
    house.view.replace(snapshot(2, house.certificates(), RouteState::Down));
    let deadline = Instant::now() + Duration::from_secs(5);
    while status().await != "503" {
        assert!(Instant::now() < deadline, "the snapshot is not served");
    }
    house.view.replace(snapshot(3, Vec::new(), RouteState::Up));
    until_refused(&house, "blog.host.example").await;
}

async fn until_refused(house: &House, name: &str) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while house.dial(name).await.is_ok() {
        assert!(Instant::now() < deadline, "a certificate that is gone is still shown");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn leads_from_plain_to_tls() {
    let house = House::open().await;
    let ask = async |host: &str, path: &str| {
        let url = format!("http://{host}:{}{path}", house.http);
        house
            .curl(&[
                "-o",
                "/dev/null",
                "--write-out",
                "%{http_code} %{redirect_url}",
                "-X",
                "POST",
                &url,
            ])
            .await
    };
    for host in ["blog.host.example", "off.host.example", "panel.host.example"] {
        assert_eq!(ask(host, "/a?b=c").await, format!("308 {}", house.url(host, "/a?b=c")));
    }
    assert_eq!(ask("nobody.host.example", "/").await, "404 ");
    assert_eq!(ask("127.0.0.1", "/").await, "404 ");
    assert_eq!(ask("blog.host.example", "/.well-known/acme-challenge/x").await, "404 ");
    let url = format!("http://blog.host.example:{}/", house.http);
    assert_eq!(house.curl(&["--location", &url]).await, "hello\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn serves_the_panel_itself() {
    let house = House::open().await;
    for version in ["--http1.1", "--http2"] {
        let url = house.url("panel.host.example", "/rooms?x");
        let said = house.curl(&[version, "-i", "-H", "X-Forwarded-For: 10.0.0.1", &url]).await;
        assert!(said.contains("strict-transport-security: max-age="), "{said}");
        let expected =
            format!("panel /rooms?x Some(\"panel.host.example:{}\") false 127.0.0.1", house.https);
        assert!(said.ends_with(&expected), "{said}");
    }
    assert_eq!(house.room.requests.load(Ordering::SeqCst), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn keeps_connections_to_rooms() {
    let house = House::open().await;
    let url = house.url("blog.host.example", "/connection");
    for version in ["--http1.1", "--http2"] {
        assert_eq!(house.curl(&[version, &url]).await, "1", "one connection, whoever visits");
    }
    // The room closes a kept connection when asked for more: asked again on another one.
    let stale = house.url("blog.host.example", "/stale");
    assert_eq!(house.curl(&[&stale]).await, "2");
    // Not what might do something twice.
    let url = house.url("blog.host.example", "/connection");
    assert_eq!(house.curl(&[&url]).await, "2");
    let said = house
        .curl(&["-o", "/dev/null", "--write-out", "%{http_code}", "-d", "pay=1", &stale])
        .await;
    assert_eq!(said, "502");
}

#[tokio::test(flavor = "multi_thread")]
async fn passes_bodies_whole_both_ways() {
    let house = House::open().await;
    let sent: Vec<u8> = (0..8_000_000_u32).map(|i| (i % 251) as u8).collect();
    std::fs::write(house.path("sent"), &sent).expect("write");
    let data = format!("@{}", house.path("sent").display());
    let url = house.url("blog.host.example", "/upload");
    let expected = format!("{} {}", sent.len(), sum(&sent));
    for options in [
        &["--http1.1", "--data-binary", &data][..],
        &["--http2", "--data-binary", &data],
        &["--http1.1", "-H", "Transfer-Encoding: chunked", "--data-binary", &data],
        &["--http1.1", "-X", "GET", "-H", "Transfer-Encoding: chunked", "--data-binary", &data],
        &["--http1.1", "-H", "Expect: 100-continue", "--data-binary", &data],
        &["--http2", "-X", "GET", "-H", "Content-Length:", "-T", &data[1..]],
    ] {
        let mut arguments = options.to_vec();
        arguments.push(&url);
        assert_eq!(house.curl(&arguments).await, expected, "{options:?}");
    }
    let url = house.url("blog.host.example", "/download");
    for version in ["--http1.1", "--http2"] {
        let size = house
            .curl(&[version, "-o", "/dev/null", "--write-out", "%{size_download}", &url])
            .await;
        assert_eq!(size, DOWNLOAD.to_string());
    }
    let head = house.curl(&["--head", &house.url("blog.host.example", "/")]).await;
    assert!(head.to_ascii_lowercase().contains("content-length: 6"), "{head}");
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_without_waiting_for_the_end() {
    let house = House::open().await;
    for version in ["--http1.1", "--http2"] {
        let url = house.url("blog.host.example", "/stream");
        let mut curl = house.command(&["-N", version, &url]).spawn().expect("curl");
        let mut lines = BufReader::new(curl.stdout.take().expect("piped")).lines();
        // The room sends the second line only when the first was seen here.
        assert_eq!(within(lines.next_line()).await.expect("read").as_deref(), Some("one"));
        house.room.go.notify_one();
        assert_eq!(within(lines.next_line()).await.expect("read").as_deref(), Some("two"));
        assert!(within(curl.wait()).await.expect("end").success());

        let url = house.url("blog.host.example", "/upload");
        let before = house.room.uploaded.load(Ordering::SeqCst);
        let mut command = house.command(&["-N", version, "-T", "-", "-X", "POST", &url]);
        let mut curl = command.stdin(std::process::Stdio::piped()).spawn().expect("curl");
        let mut stdin = curl.stdin.take().expect("piped");
        stdin.write_all(b"one").await.expect("write");
        // The room has the first bytes while the rest does not exist yet.
        until(|| house.room.uploaded.load(Ordering::SeqCst) == before + 3).await;
        stdin.write_all(b"two").await.expect("write");
        drop(stdin);
        let output = within(curl.wait_with_output()).await.expect("end");
        assert_eq!(String::from_utf8_lossy(&output.stdout), format!("6 {}", sum(b"onetwo")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_visitor_slows_the_room() {
    let house = House::open().await;
    let mut stream = house.dial("blog.host.example").await.expect("handshake");
    stream
        .write_all(b"GET /download HTTP/1.1\r\nHost: blog.host.example\r\n\r\n")
        .await
        .expect("write");
    let mut start = [0; 12];
    within(stream.read_exact(&mut start)).await.expect("read");
    assert_eq!(&start, b"HTTP/1.1 200");
    // Nobody reads on. The room gets rid of what the kernel's buffers hold, and then has to wait.
    let downloaded = || house.room.downloaded.load(Ordering::SeqCst);
    within(async {
        let mut before = usize::MAX;
        while before != downloaded() {
            before = downloaded();
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    })
    .await;
    assert!(downloaded() < DOWNLOAD, "the proxy read ahead of its visitor");
    let said = house.curl(&[&house.url("blog.host.example", "/")]).await;
    assert_eq!(said, "hello\n");
    let mut rest = Vec::new();
    let mut limited = stream.take(DOWNLOAD as u64);
    within(limited.read_to_end(&mut rest)).await.expect("read");
    assert_eq!(rest.len(), DOWNLOAD);
}

#[tokio::test(flavor = "multi_thread")]
async fn tunnels_after_an_upgrade() {
    let house = House::open().await;
    let mut stream = BufReader::new(house.dial("blog.host.example").await.expect("handshake"));
    let ask = "GET /tunnel HTTP/1.1\r\nHost: blog.host.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n";
    stream.write_all(ask.as_bytes()).await.expect("write");
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        within(stream.read_line(&mut head)).await.expect("read");
    }
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    assert!(head.contains("upgrade: websocket") && head.contains("connection: upgrade"), "{head}");
    let mut line = String::new();
    within(stream.read_line(&mut line)).await.expect("read");
    assert_eq!(line, "first\n", "what the room sent right behind its head");
    for word in ["one\n", "two\n"] {
        line.clear();
        stream.write_all(word.as_bytes()).await.expect("write");
        within(stream.read_line(&mut line)).await.expect("read");
        assert_eq!(line, format!("echo {word}"));
    }
    // A room that switches unasked is not followed.
    let said = house
        .curl(&[
            "--write-out",
            "%{http_code}",
            "-o",
            "/dev/null",
            &house.url("blog.host.example", "/tunnel"),
        ])
        .await;
    assert_eq!(said, "502");
}

#[tokio::test(flavor = "multi_thread")]
async fn waits_for_a_room_that_is_booting() {
    let house = House::open().await;
    let url = house.url("later.host.example", "/");
    let mut waiting = Vec::new();
    for _ in 0..5 {
        let mut curl = house.command(&["--verbose", &url]).spawn().expect("curl");
        let mut lines = BufReader::new(curl.stderr.take().expect("piped")).lines();
        while !within(lines.next_line()).await.expect("read").expect("a request").starts_with("> ")
        {
        }
        waiting.push((curl, lines));
    }
    let (room, _) = Room::listen((LATER, house.port).into()).await;
    for (curl, _lines) in waiting {
        let output = within(curl.wait_with_output()).await.expect("end");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "hello\n");
    }
    assert_eq!(room.requests.load(Ordering::SeqCst), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn lets_go_of_an_idle_http2_connection() {
    let bounds = Bounds { idle: Duration::from_millis(100), ..Bounds::default() };
    let house = House::open_within(bounds).await;
    let stream = TokioIo::new(house.dial_http2("blog.host.example").await.expect("handshake"));
    let made = http2::handshake::<_, _, String>(TokioExecutor::new(), stream).await;
    let (_sender, connection) = made.expect("connection");
    within(connection).await.expect("an orderly end");
}

#[tokio::test(flavor = "multi_thread")]
async fn caps_what_a_room_works_on() {
    let bounds = Bounds { per_room: 1, boot: Duration::from_millis(100), ..Bounds::default() };
    let house = House::open_within(bounds).await;
    let url = house.url("blog.host.example", "/stream");
    let mut curl = house.command(&["-N", &url]).spawn().expect("curl");
    let mut lines = BufReader::new(curl.stdout.take().expect("piped")).lines();
    assert_eq!(within(lines.next_line()).await.expect("read").as_deref(), Some("one"));
    let url = house.url("blog.host.example", "/");
    let page = house.curl(&["-i", &url]).await;
    assert!(page.contains("503") && page.contains("Site overloaded"), "{page}");
    house.room.go.notify_one();
    assert!(within(curl.wait()).await.expect("end").success());
    assert_eq!(house.curl(&[&url]).await, "hello\n", "the slot is given back");
}

#[tokio::test(flavor = "multi_thread")]
async fn drains_what_is_at_hand() {
    for version in ["--http1.1", "--http2"] {
        let mut house = House::open().await;
        let url = house.url("blog.host.example", "/stream");
        let mut curl = house.command(&["-N", version, &url]).spawn().expect("curl");
        let mut lines = BufReader::new(curl.stdout.take().expect("piped")).lines();
        assert_eq!(within(lines.next_line()).await.expect("read").as_deref(), Some("one"));
        house.drain.send_replace(true);
        let deadline = Instant::now() + Duration::from_secs(5);
        while TcpStream::connect((Ipv4Addr::LOCALHOST, house.https)).await.is_ok() {
            assert!(Instant::now() < deadline, "still accepting");
        }
        assert!(!house.serving.is_finished(), "a request was cut off");
        house.room.go.notify_one();
        assert_eq!(within(lines.next_line()).await.expect("read").as_deref(), Some("two"));
        assert!(within(curl.wait()).await.expect("end").success());
        within(&mut house.serving).await.expect("served to the end");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn serves_who_came_before_it_drained() {
    let mut house = House::open().await;
    let name = "blog.host.example";
    let address = (Ipv4Addr::LOCALHOST, house.https);
    let mut greeted = house.dial(name).await.expect("handshake");
    let greeted_http2 = house.dial_http2(name).await.expect("handshake");
    let silent = TcpStream::connect(address).await.expect("connect");
    // They are accepted in the order they came.
    house.curl(&[&house.url(name, "/")]).await;
    house.drain.send_replace(true);
    let late = within(house.shake_hands(silent, name, &[b"h2"])).await.expect("handshake");
    for stream in [greeted_http2, late] {
        let (mut client, connection) =
            http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("HTTP/2");
        tokio::spawn(connection);
        let request = http::Request::get(house.url(name, "/")).body(String::new());
        let answer = within(client.send_request(request.expect("request"))).await;
        assert_eq!(answer.expect("an answer").status(), 200);
    }
    let request = format!("GET / HTTP/1.1\r\nHost: {name}\r\n\r\n");
    greeted.write_all(request.as_bytes()).await.expect("write");
    let mut said = Vec::new();
    // A close without close_notify is a close too.
    let _ = within(greeted.read_to_end(&mut said)).await;
    assert!(said.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&said));
    within(&mut house.serving).await.expect("served to the end");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once() {
    let house = House::open().await;
    let url = house.url("blog.host.example", "/");
    let urls = vec![url.as_str(); 600];
    let mut arguments = vec!["--http2", "--parallel", "--parallel-max", "50"];
    arguments.extend(urls);
    let said = house.curl(&arguments).await;
    assert_eq!(said, "hello\n".repeat(600));
    assert!(
        house.room.connections.load(Ordering::SeqCst) < 60,
        "connections are used again: {}",
        house.room.connections.load(Ordering::SeqCst)
    );
}
