//! Sessions, known by the SHA-256 of their token: a copy of the store opens none.

use jiff::Timestamp;
use rusqlite::{OptionalExtension, params};

use super::account::numbered;
use super::audit::{Actor, note};
use super::rows::{millis, parsed};
use super::{Store, StoreError};
use crate::model::{AccountId, Login};

impl Store {
    /// Opens a session of an account, until `expires`.
    ///
    /// # Errors
    /// `NotFound` when the account is gone.
    pub async fn session_create(
        &self,
        actor: Actor,
        now: Timestamp,
        account: AccountId,
        token_sha256: [u8; 32],
        expires: Timestamp,
    ) -> Result<(), StoreError> {
        self.write(move |tx| {
            let login = numbered(tx, account)?.login;
            tx.execute(
                "INSERT INTO session (token_sha256, account, expires_at) VALUES (?1, ?2, ?3)",
                params![token_sha256, account.0, millis(expires)],
            )?;
            let detail = format!("until {expires:.0}");
            note(tx, &actor, now, "session.create", login.as_ref(), &detail)
        })
        .await
    }

    /// Whose session it is, unless it has expired.
    pub async fn session(
        &self,
        token_sha256: [u8; 32],
        now: Timestamp,
    ) -> Result<Option<(AccountId, Login)>, StoreError> {
        self.read(move |tx| {
            let found = tx
                .prepare_cached(
                    "SELECT account.id, account.login
                     FROM session JOIN account ON account.id = session.account
                     WHERE token_sha256 = ?1 AND expires_at > ?2",
                )?
                .query_row(params![token_sha256, millis(now)], |row| {
                    Ok((AccountId(row.get("id")?), parsed(row, "login")?))
                });
            Ok(found.optional()?)
        })
        .await
    }

    /// Ends a session. No effect when there is none.
    pub async fn session_delete(&self, token_sha256: [u8; 32]) -> Result<(), StoreError> {
        self.write(move |tx| {
            tx.execute("DELETE FROM session WHERE token_sha256 = ?1", [token_sha256])?;
            Ok(())
        })
        .await
    }

    /// Forgets the sessions that have expired.
    pub async fn sessions_expire(&self, now: Timestamp) -> Result<(), StoreError> {
        self.write(move |tx| {
            tx.execute("DELETE FROM session WHERE expires_at <= ?1", [millis(now)])?;
            Ok(())
        })
        .await
    }
}
