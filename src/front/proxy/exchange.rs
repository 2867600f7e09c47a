//! One request, from its head to the head of its response.

use std::net::SocketAddr;
use std::sync::Arc;

use http::header::{ACCEPT_LANGUAGE, HeaderValue, STRICT_TRANSPORT_SECURITY, UPGRADE};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::sync::OwnedSemaphorePermit;

use super::Proxy;
use super::certificate::Credential;
use super::index::Target;
use super::message::page::{Language, Trouble};
use super::message::{headers, host};
use super::places::Place;
use super::room::{Hold, Reply, Room, RoomError, Upload};
use crate::front::site::Visitor;

/// A year, for the panel alone: what is served under their names is the rooms' own business.
const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// One visitor's connection, as its requests see it.
#[derive(Debug)]
pub(super) struct Visit {
    pub(super) proxy: Arc<Proxy>,
    pub(super) credential: Arc<Credential>,
    pub(super) address: SocketAddr,
    /// The address, as rooms are told it.
    pub(super) told: HeaderValue,
    /// A tunnel keeps it after the connection's HTTP is over.
    pub(super) place: Arc<Place>,
}

/// Answers a request that came over TLS.
pub(super) async fn answer(visit: &Visit, request: Request<Incoming>) -> Response<Reply> {
    let languages = request.headers().get(ACCEPT_LANGUAGE).cloned();
    let (mut parts, incoming) = request.into_parts();
    let settled = host::settle(&mut parts);
    let name = settled.as_ref().and_then(host::name);
    let answered = match (&settled, &name) {
        (Some(host), Some(name)) => match choose(visit, &parts.method, name) {
            Ok(Target::Panel) => {
                return ask_panel(visit, Request::from_parts(parts, incoming)).await;
            }
            Ok(Target::Room(room)) => ask_room(visit, &room, host, parts, incoming).await,
            Ok(Target::Off) => Err(Trouble::Off),
            Ok(Target::Archived) => Err(Trouble::Archived),
            Err(trouble) => Err(trouble),
        },
        _ => Err(Trouble::Malformed),
    };
    answered.unwrap_or_else(|trouble| {
        trouble.page(Language::of(languages.as_ref()), name.as_deref()).map(Reply::Page)
    })
}

/// Which target a request is for.
fn choose(visit: &Visit, method: &Method, name: &str) -> Result<Target, Trouble> {
    if matches!(*method, Method::CONNECT | Method::TRACE) {
        return Err(Trouble::Method);
    }
    if !visit.credential.covers(name) {
        return Err(Trouble::Misdirected);
    }
    visit.proxy.index.load().target(name).cloned().ok_or(Trouble::Unknown)
}

async fn ask_panel(visit: &Visit, mut request: Request<Incoming>) -> Response<Reply> {
    headers::strip_claims(request.headers_mut());
    let visitor = Visitor { address: visit.address };
    let mut response = (visit.proxy.panel)(request, visitor).await.map(Reply::Panel);
    response.headers_mut().insert(STRICT_TRANSPORT_SECURITY, HSTS);
    response
}

async fn ask_room(
    visit: &Visit,
    room: &Arc<Room>,
    host: &HeaderValue,
    mut parts: Parts,
    incoming: Incoming,
) -> Result<Response<Reply>, Trouble> {
    let upgrade = headers::upgrade(&parts);
    let visitor = parts.extensions.remove::<OnUpgrade>().filter(|_| upgrade.is_some());
    headers::to_room(&mut parts, host, &visit.told, upgrade);
    let upload = Upload::new(incoming);
    headers::frame(&mut parts.headers, !upload.is_empty());
    let sent = room.send(Request::from_parts(parts, upload)).await;
    let (response, hold) = sent.map_err(|error| {
        tracing::debug!(room = %room.address(), %error, cause = ?std::error::Error::source(&error), "no answer");
        trouble(&error)
    })?;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return switch(visit, visitor.ok_or(Trouble::Broken)?, response, hold);
    }
    let (mut parts, incoming) = response.into_parts();
    headers::to_visitor(&mut parts.headers);
    Ok(Response::from_parts(parts, Reply::from_room(incoming, hold)))
}

/// The room agreed to switch protocols: from here on bytes pass both ways unread.
fn switch(
    visit: &Visit,
    visitor: OnUpgrade,
    mut response: Response<Incoming>,
    hold: Hold,
) -> Result<Response<Reply>, Trouble> {
    let protocols = response.headers().get(UPGRADE).cloned().ok_or(Trouble::Broken)?;
    let room = hyper::upgrade::on(&mut response);
    headers::to_visitor(response.headers_mut());
    headers::switch(response.headers_mut(), protocols);
    tokio::spawn(tunnel(visitor, room, Arc::clone(&visit.place), hold.into_slot()));
    Ok(response.map(|_| Reply::Page(http_body_util::Full::default())))
}

async fn tunnel(
    visitor: OnUpgrade,
    room: OnUpgrade,
    _place: Arc<Place>,
    _slot: OwnedSemaphorePermit,
) {
    let (Ok(visitor), Ok(room)) = tokio::join!(visitor, room) else { return };
    let (mut visitor, mut room) = (TokioIo::new(visitor), TokioIo::new(room));
    if let Err(error) = tokio::io::copy_bidirectional(&mut visitor, &mut room).await {
        tracing::debug!(%error, "tunnel ended");
    }
}

fn trouble(error: &RoomError) -> Trouble {
    match error {
        RoomError::Busy => Trouble::Busy,
        RoomError::Connect(_) => Trouble::Silent,
        RoomError::Exchange(_) => Trouble::Broken,
        RoomError::Unfinished => Trouble::Unfinished,
        RoomError::Late => Trouble::Late,
    }
}
