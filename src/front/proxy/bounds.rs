//! How long the proxy waits, and how much it holds at once.

use std::time::Duration;

/// The proxy's limits. Production uses [`Bounds::default`]; tests shorten what they wait for.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// The port a room's own web server listens on.
    pub room_port: u16,
    /// For a TLS handshake, from the first byte to the last.
    pub handshake: Duration,
    /// For an HTTP/1.1 request's head to arrive, and so for a kept-alive connection to lie idle.
    pub head: Duration,
    /// For an HTTP/2 connection without a new request; streams that are open are finished.
    pub idle: Duration,
    /// For a room that is coming on to take a connection.
    pub boot: Duration,
    /// For a room's response to begin, counted from the last byte of the request it was sent.
    pub answer: Duration,
    /// For a connection to a room to lie idle in the pool.
    pub pooled: Duration,
    /// Visitors' connections in all; more wait in the kernel's queue.
    pub visitors: u32,
    /// Visitors' connections from one IPv4 address or IPv6 /64; more are closed at once. A
    /// campus behind one address must fit.
    pub per_address: u32,
    /// Requests a room works on at once; more wait for `boot`, then are told it is busy. Keeps
    /// one room's crowd from using up the descriptors of all.
    pub per_room: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            room_port: 80,
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(30),
            idle: Duration::from_secs(90),
            boot: Duration::from_secs(5),
            answer: Duration::from_secs(60),
            pooled: Duration::from_secs(20),
            visitors: 16_384,
            per_address: 1_024,
            per_room: 256,
        }
    }
}
