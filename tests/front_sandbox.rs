//! Front as core starts it: the built binary, walled in, looked at from the outside (proc(5)).
//!
//! Needs root, as front is born root.
#![allow(clippy::expect_used, clippy::panic, reason = "a test says what it expected")]

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use piaule::sys::fdpass::seqpacket_pair;
use piaule::wire::channel::{Channel, socket};
use piaule::wire::{FromFront, FrontSettings, Snapshot, ToFront, Zone};

/// An account that owns nothing here.
const UID: u32 = 64_901;
const PATIENCE: Duration = Duration::from_secs(20);

struct Front {
    child: Child,
    /// Core's end, and a duplicate to poll.
    core: Option<(Channel, OwnedFd)>,
    http: TcpListener,
}

impl Drop for Front {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Front {
    /// The process, waiting for its first frame, with one descriptor too many.
    fn spawn() -> Self {
        assert!(nix::unistd::geteuid().is_root(), "this test needs root");
        let (core, front) = seqpacket_pair().expect("a pair");
        let watched = core.try_clone().expect("a duplicate");
        let child = Command::new("sh")
            .args(["-c", "exec \"$0\" front 7</etc/passwd"])
            .arg(env!("CARGO_BIN_EXE_piaule"))
            .stdin(Stdio::from(front))
            .spawn()
            .expect("spawned");
        let http = TcpListener::bind("127.0.0.1:0").expect("bound");
        Self { child, core: Some((Channel::new(core), watched)), http }
    }

    fn core(&self) -> &Channel {
        &self.core.as_ref().expect("core is there").0
    }

    fn begin(&self, uid: u32) {
        let tcp = || OwnedFd::from(TcpListener::bind("127.0.0.1:0").expect("bound"));
        let udp = || OwnedFd::from(UdpSocket::bind("127.0.0.1:0").expect("bound"));
        let others = [
            (socket::HTTPS, tcp()),
            (socket::DNS_UDP, udp()),
            (socket::DNS_TCP, tcp()),
            (socket::ROOM_DNS_UDP, udp()),
            (socket::ROOM_DNS_TCP, tcp()),
            (socket::DHCP, udp()),
        ];
        let sockets = std::iter::once(socket::HTTP)
            .chain(others.iter().map(|(name, _)| *name))
            .map(String::from)
            .collect();
        let fds: Vec<_> = std::iter::once(self.http.as_fd())
            .chain(others.iter().map(|(_, fd)| fd.as_fd()))
            .collect();
        let settings = FrontSettings {
            zone: "piaule.test".parse().expect("a zone"),
            panel: "panel.piaule.test".parse().expect("a host"),
            public_address: [127, 0, 0, 1].into(),
            network: "192.168.200.0/22".parse().expect("a network"),
            resolvers: Vec::new(),
            uid,
            gid: uid,
        };
        self.core().send(&ToFront::Begin { settings, sockets }, &fds).expect("sent");
    }

    /// Sends a snapshot with room names enough for it to travel in a memfd.
    fn snapshot(&self) {
        let rooms = (0..4000)
            .map(|n: u32| {
                (format!("room{n}").parse().expect("a name"), (0xC0A8_C802 + n % 1000).into())
            })
            .collect();
        let snapshot = Snapshot {
            generation: 1,
            zone: Zone { serial: 1, rooms },
            routes: Vec::new(),
            leases: Vec::new(),
            certificates: Vec::new(),
        };
        self.core().send(&ToFront::Snapshot(Box::new(snapshot)), &[]).expect("sent");
    }

    fn wait_ready(&self) {
        let patience = PollTimeout::try_from(PATIENCE).expect("fits");
        let (_, watched) = self.core.as_ref().expect("core is there");
        let ready = poll(&mut [PollFd::new(watched.as_fd(), PollFlags::POLLIN)], patience);
        assert_eq!(ready, Ok(1), "front says nothing");
        let frame = self.core().receive::<FromFront>().expect("a frame");
        assert!(matches!(frame, Some((FromFront::Ready, _))), "{frame:?}");
    }

    /// A front that serves.
    fn ready() -> Self {
        let front = Self::spawn();
        front.begin(UID);
        front.snapshot();
        front.wait_ready();
        front
    }

    fn proc(&self, name: &str) -> PathBuf {
        Path::new("/proc").join(self.child.id().to_string()).join(name)
    }

    /// What it answers to a plain HTTP request for nobody's site.
    fn ask(&self) -> String {
        let address = self.http.local_addr().expect("bound");
        let mut visitor = TcpStream::connect(address).expect("connected");
        visitor.set_read_timeout(Some(PATIENCE)).expect("set");
        visitor
            .write_all(b"GET / HTTP/1.1\r\nHost: nobody.test\r\nConnection: close\r\n\r\n")
            .expect("sent");
        let mut answer = String::new();
        visitor.read_to_string(&mut answer).expect("answered");
        answer
    }

    fn end(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("ours") {
                return status;
            }
            assert!(Instant::now() < deadline, "front does not end");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn terminate(&mut self) -> ExitStatus {
        let pid = Pid::from_raw(self.child.id().try_into().expect("a pid"));
        kill(pid, Signal::SIGTERM).expect("sent");
        self.end()
    }
}

/// The value of a field of /proc/PID/status.
fn field<'a>(status: &'a str, name: &str) -> &'a str {
    status
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .unwrap_or_else(|| panic!("no {name}"))
        .trim()
}

#[test]
fn every_thread_is_walled_in() {
    let front = Front::ready();
    let ids = format!("{UID}\t{UID}\t{UID}\t{UID}");
    let expected = [
        ("Uid", ids.as_str()),
        ("Gid", &ids),
        ("Groups", ""),
        ("CapInh", "0000000000000000"),
        ("CapPrm", "0000000000000000"),
        ("CapEff", "0000000000000000"),
        ("CapBnd", "0000000000000000"),
        ("CapAmb", "0000000000000000"),
        ("NoNewPrivs", "1"),
        ("Seccomp", "2"),
        ("Seccomp_filters", "2"),
    ];
    let mut threads = 0;
    for thread in fs::read_dir(front.proc("task")).expect("tasks") {
        let status = fs::read_to_string(thread.expect("a task").path().join("status"));
        let status = status.expect("a status");
        for (name, value) in expected {
            assert_eq!(field(&status, name), value, "{name}");
        }
        threads += 1;
    }
    assert!(threads >= 3, "the main thread and two workers: {threads}");
}

#[test]
fn it_has_no_file() {
    let front = Front::ready();
    assert_eq!(fs::read_dir(front.proc("root/")).expect("its root").count(), 0);
    assert_eq!(fs::read_link(front.proc("cwd")).expect("its folder"), Path::new("/"));
    let mounts = fs::read_to_string(front.proc("mountinfo")).expect("its mounts");
    assert_eq!(mounts.lines().count(), 1, "{mounts}");
    assert!(mounts.contains(" / / ro,"), "{mounts}");

    let inherited = ["/proc/self/fd/0", "/proc/self/fd/1", "/proc/self/fd/2"]
        .map(|fd| fs::read_link(fd).unwrap_or_default());
    for fd in fs::read_dir(front.proc("fd")).expect("its descriptors") {
        let fd = fs::read_link(fd.expect("one").path()).expect("a link");
        let text = fd.to_string_lossy();
        let pathless = ["socket:[", "anon_inode:", "pipe:["];
        let fits = pathless.iter().any(|kind| text.starts_with(kind))
            || inherited.contains(&fd)
            || text.starts_with("/dev/null");
        assert!(fits, "{text}");
    }
}

#[test]
fn it_has_namespaces_of_its_own_but_the_network() {
    let front = Front::ready();
    for (name, own) in [("mnt", true), ("ipc", true), ("uts", true), ("net", false)] {
        let theirs = fs::read_link(front.proc(&format!("ns/{name}"))).expect("a namespace");
        let ours = fs::read_link(format!("/proc/self/ns/{name}")).expect("a namespace");
        assert_eq!(theirs != ours, own, "{name}");
    }
}

#[test]
fn it_is_small() {
    let front = Front::ready();
    front.ask();
    let status = fs::read_to_string(front.proc("status")).expect("a status");
    let resident: u64 = field(&status, "RssAnon").trim_end_matches(" kB").parse().expect("kB");
    assert!(resident <= 10 * 1024, "{resident} KiB of memory of its own");
}

#[test]
fn it_serves_without_core_and_drains_when_told() {
    let mut front = Front::ready();
    assert!(front.ask().starts_with("HTTP/1."));
    front.core = None;
    for _ in 0..20 {
        assert!(front.ask().starts_with("HTTP/1."));
    }
    assert!(front.child.try_wait().expect("ours").is_none(), "it lives on");
    assert_eq!(front.terminate().code(), Some(0));
}

#[test]
fn it_drains_with_core_there_too() {
    let mut front = Front::ready();
    assert_eq!(front.terminate().code(), Some(0));
}

#[test]
fn it_does_not_run_as_root() {
    let mut front = Front::spawn();
    front.begin(0);
    assert_eq!(front.end().code(), Some(1));
}

#[test]
fn it_does_not_run_without_being_told_how() {
    let mut front = Front::spawn();
    front.snapshot();
    assert_eq!(front.end().code(), Some(1), "another frame first");

    let mut front = Front::spawn();
    front.core = None;
    assert_eq!(front.end().code(), Some(1), "core gone");

    let mut front = Front::spawn();
    front.begin(UID);
    front.core = None;
    assert_eq!(front.end().code(), Some(1), "core gone before a snapshot");
}
