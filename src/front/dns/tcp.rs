//! Streams of messages behind their lengths (RFC 1035 §4.2.2, RFC 7766).

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::query::Transport;
use super::service::{Outcome, Service, Side};

/// How long a client may take to send a whole request or to take its answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long one connection may last however busy it is, so that places come free.
const LIFE: Duration = Duration::from_secs(120);
/// The longest request read, in octets; a client that announces more is cut off.
const LONGEST: u16 = 4096;
/// The pause after a failed accept, so that a lasting failure does not spin.
const PAUSE: Duration = Duration::from_millis(100);

/// Answers the connections of one listener for ever.
pub(super) async fn serve(listener: TcpListener, side: Side, service: Arc<Service>) {
    loop {
        let (stream, client) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a DNS connection");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let Some(place) = service.connection(client.ip(), side) else { continue };
        let service = Arc::clone(&service);
        tokio::spawn(async move {
            let _place = place;
            let conversation = converse(stream, client.ip(), side, &service);
            // However it ends, there is nobody left to tell.
            drop(timeout(LIFE, conversation).await);
        });
    }
}

/// Answers one request after another until the client has no more.
async fn converse(
    stream: TcpStream,
    client: IpAddr,
    side: Side,
    service: &Service,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::with_capacity(usize::from(LONGEST), stream);
    loop {
        let request = timeout(PATIENCE, read_request(&mut stream)).await??;
        let reply = match service.decide(&request, client, side, Transport::Tcp) {
            Outcome::Silence => return Ok(()),
            Outcome::Reply(reply) => reply,
            Outcome::Forward(query) => service.forward(&query, client).await,
        };
        timeout(PATIENCE, stream.write_all(&framed(&reply))).await??;
    }
}

async fn read_request(stream: &mut BufReader<TcpStream>) -> io::Result<Vec<u8>> {
    let length = stream.read_u16().await?;
    if length > LONGEST {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut request = vec![0; usize::from(length)];
    stream.read_exact(&mut request).await?;
    Ok(request)
}

/// A message behind its length (RFC 1035 §4.2.2), to be written at once (RFC 7766 §8). One too
/// long for its length is cut, which no message composed here is.
pub(super) fn framed(message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(message.len()).unwrap_or(u16::MAX);
    [&length.to_be_bytes(), &message[..usize::from(length)]].concat()
}
