//! Asking the resolvers behind, for rooms.
//!
//! Each question leaves from a fresh socket (the kernel picks the port at random) under a random
//! id, and only the resolver asked can answer it, with the same question (RFC 5452 §9).

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use domain::base::iana::{Opcode, OptRcode};
use domain::base::{Message, MessageBuilder};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use crate::front::dns::query::{PAYLOAD, Query};
use crate::front::dns::tcp::framed;

/// How long one try may take. Three of them end before a client's own five seconds do
/// (resolv.conf(5), `timeout`).
const TRY: Duration = Duration::from_millis(1500);
/// Tries in all; the resolvers take turns.
const TRIES: usize = 3;

/// Why one try gave no answer.
#[derive(Debug, thiserror::Error)]
enum UpstreamError {
    #[error("cannot ask the resolver")]
    Ask(#[source] io::Error),
    #[error("the resolver did not answer in time")]
    Late,
    #[error("the resolver answered {0}")]
    Failed(OptRcode),
    #[error("the resolver closed or answered something else")]
    Garbled,
    #[error("the question cannot be written")]
    Compose,
}

/// Asks the resolvers in turn until one answers. `None` when none does.
pub(super) async fn ask_in_turn(query: &Query, resolvers: &[SocketAddr]) -> Option<Message<Bytes>> {
    for resolver in resolvers.iter().cycle().take(TRIES.min(TRIES * resolvers.len())) {
        match ask(query, *resolver).await {
            Ok(answered) => return Some(answered),
            Err(error) => tracing::debug!(%resolver, %error, "no answer to a room's question"),
        }
    }
    None
}

async fn ask(query: &Query, resolver: SocketAddr) -> Result<Message<Bytes>, UpstreamError> {
    let mut answered = in_time(ask_udp(query, resolver)).await?;
    if answered.header().tc() {
        answered = in_time(ask_tcp(query, resolver)).await?;
    }
    match answered.opt_rcode() {
        OptRcode::NOERROR | OptRcode::NXDOMAIN => Ok(answered),
        failure => Err(UpstreamError::Failed(failure)),
    }
}

async fn in_time<T>(
    exchange: impl Future<Output = Result<T, UpstreamError>>,
) -> Result<T, UpstreamError> {
    timeout(TRY, exchange).await.unwrap_or(Err(UpstreamError::Late))
}

async fn ask_udp(query: &Query, resolver: SocketAddr) -> Result<Message<Bytes>, UpstreamError> {
    let question = compose(query)?;
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await.map_err(UpstreamError::Ask)?;
    socket.connect(resolver).await.map_err(UpstreamError::Ask)?;
    socket.send(question.as_slice()).await.map_err(UpstreamError::Ask)?;
    let mut buffer = [0; PAYLOAD as usize];
    loop {
        let length = socket.recv(&mut buffer).await.map_err(UpstreamError::Ask)?;
        // Anything else may be forged: the true answer may still come.
        if let Some(answered) = accept(&buffer[..length], &question) {
            return Ok(answered);
        }
    }
}

async fn ask_tcp(query: &Query, resolver: SocketAddr) -> Result<Message<Bytes>, UpstreamError> {
    let question = compose(query)?;
    let mut stream = TcpStream::connect(resolver).await.map_err(UpstreamError::Ask)?;
    stream.write_all(&framed(question.as_slice())).await.map_err(UpstreamError::Ask)?;
    let length = stream.read_u16().await.map_err(UpstreamError::Ask)?;
    let mut bytes = vec![0; usize::from(length)];
    stream.read_exact(&mut bytes).await.map_err(UpstreamError::Ask)?;
    accept(&bytes, &question)
        .filter(|answered| !answered.header().tc())
        .ok_or(UpstreamError::Garbled)
}

/// The client's question under an id of its own.
fn compose(query: &Query) -> Result<Message<Vec<u8>>, UpstreamError> {
    let mut builder = MessageBuilder::new_vec();
    let header = builder.header_mut();
    header.set_id(rand::random());
    header.set_rd(true);
    header.set_ad(query.header.ad());
    header.set_cd(query.header.cd());
    let mut builder = builder.question();
    builder.push(&query.question).map_err(|_| UpstreamError::Compose)?;
    let mut builder = builder.additional();
    builder
        .opt(|opt| {
            opt.set_udp_payload_size(PAYLOAD);
            opt.set_dnssec_ok(query.dnssec_ok());
            Ok(())
        })
        .map_err(|_| UpstreamError::Compose)?;
    Ok(builder.into_message())
}

/// The answer, if it is one to that question.
fn accept(bytes: &[u8], question: &Message<Vec<u8>>) -> Option<Message<Bytes>> {
    let answered = Message::from_octets(Bytes::copy_from_slice(bytes)).ok()?;
    let (header, asked) = (answered.header(), question.header());
    let answers = header.qr() && header.id() == asked.id() && header.opcode() == Opcode::QUERY;
    let same = answered.sole_question().ok()? == question.sole_question().ok()?;
    (answers && same).then_some(answered)
}
