//! Failed sign-ins per address. In memory and bounded: an attacker with many addresses makes
//! the table forget, never grow.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Failures allowed per window. A whole school may sit behind one address.
const FAILURES: u32 = 30;
const WINDOW: Duration = Duration::from_secs(10 * 60);
/// Addresses remembered at most: under 1 MiB.
const ADDRESSES: usize = 8192;

#[derive(Debug, Default)]
pub(super) struct Throttle {
    table: Mutex<HashMap<IpAddr, Failures>>,
}

#[derive(Debug, Clone, Copy)]
struct Failures {
    since: Instant,
    count: u32,
}

impl Throttle {
    /// Counts an attempt as failed before it is made, so that a thousand at once do not slip
    /// through; [`Self::forgive`] takes it back.
    ///
    /// # Errors
    /// How long to wait, when there were too many.
    pub(super) fn attempt(&self, address: IpAddr, now: Instant) -> Result<(), Duration> {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let key = key(address);
        if table.len() >= ADDRESSES && !table.contains_key(&key) {
            make_room(&mut table, now);
        }
        let failures = table.entry(key).or_insert(Failures { since: now, count: 0 });
        if failures.over(now) {
            *failures = Failures { since: now, count: 0 };
        }
        if failures.count >= FAILURES {
            return Err(WINDOW.saturating_sub(now.saturating_duration_since(failures.since)));
        }
        failures.count += 1;
        Ok(())
    }

    /// The attempt was no guess after all.
    pub(super) fn forgive(&self, address: IpAddr) {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(failures) = table.get_mut(&key(address)) {
            failures.count = failures.count.saturating_sub(1);
        }
    }
}

impl Failures {
    fn over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) >= WINDOW
    }
}

/// Forgets what is over; failing that, the least guilty, then the oldest.
fn make_room(table: &mut HashMap<IpAddr, Failures>, now: Instant) {
    table.retain(|_, failures| !failures.over(now));
    if table.len() < ADDRESSES {
        return;
    }
    let least = table.iter().min_by_key(|(_, failures)| (failures.count, failures.since));
    if let Some(address) = least.map(|(address, _)| *address) {
        table.remove(&address);
    }
}

/// One visitor: an IPv4 address, or the /64 an IPv6 visitor chooses addresses from.
fn key(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn too_many_failures_wait_for_the_window() {
        let throttle = Throttle::default();
        let start = Instant::now();
        let guesser = address("192.0.2.1");
        for _ in 0..FAILURES {
            assert_eq!(throttle.attempt(guesser, start), Ok(()));
        }
        let later = start + Duration::from_secs(60);
        assert_eq!(throttle.attempt(guesser, later), Err(Duration::from_secs(9 * 60)));
        assert_eq!(throttle.attempt(address("::ffff:192.0.2.1"), start), Err(WINDOW));
        assert_eq!(throttle.attempt(address("192.0.2.2"), start), Ok(()));
        assert_eq!(throttle.attempt(guesser, start + WINDOW), Ok(()));
    }

    #[test]
    fn success_is_not_counted() {
        let throttle = Throttle::default();
        let now = Instant::now();
        let student = address("2001:db8::1");
        for _ in 0..FAILURES * 3 {
            assert_eq!(throttle.attempt(student, now), Ok(()));
            throttle.forgive(student);
        }
    }

    #[test]
    fn one_ipv6_visitor_has_a_whole_prefix() {
        assert_eq!(key(address("2001:db8:0:1::1")), key(address("2001:db8:0:1:ffff::2")));
        assert_ne!(key(address("2001:db8:0:1::1")), key(address("2001:db8:0:2::1")));
    }

    #[test]
    fn the_table_is_bounded_and_keeps_the_guilty() {
        let throttle = Throttle::default();
        let now = Instant::now();
        let guesser = address("192.0.2.1");
        for _ in 0..FAILURES {
            assert_eq!(throttle.attempt(guesser, now), Ok(()));
        }
        for number in 0..9_000_u32 {
            let _ = throttle.attempt(IpAddr::V4((0x0a00_0000 + number).into()), now);
        }
        assert_eq!(throttle.table.lock().expect("lock").len(), ADDRESSES);
        assert!(throttle.attempt(guesser, now).is_err());
    }
}
