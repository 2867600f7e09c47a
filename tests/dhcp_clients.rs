//! The DHCP service across a veth pair between two throw-away network namespaces, asked by
//! udhcpc and dhclient. Needs root.
#![allow(clippy::expect_used, clippy::panic, reason = "a test says what it needs by failing")]

use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use piaule::front::dhcp;
use piaule::front::view::View;
use piaule::model::MacAddr;
use piaule::wire::{FrontSettings, Lease, Snapshot, Zone};
use tempfile::TempDir;
use tokio::net::UdpSocket;
use tokio::sync::oneshot;

const PATIENCE: Duration = Duration::from_secs(20);
const ROOM: Ipv4Addr = Ipv4Addr::new(192, 168, 200, 2);
const MOVED: Ipv4Addr = Ipv4Addr::new(192, 168, 201, 7);

fn settings() -> FrontSettings {
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

/// The room's hardware address with this lease.
fn snapshot(generation: u64, address: Ipv4Addr) -> Snapshot {
    let name = "blog".parse().expect("valid");
    Snapshot {
        generation,
        zone: Zone { serial: 1, rooms: Vec::new() },
        routes: Vec::new(),
        leases: vec![Lease { mac: MacAddr::of_room(ROOM), address, name }],
        certificates: Vec::new(),
    }
}

fn ip(arguments: &str) {
    let status = Command::new("ip").args(arguments.split(' ')).status().expect("ip is installed");
    assert!(status.success(), "ip {arguments} (this test needs root)");
}

/// Two namespaces and a wire between them; gone when dropped.
struct Wire {
    server: String,
    client: String,
}

impl Wire {
    fn new(mac: MacAddr) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = |end: &str| format!("pl-dhcp-{}-{number}-{end}", std::process::id());
        let wire = Self { server: name("s"), client: name("c") };
        let Self { server, client } = &wire;
        ip(&format!("netns add {server}"));
        ip(&format!("netns add {client}"));
        ip(&format!("-n {server} link add pl-gw type veth peer name eth0 netns {client}"));
        ip(&format!("-n {server} addr add 192.168.200.1/22 dev pl-gw"));
        ip(&format!("-n {server} link set pl-gw up"));
        ip(&format!("-n {client} link set eth0 address {mac} up"));
        for address in [ROOM, MOVED] {
            ip(&format!("-n {server} neigh add {address} lladdr {mac} dev pl-gw nud permanent"));
        }
        wire
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        for name in [&self.server, &self.client] {
            let _ = Command::new("ip").args(["netns", "del", name]).status();
        }
    }
}

/// The service in its namespace, and a folder where the client's script writes its events.
struct House {
    wire: Wire,
    view: Arc<View>,
    folder: TempDir,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl House {
    fn new(mac: MacAddr) -> Self {
        let wire = Wire::new(mac);
        let view = Arc::new(View::empty());
        view.replace(snapshot(1, ROOM));
        let (stop, stopped) = oneshot::channel();
        let (ready, is_ready) = mpsc::channel();
        let (namespace, served) = (wire.server.clone(), Arc::clone(&view));
        let thread = thread::spawn(move || serve(&namespace, served, &ready, stopped));
        is_ready.recv().expect("the service starts");
        let folder = tempfile::tempdir().expect("a folder");
        let house = Self { wire, view, folder, stop: Some(stop), thread: Some(thread) };
        house.write_script();
        house
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Both clients tell a script what happens by its environment; udhcpc also by `$1`.
    fn write_script(&self) {
        let events = self.path("events");
        let script = format!(
            "#!/bin/sh\n\
             {{ echo \"event=$1$reason\"; env; echo; }} >>{events}\n\
             case $1$reason in bound|renew) ip addr replace $ip/22 dev eth0 ;; esac\n\
             exit 0\n",
            events = events.display()
        );
        fs::write(self.path("script"), script).expect("written");
        let executable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(self.path("script"), executable).expect("set");
        fs::write(&events, "").expect("written");
    }

    fn start(&self, program: &str, arguments: &str) -> Client {
        let log = File::create(self.path("log")).expect("created");
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.wire.client, program]);
        command.args(arguments.split(' ')).arg(if program == "udhcpc" { "-s" } else { "-sf" });
        command.arg(self.path("script"));
        command.stderr(log.try_clone().expect("open")).stdout(log);
        Client(command.spawn().expect("ip is installed"))
    }

    fn udhcpc(&self, arguments: &str) -> Client {
        self.start("udhcpc", &format!("-f -i eth0 -t 4 -T 1 -O hostname {arguments}"))
    }

    fn dhclient(&self) -> Client {
        let [leases, pid, settings] = ["leases", "pid", "settings"].map(|name| self.path(name));
        let text = "initial-delay 0; reboot 5;\n\
                    request subnet-mask, broadcast-address, routers, domain-name,\n\
                    domain-name-servers, host-name;\n";
        fs::write(&settings, text).expect("written");
        let [leases, pid, settings] = [&leases, &pid, &settings].map(|path| path.display());
        let files = format!("-lf {leases} -pf {pid} -cf {settings}");
        self.start("dhclient", &format!("-4 -d -1 {files} eth0"))
    }

    /// Waits for an event; gives its environment. Events before it are forgotten.
    fn event(&self, name: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let events = fs::read_to_string(self.path("events")).expect("readable");
            let wanted = format!("event={name}\n");
            let found = events.split("\n\n").find(|event| event.starts_with(&wanted));
            // The script ends an event with an empty line.
            if let Some(event) = found.filter(|_| events.ends_with("\n\n")) {
                fs::write(self.path("events"), "").expect("written");
                return event.to_owned();
            }
            let log = fs::read_to_string(self.path("log")).expect("readable");
            assert!(Instant::now() < deadline, "no {name} in\n{events}\n{log}");
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for House {
    fn drop(&mut self) {
        drop(self.stop.take());
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(thread::panicking() || ended.is_some_and(|ended| ended.is_ok()));
    }
}

/// Serves in a namespace until `stopped`.
fn serve(
    namespace: &str,
    view: Arc<View>,
    ready: &mpsc::Sender<()>,
    stopped: oneshot::Receiver<()>,
) {
    let file = File::open(Path::new("/run/netns").join(namespace)).expect("made before");
    setns(file, CloneFlags::CLONE_NEWNET).expect("root may");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("starts").block_on(async {
        let socket = UdpSocket::bind("0.0.0.0:67").await.expect("free");
        socket.set_broadcast(true).expect("set");
        socket.bind_device(Some(b"pl-gw")).expect("there");
        ready.send(()).expect("awaited");
        tokio::select! {
            () = dhcp::serve(socket, view, Arc::new(settings())) => panic!("serves for ever"),
            _ = stopped => {}
        }
    });
}

/// A running client, killed when dropped.
struct Client(Child);

impl Client {
    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.0.id()).expect("a pid"))
    }

    fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.0.try_wait().expect("a child") {
                return status;
            }
            assert!(Instant::now() < deadline, "the client never ends");
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn assert_has(event: &str, lines: &[&str]) {
    for line in lines {
        assert!(event.lines().any(|has| has == *line), "no `{line}` in\n{event}");
    }
}

const UDHCPC_GOT: &[&str] = &[
    "ip=192.168.200.2",
    "mask=22",
    "router=192.168.200.1",
    "dns=192.168.200.1",
    "domain=hosting.example",
    "hostname=blog",
    "broadcast=192.168.203.255",
    "serverid=192.168.200.1",
    "lease=86400",
];

#[test]
fn udhcpc_leases_renews_and_releases() {
    let house = House::new(MacAddr::of_room(ROOM));
    let client = house.udhcpc("-n -R");
    assert_has(&house.event("bound"), UDHCPC_GOT);
    kill(client.pid(), Signal::SIGUSR1).expect("runs");
    assert_has(&house.event("renew"), UDHCPC_GOT);
    kill(client.pid(), Signal::SIGUSR2).expect("runs");
    house.event("deconfig");
    kill(client.pid(), Signal::SIGUSR1).expect("runs");
    assert_has(&house.event("bound"), UDHCPC_GOT);
}

#[test]
fn udhcpc_with_wishes() {
    let house = House::new(MacAddr::of_room(ROOM));
    for wish in ["-B", "-C", "-r 192.168.200.77", "-x 0x3d:00626c6f67 -x hostname:other"] {
        let mut client = house.udhcpc(&format!("-n -q {wish}"));
        assert_has(&house.event("bound"), UDHCPC_GOT);
        assert!(client.wait().success(), "{wish}");
    }
}

#[test]
fn a_stranger_hears_nothing() {
    let house = House::new(MacAddr([2, 0x37, 192, 168, 200, 3]));
    let mut client = house.start("udhcpc", "-f -i eth0 -n -q -t 2 -T 1");
    house.event("leasefail");
    assert!(!client.wait().success());
}

#[test]
fn dhclient_leases_reboots_and_is_told_to_move() {
    let house = House::new(MacAddr::of_room(ROOM));
    let got = [
        "new_subnet_mask=255.255.252.0",
        "new_broadcast_address=192.168.203.255",
        "new_routers=192.168.200.1",
        "new_domain_name=hosting.example",
        "new_domain_name_servers=192.168.200.1",
        "new_host_name=blog",
        "new_dhcp_server_identifier=192.168.200.1",
        "new_dhcp_lease_time=86400",
    ];
    let client = house.dhclient();
    let event = house.event("BOUND");
    assert_has(&event, &got);
    assert_has(&event, &["new_ip_address=192.168.200.2"]);
    drop(client);

    let client = house.dhclient();
    let event = house.event("REBOOT");
    assert_has(&event, &got);
    assert_has(&event, &["new_ip_address=192.168.200.2"]);
    drop(client);

    house.view.replace(snapshot(2, MOVED));
    let _client = house.dhclient();
    let event = house.event("BOUND");
    assert_has(&event, &got);
    assert_has(&event, &["new_ip_address=192.168.201.7"]);
    let log = fs::read_to_string(house.path("log")).expect("readable");
    assert!(log.contains("DHCPNAK from 192.168.200.1"), "{log}");
}
