//! Who did what: rows that are only ever added, each chained to the one before by hash.
//!
//! `hash = SHA-256(hash before ‖ seq ‖ at ‖ actor ‖ action ‖ object ‖ detail)`: numbers as 8
//! bytes big-endian, texts with their length before them, 32 zero bytes before the first row.
//! The chain shows a row changed, removed or put in by someone who did not rewrite every row
//! after it; who can do that, root can, is only caught by a hash noted elsewhere.

use std::fmt::Write as _;

use aws_lc_rs::digest;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::error::conflict;
use super::rows::{millis, time};
use super::{Store, StoreError};
use crate::wire::{AuditView, Caller};

/// Rows checked before other tasks of the store get their turn.
const CHUNK: u32 = 10_000;

/// Who did it, as the audit writes it: `admin:0`, `account:ada`, `anonymous`, `house`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor(pub String);

impl Actor {
    /// The house itself.
    #[must_use]
    pub fn house() -> Self {
        Self("house".to_owned())
    }
}

impl From<&Caller> for Actor {
    fn from(caller: &Caller) -> Self {
        Self(match caller {
            Caller::Admin { uid } => format!("admin:{uid}"),
            Caller::Account { login, .. } => format!("account:{login}"),
            Caller::Anonymous => "anonymous".to_owned(),
        })
    }
}

impl Store {
    /// Notes an act that changes nothing else, such as entering a room.
    pub async fn audit_note(
        &self,
        actor: Actor,
        now: Timestamp,
        action: impl Into<String>,
        object: impl Into<String>,
        detail: impl Into<String>,
    ) -> Result<(), StoreError> {
        let (action, object, detail) = (action.into(), object.into(), detail.into());
        self.write(move |tx| note(tx, &actor, now, &action, &object, &detail)).await
    }

    /// The newest rows, newest first; of one object (a room's name, a login, a template's name)
    /// or of all.
    pub async fn audit(
        &self,
        object: Option<String>,
        limit: u32,
    ) -> Result<Vec<AuditView>, StoreError> {
        self.read(move |tx| {
            let filter = if object.is_some() { "object = ?1" } else { "?1 IS NULL" };
            let mut rows = tx.prepare_cached(&format!(
                "SELECT * FROM audit WHERE {filter} ORDER BY seq DESC LIMIT ?2"
            ))?;
            let views = rows.query_map(params![object, limit], view)?;
            Ok(views.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Recomputes the chain from the first row and returns the number of rows.
    ///
    /// # Errors
    /// `Refused` with a `Conflict` that names the first row that does not follow.
    pub async fn audit_verify(&self) -> Result<u64, StoreError> {
        let mut link = Link::BEFORE_FIRST;
        loop {
            let (last, end) = self.read(move |tx| follow(tx, link)).await?;
            if end {
                return Ok(last.seq.unsigned_abs());
            }
            link = last;
        }
    }
}

/// Adds a row in the transaction of what it tells about.
pub(super) fn note(
    tx: &Connection,
    actor: &Actor,
    now: Timestamp,
    action: &str,
    object: &str,
    detail: &str,
) -> Result<(), StoreError> {
    let before = tx
        .prepare_cached("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1")?
        .query_row([], |row| Ok(Link { seq: row.get("seq")?, hash: row.get("hash")? }))
        .optional()?
        .unwrap_or(Link::BEFORE_FIRST);
    let link = before.then(millis(now), [&actor.0, action, object, detail]);
    tx.prepare_cached("INSERT INTO audit VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?
        .execute(params![link.seq, millis(now), actor.0, action, object, detail, link.hash])?;
    Ok(())
}

/// What the next row is chained to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Link {
    seq: i64,
    hash: [u8; 32],
}

impl Link {
    const BEFORE_FIRST: Self = Self { seq: 0, hash: [0; 32] };

    /// The link of the row after this one, if it holds `at` and `texts`.
    fn then(self, at: i64, texts: [&str; 4]) -> Self {
        let seq = self.seq + 1;
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(&self.hash);
        context.update(&seq.to_be_bytes());
        context.update(&at.to_be_bytes());
        for text in texts {
            context.update(&(text.len() as u64).to_be_bytes());
            context.update(text.as_bytes());
        }
        let mut hash = [0; 32];
        hash.copy_from_slice(context.finish().as_ref());
        Self { seq, hash }
    }
}

/// Checks the next rows after `link`; returns the last of them, and whether no more follow.
fn follow(tx: &Connection, mut link: Link) -> Result<(Link, bool), StoreError> {
    let mut rows = tx.prepare_cached("SELECT * FROM audit WHERE seq > ?1 ORDER BY seq LIMIT ?2")?;
    let mut rows = rows.query(params![link.seq, CHUNK])?;
    let mut seen = 0;
    while let Some(row) = rows.next()? {
        link = check(row, link)?;
        seen += 1;
    }
    if seen == CHUNK {
        return Ok((link, false));
    }
    // SQLite remembers the highest number given, so rows cut off at the end are missed as well.
    let given: i64 = tx
        .query_row("SELECT seq FROM sqlite_sequence WHERE name = 'audit'", [], |row| row.get(0))
        .optional()?
        .unwrap_or(0);
    if given > link.seq { Err(missing(link.seq + 1)) } else { Ok((link, true)) }
}

fn check(row: &Row<'_>, before: Link) -> Result<Link, StoreError> {
    let text = |column| row.get_ref(column).and_then(|value| Ok(value.as_str()?));
    let found = Link { seq: row.get("seq")?, hash: row.get("hash")? };
    let expected = before
        .then(row.get("at")?, [text("actor")?, text("action")?, text("object")?, text("detail")?]);
    if found == expected {
        Ok(found)
    } else if found.seq != expected.seq {
        Err(missing(expected.seq))
    } else {
        Err(conflict(format!(
            "audit row {} does not follow from the one before it: it was changed after it was written",
            found.seq
        )))
    }
}

fn missing(seq: i64) -> StoreError {
    conflict(format!("audit row {seq} is missing: it was removed after it was written"))
}

fn view(row: &Row<'_>) -> rusqlite::Result<AuditView> {
    Ok(AuditView {
        seq: row.get("seq")?,
        at: time(row, "at")?,
        actor: row.get("actor")?,
        action: row.get("action")?,
        object: row.get("object")?,
        detail: row.get("detail")?,
        hash: hex(&row.get::<_, [u8; 32]>("hash")?),
    })
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
