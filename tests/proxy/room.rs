//! A room's web server, speaking HTTP/1.1 by hand so that tests see the very bytes it gets.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// The server, and what tests steer it by.
#[derive(Default)]
pub(crate) struct Room {
    /// Lets `/stream` go on.
    pub(crate) go: Notify,
    /// Connections so far.
    pub(crate) connections: AtomicUsize,
    /// Requests so far.
    pub(crate) requests: AtomicUsize,
    /// Bytes of uploads read so far.
    pub(crate) uploaded: AtomicUsize,
    /// Bytes of downloads written so far.
    pub(crate) downloaded: AtomicUsize,
}

type Stream = BufReader<TcpStream>;

struct Asked {
    head: String,
    path: String,
    fields: HashMap<String, String>,
}

impl Room {
    pub(crate) async fn listen(address: SocketAddr) -> (Arc<Self>, SocketAddr) {
        let listener = TcpListener::bind(address).await.expect("bind");
        let address = listener.local_addr().expect("address");
        let room = Arc::new(Self::default());
        let served = Arc::clone(&room);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let room = Arc::clone(&served);
                tokio::spawn(async move { room.serve(BufReader::new(stream)).await });
            }
        });
        (room, address)
    }

    async fn serve(&self, mut stream: Stream) -> std::io::Result<()> {
        let connection = self.connections.fetch_add(1, Ordering::SeqCst) + 1;
        let mut served = 0;
        while let Some(asked) = read_head(&mut stream).await? {
            self.requests.fetch_add(1, Ordering::SeqCst);
            served += 1;
            let path = asked.path.split('?').next().unwrap_or_default();
            match path {
                "/head" => respond(&mut stream, "", &asked.head).await?,
                // Closes a kept connection when it is asked for more, without a word.
                "/stale" if served > 1 => return Ok(()),
                "/connection" | "/stale" => {
                    respond(&mut stream, "", &connection.to_string()).await?;
                }
                "/close" => return Ok(()),
                "/garbage" => return stream.write_all(b"SSH-2.0-room\r\n\r\n").await,
                "/late" => std::future::pending().await,
                "/hops" => {
                    let fields =
                        "Connection: X-Own\r\nX-Own: 1\r\nKeep-Alive: timeout=5\r\nX-Kept: 1\r\n";
                    respond(&mut stream, fields, "hops").await?;
                }
                "/upload" => {
                    let (length, sum) = self.read_body(&mut stream, &asked).await?;
                    respond(&mut stream, "", &format!("{length} {sum}")).await?;
                }
                "/download" => self.download(&mut stream).await?,
                "/stream" => self.stream(&mut stream).await?,
                "/tunnel" => return tunnel(&mut stream).await,
                _ => respond(&mut stream, "", "hello\n").await?,
            }
        }
        Ok(())
    }

    async fn stream(&self, stream: &mut Stream) -> std::io::Result<()> {
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\none\n\r\n")
            .await?;
        self.go.notified().await;
        stream.write_all(b"4\r\ntwo\n\r\n0\r\n\r\n").await
    }

    async fn download(&self, stream: &mut Stream) -> std::io::Result<()> {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {DOWNLOAD}\r\n\r\n");
        stream.write_all(head.as_bytes()).await?;
        let block = vec![b'd'; 64 << 10];
        for _ in 0..DOWNLOAD / block.len() {
            stream.write_all(&block).await?;
            self.downloaded.fetch_add(block.len(), Ordering::SeqCst);
        }
        Ok(())
    }

    async fn read_body(&self, stream: &mut Stream, asked: &Asked) -> std::io::Result<(usize, u64)> {
        let (mut length, mut sum) = (0, 0);
        let mut take = |bytes: &[u8]| {
            self.uploaded.fetch_add(bytes.len(), Ordering::SeqCst);
            length += bytes.len();
            sum = bytes.iter().fold(sum, |sum: u64, byte| sum.wrapping_mul(31) + u64::from(*byte));
        };
        if let Some(declared) = asked.fields.get("content-length") {
            let mut left: usize = declared.parse().expect("a length");
            while left > 0 {
                let bytes = stream.fill_buf().await?;
                let read = bytes.len().min(left);
                assert!(read > 0, "the body ended early");
                take(&bytes[..read]);
                stream.consume(read);
                left -= read;
            }
        } else if asked.fields.get("transfer-encoding").is_some_and(|coding| coding == "chunked") {
            loop {
                let mut size = String::new();
                stream.read_line(&mut size).await?;
                let size = usize::from_str_radix(size.trim(), 16).expect("a chunk size");
                let mut chunk = vec![0; size + 2];
                stream.read_exact(&mut chunk).await?;
                take(&chunk[..size]);
                if size == 0 {
                    break;
                }
            }
        }
        Ok((length, sum))
    }
}

/// The same sum as the room's, for the sender.
pub(crate) fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |sum: u64, byte| sum.wrapping_mul(31) + u64::from(*byte))
}

pub(crate) const DOWNLOAD: usize = 64 << 20;

async fn tunnel(stream: &mut Stream) -> std::io::Result<()> {
    stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nfirst\n").await?;
    let mut line = String::new();
    while stream.read_line(&mut line).await? > 0 {
        let answer = format!("echo {line}");
        stream.write_all(answer.as_bytes()).await?;
        line.clear();
    }
    Ok(())
}

async fn respond(stream: &mut Stream, fields: &str, body: &str) -> std::io::Result<()> {
    let length = body.len();
    let response = format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: {length}\r\n\r\n{body}");
    stream.write_all(response.as_bytes()).await
}

async fn read_head(stream: &mut Stream) -> std::io::Result<Option<Asked>> {
    let mut head = String::new();
    loop {
        let before = head.len();
        if stream.read_line(&mut head).await? == 0 {
            return Ok(None);
        }
        if &head[before..] == "\r\n" {
            break;
        }
    }
    let mut lines = head.lines();
    let path = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap_or_default().to_owned();
    let fields = lines.filter_map(|line| line.split_once(':'));
    let fields = fields.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()));
    Ok(Some(Asked { path, fields: fields.collect(), head }))
}
