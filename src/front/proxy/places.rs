//! Who may hold a connection: a cap in all and one per client address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::bounds::Bounds;

/// The places visitors' connections take.
#[derive(Debug)]
pub(super) struct Places {
    all: Arc<Semaphore>,
    total: u32,
    per_address: u32,
    held: Arc<Mutex<HashMap<IpAddr, u32>>>,
}

/// One connection's place, given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    who: IpAddr,
    held: Arc<Mutex<HashMap<IpAddr, u32>>>,
    _permit: OwnedSemaphorePermit,
}

impl Places {
    pub(super) fn new(bounds: &Bounds) -> Self {
        Self {
            all: Arc::new(Semaphore::new(bounds.visitors as usize)),
            total: bounds.visitors,
            per_address: bounds.per_address,
            held: Arc::default(),
        }
    }

    /// Waits until another connection may be accepted. `None`: never again.
    pub(super) async fn free(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.all).acquire_owned().await.ok()
    }

    /// Gives the accepted connection its place, unless its address has its share already.
    pub(super) fn take(&self, permit: OwnedSemaphorePermit, address: IpAddr) -> Option<Place> {
        let who = counted(address);
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let count = held.entry(who).or_insert(0);
        if *count >= self.per_address {
            return None;
        }
        *count += 1;
        Some(Place { who, held: Arc::clone(&self.held), _permit: permit })
    }

    /// Waits until every place is back.
    pub(super) async fn empty(&self) {
        // An error means the semaphore was closed, which nothing does.
        let _ = self.all.acquire_many(self.total).await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = held.get_mut(&self.who) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.who);
            }
        }
    }
}

/// What is counted as one client: an IPv4 address, or an IPv6 /64, the least a network gets
/// (RFC 6177).
fn counted(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64)).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn caps_each_address_and_gives_back() {
        let bounds = Bounds { visitors: 3, per_address: 2, ..Bounds::default() };
        let places = Places::new(&bounds);
        let (one, other) = ("192.0.2.1".parse().expect("ip"), "192.0.2.2".parse().expect("ip"));
        let mut kept = Vec::new();
        for expected in [true, true, false] {
            let permit = places.free().await.expect("open");
            let place = places.take(permit, one);
            assert_eq!(place.is_some(), expected);
            kept.extend(place);
        }
        let permit = places.free().await.expect("open");
        kept.extend(places.take(permit, other));
        assert_eq!(kept.len(), 3);
        assert_eq!(places.all.available_permits(), 0, "the house is full");
        kept.clear();
        places.empty().await;
        assert!(places.held.lock().expect("lock").is_empty(), "no address is remembered");
    }

    #[test]
    fn counts_networks() {
        for (address, expected) in [
            ("192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ] {
            let address: IpAddr = address.parse().expect("ip");
            assert_eq!(counted(address), expected.parse::<IpAddr>().expect("ip"));
        }
    }
}
