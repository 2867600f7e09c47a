//! Rooms' questions about names that are none of the house's: answered from memory or by asking
//! the configured resolvers. [`super::service`] calls it, for rooms only.

mod cache;
mod upstream;

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use self::cache::Cache;
use super::compose::{relay, server_failure};
use super::query::Query;
use super::quota::Quota;

/// Questions being asked at once, and those of one room among them.
const IN_FLIGHT: (usize, usize) = (1024, 64);

/// The resolvers behind, and what they said lately.
#[derive(Debug)]
pub(super) struct Resolver {
    upstreams: Vec<SocketAddr>,
    cache: Mutex<Cache>,
    in_flight: Arc<Quota>,
}

impl Resolver {
    /// One that asks these in turn.
    pub(super) fn new(upstreams: Vec<SocketAddr>) -> Self {
        let in_flight = Quota::new(IN_FLIGHT.0, IN_FLIGHT.1);
        Self { upstreams, cache: Mutex::default(), in_flight }
    }

    /// A response from memory. Never waits.
    pub(super) fn recall(&self, query: &Query) -> Option<Vec<u8>> {
        let (answered, age) = self.with_cache(|cache| cache.find(query, Instant::now()))?;
        Some(relay(query, answered.for_slice(), age))
    }

    /// A response by asking; SERVFAIL when nobody answers or this client asks too much at once.
    pub(super) async fn resolve(&self, query: &Query, client: IpAddr) -> Vec<u8> {
        let Some(_place) = self.in_flight.take(client) else { return server_failure(query) };
        let Some(answered) = upstream::ask_in_turn(query, &self.upstreams).await else {
            return server_failure(query);
        };
        self.with_cache(|cache| cache.keep(query, &answered, Instant::now()));
        relay(query, answered.for_slice(), 0)
    }

    fn with_cache<T>(&self, act: impl FnOnce(&mut Cache) -> T) -> T {
        // A cache is right however little of it was written.
        act(&mut self.cache.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
pub(super) fn keep_in_new_cache(query: &Query, answered: &domain::base::Message<bytes::Bytes>) {
    Cache::default().keep(query, answered, Instant::now());
}
