//! One message with descriptors: checked, passed on, answered.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use tokio::net::UnixStream;

use super::{AdminService, PATIENCE};
use crate::wire::attach::{Attach, Attached, receive, reply};
use crate::wire::{Caller, Fault, FaultKind};

/// Serves one exchange.
///
/// # Errors
/// When the connection fails; a request that can't be understood is answered with a fault.
pub(super) async fn serve(
    mut stream: UnixStream,
    caller: Caller,
    service: &dyn AdminService,
) -> io::Result<()> {
    let (answer, fds) = match tokio::time::timeout(PATIENCE, receive(&stream)).await? {
        Ok((request, fds)) => tokio::select! {
            answer = answer(caller, request, fds, service) => answer,
            () = hung_up(&stream) => return Ok(()),
        },
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
        Err(error) => {
            let sentence = format!("this is no message with descriptors: {error}");
            (Attached::Fault(Fault::new(FaultKind::Invalid, sentence)), None)
        }
    };
    let fds: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
    reply(&mut stream, &answer, &fds).await
}

/// Returns when the client is gone, or says what it should not.
async fn hung_up(stream: &UnixStream) {
    let mut byte = [0];
    while stream.readable().await.is_ok() {
        match stream.try_read(&mut byte) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            _ => return,
        }
    }
}

async fn answer(
    caller: Caller,
    request: Attach,
    fds: Vec<OwnedFd>,
    service: &dyn AdminService,
) -> (Attached, Option<OwnedFd>) {
    match dispatch(caller, request, fds, service).await {
        Ok(answer) => answer,
        Err(fault) => (Attached::Fault(fault), None),
    }
}

async fn dispatch(
    caller: Caller,
    request: Attach,
    fds: Vec<OwnedFd>,
    service: &dyn AdminService,
) -> Result<(Attached, Option<OwnedFd>), Fault> {
    let answer = match request {
        Attach::Enter(enter) => {
            let expected = enter.descriptors();
            let fds = exactly(expected, fds)?;
            Attached::Exit(service.enter(caller, enter, fds).await?)
        }
        Attach::Console { name } => {
            exactly(0, fds)?;
            let console = service.console(caller, name).await?;
            return Ok((Attached::Console, Some(console)));
        }
        Attach::TemplateExport { name } => {
            let to = one(fds)?;
            Attached::Reply(service.template_export(caller, name, to).await?)
        }
        Attach::TemplateImport { name } => {
            let from = one(fds)?;
            Attached::Reply(service.template_import(caller, name, from).await?)
        }
    };
    Ok((answer, None))
}

fn exactly(expected: usize, fds: Vec<OwnedFd>) -> Result<Vec<OwnedFd>, Fault> {
    let came = fds.len();
    if came == expected {
        return Ok(fds);
    }
    let sentence = format!("this message comes with {expected} descriptors, not {came}");
    Err(Fault::new(FaultKind::Invalid, sentence))
}

fn one(fds: Vec<OwnedFd>) -> Result<OwnedFd, Fault> {
    let absent = || Fault::new(FaultKind::Invalid, "this message comes with a descriptor");
    exactly(1, fds)?.pop().ok_or_else(absent)
}
