//! What a room cannot reach or forge, each beside what it can.

use std::net::UdpSocket;
use std::time::Duration;

use crate::house::patience::until;
use crate::house::room::Room;
use crate::house::{BOX, GATEWAY, House};

/// Sends a UDP datagram with a source of its choice: `SOURCE DESTINATION PORT TEXT`. The kernel
/// fills in checksum and length of the IP header (raw(7)); UDP's checksum may be absent.
const FORGE: &str = "use Socket; my ($from, $to, $port, $text) = @ARGV; \
    socket(my $s, AF_INET, SOCK_RAW, 255) or die \"no raw socket: $!\\n\"; \
    my $udp = pack('nnnn', 9999, $port, 8 + length $text, 0) . $text; \
    my $ip = pack('CCnnnCCna4a4', 0x45, 0, 20 + length $udp, 0, 0, 64, 17, 0, \
    inet_aton($from), inet_aton($to)); \
    send($s, $ip . $udp, 0, sockaddr_in($port, inet_aton($to))) or die \"not sent: $!\\n\"";

/// The same as a whole frame: `SOURCE DESTINATION PORT TEXT SOURCE-MAC DESTINATION-MAC`
/// (packet(7)).
const FORGE_FRAME: &str = "use Socket; my ($from, $to, $port, $text, @mac) = @ARGV; \
    socket(my $s, 17, SOCK_RAW, 0) or die \"no packet socket: $!\\n\"; \
    my $udp = pack('nnnn', 9999, $port, 8 + length $text, 0) . $text; \
    my $ip = pack('CCnnnCCna4a4', 0x45, 0, 20 + length $udp, 0, 0, 64, 17, 0, \
    inet_aton($from), inet_aton($to)); \
    my $sum = 0; $sum += $_ for unpack('n*', $ip); \
    $sum = ($sum & 0xffff) + ($sum >> 16) while $sum >> 16; \
    substr($ip, 10, 2) = pack('n', ~$sum & 0xffff); \
    my ($src, $dst) = map { pack('H*', s/://gr) } @mac; \
    open(my $i, '<', '/sys/class/net/eth0/ifindex'); my $index = <$i>; \
    my $to_link = pack('SnlSCCa8', 17, 0x0800, $index, 0, 0, 6, $dst); \
    send($s, $dst . $src . pack('n', 0x0800) . $ip . $udp, 0, $to_link) or die \"not sent: $!\\n\"";

/// The Internet's address of [`House`].
const CLIENT: &str = "203.0.113.2";

#[test]
fn rooms_meet_through_public_doors_only() {
    let house = House::shared();
    let (ann, ben) = (house.room("ann"), house.room("ben"));
    let reach = |room: &Room<'_>, host: &str, port: u16| {
        let script = format!("timeout 2 bash -c 'exec 3<>/dev/tcp/{host}/{port}'");
        room.root(&script).is_ok()
    };
    let at = ben.address.to_string();
    let from_host = house.on_host(&["bash", "-c", &format!("exec 3<>/dev/tcp/{at}/80")]);
    assert!(from_host.is_ok(), "ben listens: {from_host:?}");
    assert!(!reach(&ann, &at, 80) && !reach(&ann, &at, 22), "ann reaches ben directly");
    assert!(!ann.root(&format!("ping -c 1 -W 2 {at}")).is_ok(), "ann pings ben");
    assert!(ann.root(&format!("ping -c 1 -W 2 {GATEWAY}")).is_ok(), "ann pings nobody at all");

    assert!(reach(&ann, BOX, ben.ssh_port), "ben's public port");
    let page = ann.root(&format!("curl --silent --insecure https://{}/", ben.host)).ok();
    assert!(page.contains("Your machine is ready"), "{page}");
}

#[test]
fn the_gateway_does_not_pass_frames_between_rooms() {
    let house = House::shared();
    let (kay, lou) = (house.room("kay"), house.room("lou"));
    let listen = "use IO::Socket::INET; my $s = IO::Socket::INET->new(LocalPort => 9, \
                  Proto => 'udp'); $| = 1; print STDOUT $m while $s->recv($m, 99)";
    let log = "--property=StandardOutput=truncate:/run/heard";
    lou.enter(&["systemd-run", "--quiet", "--unit=heard", log, "perl", "-e", listen]).ok();
    let (from, to, mac) = (kay.address.to_string(), lou.address.to_string(), house.gateway_mac());
    // What a neighbour entry of one's own for a room at the gateway would send.
    let hop = ["perl", "-e", FORGE_FRAME, &from, &to, "9", "hairpin", &kay.mac, &mac];
    until("what the host sends arrives", || {
        kay.enter(&hop).ok();
        let line = format!("echo -n host > /dev/udp/{to}/9");
        house.on_host(&["bash", "-c", &line]).ok();
        let heard = lou.enter(&["cat", "/run/heard"]).out;
        assert!(!heard.contains("hairpin"), "{heard}");
        heard.contains("hosthost").then_some(())
    });
}

#[test]
fn rooms_find_each_other_by_name() {
    let house = House::shared();
    let (eve, fay) = (house.room("eve"), house.room("fay"));
    let found = eve.root(&format!("getent ahostsv4 {}", fay.host)).ok();
    let address = found.split_whitespace().next().expect("an address").to_owned();
    assert!(address == BOX || address == GATEWAY, "the way to its site: {found}");
    let name = eve.root(&format!("getent hosts {}", fay.address)).ok();
    assert!(name.contains(&fay.host), "{name}");
    assert_eq!(eve.root("getent hosts nobody.piaule.test").status, 2);
}

#[test]
fn a_room_does_not_administer_its_network() {
    let house = House::shared();
    let room = house.room("nonet");
    let bounding = room.root("grep CapBnd /proc/1/status").word();
    let bits = bounding.split_whitespace().last().expect("bits");
    let bits = u64::from_str_radix(bits, 16).expect("hexadecimal");
    assert_eq!(bits & 1 << 12, 0, "CAP_NET_ADMIN is in {bounding}");
    for act in [
        "ip address add 192.168.203.1/22 dev eth0",
        "ip link set eth0 address 02:37:c0:a8:c8:01",
        "ip link set eth0 type macvlan mode bridge",
        "ip link add link eth0 name x type macvlan",
        "ip neigh add 192.168.200.77 lladdr 02:37:c0:a8:c8:01 dev eth0",
        "ip route add 198.51.100.0/24 via 192.168.200.77",
        "nft add table inet x",
    ] {
        for refused in [room.root(act), room.ssh(&["sudo", "-n", act])] {
            assert!(!refused.is_ok(), "{act}: {refused:?}");
        }
    }
    assert_eq!(room.root("ip -4 -o address show dev eth0 | wc -l").word(), "1");
}

#[test]
fn a_forged_source_goes_nowhere() {
    let house = House::shared();
    let (ida, joe) = (house.room("ida"), house.room("joe"));
    let listener = house.internet_socket(|| UdpSocket::bind((CLIENT, 9999)));
    let gateway = house.gateway_mac();
    let (mine, his) = (ida.address.to_string(), joe.address.to_string());
    let packets: [(&str, Vec<&str>); 4] = [
        ("another address", vec![FORGE, "192.168.200.99", CLIENT, "9999", "1"]),
        ("a neighbour's address", vec![FORGE, &his, CLIENT, "9999", "2"]),
        (
            "a neighbour's address in a frame of one's own",
            vec![FORGE_FRAME, &his, CLIENT, "9999", "3", &ida.mac, &gateway],
        ),
        (
            "a neighbour's address and hardware address",
            vec![FORGE_FRAME, &his, CLIENT, "9999", "4", &joe.mac, &gateway],
        ),
    ];
    let send = |words: &[&str]| {
        let mut all = vec!["perl", "-e"];
        all.extend(words);
        ida.enter(&all)
    };
    for (_, words) in &packets {
        // It may be refused, or sent and dropped on the way.
        send(words);
    }
    // What is not forged arrives, after all that would have.
    let own = format!("echo -n own > /dev/udp/{CLIENT}/9999");
    ida.enter(&["bash", "-c", &own]).ok();
    listener.set_read_timeout(Some(Duration::from_secs(10))).expect("set");
    let mut arrived = Vec::new();
    while arrived.last().is_none_or(|text| text != "own") {
        let mut text = [0; 16];
        let (length, _) = listener.recv_from(&mut text).expect("what is not forged arrives");
        arrived.push(String::from_utf8_lossy(&text[..length]).into_owned());
    }
    let forged: Vec<&str> = arrived
        .iter()
        .filter_map(|text| packets.get(text.parse::<usize>().ok()? - 1).map(|(what, _)| *what))
        .collect();
    assert!(forged.is_empty(), "sent as {mine}, arrived with {forged:?}");
}

#[test]
fn the_hosts_other_ports_are_closed_to_rooms() {
    let house = House::shared();
    let room = house.room("closed");
    let listener = house.host_socket(|| std::net::TcpListener::bind("0.0.0.0:9999"));
    let reach = format!("exec 3<>/dev/tcp/{GATEWAY}/9999");
    house.on_host(&["bash", "-c", &reach]).ok();
    let from_outside = format!("exec 3<>/dev/tcp/{BOX}/9999");
    house.on_internet(&["bash", "-c", &from_outside]).ok();
    for script in [&reach, &from_outside] {
        let tried = room.root(&format!("timeout 2 bash -c '{script}'"));
        assert!(!tried.is_ok(), "{script}: {tried:?}");
    }
    listener.set_nonblocking(true).expect("set");
    let mut connections = 0;
    until("two connections", || {
        connections += usize::from(listener.accept().is_ok());
        (connections >= 2).then_some(())
    });
    assert!(listener.accept().is_err(), "a third one came, from the room");
}
