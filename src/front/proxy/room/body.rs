//! The bodies between visitor and room. Frames pass one by one, each only when the other side
//! has taken the one before.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Instant, sleep_until};

use super::{Hold, RoomError};
use crate::front::site::{self, BodyError};

/// A request's body on its way to a room.
#[derive(Debug)]
pub(in crate::front::proxy) struct Upload {
    /// `None`: there is none.
    stream: Option<(Incoming, Arc<Progress>)>,
}

/// How far an upload is.
#[derive(Debug)]
pub(super) struct Progress {
    start: Instant,
    /// When a frame last passed, in milliseconds since `start`.
    last: AtomicU64,
    whole: AtomicBool,
}

impl Upload {
    pub(in crate::front::proxy) fn new(incoming: Incoming) -> Self {
        if incoming.is_end_stream() {
            return Self::empty();
        }
        let progress = Progress {
            start: Instant::now(),
            last: AtomicU64::new(0),
            whole: AtomicBool::new(false),
        };
        Self { stream: Some((incoming, Arc::new(progress))) }
    }

    pub(super) fn empty() -> Self {
        Self { stream: None }
    }

    pub(in crate::front::proxy) fn is_empty(&self) -> bool {
        self.stream.is_none()
    }

    pub(super) fn progress(&self) -> Option<Arc<Progress>> {
        self.stream.as_ref().map(|(_, progress)| Arc::clone(progress))
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some((incoming, progress)) = &mut self.stream else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(&mut *incoming).poll_frame(context));
        progress.moved(incoming.is_end_stream() || frame.is_none());
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.stream.as_ref().is_none_or(|(incoming, _)| incoming.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.stream
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), |(incoming, _)| incoming.size_hint())
    }
}

impl Progress {
    fn moved(&self, whole: bool) {
        let elapsed = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(elapsed, Ordering::Relaxed);
        self.whole.store(whole, Ordering::Relaxed);
    }

    fn last(&self) -> Instant {
        self.start + Duration::from_millis(self.last.load(Ordering::Relaxed))
    }
}

/// Ends when nothing has moved for `patience`, and says on whom it waited.
pub(super) async fn silence(progress: Option<&Progress>, patience: Duration) -> RoomError {
    let Some(progress) = progress else {
        tokio::time::sleep(patience).await;
        return RoomError::Late;
    };
    loop {
        let last = progress.last();
        sleep_until(last + patience).await;
        if progress.last() == last {
            let whole = progress.whole.load(Ordering::Relaxed);
            return if whole { RoomError::Late } else { RoomError::Unfinished };
        }
    }
}

/// A response's body on its way to a visitor.
#[derive(Debug)]
pub(in crate::front::proxy) enum Reply {
    /// From a room, with what is held of the room until it ends.
    Room(Incoming, Option<Hold>),
    /// From the panel.
    Panel(site::Body),
    /// A page of the proxy's own.
    Page(Full<Bytes>),
}

impl Reply {
    pub(in crate::front::proxy) fn from_room(incoming: Incoming, hold: Hold) -> Self {
        let mut reply = Self::Room(incoming, Some(hold));
        reply.release();
        reply
    }

    /// Gives the room's connection back as soon as the body ended; hyper need not ask for the
    /// end of a body whose length it knew.
    fn release(&mut self) {
        if let Self::Room(incoming, hold) = self
            && incoming.is_end_stream()
        {
            hold.take().into_iter().for_each(Hold::finish);
        }
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut *self {
            Self::Room(incoming, hold) => {
                let frame = ready!(Pin::new(incoming).poll_frame(context));
                if frame.is_none() {
                    hold.take().into_iter().for_each(Hold::finish);
                }
                self.release();
                Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
            }
            Self::Panel(body) => Pin::new(body).poll_frame(context),
            Self::Page(body) => Pin::new(body).poll_frame(context).map_err(|never| match never {}),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Room(incoming, _) => incoming.is_end_stream(),
            Self::Panel(body) => body.is_end_stream(),
            Self::Page(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Room(incoming, _) => incoming.size_hint(),
            Self::Panel(body) => body.size_hint(),
            Self::Page(body) => body.size_hint(),
        }
    }
}
