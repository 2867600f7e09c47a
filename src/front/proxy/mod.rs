//! The visitors' way to the rooms: TLS, HTTP/1.1 and HTTP/2 in, HTTP/1.1 to the room.
//!
//! Started by front alone, with sockets that core opened. It trusts the snapshot and nobody
//! else: neither visitors nor rooms. It opens no file, resolves no name, and connects to the
//! rooms' addresses only.
//!
//! ```text
//! accept ─ places ─▶ connection ─ TLS by SNI ─▶ exchange ─ host ─▶ index ─┬▶ room (headers, pool)
//!                        │                                                ├▶ panel
//!                        └─ port 80 ─▶ plain: 308                         └▶ page
//! ```
//!
//! Decisions:
//! - A connection may ask for every host its certificate speaks for (browsers share HTTP/2
//!   connections so) and for no other: 421.
//! - A room that is on and takes no connection is waited for, since it is likely booting. The
//!   price: a room without a web server costs each of its visitors that wait.
//! - Rooms are told who the visitor is in `X-Forwarded-*` and `Forwarded`; what visitors sent of
//!   these is dropped, for the house is the edge.
//! - No `Via` is added (RFC 9110 §7.6.3 wants one): web servers take it for a reason not to
//!   compress, and the house cannot be part of a loop.
//! - 1xx responses of rooms but 101 end here; `Expect` is answered here. The price: no early
//!   hints.
//! - `TE` ends here too, so rooms send trailers only unasked; those are passed on.
//! - A drain waits for tunnels (websockets) as for requests; whoever drains sets the deadline.

mod accept;
mod bounds;
mod certificate;
mod connection;
mod exchange;
mod index;
mod message;
mod places;
mod plain;
mod room;
mod socket;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::future::join_all;
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::sleep;

pub use bounds::Bounds;

use self::accept::{Door, accept};
use self::index::Index;
use self::places::Places;
use crate::front::site::Site;
use crate::front::view::View;
use crate::wire::FrontSettings;

/// Between two looks for connections to rooms that were idle too long.
const TRIM: Duration = Duration::from_secs(5);

/// The sockets visitors connect to.
#[derive(Debug)]
pub struct Listeners {
    /// Port 80.
    pub http: Vec<TcpListener>,
    /// Port 443.
    pub https: Vec<TcpListener>,
}

/// What every connection needs.
struct Proxy {
    index: ArcSwap<Index>,
    panel: Site,
    bounds: Bounds,
    places: Places,
    /// The port redirections lead to.
    https: u16,
}

impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Proxy").field("index", &self.index).finish_non_exhaustive()
    }
}

/// Serves visitors until `drain` says true: then accepts nobody, finishes the requests at hand,
/// and returns. Returns at once, with an error logged, when TLS cannot be set up.
pub async fn serve(
    listeners: Listeners,
    view: Arc<View>,
    settings: Arc<FrontSettings>,
    panel: Site,
    drain: watch::Receiver<bool>,
) {
    serve_within(Bounds::default(), listeners, view, settings, panel, drain).await;
}

/// [`serve`], with limits of the caller's choice.
pub async fn serve_within(
    bounds: Bounds,
    listeners: Listeners,
    view: Arc<View>,
    settings: Arc<FrontSettings>,
    panel: Site,
    drain: watch::Receiver<bool>,
) {
    let base = match certificate::base() {
        Ok(base) => base,
        Err(error) => {
            tracing::error!(%error, "TLS cannot be set up");
            return;
        }
    };
    let https = listeners.https.first().and_then(|listener| listener.local_addr().ok());
    let proxy = Arc::new(Proxy {
        index: ArcSwap::default(),
        panel,
        places: Places::new(&bounds),
        bounds,
        https: https.map_or(443, |address| address.port()),
    });
    let doors = (listeners.http.into_iter().map(|listener| (Door::Plain, listener)))
        .chain(listeners.https.into_iter().map(|listener| (Door::Tls, listener)));
    // Subscribed before the first look, so that no snapshot falls between.
    let changes = view.changes();
    proxy.arrange(&view, &settings, &base);
    let accepting =
        join_all(doors.map(|(door, listener)| accept(&proxy, door, listener, drain.clone())));
    tokio::select! {
        () = follow(&proxy, &view, changes, &settings, &base) => {}
        () = trim(&proxy) => {}
        () = async { accepting.await; proxy.places.empty().await } => {}
    }
}

impl Proxy {
    fn arrange(&self, view: &View, settings: &FrontSettings, base: &ServerConfig) {
        let before = self.index.load_full();
        let index = Index::build(&view.now(), &settings.panel, base, &self.bounds, &before);
        self.index.store(Arc::new(index));
    }
}

/// Keeps the index at the latest snapshot, forever.
async fn follow(
    proxy: &Proxy,
    view: &View,
    mut changes: watch::Receiver<u64>,
    settings: &FrontSettings,
    base: &ServerConfig,
) {
    // `view` holds the sender, so this ends only with the future.
    while changes.changed().await.is_ok() {
        proxy.arrange(view, settings, base);
    }
}

/// Closes connections to rooms that nobody used for a while, forever.
async fn trim(proxy: &Proxy) {
    loop {
        sleep(TRIM).await;
        proxy.index.load().rooms().for_each(|room| room.trim(proxy.bounds.pooled));
    }
}
