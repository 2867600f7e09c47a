//! Templates.

use jiff::Timestamp;

use super::House;
use crate::core::store::{Actor, Store};
use crate::model::{JobKind, TemplateName};
use crate::wire::{Fault, Reply};

pub(super) async fn list(store: &Store) -> Result<Reply, Fault> {
    Ok(Reply::Templates(store.templates().await?))
}

pub(super) async fn build(
    store: &Store,
    house: &dyn House,
    actor: Actor,
    now: Timestamp,
    name: TemplateName,
) -> Result<Reply, Fault> {
    let job = store.job_start(actor, now, JobKind::Template, name.to_string()).await?;
    house.wake_template(job, name);
    Ok(Reply::Accepted { job })
}
