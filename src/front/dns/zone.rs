//! What the house is authoritative for, indexed by name: the hosting zone and the reverse zones
//! of the rooms' prefix, both computed whole from a snapshot.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use bytes::Bytes;
use domain::base::iana::Rtype;
use domain::base::name::Name;
use domain::base::{RecordData, Serial, Ttl};
use domain::rdata::{A, Ns, Ptr, Soa, ZoneRecordData};

use crate::model::RoomNetwork;
use crate::wire::{self, FrontSettings};

/// An absolute name in wire form; compared and hashed without regard to case.
pub(super) type DomainName = Name<Bytes>;
/// The data of one record.
pub(super) type Data = ZoneRecordData<Bytes, DomainName>;

/// How long an answer may be kept: a room that comes or goes changes whether its name exists,
/// never the address behind it.
const TTL: Ttl = Ttl::from_secs(300);
/// How long "no such name" may be kept (RFC 2308 §5): a student who asked too early waits this
/// long for the new room.
const NEGATIVE_TTL: Ttl = Ttl::from_secs(60);
/// What secondaries go by (RFC 1912 §2.2): look every hour, then every ten minutes, and give up
/// after two weeks.
const REFRESH: Ttl = Ttl::from_secs(3600);
const RETRY: Ttl = Ttl::from_secs(600);
const EXPIRE: Ttl = Ttl::from_secs(14 * 86_400);

/// The records of one type at one name (RFC 2181 §5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RecordSet {
    pub(super) rtype: Rtype,
    pub(super) ttl: Ttl,
    /// Never empty.
    pub(super) data: Vec<Data>,
}

/// The sets at one name. None at all: the name exists only because names below it do.
type Node = Vec<RecordSet>;

/// One zone: an apex and every name at or below it.
#[derive(Debug)]
pub(super) struct Zone {
    apex: DomainName,
    /// The apex's SOA, its lifetime already that of a negative answer.
    soa: RecordSet,
    nodes: HashMap<DomainName, Node>,
}

impl Zone {
    /// A zone with what each must have: SOA and NS (RFC 1035 §5.2).
    fn new(apex: DomainName, servers: &Servers, serial: u32) -> Self {
        let soa = RecordSet {
            rtype: Rtype::SOA,
            ttl: NEGATIVE_TTL,
            data: vec![servers.soa(serial).into()],
        };
        let nodes = HashMap::from([(apex.clone(), vec![soa.clone()])]);
        let mut zone = Self { apex: apex.clone(), soa, nodes };
        zone.add(apex, Ns::new(servers.primary.clone()).into());
        zone
    }

    /// Adds a record at or below the apex, unless it is there already.
    fn add(&mut self, owner: DomainName, data: Data) {
        // Names between the apex and the owner exist, if only empty (RFC 8020 §2).
        let depth = self.apex.label_count();
        for above in owner.iter_suffixes().skip(1).take_while(|name| name.label_count() > depth) {
            self.nodes.entry(above).or_default();
        }
        let node = self.nodes.entry(owner).or_default();
        let rtype = data.rtype();
        match node.iter_mut().find(|set| set.rtype == rtype) {
            Some(set) if set.data.contains(&data) => {}
            Some(set) => set.data.push(data),
            None => node.push(RecordSet { rtype, ttl: TTL, data: vec![data] }),
        }
    }

    /// The zone's name.
    pub(super) fn apex(&self) -> &DomainName {
        &self.apex
    }

    /// The SOA, to be cited in negative answers.
    pub(super) fn soa(&self) -> &RecordSet {
        &self.soa
    }

    /// The sets at a name; `None` when there is no such name.
    pub(super) fn node(&self, name: &Name<[u8]>) -> Option<&[RecordSet]> {
        self.nodes.get(name).map(Vec::as_slice)
    }
}

/// Who answers for the zones.
struct Servers {
    primary: DomainName,
    contact: DomainName,
}

impl Servers {
    fn soa(&self, serial: u32) -> Soa<DomainName> {
        let (primary, contact) = (self.primary.clone(), self.contact.clone());
        Soa::new(primary, contact, Serial::from(serial), REFRESH, RETRY, EXPIRE, NEGATIVE_TTL)
    }
}

/// Every zone of the house, by apex.
#[derive(Debug, Default)]
pub(super) struct Zones(HashMap<DomainName, Zone>);

impl Zones {
    /// The zones as of a snapshot. Names too long for DNS are left out.
    pub(super) fn build(settings: &FrontSettings, rooms: &wire::Zone) -> Self {
        let Ok(apex) = Name::bytes_from_str(settings.zone.as_ref()) else {
            return Self::default();
        };
        let below_apex = |label: &str| child(label, settings).unwrap_or_else(|| apex.clone());
        let servers = Servers { primary: below_apex("ns1"), contact: below_apex("hostmaster") };
        let mut zones = Self(HashMap::new());
        zones.insert(hosting_zone(apex, &servers, settings, rooms));
        for apex in reverse_apexes(&settings.network) {
            zones.insert(Zone::new(apex, &servers, rooms.serial));
        }
        for (room, address) in &rooms.rooms {
            zones.add_reverse(*address, child(room.as_ref(), settings));
        }
        zones
    }

    fn insert(&mut self, zone: Zone) {
        self.0.insert(zone.apex.clone(), zone);
    }

    fn add_reverse(&mut self, address: Ipv4Addr, host: Option<DomainName>) {
        let Some((owner, host)) = reverse_name(&address.octets()).zip(host) else { return };
        let apex = owner.iter_suffixes().find(|apex| self.0.contains_key(apex));
        if let Some(zone) = apex.and_then(|apex| self.0.get_mut(&apex)) {
            zone.add(owner, Ptr::new(host).into());
        }
    }

    /// The zone a name falls into; `None` when it is nobody's here.
    pub(super) fn zone_of(&self, name: &Name<[u8]>) -> Option<&Zone> {
        name.iter_suffixes().find_map(|suffix| self.0.get(suffix.for_slice()))
    }
}

/// Apex, name server, panel and rooms: all of them are the box.
fn hosting_zone(
    apex: DomainName,
    servers: &Servers,
    settings: &FrontSettings,
    rooms: &wire::Zone,
) -> Zone {
    let mut zone = Zone::new(apex.clone(), servers, rooms.serial);
    let panel = Name::bytes_from_str(settings.panel.as_ref()).ok();
    let panel = panel.filter(|panel| panel.ends_with(&apex));
    let rooms = rooms.rooms.iter().filter_map(|(room, _)| child(room.as_ref(), settings));
    let box_itself: Data = A::new(settings.public_address).into();
    for host in [apex, servers.primary.clone()].into_iter().chain(panel).chain(rooms) {
        zone.add(host, box_itself.clone());
    }
    zone
}

/// `label.ZONE`, unless that is too long.
fn child(label: &str, settings: &FrontSettings) -> Option<DomainName> {
    Name::bytes_from_str(&format!("{label}.{}", settings.zone)).ok()
}

/// The reverse zones that cover the prefix and nothing else: reverse names are cut at octets
/// (RFC 1035 §3.5), so a /22 is four zones of 256 addresses and a /26 is 64 zones of one.
fn reverse_apexes(network: &RoomNetwork) -> impl Iterator<Item = DomainName> {
    let octets = network.prefix().div_ceil(8);
    let step = 32 - 8 * u32::from(octets);
    let (first, last) = (u32::from(network.base()), u32::from(network.broadcast()));
    (first >> step..=last >> step).filter_map(move |number| {
        reverse_name(&(number << step).to_be_bytes()[..usize::from(octets)])
    })
}

/// `c.b.a.in-addr.arpa` for the octets a, b, c.
fn reverse_name(octets: &[u8]) -> Option<DomainName> {
    let labels: Vec<String> = octets.iter().rev().map(u8::to_string).collect();
    Name::bytes_from_str(&format!("{}.in-addr.arpa", labels.join("."))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reverse_zones_cover_the_prefix_and_nothing_else() {
        let cases: [(&str, &[&str], usize); 4] = [
            ("10.1.0.0/16", &["1.10.in-addr.arpa"], 1),
            ("192.168.200.0/22", &["200.168.192.in-addr.arpa", "203.168.192.in-addr.arpa"], 4),
            ("10.1.2.0/24", &["2.1.10.in-addr.arpa"], 1),
            ("10.1.2.8/29", &["8.2.1.10.in-addr.arpa", "15.2.1.10.in-addr.arpa"], 8),
        ];
        for (network, ends, count) in cases {
            let network: RoomNetwork = network.parse().expect("valid");
            let apexes: Vec<String> =
                reverse_apexes(&network).map(|apex| apex.to_string()).collect();
            assert_eq!(apexes.len(), count, "{network}");
            assert_eq!(apexes.first().map(String::as_str), ends.first().copied());
            assert_eq!(apexes.last().map(String::as_str), ends.last().copied());
        }
    }
}
