//! Accounts, signing in and out.

use aws_lc_rs::rand;
use jiff::{SignedDuration, Timestamp};

use super::password::Hasher;
use super::sha256;
use crate::core::store::{Account, Actor, NewAccount, Store};
use crate::model::{Email, Login, Password, Token};
use crate::wire::{AccountView, Caller, Fault, FaultKind, Reply};

/// How long a session lasts.
const SESSION: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Rooms of an account for which nothing else was said.
const ROOMS: u32 = 1;

/// What commands about accounts need.
pub(super) struct Accounts<'a> {
    pub(super) store: &'a Store,
    pub(super) hasher: &'a Hasher,
    pub(super) actor: Actor,
    pub(super) now: Timestamp,
}

impl Accounts<'_> {
    pub(super) async fn sign_in(self, login: Login, password: Password) -> Result<Reply, Fault> {
        let known = self.store.password_hash(&login).await?;
        let (id, hash) = known.unzip();
        let right = self.hasher.check(password, hash).await?;
        let (true, Some(id)) = (right, id) else {
            tracing::info!(%login, "a sign-in was refused");
            return Err(unknown());
        };
        // It may have been removed while the password was checked.
        let account = self.store.account_by_id(id).await?.ok_or_else(unknown)?;
        let token = fresh_token()?;
        let expires = self.now.checked_add(SESSION).map_err(|error| broken(&error))?;
        self.store.sessions_expire(self.now).await?;
        let actor = Actor::from(&Caller::Account { id, login });
        self.store.session_create(actor, self.now, id, sha256(&token), expires).await?;
        Ok(Reply::Session { token, account: view(account) })
    }

    pub(super) async fn sign_out(self, token: Option<Token>) -> Result<Reply, Fault> {
        let none = || Fault::new(FaultKind::Invalid, "there is no session to end here");
        self.store.session_delete(sha256(&token.ok_or_else(none)?)).await?;
        Ok(Reply::Done)
    }

    pub(super) async fn who_am_i(self, caller: &Caller) -> Result<Reply, Fault> {
        let Caller::Account { id, .. } = caller else {
            let sentence = "an administrator on this socket has no account";
            return Err(Fault::new(FaultKind::Invalid, sentence));
        };
        let gone = || Fault::new(FaultKind::Unauthenticated, "this account is no more");
        Ok(Reply::Account(view(self.store.account_by_id(*id).await?.ok_or_else(gone)?)))
    }

    pub(super) async fn create(
        self,
        login: Login,
        email: Email,
        password: Password,
        max_rooms: Option<u32>,
    ) -> Result<Reply, Fault> {
        let password_hash = self.hasher.hash(password).await?;
        let max_rooms = max_rooms.unwrap_or(ROOMS);
        let new = NewAccount { login, email, password_hash, max_rooms };
        Ok(Reply::Account(view(self.store.account_create(self.actor, self.now, new).await?)))
    }

    pub(super) async fn list(self) -> Result<Reply, Fault> {
        let mut accounts = self.store.accounts().await?;
        accounts.sort_by(|one, other| one.login.cmp(&other.login));
        Ok(Reply::Accounts(accounts.into_iter().map(view).collect()))
    }

    pub(super) async fn show(self, login: Login) -> Result<Reply, Fault> {
        let account = self.store.account(&login).await?;
        Ok(Reply::Account(view(account.ok_or_else(|| no_account(&login))?)))
    }

    pub(super) async fn set_password(
        self,
        login: Login,
        password: Password,
    ) -> Result<Reply, Fault> {
        let hash = self.hasher.hash(password).await?;
        self.store.account_set_password(self.actor, self.now, login, hash).await?;
        Ok(Reply::Done)
    }

    pub(super) async fn set_rooms(self, login: Login, max_rooms: u32) -> Result<Reply, Fault> {
        let account = self.store.account_set_rooms(self.actor, self.now, login, max_rooms).await?;
        Ok(Reply::Account(view(account)))
    }

    pub(super) async fn delete(self, login: Login) -> Result<Reply, Fault> {
        self.store.account_delete(self.actor, self.now, login).await?;
        Ok(Reply::Done)
    }
}

/// The same for a wrong login and a wrong password.
fn unknown() -> Fault {
    Fault::new(FaultKind::Unauthenticated, "the login or the password is wrong")
}

pub(super) fn no_account(login: &Login) -> Fault {
    Fault::new(FaultKind::NotFound, format!("there is no account `{login}`"))
}

fn broken(error: &dyn std::error::Error) -> Fault {
    Fault::internal("a session could not be made", error)
}

fn fresh_token() -> Result<Token, Fault> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).map_err(|error| broken(&error))?;
    Ok(Token::from_random(bytes))
}

fn view(account: Account) -> AccountView {
    let Account { login, email, max_rooms, rooms, created_at, .. } = account;
    AccountView { login, email, max_rooms, rooms, created_at }
}
