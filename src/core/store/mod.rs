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
mod house;
mod job;
mod room;
mod rows;
mod session;
mod template;
#[cfg(test)]
mod tests;
mod thread;

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::backup::Backup;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};
use rusqlite_migration::{M, Migrations};

pub use account::{Account, NewAccount};
pub use audit::Actor;
pub use error::StoreError;
pub use room::{NewRoom, Room};

/// In order; one that has been released is never edited.
const MIGRATIONS: &[M<'_>] = &[M::up(include_str!("migrations/0001_house.sql"))];
/// How long to wait for another process, such as an administrator's `sqlite3`.
const BUSY: Duration = Duration::from_secs(10);

/// A handle on the store; clones share it. The file is closed when the last one is dropped.
#[derive(Debug, Clone)]
pub struct Store {
    writer: thread::Writer,
}

impl Store {
    /// Opens the store, makes the file (mode 0600) where there is none, and brings its schema
    /// up to date.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let mut connection =
            connect(path).map_err(|source| StoreError::Open { path: path.to_owned(), source })?;
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
        self.writer.run(move |connection| back_up(connection, &to)).await
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

type Cause = Box<dyn std::error::Error + Send + Sync>;

fn connect(path: &Path) -> Result<Connection, Cause> {
    // SQLite gives its -wal and -shm files the mode of the database.
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)?;
    file.set_permissions(fs::Permissions::from_mode(0o600))?;
    let connection = reopen(path)?;
    connection.busy_timeout(BUSY)?;
    let mode: String =
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if mode != "wal" {
        return Err(format!("its file system gives no WAL, only `{mode}`").into());
    }
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", "ON")?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// Opens a file that is there, its name taken literally rather than as a URI.
fn reopen(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(path, flags)
}

fn back_up(connection: &Connection, to: &Path) -> Result<(), StoreError> {
    let failed = |source: Cause| StoreError::Backup { path: to.to_owned(), source };
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(to) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(error::conflict(format!("{} is there already", to.display())));
        }
        Err(error) => return Err(failed(error.into())),
    }
    copy(connection, to).map_err(|error| {
        // Half a backup helps nobody; that it could not be removed either, even less.
        let _ = fs::remove_file(to);
        failed(error.into())
    })
}

fn copy(connection: &Connection, to: &Path) -> rusqlite::Result<()> {
    let mut target = reopen(to)?;
    Backup::new(connection, &mut target)?.run_to_completion(i32::MAX, Duration::ZERO, None)?;
    target.close().map_err(|(_, error)| error)
}
