//! What the house knows: accounts, sessions, templates, rooms, jobs, the audit. The only room
//! that says SQL.
//!
//! Handlers and the reconciler call it; it trusts them to have asked `gate` who may do what, to
//! hand over passwords hashed and tokens as SHA-256, and to say what time it is. It trusts no
//! one with consistency: whatever must hold between rows is checked in the transaction that
//! writes them, refused with a sentence, and held once more by the schema's constraints.
//!
//! Decisions and their price:
//! - **One thread owns the one connection**; reads wait for their turn too. No lock, no busy
//!   retry, and "check, then write" cannot race. A slow read holds up everything, so long ones
//!   (the audit's chain) go in pieces; a backup copies the whole file in one go.
//! - **WAL, `synchronous=FULL`**: an accepted command survives a power cut; each costs a sync.
//! - **Every act writes its audit row in its own transaction.** What the house merely observes
//!   (steps, ends of jobs, a room's problem, sessions running out) is not an act: jobs tell it.
//! - **Addresses, uid ranges and ports go round**: the next free one after the last given, so
//!   one just freed rests as long as can be. The cursors survive the rows.
//! - A column is parsed by its type's own parser when read. A parser made stricter must come
//!   with a migration, or the rows it no longer likes cannot be read.

mod account;
mod audit;
mod error;
mod file;
mod house;
mod job;
mod room;
mod rows;
mod session;
mod template;
#[cfg(test)]
mod tests;
mod thread;

use std::path::{Path, PathBuf};

use rusqlite::{Transaction, TransactionBehavior};
use rusqlite_migration::{M, Migrations};

pub use account::{Account, NewAccount};
pub use audit::Actor;
pub use error::StoreError;
pub use room::{NewRoom, Room};

/// In order; one that has been released is never edited.
const MIGRATIONS: &[M<'_>] = &[M::up(include_str!("migrations/0001_house.sql"))];

/// A handle on the store; clones share it. The file is closed when the last one is dropped.
#[derive(Debug, Clone)]
pub struct Store {
    writer: thread::Writer,
}

impl Store {
    /// Opens the store, makes the file (mode 0600) where there is none, and brings its schema
    /// up to date.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let mut connection = file::open(path)
            .map_err(|source| StoreError::Open { path: path.to_owned(), source })?;
        Migrations::from_slice(MIGRATIONS)
            .to_latest(&mut connection)
            .map_err(StoreError::Migrate)?;
        let writer = thread::Writer::start(connection).map_err(StoreError::Thread)?;
        Ok(Self { writer })
    }

    /// Copies the store, as it is now, into a new file (mode 0600).
    ///
    /// # Errors
    /// `Refused` with a `Conflict` when the file is there already.
    pub async fn backup(&self, to: PathBuf) -> Result<(), StoreError> {
        self.writer.run(move |connection| file::back_up(connection, &to)).await
    }

    /// Runs `act` in a transaction of its own, which is undone when it fails.
    async fn write<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.transact(TransactionBehavior::Immediate, act).await
    }

    /// Runs `act` on one state of the store.
    async fn read<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.transact(TransactionBehavior::Deferred, act).await
    }

    async fn transact<T: Send + 'static>(
        &self,
        behavior: TransactionBehavior,
        act: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.writer
            .run(move |connection| {
                let transaction = connection.transaction_with_behavior(behavior)?;
                let done = act(&transaction)?;
                transaction.commit()?;
                Ok(done)
            })
            .await
    }
}
