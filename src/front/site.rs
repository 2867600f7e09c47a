//! The seam between the proxy, which owns connections, and the sites the house serves itself
//! (the panel), which answer requests.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;

/// What can go wrong while a body streams.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;
/// A response's body: whole or streamed.
pub type Body = UnsyncBoxBody<Bytes, BodyError>;
/// A request being answered.
pub type Answer = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;

/// Who sent a request.
#[derive(Debug, Clone, Copy)]
pub struct Visitor {
    /// Their address, as the connection has it.
    pub address: SocketAddr,
}

/// A site served by the house itself, over HTTPS only.
pub type Site = Arc<dyn Fn(Request<Incoming>, Visitor) -> Answer + Send + Sync>;
