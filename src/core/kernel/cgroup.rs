//! A room's share of the machine (cgroups(7)), on v2 and on hybrid hierarchies.
//!
//! ```text
//! HOUSE/ID        limits; owned by root
//! HOUSE/ID/room   the room's own root, delegated to its uid base; pid 1 is cloned into it
//! ```
//!
//! The limits sit one level above what the room owns, so its root cannot lift them. On a hybrid
//! machine the controllers are on v1 hierarchies that the room cannot write to either (their
//! files belong to the host's root, whom the room's user namespace does not map), and
//! `HOUSE/ID/room` is in the controller-less v2 tree.
//!
//! cgroups-rs skips a missing v2 controller without a word, so every limit is read back.

use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cgroups_rs::fs::cpu::CpuController;
use cgroups_rs::fs::hierarchies;
use cgroups_rs::fs::memory::MemController;
use cgroups_rs::fs::pid::PidController;
use cgroups_rs::fs::{Cgroup, MaxValue};

use rustix::fs::{FlockOperation, XattrFlags, fgetxattr, flock, fsetxattr};

use super::process::{self, Process};
use crate::model::{Limits, RoomId, UidRange};

/// Controllers every room is held by.
const CONTROLLERS: [&str; 3] = ["memory", "pids", "cpu"];
/// The v2 tree of a hybrid machine (systemd's convention), and of a unified one.
const V2_ROOTS: [&str; 2] = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"];
/// The period a cpu quota is counted over, in microseconds.
const CPU_PERIOD: u64 = 100_000;
/// How long processes that are no longer listed may take to end.
const ENDING: Duration = Duration::from_secs(2);
/// How long killed processes may take to be gone.
const KILLED: Duration = Duration::from_secs(10);
/// Where a branch says whose it is (xattr(7)): the house's state folder.
const OWNER: &str = "trusted.piaule";
/// Where a room's cgroup says which pid 1 of it has been ready.
const READY: &str = "trusted.piaule.ready";

/// What could not be done to a room's cgroup.
#[derive(Debug, thiserror::Error)]
pub enum CgroupError {
    #[error("no cgroup v2 hierarchy is mounted under /sys/fs/cgroup")]
    NoUnified,
    #[error(
        "the cgroup {path} belongs to {owner}: give this house another name (`cgroup` in the settings)"
    )]
    Claimed { path: PathBuf, owner: String },
    #[error("cannot {doing} the cgroup {path}")]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
    #[error("cannot set the {limit} limit")]
    Set { limit: &'static str, source: cgroups_rs::fs::error::Error },
    #[error(
        "the {0} limit did not take: the kernel or the machine's hierarchy lacks the controller"
    )]
    NotTaken(&'static str),
}

fn at<'a>(doing: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> CgroupError + 'a {
    move |source| CgroupError::Io { doing, path: path.to_owned(), source }
}

/// The house's branch of the hierarchy.
#[derive(Debug, Clone)]
pub struct Cgroups {
    house: String,
    /// The house's directory in the v2 tree.
    unified: PathBuf,
    /// The house's directory in each v1 hierarchy; none on a unified machine.
    v1: Vec<PathBuf>,
    /// Locked while a core or a dismantling works here.
    _claim: Arc<File>,
}

/// Where a room's processes are put.
#[derive(Debug)]
pub struct Placement {
    /// The v2 directory to clone pid 1 into.
    pub unified: File,
    /// The v1 `cgroup.procs` files to write its pid to.
    pub v1_procs: Vec<PathBuf>,
}

impl Cgroups {
    /// Finds out how this machine mounts its hierarchies, and claims the branch `house` for the
    /// house whose state is in `state`.
    ///
    /// # Errors
    /// Without a v2 tree, or when the branch is another house's.
    pub fn open(house: &str, state: &Path) -> Result<Self, CgroupError> {
        let is_v2 = |root: &&&str| {
            rustix::fs::statfs(**root)
                .is_ok_and(|stat| stat.f_type == nix::libc::CGROUP2_SUPER_MAGIC)
        };
        let root = V2_ROOTS.iter().find(is_v2).ok_or(CgroupError::NoUnified)?;
        let v1 = if hierarchies::is_cgroup2_unified_mode() {
            Vec::new()
        } else {
            CONTROLLERS
                .iter()
                .map(|name| Path::new("/sys/fs/cgroup").join(name).join(house))
                .collect()
        };
        let unified = Path::new(root).join(house);
        let claim = claim(&unified, state)?;
        for path in &v1 {
            fs::create_dir_all(path).map_err(at("create", path))?;
        }
        Ok(Self { house: house.to_owned(), unified, v1, _claim: Arc::new(claim) })
    }

    /// Makes a room's cgroups with its limits, or sets the limits of those that are there.
    ///
    /// # Errors
    /// When one cannot be made or a limit does not take.
    pub fn create(
        &self,
        room: RoomId,
        uids: UidRange,
        limits: &Limits,
    ) -> Result<Placement, CgroupError> {
        let name = format!("{}/{room}", self.house);
        let controllers = CONTROLLERS.map(str::to_owned).to_vec();
        let cgroup =
            Cgroup::new_with_specified_controllers(hierarchies::auto(), &name, Some(controllers))
                .map_err(|source| CgroupError::Set { limit: "cgroup", source })?;
        set_limits(&cgroup, limits)?;
        let inner = self.inner(room);
        // What an earlier run of the room left below would be in its init's way.
        remove_below(&inner).map_err(at("clean", &inner))?;
        fs::create_dir_all(&inner).map_err(at("create", &inner))?;
        if self.v1.is_empty() {
            let control = self.unified.join(room.to_string()).join("cgroup.subtree_control");
            fs::write(&control, "+memory +pids +cpu")
                .map_err(at("delegate controllers of", &control))?;
        }
        delegate(&inner, uids)?;
        let v1_procs =
            self.v1.iter().map(|house| house.join(room.to_string()).join("cgroup.procs")).collect();
        let unified = File::open(&inner).map_err(at("open", &inner))?;
        Ok(Placement { unified, v1_procs })
    }

    /// Removes a room's cgroups; they may not be there. Its processes must have ended.
    ///
    /// # Errors
    /// When one is still in use.
    pub fn remove(&self, room: RoomId) -> Result<(), CgroupError> {
        for house in std::iter::once(&self.unified).chain(&self.v1) {
            let path = house.join(room.to_string());
            remove_tree(&path).map_err(at("remove", &path))?;
        }
        Ok(())
    }

    /// Removes the house's own branch, once no room is left in it.
    ///
    /// # Errors
    /// When a room is.
    pub fn remove_house(&self) -> Result<(), CgroupError> {
        for house in std::iter::once(&self.unified).chain(&self.v1) {
            remove_tree(house).map_err(at("remove", house))?;
        }
        Ok(())
    }

    /// The room whose pid 1 the process `pid` is, by the cgroup it is in.
    #[must_use]
    pub fn room_of_init(&self, pid: i32) -> Option<RoomId> {
        let process = Process::open(pid).filter(Process::is_init)?;
        let text = fs::read_to_string(format!("/proc/{}/cgroup", process.pid())).ok()?;
        room_in(&text, &self.house)
    }

    /// Notes that a room's pid 1 said it is ready: it says so once, perhaps to a core that ends
    /// before the next one needs to know.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn mark_ready(&self, room: RoomId, pid: i32) -> Result<(), CgroupError> {
        let path = self.unified.join(room.to_string());
        let mark = || {
            let directory = File::open(&path)?;
            fsetxattr(&directory, READY, pid.to_string().as_bytes(), XattrFlags::empty())?;
            Ok(())
        };
        mark().map_err(at("mark", &path))
    }

    /// Whether a room's pid 1 has said that it is ready.
    #[must_use]
    pub fn is_ready(&self, room: RoomId, pid: i32) -> bool {
        let mut value = [0; 16];
        File::open(self.unified.join(room.to_string()))
            .and_then(|directory| Ok(fgetxattr(&directory, READY, &mut value)?))
            .is_ok_and(|length| value[..length] == *pid.to_string().as_bytes())
    }

    /// The rooms that have a cgroup.
    #[must_use]
    pub fn rooms(&self) -> Vec<RoomId> {
        std::iter::once(&self.unified)
            .chain(&self.v1)
            .flat_map(|house| subdirectories(house))
            .filter_map(|path| path.file_name()?.to_str()?.parse().ok())
            .collect::<std::collections::BTreeSet<RoomId>>()
            .into_iter()
            .collect()
    }

    /// Whether anything of a room's cgroups is there.
    #[must_use]
    pub fn exists(&self, room: RoomId) -> bool {
        std::iter::once(&self.unified)
            .chain(&self.v1)
            .any(|house| house.join(room.to_string()).exists())
    }

    /// The `cgroup.procs` files to write to, to join the process whose /proc/PID/cgroup is
    /// `text` (cgroups(7)).
    #[must_use]
    pub fn procs_of(&self, text: &str) -> Vec<PathBuf> {
        let unified = self.unified.parent().map(Path::to_owned).unwrap_or_default();
        text.lines()
            .filter_map(|line| {
                let mut fields = line.splitn(3, ':').skip(1);
                let (controllers, path) = (fields.next()?, fields.next()?.trim_start_matches('/'));
                let root = match controllers {
                    "" => unified.clone(),
                    name if CONTROLLERS.contains(&name) && !self.v1.is_empty() => {
                        Path::new("/sys/fs/cgroup").join(name)
                    }
                    _ => return None,
                };
                Some(root.join(path).join("cgroup.procs"))
            })
            .collect()
    }

    /// The host pids of all of a room's processes.
    #[must_use]
    pub fn processes(&self, room: RoomId) -> Vec<i32> {
        let mut pids = Vec::new();
        collect_processes(&self.inner(room), &mut pids);
        pids
    }

    /// Kills all of a room's processes and waits until they are gone, a while at most.
    pub async fn end(&self, room: RoomId) {
        let begun = Instant::now();
        loop {
            let pids = self.processes(room);
            if pids.is_empty() || begun.elapsed() > KILLED {
                return;
            }
            pids.into_iter().for_each(process::kill);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Bytes of memory a room uses, its page cache included.
    #[must_use]
    pub fn memory_used(&self, room: RoomId) -> Option<u64> {
        let path = match self.v1.first() {
            Some(memory) => memory.join(room.to_string()).join("memory.usage_in_bytes"),
            None => self.unified.join(room.to_string()).join("memory.current"),
        };
        fs::read_to_string(path).ok()?.trim().parse().ok()
    }

    /// Processor time a room has used, in milliseconds.
    #[must_use]
    pub fn cpu_used_ms(&self, room: RoomId) -> Option<u64> {
        // cpu.stat is there without the controller, on hybrid machines too.
        let stat = fs::read_to_string(self.unified.join(room.to_string()).join("cpu.stat")).ok()?;
        let micros = stat.lines().find_map(|line| line.strip_prefix("usage_usec "))?;
        micros.trim().parse::<u64>().ok().map(|micros| micros / 1000)
    }

    fn inner(&self, room: RoomId) -> PathBuf {
        self.unified.join(room.to_string()).join("room")
    }
}

/// The room that the v2 line of a /proc/PID/cgroup (cgroups(7)) is about.
fn room_in(text: &str, house: &str) -> Option<RoomId> {
    let path = text.lines().find_map(|line| line.strip_prefix("0::/"))?;
    path.strip_prefix(house)?.strip_prefix('/')?.split('/').next()?.parse().ok()
}

/// Locks the house's branch and marks whose it is. Two houses on one branch would each take the
/// other's rooms for strays.
fn claim(branch: &Path, state: &Path) -> Result<File, CgroupError> {
    fs::create_dir_all(branch).map_err(at("create", branch))?;
    let directory = File::open(branch).map_err(at("open", branch))?;
    let claimed = |owner: String| CgroupError::Claimed { path: branch.to_owned(), owner };
    flock(&directory, FlockOperation::NonBlockingLockExclusive)
        .map_err(|_| claimed("a house that is running".to_owned()))?;
    let mut owner = [0; 4096];
    match fgetxattr(&directory, OWNER, &mut owner) {
        Ok(length) if &owner[..length] != state.as_os_str().as_bytes() => {
            let owner = String::from_utf8_lossy(&owner[..length]).into_owned();
            Err(claimed(format!("the house in {owner}")))
        }
        Ok(_) => Ok(directory),
        Err(_) => fsetxattr(&directory, OWNER, state.as_os_str().as_bytes(), XattrFlags::empty())
            .map(|()| directory)
            .map_err(|error| at("mark", branch)(error.into())),
    }
}

fn set_limits(cgroup: &Cgroup, limits: &Limits) -> Result<(), CgroupError> {
    let set = |limit| move |source| CgroupError::Set { limit, source };
    let memory = i64::try_from(limits.memory.0).unwrap_or(i64::MAX);
    let controller: &MemController =
        cgroup.controller_of().ok_or(CgroupError::NotTaken("memory"))?;
    // v1 refuses a memory limit above the memory and swap limit, and the other way round; a
    // limit that shrinks or grows passes with the two tried in either order.
    let swap = if cgroup.v2() { 0 } else { memory };
    if controller.set_limit(memory).is_err() {
        controller.set_memswap_limit(swap).map_err(set("swap"))?;
        controller.set_limit(memory).map_err(set("memory"))?;
    }
    controller.set_memswap_limit(swap).map_err(set("swap"))?;
    if controller.memory_stat().limit_in_bytes != memory {
        return Err(CgroupError::NotTaken("memory"));
    }

    let pids: &PidController = cgroup.controller_of().ok_or(CgroupError::NotTaken("pids"))?;
    let wanted = MaxValue::Value(limits.pids.into());
    pids.set_pid_max(wanted).map_err(set("pids"))?;
    if pids.get_pid_max().map_err(set("pids"))? != wanted {
        return Err(CgroupError::NotTaken("pids"));
    }

    let cpu: &CpuController = cgroup.controller_of().ok_or(CgroupError::NotTaken("cpu"))?;
    let quota = i64::from(limits.cpu_millis) * i64::try_from(CPU_PERIOD / 1000).unwrap_or(100);
    cpu.set_cfs_quota_and_period(Some(quota), Some(CPU_PERIOD)).map_err(set("cpu"))?;
    if cpu.cfs_quota().map_err(set("cpu"))? != quota {
        return Err(CgroupError::NotTaken("cpu"));
    }
    Ok(())
}

/// Gives a v2 directory to the room's root: the directory itself and the three files the kernel
/// names as delegatable (cgroup-v2, "Model of Delegation").
fn delegate(inner: &Path, uids: UidRange) -> Result<(), CgroupError> {
    for file in ["", "cgroup.procs", "cgroup.threads", "cgroup.subtree_control"] {
        let path = inner.join(file);
        chown(&path, Some(uids.base()), Some(uids.base())).map_err(at("delegate", &path))?;
    }
    Ok(())
}

fn subdirectories(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}

fn collect_processes(path: &Path, pids: &mut Vec<i32>) {
    let text = fs::read_to_string(path.join("cgroup.procs")).unwrap_or_default();
    pids.extend(text.lines().filter_map(|line| line.parse::<i32>().ok()));
    for below in subdirectories(path) {
        collect_processes(&below, pids);
    }
}

/// Removes the cgroups below `path`, deepest first.
fn remove_below(path: &Path) -> io::Result<()> {
    subdirectories(path).iter().try_for_each(|below| remove_tree(below))
}

/// Removes a cgroup and those below it; it may not be there. Processes that are ending are no
/// longer listed, yet keep it busy for an instant.
fn remove_tree(path: &Path) -> io::Result<()> {
    remove_below(path)?;
    let begun = Instant::now();
    loop {
        match fs::remove_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error)
                if error.kind() == io::ErrorKind::ResourceBusy && begun.elapsed() < ENDING =>
            {
                std::thread::sleep(Duration::from_millis(1));
            }
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_in_the_room_its_cgroup_says() {
        let hybrid = "4:memory:/piaule/7\n0::/piaule/7/room/init.scope\n";
        assert_eq!(room_in(hybrid, "piaule"), Some(RoomId(7)));
        assert_eq!(room_in("0::/piaule/7/room", "piaule"), Some(RoomId(7)));
        assert_eq!(room_in(hybrid, "pia"), None);
        assert_eq!(room_in("0::/user.slice\n", "piaule"), None);
        assert_eq!(room_in("4:memory:/piaule/7\n", "piaule"), None);
    }
}
