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
mod tests {
    use bytes::Bytes;
    use domain::base::Message;
    use domain::base::iana::{Class, Rtype};
    use proptest::prelude::*;

    use super::*;
    use crate::front::dns::query::Transport;
    use crate::front::dns::tests::{noise, request};

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn nothing_a_resolver_says_brings_it_down(answered in noise()) {
            let asked = request("blog.hosting.example", Rtype::A, Class::IN);
            let query = Query::parse(&asked, Transport::Udp).expect("sound");
            let answered = Message::from_octets(Bytes::from(answered)).expect("a header");
            Cache::default().keep(&query, &answered, Instant::now());
            prop_assert!(relay(&query, answered.for_slice(), 5).len() <= 512);
        }
    }
}
