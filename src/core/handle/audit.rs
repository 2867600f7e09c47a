//! The audit.

use crate::core::store::Store;
use crate::wire::{Fault, FaultKind, Reply};

/// Rows listed at most.
const MOST: u32 = 1000;

pub(super) async fn list(
    store: &Store,
    object: Option<String>,
    limit: u32,
) -> Result<Reply, Fault> {
    if !(1..=MOST).contains(&limit) {
        let sentence = format!("the number of audit rows is from 1 to {MOST}");
        return Err(Fault::new(FaultKind::Invalid, sentence));
    }
    Ok(Reply::Audit(store.audit(object, limit).await?))
}

pub(super) async fn verify(store: &Store) -> Result<Reply, Fault> {
    let rows = store.audit_verify().await?;
    Ok(Reply::Text(format!("the audit holds together, all {rows} rows of it")))
}
