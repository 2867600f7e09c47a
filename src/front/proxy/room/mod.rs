//! A room as the proxy sees it: one address, connections to it kept for the next request, and a
//! cap on what it works on at once.
//!
//! A request takes the connection used last, since it is the likeliest still open. One that the
//! room closed meanwhile is noticed by its connection task; the rest of the race is settled by
//! sending again: always when nothing was written, and for idempotent requests without a body
//! (RFC 9110 §9.2.2) also when the connection ended before an answer.

mod body;
mod connect;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::bounds::Bounds;
pub(super) use body::{Reply, Upload};

/// Idle connections kept for one room.
const SPARE: usize = 64;

/// Why a room gave no response.
#[derive(Debug, thiserror::Error)]
pub(super) enum RoomError {
    #[error("the room works on as many requests as it may")]
    Busy,
    #[error("the room takes no connection")]
    Connect(#[source] std::io::Error),
    #[error("the exchange with the room broke off")]
    Exchange(#[source] hyper::Error),
    #[error("the visitor stopped sending")]
    Unfinished,
    #[error("the room did not answer in time")]
    Late,
}

/// A room's address and the connections to it.
#[derive(Debug)]
pub(super) struct Room {
    address: SocketAddr,
    /// The last used last.
    idle: Mutex<Vec<Idle>>,
    /// Held by whoever tries whether a room that refused takes connections now.
    probe: tokio::sync::Mutex<()>,
    slots: Arc<Semaphore>,
    boot: Duration,
    answer: Duration,
}

#[derive(Debug)]
struct Idle {
    sender: SendRequest<Upload>,
    since: Instant,
}

/// What a response holds of its room until its body ends.
#[derive(Debug)]
pub(super) struct Hold {
    room: Arc<Room>,
    sender: SendRequest<Upload>,
    slot: OwnedSemaphorePermit,
}

impl Hold {
    /// The body is whole: the connection may carry the next request.
    fn finish(self) {
        self.room.keep(self.sender);
    }

    /// The connection became a tunnel: only the slot is left to hold.
    pub(super) fn into_slot(self) -> OwnedSemaphorePermit {
        self.slot
    }
}

impl Room {
    pub(super) fn new(address: SocketAddr, bounds: &Bounds) -> Self {
        Self {
            address,
            idle: Mutex::default(),
            probe: tokio::sync::Mutex::default(),
            slots: Arc::new(Semaphore::new(bounds.per_room)),
            boot: bounds.boot,
            answer: bounds.answer,
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends a request and waits for the head of its response. While the room takes no
    /// connection it is tried again for `boot`.
    pub(super) async fn send(
        self: &Arc<Self>,
        mut request: Request<Upload>,
    ) -> Result<(Response<Incoming>, Hold), RoomError> {
        let deadline = Instant::now() + self.boot;
        let slot = self.slot(deadline).await?;
        while let Some(mut sender) = self.idle() {
            let again = repeat(&request);
            match self.exchange(&mut sender, request).await {
                Ok(response) => return Ok((response, self.hold(sender, slot))),
                Err(Failed { unsent: Some(unsent), .. }) => request = *unsent,
                Err(Failed { error, .. }) => match again {
                    Some(again) if stale(&error) => {
                        request = again;
                        break;
                    }
                    _ => return Err(error),
                },
            }
        }
        let mut sender = self.connect(deadline).await.map_err(RoomError::Connect)?;
        let sent = self.exchange(&mut sender, request).await;
        sent.map(|response| (response, self.hold(sender, slot))).map_err(|failed| failed.error)
    }

    /// Closes connections that were idle for longer than `age`.
    pub(super) fn trim(&self, age: Duration) {
        let now = Instant::now();
        self.pool().retain(|idle| now - idle.since < age && !idle.sender.is_closed());
    }

    async fn exchange(
        &self,
        sender: &mut SendRequest<Upload>,
        request: Request<Upload>,
    ) -> Result<Response<Incoming>, Failed> {
        let progress = request.body().progress();
        let sending = sender.try_send_request(request);
        tokio::select! {
            biased;
            sent = sending => sent.map_err(|mut error| Failed {
                unsent: error.take_message().map(Box::new),
                error: RoomError::Exchange(error.into_error()),
            }),
            error = body::silence(progress.as_deref(), self.answer) => Err(Failed { unsent: None, error }),
        }
    }

    async fn slot(&self, deadline: Instant) -> Result<OwnedSemaphorePermit, RoomError> {
        let slots = Arc::clone(&self.slots);
        if let Ok(slot) = Arc::clone(&slots).try_acquire_owned() {
            return Ok(slot);
        }
        timeout_at(deadline, slots.acquire_owned())
            .await
            .ok()
            .and_then(Result::ok)
            .ok_or(RoomError::Busy)
    }

    /// A connection ready for a request. Those that are not, because the room closed them or is
    /// still taking an upload it has answered already, are given up.
    fn idle(&self) -> Option<SendRequest<Upload>> {
        let mut pool = self.pool();
        std::iter::from_fn(|| pool.pop()).map(|idle| idle.sender).find(SendRequest::is_ready)
    }

    fn keep(&self, sender: SendRequest<Upload>) {
        if !sender.is_closed() {
            let mut pool = self.pool();
            if pool.len() < SPARE {
                pool.push(Idle { sender, since: Instant::now() });
            }
        }
    }

    fn hold(self: &Arc<Self>, sender: SendRequest<Upload>, slot: OwnedSemaphorePermit) -> Hold {
        Hold { room: Arc::clone(self), sender, slot }
    }

    fn pool(&self) -> std::sync::MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An exchange without a response; `unsent` is the request, when none of it was written.
struct Failed {
    unsent: Option<Box<Request<Upload>>>,
    error: RoomError,
}

/// Whether a failure looks like a kept connection that had already been closed.
fn stale(error: &RoomError) -> bool {
    matches!(error, RoomError::Exchange(error) if !error.is_parse() && !error.is_user())
}

/// The same request once more, if sending it twice does no harm.
fn repeat(request: &Request<Upload>) -> Option<Request<Upload>> {
    if !request.method().is_idempotent() || !request.body().is_empty() {
        return None;
    }
    let mut again = Request::new(Upload::empty());
    *again.method_mut() = request.method().clone();
    *again.uri_mut() = request.uri().clone();
    *again.headers_mut() = request.headers().clone();
    Some(again)
}
