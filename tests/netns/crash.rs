//! Core and front killed: rooms and their visitors do not notice, or not for long.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::desk::assert_console_works;
use crate::house::patience::{until, within};
use crate::house::{BOX, House};

fn lives(house: &House, pid: i32) -> bool {
    house.processes().iter().any(|process| process.pid == pid)
}

/// Tells a visitor to leave, also when the test fails: the scope waits for it.
struct Leave<'test>(&'test AtomicBool);

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn front_killed_serves_again_within_a_second() {
    let house = House::own();
    let room = house.room("blink");
    assert_eq!(house.site("blink"), "200");
    for _ in 0..3 {
        let front = house.front();
        kill(Pid::from_raw(front), Signal::SIGKILL).expect("it runs");
        within(Duration::from_secs(1), "the site", || (house.site("blink") == "200").then_some(()));
        assert_eq!(house.dig(&[&room.host, "A"]), BOX);
        assert_ne!(house.front(), front);
    }
    assert_eq!(house.ask(&["status"])["front_restarts"], 3);
}

#[test]
fn core_killed_is_not_noticed() {
    let house = House::own();
    let room = house.room("steady");
    room.root("head -c 6000000 /dev/zero > /var/www/html/long").ok();
    let (core, front, init) = (house.core(), house.front(), room.init());
    let before = house.picture();
    let gone = AtomicBool::new(false);
    thread::scope(|scope| {
        let leave = Leave(&gone);
        let visitor = scope.spawn(|| {
            let mut answers = Vec::new();
            while !gone.load(Ordering::Relaxed) {
                answers.push(house.site("steady"));
            }
            answers
        });
        let download = scope.spawn(|| {
            let url = format!("https://{}/long", room.host);
            let slowly = ["--limit-rate", "1500k", "--output", "/dev/null", "--write-out"];
            let mut words = slowly.to_vec();
            words.extend(["%{size_download}", &url]);
            house.curl(&room.host, &words).word()
        });
        until("the download begins", || {
            let connected =
                house.on_host(&["ss", "-Htn", "state", "established", "sport", "=", ":443"]);
            connected.out.lines().next().map(|_| ())
        });

        house.manager.kill();
        assert_eq!(house.piaule(&["status"]).status, 6);
        assert!(lives(&house, init) && lives(&house, front));
        assert_eq!(house.site("steady"), "200");
        assert_eq!(house.dig(&[&room.host, "A"]), BOX);
        room.ssh(&["true"]).ok();

        house.manager.start();
        assert_ne!(house.core(), core);
        assert_eq!(room.view()["phase"], "running");
        assert_eq!(room.init(), init, "adopted, not started again");
        assert_ne!(house.front(), front, "a front of the new core's binary");
        assert_eq!(download.join().expect("a download"), "6000000", "the old front drained");
        until("the old front is gone", || (!lives(&house, front)).then_some(()));
        drop(leave);
        let answers = visitor.join().expect("a visitor");
        assert!(answers.iter().all(|answer| answer == "200"), "{answers:?}");
    });
    assert_console_works(&room);
    house.is_again(&before);
    room.does("restart");
    assert_ne!(room.init(), init);
    assert_eq!(house.site("steady"), "200");
}

#[test]
fn core_takes_up_what_changed_while_it_was_gone() {
    let house = House::own();
    let (off, on) = (house.room("off"), house.room("rebooted"));
    let first = on.init();
    house.manager.kill();
    off.ssh(&["sudo", "systemctl", "poweroff"]);
    on.ssh(&["sudo", "systemctl", "reboot"]);
    until("no init is left", || {
        house.processes().iter().all(|process| process.inner != 1).then_some(())
    });
    house.manager.start();
    // How they ended nobody saw: both were wanted on.
    for room in [&off, &on] {
        until("it runs again", || (room.view()["phase"] == "running").then_some(()));
        assert_eq!(house.site(&room.name), "200");
    }
    assert_ne!(on.init(), first);
}

#[test]
fn core_without_a_service_manager_takes_over_too() {
    let house = House::own();
    let room = house.room("orphan");
    let (front, init) = (house.front(), room.init());
    house.manager.kill();
    house.manager.lose_store();
    house.manager.start();
    assert_eq!(room.init(), init);
    until("the old front is gone", || (!lives(&house, front)).then_some(()));
    assert_eq!(house.site("orphan"), "200");
    room.ssh(&["true"]).ok();
    room.does("restart");
    assert_console_works(&room);
}

#[test]
fn core_ends_well_when_told_to() {
    let house = House::own();
    let room = house.room("upgrade");
    let init = room.init();
    let status = house.manager.stop();
    assert!(matches!(status, nix::sys::wait::WaitStatus::Exited(_, 0)), "{status:?}");
    assert_eq!(house.site("upgrade"), "200");
    house.manager.start();
    assert_eq!(room.init(), init);
}
