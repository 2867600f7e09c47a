//! Both directions of the line to core, once the first snapshot is there.

use std::io;

use tokio::sync::mpsc;

use super::FrontError;
use super::house::House;
use super::view::View;
use crate::wire::channel::AsyncChannel;
use crate::wire::{Fault, FaultKind, FromFront, ToFront};

/// Waits for the first snapshot and serves it.
///
/// # Errors
/// `Silent` when core goes before, `Line` for what cannot be read.
pub(super) async fn first_snapshot(channel: &AsyncChannel, view: &View) -> Result<(), FrontError> {
    while let Some((frame, _)) = channel.receive().await.map_err(FrontError::Line)? {
        if let ToFront::Snapshot(snapshot) = frame {
            view.replace(*snapshot);
            return Ok(());
        }
    }
    Err(FrontError::Silent("no snapshot came"))
}

/// Passes what core says to whom it concerns, until core is gone: then everyone who waits for
/// an answer is told.
///
/// # Errors
/// `Line` for what is not a frame. A front that cannot understand core had better be replaced.
pub(super) async fn listen(
    channel: &AsyncChannel,
    view: &View,
    house: &House,
) -> Result<(), FrontError> {
    loop {
        match channel.receive().await {
            Ok(Some((ToFront::Snapshot(snapshot), _))) => view.replace(*snapshot),
            Ok(Some((ToFront::Answer { call, result }, _))) => house.answer(call, result),
            Ok(Some((ToFront::Job(event), _))) => house.job(*event),
            Ok(Some((ToFront::Begin { .. }, _))) => {
                return Err(FrontError::Silent("it began twice"));
            }
            Ok(None) => break,
            Err(error) if is_gone(&error) => break,
            Err(error) => return Err(FrontError::Line(error)),
        }
    }
    tracing::warn!("core is gone; the last snapshot is served on");
    house.lost();
    Ok(())
}

/// Sends what the services say, until core is gone.
pub(super) async fn speak(
    channel: &AsyncChannel,
    mut outgoing: mpsc::Receiver<FromFront>,
    house: &House,
) {
    while let Some(frame) = outgoing.recv().await {
        match channel.send(&frame, &[]).await {
            Ok(()) => {}
            Err(error) if is_gone(&error) => break,
            // Too long for the line: front may not make the memfd that would carry it, since
            // nothing it asks is anywhere near that long.
            Err(error) => refuse(house, &frame, &error),
        }
    }
    house.lost();
}

fn refuse(house: &House, frame: &FromFront, error: &io::Error) {
    tracing::warn!(%error, "a command could not be sent to core");
    if let FromFront::Call { call, .. } = frame {
        house.answer(*call, Err(Fault::new(FaultKind::Invalid, "this is too long to be sent")));
    }
}

/// Whether an error means that the other end is closed (unix(7)).
fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset | io::ErrorKind::NotConnected
    )
}
