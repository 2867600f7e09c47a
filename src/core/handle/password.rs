//! Hashing and checking of passwords: argon2id (RFC 9106) with the parameters OWASP gives,
//! 19 MiB and two passes.
//!
//! Each hash takes those 19 MiB and tens of milliseconds of a core, so only a few are made at a
//! time and no one waits longer than [`PATIENCE`]: a flood of sign-ins costs the house a bounded
//! part of itself.
//!
//! It relies on `sys::allocator::map_large_blocks_apart`, which `main` calls: after 48 hashes, two
//! at a time, a process was 655 MiB large with glibc's defaults and 9 MiB with it.
//! `tests/memory.rs` watches over it.

use std::sync::Arc;
use std::time::Duration;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use tokio::sync::Semaphore;

use crate::model::Password;
use crate::wire::{Fault, FaultKind};

/// Hashes made at a time.
const AT_ONCE: usize = 2;
/// How long anyone waits for a turn.
const PATIENCE: Duration = Duration::from_secs(5);

/// Makes hashes, a few at a time; clones share the turns.
#[derive(Debug, Clone)]
pub(super) struct Hasher {
    turns: Arc<Semaphore>,
    patience: Duration,
}

impl Default for Hasher {
    fn default() -> Self {
        Self { turns: Arc::new(Semaphore::new(AT_ONCE)), patience: PATIENCE }
    }
}

impl Hasher {
    /// A password's hash with a fresh salt (PHC string format).
    pub(super) async fn hash(&self, password: Password) -> Result<String, Fault> {
        self.work(move || hash(&password)).await?
    }

    /// Whether `password` is the one that was hashed. Without a hash, as for a login nobody has,
    /// the same work is done and the answer is no: the time taken tells nothing.
    pub(super) async fn check(
        &self,
        password: Password,
        known: Option<String>,
    ) -> Result<bool, Fault> {
        self.work(move || match known {
            None => hash(&password).map(|_| false),
            Some(known) => {
                let known = PasswordHash::new(&known).map_err(|error| failed(&error))?;
                Ok(Argon2::default().verify_password(password.expose().as_bytes(), &known).is_ok())
            }
        })
        .await?
    }

    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Fault> {
        let busy = |_| {
            let sentence = "too many people are signing in at once; try again in a moment";
            Fault::new(FaultKind::Unavailable, sentence)
        };
        let waiting = Arc::clone(&self.turns).acquire_owned();
        let turn = tokio::time::timeout(self.patience, waiting).await.map_err(busy)?;
        tokio::task::spawn_blocking(move || {
            let done = work();
            drop(turn);
            done
        })
        .await
        .map_err(|error| failed(&error))
    }
}

fn hash(password: &Password) -> Result<String, Fault> {
    let hash = Argon2::default().hash_password(password.expose().as_bytes());
    hash.map(|hash: argon2::password_hash::phc::PasswordHash| hash.to_string())
        .map_err(|error| failed(&error))
}

fn failed(error: &dyn std::error::Error) -> Fault {
    Fault::internal("a password could not be hashed or checked", error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn hashes_check_and_differ() {
        let password = |text: &str| text.parse::<Password>().expect("valid");
        let hasher = Hasher::default();
        let one = hasher.hash(password("a long sentence")).await.expect("hash");
        let other = hasher.hash(password("a long sentence")).await.expect("hash");
        assert_ne!(one, other);
        assert!(one.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{one}");
        for (typed, known, right) in [
            ("a long sentence", Some(one.clone()), true),
            ("another sentence", Some(one), false),
            ("a long sentence", None, false),
        ] {
            assert_eq!(hasher.check(password(typed), known).await.expect("check"), right);
        }
        assert!(hasher.check(password("a long sentence"), Some("x".to_owned())).await.is_err());
    }

    #[tokio::test]
    async fn nobody_waits_for_ever() {
        let hasher = Hasher { patience: Duration::ZERO, ..Hasher::default() };
        let turns = Arc::clone(&hasher.turns);
        let _all = turns.acquire_many_owned(2).await.expect("turns");
        let fault = hasher.check("a long sentence".parse().expect("valid"), None).await;
        assert_eq!(fault.expect_err("busy").kind, FaultKind::Unavailable);
    }
}
