//! What a house has made on the host, object by object: two pictures differ by exactly what came
//! or went in between.
//!
//! Of a machine on which other houses may stand, only this one's part is looked at: its network
//! namespace, its folder, its cgroups, the processes in either.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use super::House;

/// What the kernel ends in its own time: dead network namespaces, dropped subvolumes.
const SETTLING: Duration = Duration::from_secs(15);

/// One process of the house.
#[derive(Debug, Clone)]
pub struct Process {
    pub pid: i32,
    pub uid: u32,
    pub name: String,
    /// Its number in the innermost pid namespace.
    pub inner: i32,
    /// Its pid namespace, as `/proc/PID/ns/pid` names it.
    pub pids: String,
}

/// Objects and how many there are of each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture(BTreeMap<String, usize>);

/// What to look at with a program, and how to see of it what does not change by itself.
/// `$1` folder, `$2` cgroup.
const LOOKS: [(&str, &str); 14] = [
    ("link", "ip -oneline link | sed 's/^[0-9]*: //; s/ qlen [0-9]*//'"),
    ("address", "ip -oneline address | sed 's/^[0-9]*: //; s/ tentative//; s/ *valid_lft.*//'"),
    ("neighbour", "ip neigh show nud permanent"),
    ("route", "ip -4 route show table all; ip -6 route show table all"),
    ("rule", "ip rule"),
    ("nft", "nft list ruleset"),
    ("setting", "grep -r . /proc/sys/net/ipv4/conf /proc/sys/net/ipv4/ip_forward"),
    ("socket", "ss -H -l -n -t -u | awk '{ print $1, $5 }'"),
    ("mount", "grep -F \"$1/\" /proc/self/mountinfo | cut -d ' ' -f 4-"),
    ("loop", "losetup --list --noheadings --output BACK-FILE | grep -F \"$1/\""),
    ("cgroup", "find /sys/fs/cgroup -type d -path \"*/$2*\""),
    ("subvolume", "btrfs subvolume list \"$1/pool\" | awk '{ print $NF }'"),
    // The kernel's cleaner takes a dropped subvolume's group away after a commit.
    (
        "quota",
        "btrfs filesystem sync \"$1/pool\"; btrfs qgroup show \"$1/pool\" | awk '/^0/ { print $1 }'",
    ),
    ("file", "find \"$1/state\" \"$1/run\"; find \"$1/pool\" -maxdepth 3"),
];

impl House {
    /// The picture of now.
    pub fn picture(&self) -> Picture {
        let mut seen = BTreeMap::new();
        let mut see = |kind: &str, object: &str| {
            *seen.entry(format!("{kind}: {object}")).or_default() += 1;
        };
        for (kind, look) in LOOKS {
            let folder = self.folder().display().to_string();
            let words = ["sh", "-c", look, "sh", &folder, self.cgroup()];
            // grep finds nothing where there is nothing.
            self.on_host(&words).out.lines().for_each(|line| see(kind, line));
        }
        for process in self.processes() {
            see("process", &format!("{} of uid {}", process.name, process.uid));
        }
        for name in self.manager.stored() {
            see("stored descriptor", &name);
        }
        for held in self.core_holds() {
            see("core holds", &held);
        }
        Picture(seen)
    }

    /// What core has open that stands for something in the kernel; not sockets and files, which
    /// come and go with each command.
    fn core_holds(&self) -> Vec<String> {
        let Ok(fds) = fs::read_dir(format!("/proc/{}/fd", self.core())) else { return Vec::new() };
        let targets = fds.flatten().filter_map(|fd| fs::read_link(fd.path()).ok());
        let text = targets.map(|target| target.display().to_string());
        text.filter(|target| target.contains("pidfd") || target.starts_with("/dev/pt")).collect()
    }

    /// The living processes in the house's network namespace or cgroups.
    pub fn processes(&self) -> Vec<Process> {
        let home = self.network_namespace();
        let pids = fs::read_dir("/proc").expect("/proc").flatten();
        pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter_map(|pid| process(pid, &home, self.cgroup()))
            .collect()
    }

    /// Waits until the host is as in `before`.
    #[track_caller]
    pub fn is_again(&self, before: &Picture) {
        let begun = Instant::now();
        loop {
            let changes = before.changes(&self.picture());
            if changes.is_empty() {
                return;
            }
            let late = begun.elapsed() > SETTLING;
            assert!(!late, "the host is not as it was:\n{}", changes.join("\n"));
        }
    }
}

impl Picture {
    /// What is gone and what is left in `now`, a line each.
    pub fn changes(&self, now: &Self) -> Vec<String> {
        let count = |picture: &Self, object: &str| picture.0.get(object).copied().unwrap_or(0);
        let mut objects: Vec<&String> = self.0.keys().chain(now.0.keys()).collect();
        objects.sort();
        objects.dedup();
        objects
            .into_iter()
            .filter_map(|object| match (count(self, object), count(now, object)) {
                (before, after) if before > after => Some(format!("gone: {object}")),
                (before, after) if before < after => Some(format!("left: {object}")),
                _ => None,
            })
            .collect()
    }
}

/// The process, when it lives and is of the house.
fn process(pid: i32, home: &str, cgroup: &str) -> Option<Process> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.map(str::trim)
    };
    if field("State:")?.starts_with('Z') {
        return None;
    }
    let link = |name: &str| {
        let target = fs::read_link(format!("/proc/{pid}/ns/{name}")).ok()?;
        Some(target.display().to_string())
    };
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    let ours = link("net")? == home || groups.contains(&format!("/{cgroup}/"));
    ours.then_some(())?;
    Some(Process {
        pid,
        uid: field("Uid:")?.split_whitespace().next()?.parse().ok()?,
        name: field("Name:")?.to_owned(),
        inner: field("NSpid:")?.split_whitespace().last()?.parse().ok()?,
        pids: link("pid")?,
    })
}
