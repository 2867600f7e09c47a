//! Shares of a bounded number of places, so that no client can take them all.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A number of places, of which each client may hold a few.
#[derive(Debug)]
pub(super) struct Quota {
    places: usize,
    each: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    sum: usize,
    by: HashMap<IpAddr, usize>,
}

/// A place held until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    quota: Arc<Quota>,
    client: IpAddr,
}

impl Quota {
    /// `places` in all, at most `each` of them to one client.
    pub(super) fn new(places: usize, each: usize) -> Arc<Self> {
        Arc::new(Self { places, each, taken: Mutex::default() })
    }

    /// A place for this client, unless it has its share or all are taken.
    pub(super) fn take(self: &Arc<Self>, client: IpAddr) -> Option<Place> {
        let mut taken = self.lock();
        let held = taken.by.get(&client).copied().unwrap_or(0);
        if taken.sum >= self.places || held >= self.each {
            return None;
        }
        taken.sum += 1;
        taken.by.insert(client, held + 1);
        Some(Place { quota: Arc::clone(self), client })
    }

    fn give_back(&self, client: IpAddr) {
        let mut taken = self.lock();
        taken.sum = taken.sum.saturating_sub(1);
        match taken.by.get_mut(&client) {
            Some(held) if *held > 1 => *held -= 1,
            _ => drop(taken.by.remove(&client)),
        }
    }

    /// The counts stay right whatever panicked while holding them.
    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.quota.give_back(self.client);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_takes_all_and_places_come_back() {
        let quota = Quota::new(3, 2);
        let [ada, bob] = [1, 2].map(|last| IpAddr::from([192, 0, 2, last]));
        let first = quota.take(ada).expect("free");
        let _second = quota.take(ada).expect("free");
        assert!(quota.take(ada).is_none(), "her share");
        let _third = quota.take(bob).expect("free");
        assert!(quota.take(bob).is_none(), "all taken");
        drop(first);
        assert!(quota.take(bob).is_some());
        assert!(quota.take(ada).is_some(), "and his came back as well");
    }
}
