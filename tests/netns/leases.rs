//! DHCP in a running house, by real clients, through the firewall that rooms are behind.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::house::House;
use crate::house::patience::until;

/// Writes down what a client was told, and changes nothing.
const TELL: &str =
    "#!/bin/sh\n{ echo \"event=$1$reason\"; env; echo done; } >> \"${0%/*}/events\"\nexit 0\n";

/// A DHCP client at work; ended when dropped.
struct Client {
    folder: TempDir,
    child: Child,
}

impl Client {
    /// udhcpc, which gives up after three seconds.
    fn udhcpc(house: &House, namespace: &str, link: &str) -> Self {
        let words = ["udhcpc", "-f", "-n", "-q", "-t", "3", "-T", "1", "-i", link, "-s", "@tell"];
        Self::start(house, namespace, &words)
    }

    fn dhclient(house: &House, namespace: &str, link: &str) -> Self {
        let files = ["-lf", "@leases", "-pf", "@pid", "-cf", "@settings", "-sf", "@tell"];
        let mut words = vec!["dhclient", "-4", "-1", "-d"];
        words.extend(files);
        words.push(link);
        Self::start(house, namespace, &words)
    }

    /// `@NAME` stands for a file of its own.
    fn start(house: &House, namespace: &str, words: &[&str]) -> Self {
        let folder = tempfile::tempdir_in(house.folder()).expect("a folder");
        let at = |name: &str| folder.path().join(name).display().to_string();
        fs::write(at("tell"), TELL).expect("written");
        fs::set_permissions(at("tell"), fs::Permissions::from_mode(0o755)).expect("executable");
        fs::write(at("settings"), "initial-delay 0;\n").expect("written");
        let words = words.iter().map(|word| match word.strip_prefix('@') {
            Some(name) => at(name),
            None => (*word).to_owned(),
        });
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={namespace}")).args(words);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().expect("a client");
        Self { folder, child }
    }

    /// What it was told with an event.
    #[track_caller]
    fn told(&self, event: &str) -> String {
        until(event, || {
            let events = fs::read_to_string(self.folder.path().join("events")).ok()?;
            let (_, told) = events.split_once(&format!("event={event}\n"))?;
            Some(told.split_once("\ndone\n")?.0.to_owned())
        })
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[track_caller]
fn assert_told(told: &str, lines: &[String]) {
    for line in lines {
        assert!(told.lines().any(|other| other == line), "no `{line}` in\n{told}");
    }
}

#[test]
fn a_rooms_clients_are_given_its_address() {
    let house = House::shared();
    let room = house.room("leased");
    let namespace = format!("/proc/{}/ns/net", room.init());
    let client = Client::udhcpc(&house, &namespace, "eth0");
    let lines = ["router=192.168.200.1", "dns=192.168.200.1", "mask=22", "domain=piaule.test"];
    let told = client.told("bound");
    assert_told(&told, &lines.map(str::to_owned));
    assert_told(&told, &[format!("ip={}", room.address)]);

    let client = Client::dhclient(&house, &namespace, "eth0");
    let told = client.told("BOUND");
    assert_told(&told, &[format!("new_ip_address={}", room.address)]);
    assert_told(
        &told,
        &["new_routers=192.168.200.1", "new_subnet_mask=255.255.252.0"].map(str::to_owned),
    );
}

#[test]
fn a_stranger_hears_nothing() {
    let house = House::shared();
    let _room = house.room("known");
    let internet = house.internet_namespace();
    let link = "ip link add link pl-lan name stranger address 02:37:c0:a8:cb:fe \
                netns \"$1\" type macvlan mode private";
    house.on_host(&["sh", "-c", link, "sh", &internet]).ok();
    house.on_internet(&["ip", "link", "set", "stranger", "up"]).ok();
    let client = Client::udhcpc(&house, &internet, "stranger");
    client.told("leasefail");
    drop(client);
    house.on_internet(&["ip", "link", "delete", "stranger"]).ok();
}
