//! What a room may use at most: the kernel holds it there, and its root cannot lift it.

use std::fs;
use std::path::Path;

use crate::house::House;
use crate::house::room::Room;

/// As in [`crate::house::LIMITS`].
const MEMORY: u64 = 256 << 20;
const PIDS: u32 = 192;
const DISK: u64 = 96 << 20;

#[test]
fn a_writer_is_stopped_at_its_limit_alone() {
    let house = House::shared();
    let (writer, neighbour) = (house.room("writer"), house.room("neighbour"));
    let fill = "dd if=/dev/zero of=/root/fill bs=1M conv=fsync";
    let filled = writer.root(fill);
    assert!(filled.err.contains("Disk quota exceeded"), "{filled:?}");
    let size: u64 = writer.root("stat -c %s /root/fill").word().parse().expect("a size");
    assert!(size < DISK && size > DISK / 2, "{size} bytes of {DISK}");
    neighbour.root("dd if=/dev/zero of=/root/fill bs=1M count=40 conv=fsync").ok();

    writer.does("stop");
    writer.does("start");
    assert_eq!(house.site("writer"), "200", "full, it starts all the same");
    assert_eq!(writer.root("systemctl is-system-running --wait").word(), "running");
    writer.root("rm /root/fill && sync").ok();
    writer.root("dd if=/dev/zero of=/root/fill bs=1M count=40 conv=fsync").ok();
}

#[test]
fn memory_ends_inside_the_room() {
    let house = House::shared();
    let room = house.room("eater");
    let eaten = room.enter(&["perl", "-e", "my $x = 'a' x (400 << 20); print length $x"]);
    assert_eq!(eaten.status, 137, "{eaten:?}");
    room.enter(&["perl", "-e", "my $x = 'a' x (100 << 20); print length $x"]).ok();
    assert_eq!(house.site("eater"), "200", "the greedy process went, not the room");
    assert_held(&room, "memory", &["memory.max", "memory.limit_in_bytes"], &MEMORY.to_string());
}

#[test]
fn processes_run_out_in_the_room_alone() {
    let house = House::shared();
    let (forker, other) = (house.room("forker"), house.room("calm"));
    let fork = "$SIG{TERM} = 'DEFAULT'; my @p; while (@p < 1000) { my $p = fork; \
                last unless defined $p; unless ($p) { sleep 300; exit } push @p, $p } \
                print scalar @p; $| = 1; kill 'KILL', @p; waitpid $_, 0 for @p";
    let count: u32 = forker.enter(&["perl", "-e", fork]).word().parse().expect("a number");
    assert!(count < PIDS && count > PIDS / 2, "{count} processes of {PIDS}");
    other.enter(&["true"]).ok();
    assert_held(&forker, "pids", &["pids.max"], &PIDS.to_string());
}

#[test]
fn the_processor_is_shared_out() {
    let house = House::with("[limits]\ncpu_millis = 250\n");
    let room = house.room("busy");
    let burn = "for (1..2) { next if fork; my $end = time + 4; 1 while time < $end; exit } \
                wait; wait; my @t = times; print $t[2] + $t[3]";
    let used: f64 = room.enter(&["perl", "-e", burn]).word().parse().expect("seconds");
    // A quarter of a core for four to five seconds; without a limit, two cores' worth. On a busy
    // machine they get little more without one, but are not throttled then.
    assert!(used < 1.5, "{used} seconds of processor time");
    let told = of_rooms(&room, "cpu", &["cpu.stat"]).concat();
    let throttled = told.lines().find_map(|line| line.strip_prefix("nr_throttled "));
    assert!(throttled.is_some_and(|times| times != "0"), "{told}");
    assert_held(&room, "cpu", &["cpu.max", "cpu.cfs_quota_us"], "25000");
}

/// The limit is what it should be on the host; the room's root has tried to lift it.
#[track_caller]
fn assert_held(room: &Room<'_>, controller: &str, files: &[&str], wanted: &str) {
    let lift = format!(
        "mkdir -p /mnt/c; mount -t cgroup -o {controller} none /mnt/c; mount -t cgroup2 none /mnt/c; \
         for file in {files}; do \
            find / -xdev -name $file; find /sys/fs/cgroup /mnt/c -name $file; \
         done | sort -u | while read -r file; do \
            echo max > $file || echo -1 > $file || echo 99999999999 > $file; done; \
         for top in /sys/fs/cgroup /sys/fs/cgroup/.. /mnt/c /mnt/c/..; do \
            echo 1 > $top/cgroup.procs; mkdir $top/x; echo +{controller} > $top/cgroup.subtree_control; \
         done; true",
        files = files.join(" "),
    );
    let tried = room.root(&lift);
    let found = of_rooms(room, controller, files);
    assert!(!found.is_empty(), "no limit is found on the host");
    for text in found {
        let first = text.split_whitespace().next();
        assert_eq!(first, Some(wanted), "after {}{}", tried.out, tried.err);
    }
}

/// What files of the cgroups of the house's rooms hold, in whichever hierarchy they are.
fn of_rooms(room: &Room<'_>, controller: &str, files: &[&str]) -> Vec<String> {
    let roots = [Path::new("/sys/fs/cgroup").join(controller), "/sys/fs/cgroup".into()];
    let houses = roots.map(|root| fs::read_dir(root.join(room.house.cgroup())));
    let rooms = houses.into_iter().flatten().flatten().flatten();
    let paths = rooms.flat_map(|room| files.iter().map(move |file| room.path().join(file)));
    paths.filter_map(|path| fs::read_to_string(path).ok()).collect()
}
