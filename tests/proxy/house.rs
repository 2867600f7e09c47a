//! A proxy of a small house, on loopback, and the clients that visit it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use piaule::core::authority::Authority;
use piaule::front::proxy::{self, Bounds, Listeners};
use piaule::front::site::{Site, Visitor};
use piaule::front::view::View;
use piaule::wire::{Certificate, FrontSettings, Route, RouteState, Snapshot, Zone};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::client::TlsStream;

use crate::room::Room;

/// Where rooms that are on, that are not there, and that come later live.
pub(crate) const ON: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
pub(crate) const ABSENT: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);
pub(crate) const LATER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 4);

pub(crate) struct House {
    pub(crate) room: Arc<Room>,
    pub(crate) port: u16,
    pub(crate) https: u16,
    pub(crate) http: u16,
    pub(crate) drain: watch::Sender<bool>,
    pub(crate) serving: JoinHandle<()>,
    pub(crate) view: Arc<View>,
    pub(crate) authority: Authority,
    dir: tempfile::TempDir,
}

pub(crate) fn snapshot(
    generation: u64,
    certificates: Vec<Certificate>,
    state: RouteState,
) -> Snapshot {
    let route =
        |host: &str, address, state| Route { host: host.parse().expect("host"), address, state };
    Snapshot {
        generation,
        zone: Zone { serial: 1, rooms: Vec::new() },
        routes: vec![
            route("blog.host.example", ON, state),
            route("wiki.host.example", ON, RouteState::Up),
            route("club.example", ON, RouteState::Up),
            route("absent.host.example", ABSENT, RouteState::Up),
            route("later.host.example", LATER, RouteState::Up),
            route("off.host.example", ON, RouteState::Down),
            route("old.host.example", ON, RouteState::Archived),
        ],
        leases: Vec::new(),
        certificates,
    }
}

fn panel() -> Site {
    Arc::new(|request: http::Request<hyper::body::Incoming>, visitor: Visitor| {
        Box::pin(async move {
            let claimed = request.headers().contains_key("x-forwarded-for");
            let host = request.headers().get("host").cloned();
            let text =
                format!("panel {} {host:?} {claimed} {}", request.uri(), visitor.address.ip());
            let body = Full::from(text).map_err(|never| match never {}).boxed_unsync();
            http::Response::new(body)
        })
    })
}

impl House {
    pub(crate) async fn open() -> Self {
        Self::open_within(Bounds::default()).await
    }

    pub(crate) async fn open_within(bounds: Bounds) -> Self {
        let dir = tempfile::tempdir().expect("dir");
        let now = jiff::Timestamp::now();
        let zone = "host.example".parse().expect("zone");
        let authority = Authority::open(dir.path(), &zone, now).expect("authority");
        std::fs::write(dir.path().join("ca.pem"), authority.ca_pem()).expect("write");
        let (room, address) = Room::listen((ON, 0).into()).await;
        let bind = async || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("bind");
        let (http, https) = (bind().await, bind().await);
        let (drain, draining) = watch::channel(false);
        let view = Arc::new(View::empty());
        let mut house = Self {
            room,
            port: address.port(),
            https: https.local_addr().expect("address").port(),
            http: http.local_addr().expect("address").port(),
            drain,
            serving: tokio::spawn(std::future::pending()),
            view,
            authority,
            dir,
        };
        house.view.replace(snapshot(1, house.certificates(), RouteState::Up));
        let settings = FrontSettings {
            zone,
            panel: "panel.host.example".parse().expect("host"),
            public_address: Ipv4Addr::LOCALHOST,
            network: "192.168.200.0/22".parse().expect("network"),
            resolvers: Vec::new(),
            uid: 0,
            gid: 0,
        };
        let bounds = Bounds { room_port: house.port, ..bounds };
        let listeners = Listeners { http: vec![http], https: vec![https] };
        let view = Arc::clone(&house.view);
        let settings = Arc::new(settings);
        let serving = proxy::serve_within(bounds, listeners, view, settings, panel(), draining);
        house.serving = tokio::spawn(serving);
        house
    }

    pub(crate) fn certificates(&self) -> Vec<Certificate> {
        let make = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
            self.authority.certificate(&names, jiff::Timestamp::now()).expect("certificate")
        };
        vec![make(&["*.host.example", "host.example"]), make(&["club.example"])]
    }

    /// The URL of a host's path over HTTPS.
    pub(crate) fn url(&self, host: &str, path: &str) -> String {
        format!("https://{host}:{}{path}", self.https)
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("curl");
        command.args(["--silent", "--show-error", "--max-time", "20", "--noproxy", "*"]);
        command.args(["--resolve", "*:443:127.0.0.1"]);
        for port in [self.http, self.https] {
            command.args(["--resolve", &format!("*:{port}:127.0.0.1")]);
        }
        command.arg("--cacert").arg(self.path("ca.pem")).args(arguments);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    pub(crate) async fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().await.expect("curl is installed")
    }

    /// What curl printed; it must have succeeded.
    pub(crate) async fn curl(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments).await;
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "curl {arguments:?}: {errors}");
        String::from_utf8(output.stdout).expect("text")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A TLS connection to talk over by hand.
    pub(crate) async fn dial(&self, name: &str) -> std::io::Result<TlsStream<TcpStream>> {
        self.dial_for(name, &[]).await
    }

    pub(crate) async fn dial_http2(&self, name: &str) -> std::io::Result<TlsStream<TcpStream>> {
        self.dial_for(name, &[b"h2"]).await
    }

    async fn dial_for(
        &self,
        name: &str,
        protocols: &[&[u8]],
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.https));
        self.shake_hands(TcpStream::connect(address).await?, name, protocols).await
    }

    /// TLS over a connection that was made before.
    pub(crate) async fn shake_hands(
        &self,
        stream: TcpStream,
        name: &str,
        protocols: &[&[u8]],
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = rustls::RootCertStore::empty();
        let pem = self.authority.ca_pem();
        roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).expect("PEM")).expect("root");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        let name = ServerName::try_from(name.to_owned()).expect("name");
        tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }

    /// Sends bytes as they are, and returns all that comes until the proxy closes.
    pub(crate) async fn talk(&self, name: &str, request: &str) -> String {
        let mut stream = self.dial(name).await.expect("handshake");
        stream.write_all(request.as_bytes()).await.expect("write");
        let mut said = Vec::new();
        // A close without close_notify is a close too.
        let _ = within(stream.read_to_end(&mut said)).await;
        String::from_utf8(said).expect("text")
    }
}

/// Fails a test that would wait forever.
pub(crate) async fn within<T>(wait: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), wait).await.expect("it takes too long")
}

/// Waits until something holds.
pub(crate) async fn until(mut holds: impl FnMut() -> bool) {
    within(async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}
