//! One request to one response, whatever carried it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption};

use super::answer::{Answer, answer};
use super::compose::compose;
use super::query::{Query, Transport, Unreadable};
use super::quota::{Place, Quota};
use super::resolver::Resolver;
use super::zone::Zones;
use crate::wire::{FrontSettings, Snapshot};

/// TCP connections at once on either side, and those of one client among them.
const CONNECTIONS: (usize, usize) = (256, 16);

/// Which sockets a request came by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// The public address: anyone.
    Public,
    /// The gateway: rooms.
    Room,
}

/// What to do with a request.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Nothing.
    Silence,
    /// Send this.
    Reply(Vec<u8>),
    /// Ask a resolver, by [`Service::forward`].
    Forward(Query),
}

/// What answering needs; the listeners share one.
#[derive(Debug)]
pub(super) struct Service {
    settings: Arc<FrontSettings>,
    resolver: Resolver,
    zones: ArcSwap<Zones>,
    /// What `zones` was built from, to see whether a snapshot changes it.
    built: ArcSwapOption<(u32, usize)>,
    public_connections: Arc<Quota>,
    room_connections: Arc<Quota>,
}

impl Service {
    /// A service without zones yet.
    pub(super) fn new(settings: Arc<FrontSettings>, resolvers: Vec<SocketAddr>) -> Self {
        let connections = || Quota::new(CONNECTIONS.0, CONNECTIONS.1);
        Self {
            settings,
            resolver: Resolver::new(resolvers),
            zones: ArcSwap::default(),
            built: ArcSwapOption::empty(),
            public_connections: connections(),
            room_connections: connections(),
        }
    }

    /// Indexes the zone of a snapshot, if it is another than the one served.
    pub(super) fn index(&self, snapshot: &Snapshot) {
        let zone = &snapshot.zone;
        let version = (zone.serial, zone.rooms.len());
        if self.built.load().as_deref() != Some(&version) {
            self.zones.store(Arc::new(Zones::build(&self.settings, zone)));
            self.built.store(Some(Arc::new(version)));
        }
    }

    /// Decides on a request. Never waits.
    pub(super) fn decide(
        &self,
        request: &[u8],
        client: IpAddr,
        side: Side,
        transport: Transport,
    ) -> Outcome {
        let query = match Query::parse(request, transport) {
            Ok(query) => query,
            Err(Unreadable::Silence) => return Outcome::Silence,
            Err(Unreadable::Error(reply)) => return Outcome::Reply(reply),
        };
        let zones = self.zones.load();
        let answer = answer(&query, &zones);
        let recursion = side == Side::Room && self.is_room(client);
        if recursion && query.header.rd() && matches!(answer, Answer::Elsewhere) {
            let recalled = self.resolver.recall(&query);
            return recalled.map_or(Outcome::Forward(query), Outcome::Reply);
        }
        Outcome::Reply(compose(&query, &answer, recursion))
    }

    fn is_room(&self, client: IpAddr) -> bool {
        matches!(client, IpAddr::V4(address) if self.settings.network.contains(address))
    }

    /// Asks a resolver for a room, and answers in any case.
    pub(super) async fn forward(&self, query: &Query, client: IpAddr) -> Vec<u8> {
        self.resolver.resolve(query, client).await
    }

    /// A place for a connection of this client.
    pub(super) fn connection(&self, client: IpAddr, side: Side) -> Option<Place> {
        match side {
            Side::Public => self.public_connections.take(client),
            Side::Room => self.room_connections.take(client),
        }
    }
}
