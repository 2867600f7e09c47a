//! How a failure is told: the sentence first, its causes indented, the status of its kind.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Error;

use super::show::plain;
use crate::wire::{Fault, FaultKind};

/// Ends a verb with this status; everything was said already.
#[derive(Debug, thiserror::Error)]
#[error("exit status {0}")]
pub(super) struct Said(pub(super) u8);

/// Tells a failure on standard error; the status to exit with.
#[must_use]
pub fn report(error: &Error) -> ExitCode {
    if error.downcast_ref::<Said>().is_none() && !reader_left(error) {
        // There is nowhere left to say that it cannot be said.
        let _ = io::stderr().write_all(text(error).as_bytes());
    }
    ExitCode::from(status(error))
}

/// The exit status of a failure.
pub(super) fn status(error: &Error) -> u8 {
    if let Some(Said(status)) = error.downcast_ref() {
        return *status;
    }
    if reader_left(error) {
        // What the shell reports of any program that SIGPIPE ends.
        return 128 + 13;
    }
    let kind = error.downcast_ref::<Fault>().map(|fault| fault.kind);
    kind.unwrap_or(FaultKind::Internal).exit_status()
}

/// Whether whoever read our output went away, as `head` does. What breaks towards core is a
/// `Fault` by the time it gets here.
fn reader_left(error: &Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn text(error: &Error) -> String {
    let mut chain = error.chain().map(ToString::to_string);
    let mut text = format!("piaule: {}\n", plain(&chain.next().unwrap_or_default()));
    let causes = error.downcast_ref::<Fault>().map(|fault| fault.chain.clone());
    for cause in chain.chain(causes.into_iter().flatten()) {
        text.extend(["  ", &plain(&cause), "\n"]);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentence_then_causes() {
        let mut fault = Fault::new(FaultKind::Conflict, "the name is taken");
        fault.chain.push("by \u{1b}[2Jbob".to_owned());
        let error = Error::new(fault).context("cannot make blog");
        assert_eq!(
            text(&error),
            "piaule: cannot make blog\n  the name is taken\n  by \\u{1b}[2Jbob\n"
        );
        assert_eq!(status(&error), 5);
    }

    #[test]
    fn statuses() {
        let broken = |kind| Error::from(io::Error::from(kind));
        assert_eq!(status(&broken(io::ErrorKind::BrokenPipe)), 141);
        assert_eq!(status(&broken(io::ErrorKind::StorageFull)), 1);
        assert_eq!(status(&Error::new(Said(130))), 130);
    }
}
