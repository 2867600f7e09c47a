//! Accounts. Passwords arrive hashed; the hash leaves only to be checked against.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Params, Row, params};

use super::audit::{Actor, note};
use super::error::{conflict, not_found};
use super::rows::{millis, parsed, time};
use super::{Store, StoreError};
use crate::model::{AccountId, Email, Login, RoomName};

/// An account to make.
#[derive(Clone)]
pub struct NewAccount {
    pub login: Login,
    pub email: Email,
    /// As argon2 writes it (PHC string format).
    pub password_hash: String,
    pub max_rooms: u32,
}

/// An account.
#[derive(Debug, Clone)]
pub struct Account {
    pub id: AccountId,
    pub login: Login,
    pub email: Email,
    pub max_rooms: u32,
    /// Its rooms by name, archived ones too.
    pub rooms: Vec<RoomName>,
    pub created_at: Timestamp,
}

impl Store {
    /// Makes an account.
    ///
    /// # Errors
    /// `Conflict` when the login or the e-mail address (in any case) is another account's.
    pub async fn account_create(
        &self,
        actor: Actor,
        now: Timestamp,
        new: NewAccount,
    ) -> Result<Account, StoreError> {
        self.write(move |tx| {
            refuse_taken(tx, &new)?;
            tx.execute(
                "INSERT INTO account (login, email, password_hash, max_rooms, created_at)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
                params![
                    new.login.as_ref(),
                    new.email.as_ref(),
                    new.password_hash,
                    new.max_rooms,
                    millis(now)
                ],
            )?;
            let detail = format!("{}, at most {} rooms", new.email, new.max_rooms);
            note(tx, &actor, now, "account.create", new.login.as_ref(), &detail)?;
            named(tx, &new.login)
        })
        .await
    }

    /// The account of that login.
    pub async fn account(&self, login: &Login) -> Result<Option<Account>, StoreError> {
        let login = login.clone();
        self.read(move |tx| Ok(select(tx, "WHERE login = ?1", [login.as_ref()])?.pop())).await
    }

    /// The account of that number.
    pub async fn account_by_id(&self, id: AccountId) -> Result<Option<Account>, StoreError> {
        self.read(move |tx| Ok(select(tx, "WHERE id = ?1", [id.0])?.pop())).await
    }

    /// All accounts by login.
    pub async fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        self.read(|tx| select(tx, "ORDER BY login", [])).await
    }

    /// Replaces the password and ends the account's sessions.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn account_set_password(
        &self,
        actor: Actor,
        now: Timestamp,
        login: Login,
        password_hash: String,
    ) -> Result<(), StoreError> {
        self.write(move |tx| {
            let id = named(tx, &login)?.id.0;
            tx.execute(
                "UPDATE account SET password_hash = ?1 WHERE id = ?2",
                params![password_hash, id],
            )?;
            let ended = tx.execute("DELETE FROM session WHERE account = ?1", [id])?;
            let detail = format!("{ended} sessions ended");
            note(tx, &actor, now, "account.password", login.as_ref(), &detail)
        })
        .await
    }

    /// Changes how many rooms the account may have. Those it has already stay.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn account_set_rooms(
        &self,
        actor: Actor,
        now: Timestamp,
        login: Login,
        max_rooms: u32,
    ) -> Result<Account, StoreError> {
        self.write(move |tx| {
            let before = named(tx, &login)?;
            tx.execute(
                "UPDATE account SET max_rooms = ?1 WHERE id = ?2",
                params![max_rooms, before.id.0],
            )?;
            let detail = format!("at most {max_rooms} rooms instead of {}", before.max_rooms);
            note(tx, &actor, now, "account.rooms", login.as_ref(), &detail)?;
            Ok(Account { max_rooms, ..before })
        })
        .await
    }

    /// Removes an account and its sessions.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` while it has rooms.
    pub async fn account_delete(
        &self,
        actor: Actor,
        now: Timestamp,
        login: Login,
    ) -> Result<(), StoreError> {
        self.write(move |tx| {
            let account = named(tx, &login)?;
            if let Some(room) = account.rooms.first() {
                return Err(conflict(format!(
                    "`{login}` still has the room `{room}`; destroy its rooms first"
                )));
            }
            tx.execute("DELETE FROM account WHERE id = ?1", [account.id.0])?;
            note(tx, &actor, now, "account.delete", login.as_ref(), account.email.as_ref())
        })
        .await
    }

    /// What a password is checked against when someone signs in.
    pub async fn password_hash(
        &self,
        login: &Login,
    ) -> Result<Option<(AccountId, String)>, StoreError> {
        let login = login.clone();
        self.read(move |tx| {
            let found = tx.query_row(
                "SELECT id, password_hash FROM account WHERE login = ?1",
                [login.as_ref()],
                |row| Ok((AccountId(row.get(0)?), row.get(1)?)),
            );
            Ok(found.optional()?)
        })
        .await
    }
}

fn refuse_taken(tx: &Connection, new: &NewAccount) -> Result<(), StoreError> {
    let taken = |column: &str, value: &str| {
        let query = format!("SELECT EXISTS (SELECT 1 FROM account WHERE {column} = ?1)");
        tx.query_row(&query, [value], |row| row.get::<_, bool>(0))
    };
    if taken("login", new.login.as_ref())? {
        return Err(conflict(format!("the login `{}` is taken; choose another", new.login)));
    }
    if taken("email", new.email.as_ref())? {
        return Err(conflict(format!(
            "an account with the address `{}` exists already",
            new.email
        )));
    }
    Ok(())
}

fn named(tx: &Connection, login: &Login) -> Result<Account, StoreError> {
    select(tx, "WHERE login = ?1", [login.as_ref()])?
        .pop()
        .ok_or_else(|| not_found(format!("there is no account `{login}`")))
}

/// The account of that number, or `NotFound`.
pub(super) fn numbered(tx: &Connection, id: AccountId) -> Result<Account, StoreError> {
    select(tx, "WHERE id = ?1", [id.0])?
        .pop()
        .ok_or_else(|| not_found("there is no such account; it may have been removed"))
}

fn select(tx: &Connection, tail: &str, params: impl Params) -> Result<Vec<Account>, StoreError> {
    let mut accounts = tx.prepare_cached(&format!("SELECT * FROM account {tail}"))?;
    let mut accounts = accounts.query_map(params, read)?.collect::<Result<Vec<_>, _>>()?;
    let mut rooms = tx.prepare_cached("SELECT name FROM room WHERE owner = ?1 ORDER BY name")?;
    for account in &mut accounts {
        let names = rooms.query_map([account.id.0], |row| parsed(row, "name"))?;
        account.rooms = names.collect::<Result<_, _>>()?;
    }
    Ok(accounts)
}

fn read(row: &Row<'_>) -> rusqlite::Result<Account> {
    Ok(Account {
        id: AccountId(row.get("id")?),
        login: parsed(row, "login")?,
        email: parsed(row, "email")?,
        max_rooms: row.get("max_rooms")?,
        rooms: Vec::new(),
        created_at: time(row, "created_at")?,
    })
}
