//! The snapshot, arranged for answering: hosts and certificates by name.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ServerConfig;

use super::bounds::Bounds;
use super::certificate::Certificates;
use super::room::Room;
use crate::model::HostName;
use crate::wire::{Route, RouteState, Snapshot};

/// Where a host's requests go.
#[derive(Debug, Clone)]
pub(super) enum Target {
    /// The house's own site.
    Panel,
    /// To a room that is on.
    Room(Arc<Room>),
    /// Nowhere: the room is off.
    Off,
    /// Nowhere: the room is in the archive.
    Archived,
}

/// One snapshot's worth of answers. Replaced whole.
#[derive(Debug, Default)]
pub(super) struct Index {
    hosts: HashMap<String, Target>,
    pub(super) certificates: Certificates,
}

impl Index {
    /// Arranges a snapshot. Rooms that stay keep their connections; those that leave lose their
    /// idle ones at once, and the busy ones when their request ends.
    pub(super) fn build(
        snapshot: &Snapshot,
        panel: &HostName,
        base: &ServerConfig,
        bounds: &Bounds,
        before: &Self,
    ) -> Self {
        let mut rooms: HashMap<SocketAddr, Arc<Room>> =
            before.rooms().map(|room| (room.address(), Arc::clone(room))).collect();
        let mut target = |route: &Route| match route.state {
            RouteState::Down => Target::Off,
            RouteState::Archived => Target::Archived,
            RouteState::Up => {
                let address = SocketAddr::from((route.address, bounds.room_port));
                let room =
                    rooms.entry(address).or_insert_with(|| Arc::new(Room::new(address, bounds)));
                Target::Room(Arc::clone(room))
            }
        };
        let mut hosts: HashMap<String, Target> =
            snapshot.routes.iter().map(|route| (route.host.to_string(), target(route))).collect();
        // Last, so that no room's route can take the panel's place.
        hosts.insert(panel.to_string(), Target::Panel);
        let certificates = Certificates::build(&snapshot.certificates, base, &before.certificates);
        Self { hosts, certificates }
    }

    /// Where the requests for a host go, its name in lower case. `None`: there is no such site.
    pub(super) fn target(&self, host: &str) -> Option<&Target> {
        self.hosts.get(host)
    }

    /// The rooms that are on.
    pub(super) fn rooms(&self) -> impl Iterator<Item = &Arc<Room>> {
        self.hosts.values().filter_map(|target| match target {
            Target::Room(room) => Some(room),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::certificate;
    use super::*;
    use crate::wire::Zone;

    fn build(routes: &[(&str, u8, RouteState)], before: &Index) -> Index {
        let route = |&(host, last, state): &(&str, u8, RouteState)| Route {
            host: host.parse().expect("host"),
            address: [192, 168, 200, last].into(),
            state,
        };
        let snapshot = Snapshot {
            generation: 1,
            zone: Zone { serial: 1, rooms: Vec::new() },
            routes: routes.iter().map(route).collect(),
            leases: Vec::new(),
            certificates: Vec::new(),
        };
        let panel = "panel.example".parse().expect("host");
        let base = certificate::base().expect("base");
        Index::build(&snapshot, &panel, &base, &Bounds::default(), before)
    }

    #[test]
    fn arranges() {
        use RouteState::{Archived, Down, Up};
        let routes = [
            ("a.example", 2, Up),
            ("b.example", 3, Down),
            ("c.example", 4, Archived),
            ("panel.example", 5, Up),
        ];
        let index = build(&routes, &Index::default());
        assert!(
            matches!(index.target("a.example"), Some(Target::Room(room)) if room.address().to_string() == "192.168.200.2:80")
        );
        assert!(matches!(index.target("b.example"), Some(Target::Off)));
        assert!(matches!(index.target("c.example"), Some(Target::Archived)));
        assert!(matches!(index.target("panel.example"), Some(Target::Panel)));
        assert!(index.target("d.example").is_none());
        assert_eq!(index.rooms().count(), 1);
    }

    #[test]
    fn rooms_stay_the_same_while_on() {
        use RouteState::{Down, Up};
        let before = build(&[("a.example", 2, Up), ("b.example", 3, Up)], &Index::default());
        let after =
            build(&[("a.example", 2, Up), ("own.example", 2, Up), ("b.example", 3, Down)], &before);
        let room = |index: &Index, host| match index.target(host) {
            Some(Target::Room(room)) => Some(Arc::clone(room)),
            _ => None,
        };
        let kept = room(&before, "a.example").expect("on");
        assert!(Arc::ptr_eq(&kept, &room(&after, "a.example").expect("on")));
        assert!(Arc::ptr_eq(&kept, &room(&after, "own.example").expect("on")), "one pool per room");
        assert!(room(&after, "b.example").is_none());
    }
}
