//! What there is of rooms on the host, counted.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::Scene;

/// Of the rooms of a house, all in all.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Traces {
    /// Processes that are the first of a pid namespace of their own.
    pub inits: usize,
    /// Rooms' directories in each hierarchy that has the house's: all numbers that occur.
    pub cgroups: BTreeSet<usize>,
    /// Rooms' subvolumes.
    pub layers: usize,
    /// Processes on the host besides core and the front that serves.
    pub strangers: Vec<String>,
}

impl Traces {
    /// Of one room that runs.
    pub fn of_one() -> Self {
        Self { inits: 1, cgroups: BTreeSet::from([1]), layers: 1, strangers: Vec::new() }
    }

    /// Of one room that is off.
    pub fn of_one_off() -> Self {
        Self { inits: 0, cgroups: BTreeSet::from([0]), ..Self::of_one() }
    }
}

impl Scene {
    /// What there is now, with core alive or dead.
    pub fn traces(&self, core: Option<i32>) -> Traces {
        let house = &self.house;
        let keepers = [core.unwrap_or_default(), house.front()];
        let (mut inits, mut strangers) = (0, Vec::new());
        for process in house.processes() {
            if process.inner == 1 {
                inits += 1;
            } else if process.inner == process.pid && !keepers.contains(&process.pid) {
                strangers.push(format!("{} ({})", process.name, process.pid));
            }
        }
        let cgroups = hierarchies(house.cgroup());
        let layers = numbered(&house.folder().join("pool/rooms"));
        Traces { inits, cgroups, layers, strangers }
    }
}

/// How many rooms each hierarchy has, among those that have the house.
fn hierarchies(house: &str) -> BTreeSet<usize> {
    let root = Path::new("/sys/fs/cgroup");
    let mounted = fs::read_dir(root).expect("cgroups").flatten().map(|entry| entry.path());
    mounted
        .chain([root.to_owned()])
        .map(|hierarchy| hierarchy.join(house))
        .filter(|path| path.is_dir())
        .map(|path| numbered(&path))
        .collect()
}

/// The folders in a folder that have a room's number for a name.
fn numbered(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_name().to_str().is_some_and(|name| name.parse::<u64>().is_ok()))
        .count()
}
