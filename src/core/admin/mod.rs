//! The administrator's Unix socket: HTTP with JSON, and beside it messages with descriptors.
//!
//! Whoever may open the socket file is an administrator: it is 0660 and belongs to root and to
//! the group `piaule-admin` where there is one. The peer's uid (SO_PEERCRED) goes to the audit.
//! What they send is still parsed into `model` types and goes through the gate: being trusted is
//! no reason to be believed.
//!
//! HTTP rather than a protocol of our own, because `curl --unix-socket` and every language can
//! then speak to the house; one connection per request is cheap on a Unix socket. A connection
//! whose first byte is NUL carries descriptors instead ([`crate::wire::attach`]).
//!
//! This room knows no other room of core: what it needs is [`AdminService`].

mod attach;
mod http;

use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};
use tokio::sync::broadcast;

use crate::model::{RoomName, TemplateName};
use crate::wire::attach::{Enter, FIRST_BYTE, peek};
use crate::wire::{Caller, Command, Fault, JobEvent, Reply};

/// Who may use the socket besides root.
pub const GROUP: &str = "piaule-admin";
/// How long a client may take over what it has to say.
const PATIENCE: Duration = Duration::from_secs(10);

/// An answer on its way.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, Fault>> + Send + 'a>>;

/// What the socket needs of the house. The gate is behind it, not before.
pub trait AdminService: Send + Sync + 'static {
    /// Does what is asked.
    fn command(&self, caller: Caller, command: Command) -> Answer<'_, Reply>;

    /// Every job event from now on.
    fn job_events(&self) -> broadcast::Receiver<Arc<JobEvent>>;

    /// Runs a command in a room, with three descriptors or one terminal; its exit status. When
    /// the client hangs up the future is dropped, and what it started should end.
    fn enter(&self, caller: Caller, enter: Enter, fds: Vec<OwnedFd>) -> Answer<'_, i32>;

    /// A descriptor to read and write a room's console by. The client leaves its flags alone.
    fn console(&self, caller: Caller, name: RoomName) -> Answer<'_, OwnedFd>;

    /// Writes the newest version of a template to `to`, as tar.zst.
    fn template_export(&self, caller: Caller, name: TemplateName, to: OwnedFd)
    -> Answer<'_, Reply>;

    /// Makes a new version of a template of what `from` gives, tar.zst.
    fn template_import(
        &self,
        caller: Caller,
        name: TemplateName,
        from: OwnedFd,
    ) -> Answer<'_, Reply>;
}

/// Why the socket could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    #[error("cannot listen on {path}")]
    Bind { path: PathBuf, source: io::Error },
    #[error("cannot set who may open {path}")]
    Permit { path: PathBuf, source: io::Error },
    #[error("cannot put the socket in place at {path}")]
    Place { path: PathBuf, source: io::Error },
}

/// The socket file.
#[derive(Debug)]
pub struct AdminSocket;

impl AdminSocket {
    /// Listens at `path`, in the place of whatever socket was there. It gets its owner and mode
    /// under another name and is then renamed, so that `path` is never missing or too open.
    ///
    /// # Errors
    /// When the socket can't be made, given its mode or put in place.
    pub fn bind(path: &Path) -> Result<UnixListener, AdminError> {
        let fresh = path.with_extension("new");
        let bind = || match std::fs::remove_file(&fresh) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => UnixListener::bind(&fresh),
        };
        let listener = bind().map_err(|source| AdminError::Bind { path: path.into(), source })?;
        permit(&fresh).map_err(|source| AdminError::Permit { path: path.into(), source })?;
        std::fs::rename(&fresh, path)
            .map_err(|source| AdminError::Place { path: path.into(), source })?;
        Ok(listener)
    }
}

fn permit(path: &Path) -> io::Result<()> {
    // Owner first: the mode would otherwise open it to the group it was born with.
    if let Some(group) = nix::unistd::Group::from_name(GROUP)? {
        std::os::unix::fs::chown(path, None, Some(group.gid.as_raw()))?;
    }
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o660))
}

/// Serves the socket until the future is dropped.
pub async fn serve(listener: UnixListener, service: Arc<dyn AdminService>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let service = Arc::clone(&service);
                tokio::spawn(async move {
                    if let Err(error) = converse(stream, &service).await {
                        tracing::debug!(%error, "an administrator's connection ended early");
                    }
                });
            }
            // Out of descriptors or memory: what is open has to end before more can come.
            Err(error) => {
                tracing::warn!(%error, "cannot accept on the administrator's socket");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn converse(stream: UnixStream, service: &Arc<dyn AdminService>) -> io::Result<()> {
    let caller = Caller::Admin { uid: stream.peer_cred()?.uid() };
    match tokio::time::timeout(PATIENCE, peek(&stream)).await?? {
        None => Ok(()),
        Some(FIRST_BYTE) => attach::serve(stream, caller, service.as_ref()).await,
        Some(_) => http::serve(stream, &caller, service).await,
    }
}

#[cfg(test)]
mod tests;
