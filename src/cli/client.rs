//! The line to core.

use std::io;
use std::os::unix::net::UnixStream as BlockingStream;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use crate::model::JobId;
use crate::wire::{Command, Fault, FaultKind, JobEvent, Reply};

/// Where core listens.
#[derive(Debug)]
pub(super) struct Client {
    socket: PathBuf,
}

impl Client {
    pub(super) fn new(socket: PathBuf) -> Self {
        Self { socket }
    }

    /// Asks one thing of core.
    pub(super) async fn ask(&self, command: &Command) -> Result<Reply, Fault> {
        let body = serde_json::to_vec(command).map_err(|error| unclear(&error))?;
        let response = self.request(Method::POST, "/v1/command", body).await?;
        parse(&whole(response).await?)
    }

    /// Watches a job.
    pub(super) async fn events(&self, job: JobId) -> Result<Events, Fault> {
        let path = format!("/v1/jobs/{job}/events");
        let response = self.request(Method::GET, &path, Vec::new()).await?;
        Ok(Events { body: response.into_body(), read: Vec::new() })
    }

    /// A connection for messages with descriptors.
    pub(super) fn connect(&self) -> Result<BlockingStream, Fault> {
        BlockingStream::connect(&self.socket).map_err(|error| unreachable(&self.socket, &error))
    }

    /// The response, when it is not a fault.
    async fn request(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<Response<Incoming>, Fault> {
        let stream = UnixStream::connect(&self.socket)
            .await
            .map_err(|error| unreachable(&self.socket, &error))?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| lost(&error))?;
        // Its failure is also the request's, where it is told.
        tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(http::header::HOST, "house")
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| unclear(&error))?;
        let response = sender.send_request(request).await.map_err(|error| lost(&error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(parse::<Fault>(&whole(response).await?)?)
    }
}

/// A job's events as they come.
#[derive(Debug)]
pub(super) struct Events {
    body: Incoming,
    read: Vec<u8>,
}

impl Events {
    /// The next one; `None` when core says no more of this job.
    pub(super) async fn next(&mut self) -> Result<Option<JobEvent>, Fault> {
        loop {
            if let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.read.drain(..=end).collect();
                return parse(&line).map(Some);
            }
            match self.body.frame().await.transpose().map_err(|error| lost(&error))? {
                Some(frame) => self.read.extend(frame.into_data().unwrap_or_default()),
                None => return Ok(None),
            }
        }
    }
}

async fn whole(response: Response<Incoming>) -> Result<Bytes, Fault> {
    Ok(response.into_body().collect().await.map_err(|error| lost(&error))?.to_bytes())
}

fn parse<T: DeserializeOwned>(json: &[u8]) -> Result<T, Fault> {
    serde_json::from_slice(json).map_err(|error| unclear(&error))
}

fn unclear(error: &dyn std::error::Error) -> Fault {
    Fault::internal(
        "the house and this program do not understand each other; are they of the same version?",
        error,
    )
}

fn lost(error: &hyper::Error) -> Fault {
    let mut fault = Fault::internal("the house hung up; it may be restarting", error);
    fault.kind = FaultKind::Unavailable;
    fault
}

/// Why the socket could not be opened, and what to do.
fn unreachable(socket: &Path, error: &io::Error) -> Fault {
    let path = socket.display();
    match error.kind() {
        io::ErrorKind::PermissionDenied => Fault::new(
            FaultKind::Forbidden,
            format!("you may not open {path}; be root, or in the group piaule-admin"),
        ),
        _ => Fault {
            kind: FaultKind::Unavailable,
            message: format!("the house does not answer at {path}; see `systemctl status piaule`"),
            chain: vec![error.to_string()],
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_house_is_unavailable() {
        let folder = tempfile::tempdir().expect("folder");
        let client = Client::new(folder.path().join("none.sock"));
        let fault = client.connect().expect_err("nobody listens");
        assert_eq!(fault.kind, FaultKind::Unavailable);
        assert!(fault.message.contains("none.sock"), "{fault}");
    }
}
