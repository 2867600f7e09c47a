//! Jobs and their steps: what was accepted, how far it is, how long each part took.
//!
//! History is bounded: the newest [`KEPT_PER_OBJECT`] jobs of a room or of a template, the newest
//! [`KEPT_OF_GONE_ROOMS`] of rooms that are gone, the newest [`KEPT_STEPS`] steps of a job. A
//! running job is never dropped.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Params, Row, params};

use super::audit::{Actor, note};
use super::error::invalid;
use super::rows::{if_any, millis, parsed, time};
use super::{Store, StoreError};
use crate::model::{JobId, JobKind, JobState, RoomId};
use crate::wire::{JobView, StepView};

const KEPT_PER_OBJECT: u32 = 200;
const KEPT_OF_GONE_ROOMS: u32 = 10_000;
const KEPT_STEPS: u32 = 200;

impl Store {
    /// Accepts a job about something other than a room: a template to build.
    pub async fn job_start(
        &self,
        actor: Actor,
        now: Timestamp,
        kind: JobKind,
        object: String,
    ) -> Result<JobId, StoreError> {
        self.write(move |tx| {
            let job = accept(tx, now, kind, None, &object)?;
            note(tx, &actor, now, &action(kind), &object, &format!("job {job}"))?;
            Ok(job)
        })
        .await
    }

    /// Adds a step to a running job; no effect on another.
    pub async fn job_step(&self, job: JobId, step: StepView) -> Result<(), StoreError> {
        self.write(move |tx| {
            let added = tx
                .prepare_cached(
                    "INSERT INTO step (job, name, state, at_ms, took_ms, detail)
                     SELECT id, ?2, ?3, ?4, ?5, ?6 FROM job WHERE id = ?1 AND state = 'running'",
                )?
                .execute(params![
                    job.0,
                    step.name,
                    step.state.as_str(),
                    step.at_ms,
                    step.took_ms,
                    step.detail
                ])?;
            if added > 0 {
                tx.prepare_cached(
                    "DELETE FROM step WHERE job = ?1 AND id <= (SELECT id FROM step
                     WHERE job = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
                )?
                .execute(params![job.0, KEPT_STEPS])?;
            }
            Ok(())
        })
        .await
    }

    /// Ends a running job; no effect on another.
    ///
    /// # Errors
    /// `Invalid` when `state` is no end.
    pub async fn job_finish(
        &self,
        job: JobId,
        now: Timestamp,
        state: JobState,
        error: Option<String>,
    ) -> Result<(), StoreError> {
        if state == JobState::Running {
            return Err(invalid("a job ends done, failed or superseded"));
        }
        self.write(move |tx| {
            tx.execute(
                "UPDATE job SET state = ?2, finished_at = ?3, error = ?4
                 WHERE id = ?1 AND state = 'running'",
                params![job.0, state.as_str(), millis(now), error],
            )?;
            Ok(())
        })
        .await
    }

    /// One job with its steps.
    pub async fn job(&self, job: JobId) -> Result<Option<JobView>, StoreError> {
        self.read(move |tx| Ok(select(tx, "WHERE id = ?1", [job.0])?.pop())).await
    }

    /// The room a job is about, even when it is gone.
    pub async fn job_room(&self, job: JobId) -> Result<Option<RoomId>, StoreError> {
        self.read(move |tx| {
            let room: Option<Option<i64>> = tx
                .query_row("SELECT room FROM job WHERE id = ?1", [job.0], |row| row.get(0))
                .optional()?;
            Ok(room.flatten().map(RoomId))
        })
        .await
    }

    /// A room's newest jobs, newest first.
    pub async fn jobs_of(&self, room: RoomId, limit: u32) -> Result<Vec<JobView>, StoreError> {
        self.read(move |tx| {
            select(tx, "WHERE room = ?1 ORDER BY id DESC LIMIT ?2", params![room.0, limit])
        })
        .await
    }

    /// A room's running jobs, oldest first.
    pub async fn open_jobs(&self, room: RoomId) -> Result<Vec<JobView>, StoreError> {
        self.read(move |tx| {
            select(tx, "WHERE room = ?1 AND state = 'running' ORDER BY id", [room.0])
        })
        .await
    }

    /// Every running job, of rooms and of templates, oldest first.
    pub async fn open_jobs_all(&self) -> Result<Vec<JobView>, StoreError> {
        self.read(|tx| select(tx, "WHERE state = 'running' ORDER BY id", [])).await
    }
}

/// How the audit calls what a job is for.
pub(super) fn action(kind: JobKind) -> String {
    match kind {
        JobKind::Template => "template.build".to_owned(),
        other => format!("room.{other}"),
    }
}

/// Writes a running job and drops what is too old of the same object.
pub(super) fn accept(
    tx: &Connection,
    now: Timestamp,
    kind: JobKind,
    room: Option<RoomId>,
    object: &str,
) -> Result<JobId, StoreError> {
    let room = room.map(|room| room.0);
    tx.execute(
        "INSERT INTO job (room, kind, state, object, accepted_at) VALUES (?1, ?2, 'running', ?3, ?4)",
        params![room, kind.as_str(), object, millis(now)],
    )?;
    let job = JobId(tx.last_insert_rowid());
    tx.execute(
        "DELETE FROM job WHERE room IS ?1 AND object = ?2 AND state <> 'running'
         AND id <= (SELECT id FROM job WHERE room IS ?1 AND object = ?2
                    ORDER BY id DESC LIMIT 1 OFFSET ?3)",
        params![room, object, KEPT_PER_OBJECT],
    )?;
    Ok(job)
}

/// Ends the running jobs of a room that a new one of `kind` makes moot. Ports and keys are
/// rendered whole whatever else happens, so those jobs go on, unless the room is to go.
pub(super) fn supersede(
    tx: &Connection,
    now: Timestamp,
    room: RoomId,
    kind: JobKind,
) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE job SET state = 'superseded', finished_at = ?2
         WHERE room = ?1 AND state = 'running' AND (?3 OR kind NOT IN ('ports', 'keys'))",
        params![room.0, millis(now), kind == JobKind::Destroy],
    )?;
    Ok(())
}

/// Whether a job of that kind is running for a room.
pub(super) fn is_open(tx: &Connection, room: RoomId, kind: JobKind) -> Result<bool, StoreError> {
    Ok(tx.query_row(
        "SELECT EXISTS (SELECT 1 FROM job WHERE room = ?1 AND kind = ?2 AND state = 'running')",
        params![room.0, kind.as_str()],
        |row| row.get(0),
    )?)
}

/// Drops the oldest jobs of rooms that are gone.
pub(super) fn trim_gone(tx: &Connection) -> Result<(), StoreError> {
    tx.execute(
        "WITH gone AS (SELECT id FROM job WHERE room IS NOT NULL AND state <> 'running'
                       AND room NOT IN (SELECT id FROM room))
         DELETE FROM job WHERE id IN (SELECT id FROM gone ORDER BY id DESC LIMIT -1 OFFSET ?1)",
        [KEPT_OF_GONE_ROOMS],
    )?;
    Ok(())
}

fn select(tx: &Connection, tail: &str, params: impl Params) -> Result<Vec<JobView>, StoreError> {
    let mut jobs = tx.prepare_cached(&format!("SELECT * FROM job {tail}"))?;
    let mut jobs = jobs.query_map(params, read)?.collect::<Result<Vec<_>, _>>()?;
    let mut steps = tx.prepare_cached("SELECT * FROM step WHERE job = ?1 ORDER BY id")?;
    for job in &mut jobs {
        job.steps = steps.query_map([job.id.0], read_step)?.collect::<Result<_, _>>()?;
    }
    Ok(jobs)
}

fn read(row: &Row<'_>) -> rusqlite::Result<JobView> {
    Ok(JobView {
        id: JobId(row.get("id")?),
        kind: parsed(row, "kind")?,
        state: parsed(row, "state")?,
        object: row.get("object")?,
        accepted_at: time(row, "accepted_at")?,
        finished_at: if_any(row, "finished_at", time)?,
        error: row.get("error")?,
        steps: Vec::new(),
    })
}

fn read_step(row: &Row<'_>) -> rusqlite::Result<StepView> {
    Ok(StepView {
        name: row.get("name")?,
        state: parsed(row, "state")?,
        at_ms: row.get("at_ms")?,
        took_ms: row.get("took_ms")?,
        detail: row.get("detail")?,
    })
}
