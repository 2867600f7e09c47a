//! The house at a glance.

use super::{HandlerSettings, House};
use crate::core::store::Store;
use crate::model::Phase;
use crate::wire::{Fault, Reply, StatusView};

pub(super) async fn status(
    store: &Store,
    house: &dyn House,
    settings: &HandlerSettings,
) -> Result<Reply, Fault> {
    let accounts = store.accounts().await?.len();
    let rooms = store.rooms().await?;
    let phases: Vec<Phase> = rooms.iter().map(|room| house.live(room.id).phase).collect();
    let measured = house.status();
    Ok(Reply::Status(Box::new(StatusView {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        zone: settings.zone.clone(),
        panel: settings.panel.clone(),
        public_address: settings.public_address,
        accounts: count(accounts),
        rooms: count(rooms.len()),
        running: count(phases.iter().filter(|phase| **phase == Phase::Running).count()),
        failed: count(rooms.iter().filter(|room| room.problem.is_some()).count()),
        pool_size: measured.pool_size,
        pool_used: measured.pool_used,
        core_memory: measured.core_memory,
        front_memory: measured.front_memory,
        front_restarts: measured.front_restarts,
        warnings: measured.warnings,
    })))
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
