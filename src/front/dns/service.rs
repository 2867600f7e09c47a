//! One request to one response, whatever carried it.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use arc_swap::{ArcSwap, ArcSwapOption};

use super::answer::{Answer, answer};
use super::cache::Cache;
use super::query::{Query, Transport, Unreadable};
use super::quota::{Place, Quota};
use super::zone::Zones;
use super::{compose, upstream};
use crate::wire::{FrontSettings, Snapshot};

/// Questions being asked of resolvers at once, and those of one room among them.
const IN_FLIGHT: (usize, usize) = (1024, 64);
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
    resolvers: Vec<SocketAddr>,
    zones: ArcSwap<Zones>,
    /// What `zones` was built from, to see whether a snapshot changes it.
    built: ArcSwapOption<(u32, usize)>,
    cache: Mutex<Cache>,
    in_flight: Arc<Quota>,
    public_connections: Arc<Quota>,
    room_connections: Arc<Quota>,
}

impl Service {
    /// A service without zones yet.
    pub(super) fn new(settings: Arc<FrontSettings>, resolvers: Vec<SocketAddr>) -> Self {
        let connections = || Quota::new(CONNECTIONS.0, CONNECTIONS.1);
        Self {
            settings,
            resolvers,
            zones: ArcSwap::default(),
            built: ArcSwapOption::empty(),
            cache: Mutex::default(),
            in_flight: Quota::new(IN_FLIGHT.0, IN_FLIGHT.1),
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
            return self.recall(query);
        }
        Outcome::Reply(compose::compose(&query, &answer, recursion))
    }

    fn is_room(&self, client: IpAddr) -> bool {
        matches!(client, IpAddr::V4(address) if self.settings.network.contains(address))
    }

    fn recall(&self, query: Query) -> Outcome {
        let found = self.with_cache(|cache| cache.find(&query, Instant::now()));
        match found {
            Some((answered, age)) => {
                Outcome::Reply(compose::relay(&query, answered.for_slice(), age))
            }
            None => Outcome::Forward(query),
        }
    }

    /// Asks a resolver for a room, and answers in any case.
    pub(super) async fn forward(&self, query: &Query, client: IpAddr) -> Vec<u8> {
        let Some(_place) = self.in_flight.take(client) else {
            return compose::server_failure(query);
        };
        let Some(answered) = upstream::resolve(query, &self.resolvers).await else {
            return compose::server_failure(query);
        };
        self.with_cache(|cache| cache.keep(query, &answered, Instant::now()));
        compose::relay(query, answered.for_slice(), 0)
    }

    /// A place for a connection of this client.
    pub(super) fn connection(&self, client: IpAddr, side: Side) -> Option<Place> {
        match side {
            Side::Public => self.public_connections.take(client),
            Side::Room => self.room_connections.take(client),
        }
    }

    fn with_cache<T>(&self, act: impl FnOnce(&mut Cache) -> T) -> T {
        act(&mut self.cache.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
