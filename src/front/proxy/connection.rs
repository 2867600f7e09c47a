//! One visitor's connection, from accepted to closed.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use http::header::HeaderValue;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::server::Acceptor;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::server::TlsStream;
use tokio_rustls::{LazyConfigAcceptor, StartHandshake};

use super::certificate::Credential;
use super::exchange::{self, Visit};
use super::message::host;
use super::places::Place;
use super::{Proxy, plain, socket};

/// TLS alerts (RFC 8446 §6.2, RFC 6066 §3).
const MISSING_EXTENSION: u8 = 109;
const UNRECOGNIZED_NAME: u8 = 112;

/// What one visitor may make the proxy hold: the head of a request, and what the visitor or the
/// room has not yet taken of a body.
const BUFFER: usize = 64 << 10;
const HEAD: u32 = 32 << 10;
const STREAM_WINDOW: u32 = 256 << 10;
const CONNECTION_WINDOW: u32 = 1 << 20;
const STREAMS: u32 = 128;
/// HTTP/2 pings find out visitors who are gone.
const PING: Duration = Duration::from_secs(30);
/// How long a drain waits for the first request of a visitor who has just come.
const FIRST: Duration = Duration::from_secs(2);

/// Serves a connection to port 80.
pub(super) async fn serve_plain(
    proxy: Arc<Proxy>,
    stream: TcpStream,
    place: Place,
    drain: watch::Receiver<bool>,
) {
    socket::prepare(&stream);
    let builder = http1(&proxy);
    let (came, come) = watch::channel(0);
    let service = service_fn(move |request: Request<Incoming>| {
        count(&came);
        let response = plain::answer(&proxy.index.load(), proxy.https, request);
        async move { Ok::<_, Infallible>(response) }
    });
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    let leave = http1::Connection::graceful_shutdown;
    report(drive(connection, leave, welcomed(drain, come)).await);
    drop(place);
}

/// Serves a connection to port 443.
pub(super) async fn serve_tls(
    proxy: Arc<Proxy>,
    stream: TcpStream,
    address: SocketAddr,
    place: Place,
    drain: watch::Receiver<bool>,
) {
    socket::prepare(&stream);
    // Not cut short by a drain: who was let in is served once.
    let shaken = tokio::time::timeout(proxy.bounds.handshake, shake_hands(&proxy, stream)).await;
    let Ok(Some((stream, credential))) = shaken else { return };
    let address = SocketAddr::new(address.ip().to_canonical(), address.port());
    let Ok(told) = HeaderValue::try_from(address.ip().to_string()) else { return };
    let visit = Visit { proxy, credential, address, told, place: Arc::new(place) };
    if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
        serve_http2(stream, visit, drain).await;
    } else {
        serve_http1(stream, visit, drain).await;
    }
}

/// Nobody learns of a name they did not ask for: a hello that names none, or one that no
/// certificate speaks for, is refused before any certificate is shown.
async fn shake_hands(
    proxy: &Proxy,
    stream: TcpStream,
) -> Option<(TlsStream<TcpStream>, Arc<Credential>)> {
    let hello = LazyConfigAcceptor::new(Acceptor::default(), stream).await;
    let start = hello.inspect_err(|error| tracing::debug!(%error, "no TLS hello")).ok()?;
    let credential = start
        .client_hello()
        .server_name()
        .map(|name| proxy.index.load().certificates.get(&host::lower(name)).cloned());
    match credential {
        Some(Some(credential)) => {
            let shaken = start.into_stream(Arc::clone(&credential.config)).await;
            let stream =
                shaken.inspect_err(|error| tracing::debug!(%error, "TLS handshake failed"));
            Some((stream.ok()?, credential))
        }
        Some(None) => refuse(start, UNRECOGNIZED_NAME).await,
        None => refuse(start, MISSING_EXTENSION).await,
    }
}

/// Ends a handshake with a fatal alert of our choice; rustls would send `access_denied`.
async fn refuse<T>(mut start: StartHandshake<TcpStream>, alert: u8) -> Option<T> {
    // RFC 8446 §5.1 and §6: record of type alert, legacy version, two bytes long; fatal.
    let record = [21, 3, 3, 0, 2, 2, alert];
    // The peer may be gone already.
    let _ = start.io.write_all(&record).await;
    let _ = start.io.shutdown().await;
    None
}

async fn serve_http1(stream: TlsStream<TcpStream>, visit: Visit, drain: watch::Receiver<bool>) {
    let builder = http1(&visit.proxy);
    let visit = Arc::new(visit);
    let (came, come) = watch::channel(0);
    let service = service_fn(move |request| {
        count(&came);
        let visit = Arc::clone(&visit);
        async move { Ok::<_, Infallible>(exchange::answer(&visit, request).await) }
    });
    let connection = builder.serve_connection(TokioIo::new(stream), service).with_upgrades();
    let leave = http1::UpgradeableConnection::graceful_shutdown;
    report(drive(connection, leave, welcomed(drain, come)).await);
}

async fn serve_http2(stream: TlsStream<TcpStream>, visit: Visit, drain: watch::Receiver<bool>) {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(BUFFER)
        .max_header_list_size(HEAD)
        .max_concurrent_streams(STREAMS);
    let patience = visit.proxy.bounds.idle;
    let visit = Arc::new(visit);
    let (came, come) = watch::channel(0);
    let service = service_fn(move |request| {
        count(&came);
        let visit = Arc::clone(&visit);
        async move { Ok::<_, Infallible>(exchange::answer(&visit, request).await) }
    });
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    let leave = http2::Connection::graceful_shutdown;
    let over = async {
        tokio::select! {
            () = idle(&come, patience) => {}
            () = welcomed(drain, come.clone()) => {}
        }
    };
    report(drive(connection, leave, over).await);
}

fn http1(proxy: &Proxy) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(proxy.bounds.head)
        .max_header_size(HEAD as usize)
        .max_buf_size(BUFFER);
    builder
}

/// Lets a connection run to its end; once it is `over`, it takes no new request and ends with
/// those it has.
async fn drive<C>(
    connection: C,
    leave: impl FnOnce(Pin<&mut C>),
    over: impl Future<Output = ()>,
) -> hyper::Result<()>
where
    C: Future<Output = hyper::Result<()>>,
{
    let mut connection = pin!(connection);
    tokio::select! {
        biased;
        ended = connection.as_mut() => return ended,
        () = over => {}
    }
    leave(connection.as_mut());
    connection.await
}

/// Notes that a request came.
fn count(requests: &watch::Sender<u64>) {
    requests.send_modify(|count| *count += 1);
}

/// Ends when the proxy drains and the visitor has asked for something once: hyper drops a
/// connection that is told to leave before its first request has come.
async fn welcomed(mut drain: watch::Receiver<bool>, mut requests: watch::Receiver<u64>) {
    drained(&mut drain).await;
    let _ = tokio::time::timeout(FIRST, requests.wait_for(|count| *count > 0)).await;
}

/// Ends when no request has come for one to two times `patience`. Requests still being answered
/// don't matter: a connection that takes no new ones finishes them.
async fn idle(requests: &watch::Receiver<u64>, patience: Duration) {
    let mut seen = *requests.borrow();
    loop {
        tokio::time::sleep(patience).await;
        match *requests.borrow() {
            now if now == seen => return,
            now => seen = now,
        }
    }
}

/// Ends when the proxy drains, or whoever would say so is gone.
pub(super) async fn drained(drain: &mut watch::Receiver<bool>) {
    let _ = drain.wait_for(|drain| *drain).await;
}

/// Visitors break off all the time; it is worth a line to whoever is looking for it.
fn report(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "visitor's connection ended");
    }
}
