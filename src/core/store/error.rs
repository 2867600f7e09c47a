//! What can go wrong in the store, and the refusals it gives.

use std::io;
use std::path::PathBuf;

use crate::wire::{Fault, FaultKind};

/// Why the store did not do what it was asked. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database file cannot be made or read, or its file system has no room for WAL.
    #[error("cannot open the store {}", path.display())]
    Open {
        path: PathBuf,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The schema cannot be brought to this version; a newer Piaule may have written the file.
    #[error("cannot migrate the store")]
    Migrate(#[source] rusqlite_migration::Error),
    /// The store's thread cannot be started.
    #[error("cannot start the store's thread")]
    Thread(#[source] io::Error),
    /// A copy cannot be written.
    #[error("cannot back the store up to {}", path.display())]
    Backup {
        path: PathBuf,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// SQLite refused a statement, or a row does not hold what it should.
    #[error("a query of the store failed")]
    Query(#[from] rusqlite::Error),
    /// The store's thread is gone.
    #[error("the store is closed")]
    Closed,
    /// What was asked cannot be; the fault's sentence is for whoever asked.
    #[error(transparent)]
    Refused(Fault),
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Refused(fault) => fault,
            other => Self::internal("the store failed; the log says more", &other),
        }
    }
}

pub(super) fn invalid(sentence: impl Into<String>) -> StoreError {
    StoreError::Refused(Fault::new(FaultKind::Invalid, sentence))
}

pub(super) fn not_found(sentence: impl Into<String>) -> StoreError {
    StoreError::Refused(Fault::new(FaultKind::NotFound, sentence))
}

pub(super) fn conflict(sentence: impl Into<String>) -> StoreError {
    StoreError::Refused(Fault::new(FaultKind::Conflict, sentence))
}

pub(super) fn limit(sentence: impl Into<String>) -> StoreError {
    StoreError::Refused(Fault::new(FaultKind::Limit, sentence))
}
