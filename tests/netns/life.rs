//! A room's life as its student and its visitors see it.

use std::time::Duration;

use crate::house::patience::{until, within};
use crate::house::room::Room;
use crate::house::{BOX, GATEWAY, House, ZONE};

/// Within this, what a finished job did must hold.
const AT_ONCE: Duration = Duration::from_secs(2);

#[test]
fn a_room_is_born_and_leaves_no_trace() {
    let house = House::own();
    let before = house.picture();
    let room = house.room("wiki");
    let during = house.picture();
    assert!(!before.changes(&during).is_empty(), "the picture shows nothing of a room");
    room.does("archive");
    house.piaule(&["destroy", "wiki", "--yes"]).ok();
    house.is_again(&before);
    assert_eq!(house.dig(&["wiki.piaule.test", "A"]), "");
    assert_eq!(house.piaule(&["show", "wiki"]).status, 4);
}

#[test]
fn a_room_inherits_nothing_of_the_service() {
    let house = House::shared();
    let room = house.room("plain");
    let modes = "stat --format=%a / /etc/hostname /etc/hosts /etc/resolv.conf /etc/machine-id";
    assert_eq!(room.ssh(&[modes]).ok(), "755\n644\n644\n644\n644\n");
    assert_eq!(room.ssh(&["cat", "/proc/1/oom_score_adj"]).word(), "0");
    assert_eq!(room.enter(&["cat", "/proc/self/oom_score_adj"]).word(), "0");
}

#[test]
fn names_lead_to_the_box() {
    let house = House::shared();
    let room = house.room("names");
    assert_eq!(house.dig(&[&room.host, "A"]), BOX);
    assert_eq!(house.dig(&["+tcp", &room.host, "A"]), BOX);
    assert_eq!(house.dig(&["-x", &room.address.to_string()]), format!("{}.", room.host));
    let nobody = format!("nobody.{ZONE}");
    let at = format!("@{BOX}");
    let answer = house.on_internet(&["dig", &at, "+time=2", "+tries=3", &nobody]).ok();
    assert!(answer.contains("status: NXDOMAIN") && answer.contains(" aa "), "{answer}");
    let answer = house.on_internet(&["dig", &at, "+time=2", "+tries=3", "example.com"]).ok();
    assert!(answer.contains("status: REFUSED"), "an open resolver: {answer}");
}

#[test]
fn a_site_is_served_by_the_room_itself() {
    let house = House::shared();
    let room = house.room("site");
    let url = format!("https://{}/", room.host);
    let visit = |words: &[&str]| {
        let told = "%{http_code} %{http_version} %{ssl_verify_result} %{redirect_url}";
        let mut all = vec!["--output", "/dev/null", "--write-out", told];
        all.extend(words);
        house.curl(&room.host, &all).word()
    };
    assert_eq!(visit(&["--http2", &url]), "200 2 0");
    assert_eq!(visit(&["--http1.1", &url]), "200 1.1 0");
    let to_https = format!("308 1.1 0 {url}path?query");
    assert_eq!(visit(&[&format!("http://{}/path?query", room.host)]), to_https);
    let old = house.curl(&room.host, &["-v", "--tls-max", "1.2", &url]);
    assert!(old.err.contains("SSL connection using TLSv1.2"), "{old:?}");
    let distrustful =
        house.curl(&room.host, &["--cacert", "/etc/ssl/certs/ca-certificates.crt", &url]);
    assert_eq!(distrustful.status, 60, "the chain must matter: {distrustful:?}");

    room.root("echo mine and nobody else\\'s > /var/www/html/own.txt").ok();
    assert_eq!(
        house.curl(&room.host, &[&format!("{url}own.txt")]).ok(),
        "mine and nobody else's\n"
    );
}

#[test]
fn a_student_signs_in_by_key_alone() {
    let house = House::shared();
    let room = house.room("student");
    assert!(room.ssh(&["id"]).word().starts_with("uid=1000(student) gid=1000(student)"));
    assert!(room.ssh(&["sudo", "-n", "id"]).word().starts_with("uid=0(root)"));
    assert_eq!(room.ssh(&["systemctl", "is-system-running", "--wait"]).word(), "running");
    assert_eq!(room.ssh(&["systemctl", "--failed", "--no-legend", "--plain"]).word(), "");
    room.ssh(&["ping", "-c", "1", "-W", "5", GATEWAY]).ok();
    assert_eq!(room.ssh(&["hostname", "--fqdn"]).word(), room.host);

    let stranger = house.key("stranger");
    assert_refused(&room, &stranger, "student", &[]);
    assert_refused(&room, &room.key, "root", &[]);
    let by_password = ["-o", "PreferredAuthentications=password,keyboard-interactive"];
    assert_refused(&room, &room.key, "student", &by_password);
}

#[track_caller]
fn assert_refused(room: &Room<'_>, key: &str, user: &str, options: &[&str]) {
    let answer = room.house.ssh_with(room.ssh_port, key, user, options, &["id"]);
    assert_eq!(answer.status, 255, "{answer:?}");
    assert!(answer.err.contains("Permission denied (publickey)"), "{answer:?}");
}

#[test]
fn keys_come_and_go() {
    let house = House::shared();
    let room = house.room("keys");
    let second = house.key("second");
    let signs_in = || house.ssh(room.ssh_port, &second, "student", &["true"]).is_ok();
    assert!(!signs_in());
    house.piaule(&["key", "add", &room.name, &format!("{second}.pub")]).ok();
    assert!(signs_in(), "once the job is done, the key opens");
    let keys = room.view()["keys"].clone();
    let keys = keys.as_array().expect("keys");
    assert_eq!(keys.len(), 2);
    let fingerprint = keys[1]["fingerprint"].as_str().expect("a fingerprint");
    house.piaule(&["key", "del", &room.name, fingerprint]).ok();
    assert!(!signs_in(), "once the job is done, the key no longer opens");
    room.ssh(&["true"]).ok();
}

#[test]
fn ports_come_and_go() {
    let house = House::shared();
    let room = house.room("ports");
    house.piaule(&["port", "add", &room.name, "29001:80"]).ok();
    let url = format!("http://{BOX}:29001/");
    let knock = || house.curl(BOX, &["--max-time", "5", "--output", "/dev/null", &url]).status;
    assert_eq!(knock(), 0, "once the job is done, the port is open");
    house.piaule(&["port", "del", &room.name, "29001"]).ok();
    assert_eq!(knock(), 7, "once the job is done, nobody is there");

    house.piaule(&["port", "add", &room.name, "29001:9/udp"]).ok();
    let echo = "use IO::Socket::INET; my $s = IO::Socket::INET->new(LocalPort => 9, \
                Proto => 'udp'); $s->send(uc $m) while $s->recv($m, 99)";
    room.enter(&["systemd-run", "--quiet", "--unit=echo", "perl", "-e", echo]).ok();
    let socket = house.internet_socket(|| std::net::UdpSocket::bind("0.0.0.0:0"));
    socket.set_read_timeout(Some(Duration::from_millis(200))).expect("set");
    until("an echo by UDP", || {
        socket.send_to(b"hello", (BOX, 29001)).expect("sent");
        let mut answer = [0; 5];
        let (_, from) = socket.recv_from(&mut answer).ok()?;
        assert_eq!((&answer, from.port()), (b"HELLO", 29001));
        Some(())
    });
}

#[test]
fn a_room_is_stopped_and_started() {
    let house = House::shared();
    let room = house.room("sleeper");
    room.root("echo kept > /root/kept").ok();
    let host_key = room.enter(&["cat", "/etc/ssh/ssh_host_ed25519_key.pub"]).ok();
    let first = room.init();

    room.does("stop");
    assert_eq!(room.view()["phase"], "stopped");
    let url = format!("https://{}/", room.host);
    within(AT_ONCE, "the honest page", || (house.site(&room.name) == "503").then_some(()));
    let page = house.curl(&room.host, &[&url]).ok();
    assert!(page.contains(&room.host), "a page of ours, about this room: {page}");
    assert_eq!(room.ssh(&["true"]).status, 255);
    assert_eq!(house.processes().iter().filter(|process| process.pid == first).count(), 0);

    room.does("start");
    assert_eq!(room.view()["phase"], "running");
    assert_eq!(house.site(&room.name), "200");
    let second = room.init();
    room.does("restart");
    assert_ne!(room.init(), second, "a restart is a new boot");
    assert_eq!(room.enter(&["cat", "/root/kept"]).ok(), "kept\n");
    assert_eq!(room.enter(&["cat", "/etc/ssh/ssh_host_ed25519_key.pub"]).ok(), host_key);
    room.ssh(&["true"]).ok();
}

#[test]
fn an_archived_room_is_kept_behind_a_page() {
    let house = House::shared();
    let room = house.room("archived");
    room.root("echo kept > /root/kept").ok();
    room.does("archive");
    within(AT_ONCE, "the page of archived rooms", || {
        (house.site(&room.name) == "410").then_some(())
    });
    assert_eq!(room.ssh(&["true"]).status, 255, "its ports are closed");
    assert!(room.view()["destroy_at"].is_string());
    assert_eq!(house.dig(&[&room.host, "A"]), BOX, "its name is kept");
    assert_eq!(house.piaule(&["start", &room.name]).status, 5, "it must be taken back first");

    room.does("unarchive");
    assert_eq!(room.view()["wanted"], "stopped");
    assert_eq!(house.site(&room.name), "503");
    room.does("start");
    assert_eq!(house.site(&room.name), "200");
    assert_eq!(room.enter(&["cat", "/root/kept"]).ok(), "kept\n");
    room.ssh(&["true"]).ok();
}

#[test]
fn a_room_powered_off_from_inside_stays_off() {
    let house = House::shared();
    let room = house.room("poweroff");
    // The connection may be cut before it answers.
    room.ssh(&["sudo", "systemctl", "poweroff"]);
    until("it is off, and wanted so", || {
        let view = room.view();
        (view["wanted"] == "stopped" && view["phase"] == "stopped").then_some(())
    });
    until("the honest page", || (house.site(&room.name) == "503").then_some(()));
    room.does("start");
    assert_eq!(house.site(&room.name), "200");
}

#[test]
fn a_room_rebooted_from_inside_comes_back() {
    let house = House::shared();
    let room = house.room("reboot");
    let first = room.init();
    room.ssh(&["sudo", "systemctl", "reboot"]);
    until("another init, ready", || {
        let gone = house.processes().iter().all(|process| process.pid != first);
        (gone && room.view()["phase"] == "running").then_some(())
    });
    assert_ne!(room.init(), first);
    assert_eq!(room.view()["wanted"], "running");
    assert_eq!(house.site(&room.name), "200");
}
