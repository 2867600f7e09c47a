//! Starts the services on the first snapshot, watches over them, and drains.

use std::convert::Infallible;
use std::io;
use std::net::{TcpListener, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinHandle, JoinSet};

use super::house::House;
use super::sockets::Sockets;
use super::view::View;
use super::{FrontError, dhcp, dns, line, panel, proxy};
use crate::wire::channel::{AsyncChannel, Channel};
use crate::wire::{FromFront, FrontSettings};

/// How long requests in flight may take to end once front is told to stop.
const DRAIN: Duration = Duration::from_secs(30);
/// Commands waiting to be sent to core; past that, who asks waits.
const QUEUE: usize = 64;

/// Serves from the first snapshot until SIGTERM, then lets visitors finish.
///
/// # Errors
/// Whatever ends it before.
pub(super) async fn run(
    channel: Channel,
    sockets: Sockets,
    settings: FrontSettings,
) -> Result<(), FrontError> {
    let mut stop = signal(SignalKind::terminate()).map_err(FrontError::Runtime)?;
    let channel = Arc::new(AsyncChannel::new(channel).map_err(FrontError::Line)?);
    let view = Arc::new(View::empty());
    line::first_snapshot(&channel, &view).await?;

    let (outgoing, queue) = mpsc::channel(QUEUE);
    // The first thing said, once `connect` sends what is queued.
    let _ = outgoing.try_send(FromFront::Ready);
    let house = House::new(outgoing);
    let mut services =
        Services::start(sockets, &view, &house, Arc::new(settings)).map_err(FrontError::Socket)?;
    services.connect(channel, queue, view, house.clone());
    tracing::info!("serving");
    tokio::select! {
        Err(error) = services.fail() => Err(error),
        _ = stop.recv() => {
            services.drain(&house).await;
            Ok(())
        }
    }
}

/// The services at work.
struct Services {
    /// Tasks that have no reason to end; each says why it did.
    endless: JoinSet<FrontError>,
    /// Those of `endless` that stop at once on a drain, so that the next front, which reads the
    /// same sockets, answers with newer data.
    names: Vec<AbortHandle>,
    proxy: JoinHandle<()>,
    draining: watch::Sender<bool>,
}

impl Services {
    fn start(
        sockets: Sockets,
        view: &Arc<View>,
        house: &House,
        settings: Arc<FrontSettings>,
    ) -> io::Result<Self> {
        let mut endless = JoinSet::new();
        let mut names = Vec::new();
        let dns_sockets = dns::Sockets {
            udp: udp(sockets.dns_udp)?,
            tcp: tcp(sockets.dns_tcp)?,
            room_udp: udp(sockets.room_dns_udp)?,
            room_tcp: tcp(sockets.room_dns_tcp)?,
        };
        let dns = dns::serve(dns_sockets, Arc::clone(view), Arc::clone(&settings));
        names.push(endless.spawn(async {
            dns.await;
            FrontError::Service("DNS")
        }));
        for socket in udp(sockets.dhcp)? {
            let dhcp = dhcp::serve(socket, Arc::clone(view), Arc::clone(&settings));
            names.push(endless.spawn(async {
                dhcp.await;
                FrontError::Service("DHCP")
            }));
        }
        let draining = watch::Sender::new(false);
        let listeners = proxy::Listeners { http: tcp(sockets.http)?, https: tcp(sockets.https)? };
        let site = panel::site(house.clone(), Arc::clone(view), Arc::clone(&settings));
        let drain = draining.subscribe();
        let proxy = tokio::spawn(proxy::serve(listeners, Arc::clone(view), settings, site, drain));
        Ok(Self { endless, names, proxy, draining })
    }

    /// Follows the line to core, in both directions, also while draining.
    fn connect(
        &mut self,
        channel: Arc<AsyncChannel>,
        queue: mpsc::Receiver<FromFront>,
        view: Arc<View>,
        house: House,
    ) {
        let (speaking, asking) = (Arc::clone(&channel), house.clone());
        self.endless.spawn(async move {
            line::speak(&speaking, queue, &asking).await;
            std::future::pending().await
        });
        self.endless.spawn(async move {
            match line::listen(&channel, &view, &house).await {
                Ok(()) => std::future::pending().await,
                Err(error) => error,
            }
        });
    }

    /// Waits for one to end, which none should.
    async fn fail(&mut self) -> Result<Infallible, FrontError> {
        tokio::select! {
            Some(ended) = self.endless.join_next() => {
                Err(ended.unwrap_or(FrontError::Service("a service")))
            }
            _ = &mut self.proxy => Err(FrontError::Service("the proxy")),
        }
    }

    /// Accepts nothing new, and waits for requests in flight, within bounds.
    async fn drain(self, house: &House) {
        tracing::info!("draining");
        house.hush();
        self.names.iter().for_each(AbortHandle::abort);
        self.draining.send_replace(true);
        if tokio::time::timeout(DRAIN, self.proxy).await.is_err() {
            tracing::warn!("some requests did not end in time");
        }
    }
}

fn tcp(sockets: Vec<TcpListener>) -> io::Result<Vec<tokio::net::TcpListener>> {
    sockets.into_iter().map(tokio::net::TcpListener::from_std).collect()
}

fn udp(sockets: Vec<UdpSocket>) -> io::Result<Vec<tokio::net::UdpSocket>> {
    sockets.into_iter().map(tokio::net::UdpSocket::from_std).collect()
}
