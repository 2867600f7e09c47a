//! What a room is given: pure decisions over what is taken.

use std::collections::HashSet;

use super::StoreError;
use crate::core::store::error::{conflict, invalid, limit};
use crate::model::{Protocol, PublicPort, PublicPorts, RoomPort, UidRange};
use crate::wire::{NewPort, PortView};

/// Redirections a room may have, the one for SSH included.
pub(super) const MOST_PORTS: usize = 20;
/// Where sshd(8) listens in every room.
const SSH: u16 = 22;

/// Whether a redirection is the one every room has.
pub(super) fn is_ssh(protocol: Protocol, room: RoomPort) -> bool {
    protocol == Protocol::Tcp && u16::from(room) == SSH
}

/// The first of `all` (lowest first) after `last` that is free, beginning again at the lowest.
pub(super) fn next_free<T: Copy + Ord>(
    all: impl Iterator<Item = T>,
    last: Option<T>,
    free: impl Fn(&T) -> bool,
) -> Option<T> {
    let mut lowest = None;
    for candidate in all.filter(free) {
        if last.is_none_or(|last| candidate > last) {
            return Some(candidate);
        }
        lowest = lowest.or(Some(candidate));
    }
    lowest
}

/// Every uid range, lowest first.
pub(super) fn uid_ranges() -> impl Iterator<Item = UidRange> {
    std::iter::successors(Some(UidRange::first()), |range| {
        Some(range.next()).filter(|next| next > range)
    })
}

/// The redirections `asked` for by a room that has `own` ones, in the order asked, and the port
/// chosen last. Those asked for by number are set aside before any is chosen.
pub(super) fn ports(
    asked: &[NewPort],
    own: &[PortView],
    mut taken: HashSet<(Protocol, PublicPort)>,
    range: &PublicPorts,
    mut last: Option<PublicPort>,
) -> Result<(Vec<PortView>, Option<PublicPort>), StoreError> {
    refuse_again(asked, own)?;
    set_aside(asked, &mut taken, range)?;
    let mut given = Vec::with_capacity(asked.len());
    for &NewPort { protocol, room, public } in asked {
        if public.is_none() {
            let free = |port: &PublicPort| !taken.contains(&(protocol, *port));
            last = next_free(range.iter(), last, free);
        }
        let public = public
            .or(last)
            .ok_or_else(|| limit(format!("every public {protocol} port of {range} is taken")))?;
        taken.insert((protocol, public));
        given.push(PortView { protocol, public, room });
    }
    Ok((given, last))
}

/// Refuses a port of the room that would be led to twice, and more than a room may have.
fn refuse_again(asked: &[NewPort], own: &[PortView]) -> Result<(), StoreError> {
    if own.len() + asked.len() > MOST_PORTS {
        return Err(limit(format!(
            "a room has at most {MOST_PORTS} redirections; delete one first"
        )));
    }
    let mut led: HashSet<_> = own.iter().map(|port| (port.protocol, port.room)).collect();
    match asked.iter().find(|port| !led.insert((port.protocol, port.room))) {
        None => Ok(()),
        Some(NewPort { protocol, room, .. }) => {
            Err(conflict(format!("{protocol} port {room} of the room has its redirection already")))
        }
    }
}

/// Takes the public ports that are asked for by number.
fn set_aside(
    asked: &[NewPort],
    taken: &mut HashSet<(Protocol, PublicPort)>,
    range: &PublicPorts,
) -> Result<(), StoreError> {
    for port in asked {
        let Some(public) = port.public else { continue };
        if !range.contains(public) {
            return Err(invalid(format!(
                "the public port {public} is not one of {range}; leave it out to get a free one"
            )));
        }
        if !taken.insert((port.protocol, public)) {
            return Err(conflict(format!(
                "the public {} port {public} is taken; leave it out to get a free one",
                port.protocol
            )));
        }
    }
    Ok(())
}

/// The redirection every room has.
pub(super) fn ssh() -> Result<NewPort, StoreError> {
    let room = RoomPort::try_from(SSH).map_err(|why| invalid(why.0))?;
    Ok(NewPort { protocol: Protocol::Tcp, room, public: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::FaultKind;

    fn public(port: u16) -> PublicPort {
        port.try_into().expect("valid")
    }

    fn asked(protocol: Protocol, room: u16, port: Option<u16>) -> NewPort {
        NewPort { protocol, room: room.try_into().expect("valid"), public: port.map(public) }
    }

    #[test]
    fn the_next_free_one_goes_round() {
        let cases = [
            (None, vec![], Some(1)),
            (None, vec![1, 2], Some(3)),
            (Some(2), vec![], Some(3)),
            (Some(2), vec![3, 4], Some(5)),
            (Some(5), vec![], Some(1)),
            (Some(4), vec![5, 1], Some(2)),
            (Some(9), vec![1], Some(2)),
            (Some(0), vec![], Some(1)),
            (Some(3), vec![1, 2, 4, 5], Some(3)),
            (Some(3), vec![1, 2, 3, 4, 5], None),
        ];
        for (last, taken, expected) in cases {
            let found = next_free(1..=5, last, |number| !taken.contains(number));
            assert_eq!(found, expected, "after {last:?} without {taken:?}");
        }
    }

    #[test]
    fn uid_ranges_are_each_met_once() {
        assert_eq!(uid_ranges().count(), 28_662);
        assert_eq!(uid_ranges().last().map(UidRange::base), Some(UidRange::LAST));
    }

    #[test]
    fn chosen_ports_avoid_those_asked_for() {
        use Protocol::{Tcp, Udp};
        let range: PublicPorts = "20000-20003".parse().expect("valid");
        let wishes = [
            asked(Tcp, 22, None),
            asked(Tcp, 80, Some(20_001)),
            asked(Tcp, 81, None),
            asked(Udp, 81, None),
        ];
        let taken = HashSet::from([(Tcp, public(20_002)), (Udp, public(20_001))]);
        let (given, last) =
            ports(&wishes, &[], taken, &range, Some(public(20_000))).expect("enough");
        let numbers: Vec<_> = given.iter().map(|port| u16::from(port.public)).collect();
        assert_eq!(numbers, [20_003, 20_001, 20_000, 20_002]);
        assert_eq!(last, Some(public(20_002)));
    }

    #[test]
    fn what_cannot_be_redirected_is_refused() {
        use FaultKind::{Conflict, Invalid, Limit};
        use Protocol::{Tcp, Udp};
        let range: PublicPorts = "20000-20001".parse().expect("valid");
        let many: Vec<_> = (1..=21).map(|room| asked(Udp, room, None)).collect();
        let cases = [
            (vec![asked(Tcp, 80, Some(19_999))], Invalid),
            (vec![asked(Tcp, 80, Some(20_000))], Conflict),
            (vec![asked(Udp, 80, Some(20_000)), asked(Udp, 81, Some(20_000))], Conflict),
            (vec![asked(Tcp, 22, None)], Conflict),
            (vec![asked(Udp, 80, None), asked(Udp, 80, None)], Conflict),
            (vec![asked(Tcp, 80, None), asked(Tcp, 81, None)], Limit),
            (many, Limit),
        ];
        let own = [PortView {
            protocol: Tcp,
            public: public(20_000),
            room: 22.try_into().expect("valid"),
        }];
        for (wishes, expected) in cases {
            let taken = HashSet::from([(Tcp, public(20_000))]);
            match ports(&wishes, &own, taken, &range, None) {
                Err(StoreError::Refused(fault)) => assert_eq!(fault.kind, expected, "{wishes:?}"),
                other => panic!("{wishes:?} gave {other:?}"),
            }
        }
    }
}
