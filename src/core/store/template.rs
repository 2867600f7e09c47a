//! Templates and their versions.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::audit::{Actor, note};
use super::error::{conflict, not_found};
use super::rows::{bounded, millis, parsed, size, time};
use super::{Store, StoreError};
use crate::model::{TemplateName, TemplateVersion};
use crate::wire::TemplateView;

impl Store {
    /// Reserves the next version number of a template. It is never given again, even when the
    /// build fails or the version is removed: files of that number may be left somewhere.
    pub async fn template_next_version(
        &self,
        name: &TemplateName,
    ) -> Result<TemplateVersion, StoreError> {
        let name = name.clone();
        self.write(move |tx| {
            let version = tx.query_row(
                "INSERT INTO template_name (name, last_version) VALUES (?1, 1)
                 ON CONFLICT (name) DO UPDATE SET last_version = last_version + 1
                 RETURNING last_version",
                [name.as_ref()],
                |row| row.get(0),
            )?;
            Ok(TemplateVersion(version))
        })
        .await
    }

    /// Adds a built version of `size` bytes; rooms can be made from it from now on.
    ///
    /// # Errors
    /// `Conflict` when the number was not reserved for it or is there already.
    pub async fn template_add(
        &self,
        actor: Actor,
        now: Timestamp,
        name: TemplateName,
        version: TemplateVersion,
        bytes: u64,
    ) -> Result<(), StoreError> {
        self.write(move |tx| {
            let reserved: Option<u32> = tx
                .query_row(
                    "SELECT last_version FROM template_name WHERE name = ?1",
                    [name.as_ref()],
                    |row| row.get(0),
                )
                .optional()?;
            if !(1..=reserved.unwrap_or(0)).contains(&version.0) {
                return Err(conflict(format!("`{name}` has no version {version} being built")));
            }
            if exists(tx, &name, version)? {
                return Err(conflict(format!("version {version} of `{name}` exists already")));
            }
            tx.execute(
                "INSERT INTO template (name, version, size, built_at) VALUES (?1, ?2, ?3, ?4)",
                params![name.as_ref(), version.0, size(bytes), millis(now)],
            )?;
            let detail = format!("version {version}, {bytes} bytes");
            note(tx, &actor, now, "template.add", name.as_ref(), &detail)
        })
        .await
    }

    /// The newest version of a template.
    pub async fn template_latest(
        &self,
        name: &TemplateName,
    ) -> Result<Option<TemplateVersion>, StoreError> {
        let name = name.clone();
        self.read(move |tx| {
            let newest: Option<u32> = tx.query_row(
                "SELECT max(version) FROM template WHERE name = ?1",
                [name.as_ref()],
                |row| row.get(0),
            )?;
            Ok(newest.map(TemplateVersion))
        })
        .await
    }

    /// All versions by name, then number.
    pub async fn templates(&self) -> Result<Vec<TemplateView>, StoreError> {
        self.read(|tx| {
            let mut rows = tx.prepare_cached(
                "SELECT *, (SELECT count(*) FROM room WHERE room.template = template.name
                            AND room.version = template.version) AS rooms
                 FROM template ORDER BY name, version",
            )?;
            Ok(rows.query_map([], view)?.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Removes a version that no room was born with.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` while rooms need it.
    pub async fn template_remove(
        &self,
        actor: Actor,
        now: Timestamp,
        name: TemplateName,
        version: TemplateVersion,
    ) -> Result<(), StoreError> {
        self.write(move |tx| {
            require(tx, &name, version)?;
            let rooms: u32 = tx.query_row(
                "SELECT count(*) FROM room WHERE template = ?1 AND version = ?2",
                params![name.as_ref(), version.0],
                |row| row.get(0),
            )?;
            if rooms > 0 {
                return Err(conflict(format!(
                    "version {version} of `{name}` lies below {rooms} rooms; destroy them first"
                )));
            }
            tx.execute(
                "DELETE FROM template WHERE name = ?1 AND version = ?2",
                params![name.as_ref(), version.0],
            )?;
            let detail = format!("version {version}");
            note(tx, &actor, now, "template.remove", name.as_ref(), &detail)
        })
        .await
    }
}

/// Refuses a version that is not there.
pub(super) fn require(
    tx: &Connection,
    name: &TemplateName,
    version: TemplateVersion,
) -> Result<(), StoreError> {
    if exists(tx, name, version)? {
        Ok(())
    } else {
        Err(not_found(format!("there is no version {version} of the template `{name}`")))
    }
}

fn exists(
    tx: &Connection,
    name: &TemplateName,
    version: TemplateVersion,
) -> Result<bool, StoreError> {
    Ok(tx.query_row(
        "SELECT EXISTS (SELECT 1 FROM template WHERE name = ?1 AND version = ?2)",
        params![name.as_ref(), version.0],
        |row| row.get(0),
    )?)
}

fn view(row: &Row<'_>) -> rusqlite::Result<TemplateView> {
    Ok(TemplateView {
        name: parsed(row, "name")?,
        version: TemplateVersion(row.get("version")?),
        built_at: time(row, "built_at")?,
        size: bounded::<i64, _>(row, "size")?,
        rooms: row.get("rooms")?,
    })
}
