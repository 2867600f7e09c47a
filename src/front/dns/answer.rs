//! What the house answers out of its own zones (RFC 1034 §4.3.2). No I/O, no bytes.

use domain::base::iana::{Class, OptRcode, Rtype};

use super::query::Query;
use super::zone::{Data, DomainName, RecordSet, Zone, Zones};

/// The EDNS version spoken (RFC 6891 §6.1.3).
const EDNS_VERSION: u8 = 0;

/// An answer, pointing into the zones it comes from.
#[derive(Debug)]
pub(super) enum Answer<'z> {
    /// The set asked for, and the addresses of the host it names.
    Found { set: &'z RecordSet, addresses: Option<(&'z DomainName, &'z RecordSet)> },
    /// The name exists without that type (RFC 2308 §2.2).
    NoData(&'z Zone),
    /// There is no such name (RFC 2308 §2.1).
    NoName(&'z Zone),
    /// The query itself is refused.
    Error(OptRcode),
    /// The name is none of the house's.
    Elsewhere,
}

/// Looks a query up.
pub(super) fn answer<'z>(query: &Query, zones: &'z Zones) -> Answer<'z> {
    if let Some(refusal) = refusal(query) {
        return Answer::Error(refusal);
    }
    let Some(zone) = zones.zone_of(query.name().for_slice()) else { return Answer::Elsewhere };
    let Some(node) = zone.node(query.name().for_slice()) else { return Answer::NoName(zone) };
    let wanted = match query.rtype() {
        // One set is enough for "any" (RFC 8482 §4.1): no amplifier.
        Rtype::ANY => node.first(),
        rtype => node.iter().find(|set| set.rtype == rtype),
    };
    wanted
        .map_or(Answer::NoData(zone), |set| Answer::Found { set, addresses: addresses(set, zones) })
}

/// What is not a look-up of data: other classes (the server's version is asked for in CH),
/// other EDNS versions, and types that stand for an operation (RFC 6895 §3.1).
fn refusal(query: &Query) -> Option<OptRcode> {
    if query.edns.is_some_and(|edns| edns.version != EDNS_VERSION) {
        return Some(OptRcode::BADVERS);
    }
    match (query.class(), query.rtype()) {
        (Class::IN, Rtype::ANY) => None,
        (Class::IN, Rtype::AXFR | Rtype::IXFR) => Some(OptRcode::REFUSED),
        (Class::IN, Rtype::OPT) => Some(OptRcode::FORMERR),
        (Class::IN, rtype) if (128..=255).contains(&rtype.to_int()) => Some(OptRcode::NOTIMP),
        (Class::IN, _) => None,
        _ => Some(OptRcode::REFUSED),
    }
}

/// The addresses of the host that a set of name servers names (RFC 1034 §4.3.2 step 6).
fn addresses<'z>(set: &'z RecordSet, zones: &'z Zones) -> Option<(&'z DomainName, &'z RecordSet)> {
    let Some(Data::Ns(server)) = set.data.first() else { return None };
    let host = server.nsdname();
    let node = zones.zone_of(host.for_slice())?.node(host.for_slice())?;
    let set = node.iter().find(|set| set.rtype == Rtype::A)?;
    Some((host, set))
}
