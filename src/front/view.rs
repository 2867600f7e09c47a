//! The latest snapshot. Hot paths read it without waiting; core alone replaces it, whole.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};

use crate::wire::{Snapshot, Zone};

/// What front serves now.
#[derive(Debug)]
pub struct View {
    current: ArcSwap<Snapshot>,
    changed: tokio::sync::watch::Sender<u64>,
}

impl View {
    /// A view of an empty house, until the first snapshot.
    #[must_use]
    pub fn empty() -> Self {
        let empty = Snapshot {
            generation: 0,
            zone: Zone { serial: 0, rooms: Vec::new() },
            routes: Vec::new(),
            leases: Vec::new(),
            certificates: Vec::new(),
        };
        Self { current: ArcSwap::from_pointee(empty), changed: tokio::sync::watch::Sender::new(0) }
    }

    /// The snapshot to serve from. Keep it for one request, not longer.
    pub fn now(&self) -> Guard<Arc<Snapshot>> {
        self.current.load()
    }

    /// Serves `snapshot` from now on, unless it is older than what is served.
    pub fn replace(&self, snapshot: Snapshot) {
        let generation = snapshot.generation;
        if generation > self.now().generation || generation == 0 {
            self.current.store(Arc::new(snapshot));
            self.changed.send_replace(generation);
        }
    }

    /// Tells of each new generation; for services that index the snapshot.
    pub fn changes(&self) -> tokio::sync::watch::Receiver<u64> {
        self.changed.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(generation: u64, serial: u32) -> Snapshot {
        Snapshot {
            generation,
            zone: Zone { serial, rooms: Vec::new() },
            routes: Vec::new(),
            leases: Vec::new(),
            certificates: Vec::new(),
        }
    }

    #[test]
    fn only_newer_snapshots_are_served_and_told_of() {
        let view = View::empty();
        let mut changes = view.changes();
        for (generation, serial, served) in [(3, 30, 30), (3, 31, 30), (2, 20, 30), (4, 40, 40)] {
            view.replace(of(generation, serial));
            assert_eq!(view.now().zone.serial, served, "{generation}");
            let told = changes.has_changed().expect("the view is there");
            assert_eq!(told, serial == served, "{generation}");
            changes.mark_unchanged();
        }
    }
}
