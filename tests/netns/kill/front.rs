//! Front is killed.

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::Scene;
use super::job::Job;
use crate::house::patience::{PATIENCE, within};
use crate::house::{BOX, ZONE};

/// Within this, names and sites are served again.
const SERVICE: Duration = Duration::from_secs(1);

impl Scene {
    fn kill_front(&self) {
        kill(Pid::from_raw(self.house.front()), Signal::SIGKILL).expect("front is killed");
    }

    /// DNS and HTTPS answer, with whatever they have to say.
    fn service_is_back(&self) {
        let killed = Instant::now();
        let panel = format!("panel.{ZONE}");
        within(PATIENCE, "front serves", || (self.house.site("panel") != "000").then_some(()));
        assert_eq!(self.house.dig(&[&panel, "A"]), BOX);
        let away = killed.elapsed();
        assert!(away < SERVICE, "the service was away for {away:?}");
    }
}

#[test]
fn a_creation_goes_on_without_front() {
    let scene = Scene::open();
    let before = scene.house.picture();
    let steps = ["publish", "network", "layer", "launch", "ready"].map(Some);
    for step in std::iter::once(None).chain(steps) {
        let creation = scene.creation();
        let mut job = Job::accept(&scene.house, &creation);
        if let Some(step) = step {
            job.after(step);
        }
        scene.kill_front();
        scene.service_is_back();
        scene.await_done(job.id, "ready");
        scene.is_whole();
        scene.remove();
        scene.house.is_again(&before);
        // A front that keeps ending is started more slowly; a new core begins the count anew.
        scene.house.manager.stop();
        scene.house.manager.start();
    }
}
