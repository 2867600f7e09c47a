//! The database file: opening it as the store needs it, and copying it.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;

use rusqlite::backup::Backup;
use rusqlite::{Connection, OpenFlags};

use super::StoreError;
use super::error::conflict;

/// How long to wait for another process, such as an administrator's `sqlite3`.
const BUSY: Duration = Duration::from_secs(10);

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Opens the database, made with mode 0600 where there is none.
pub(super) fn open(path: &Path) -> Result<Connection, Cause> {
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

/// Copies the database into a new file.
pub(super) fn back_up(connection: &Connection, to: &Path) -> Result<(), StoreError> {
    let failed = |source: Cause| StoreError::Backup { path: to.to_owned(), source };
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(to) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(conflict(format!("{} is there already", to.display())));
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
