//! Core is killed.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use super::job::Job;
use super::traces::Traces;
use super::{NAME, Scene};
use crate::house::patience::{PATIENCE, until, within};
use crate::house::picture::Picture;

/// When core is killed.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// Right after its own word that this step is done.
    After(&'static str),
    /// So many milliseconds after it accepted the job.
    At(u64),
}

/// What was there when core was dead, and whether it had ended the job.
type Caught = (bool, Traces);

impl Scene {
    /// Sends a command and kills core then; the job's number, and what was caught.
    fn kill_core(&self, moment: Moment, command: &Value) -> (u64, Caught) {
        let mut job = Job::accept(&self.house, command);
        let unfinished = match moment {
            Moment::After(step) => job.after(step),
            Moment::At(milliseconds) => {
                job.let_pass(Duration::from_millis(milliseconds));
                true
            }
        };
        self.house.manager.kill();
        let mut traces = self.traces(None);
        // A helper of core's may need an instant to die with it.
        traces.strangers.clear();
        eprintln!("killed {moment:?}: {traces:?}");
        (job.id, (unfinished, traces))
    }

    /// A creation during which core is killed, to its good end and to the room's.
    fn survive_creation(&self, moment: Moment, before: &Picture) -> Caught {
        let creation = self.creation();
        let (job, caught) = self.kill_core(moment, &creation);
        self.revive();
        self.await_done(job, "ready");
        self.is_whole();
        self.remove();
        self.house.is_again(before);
        caught
    }
}

#[test]
fn a_creation_goes_on_after_each_step() {
    let scene = Scene::open();
    let before = scene.house.picture();
    for step in ["publish", "network", "layer", "launch"] {
        let (unfinished, _) = scene.survive_creation(Moment::After(step), &before);
        assert!(unfinished, "{step}: core was killed too late");
    }
    scene.survive_creation(Moment::After("ready"), &before);
}

#[test]
fn a_creation_goes_on_from_any_instant() {
    let scene = Scene::open();
    let before = scene.house.picture();
    let caught: BTreeSet<Caught> =
        (0..=120).step_by(6).map(|at| scene.survive_creation(Moment::At(at), &before)).collect();
    // Nothing yet, a layer at least, and an init.
    assert!(caught.len() >= 3, "the instants are not spread over the creation: {caught:?}");
}

#[test]
fn a_stage_does_not_outlive_its_core() {
    let scene = Scene::open();
    let before = scene.house.picture();
    for _ in 0..4 {
        let core = scene.house.core();
        let held = std::thread::spawn(move || hold_stage(core));
        let job = Job::accept(&scene.house, &scene.creation());
        let stage = held.join().expect("a stage is held");
        scene.house.manager.kill();
        scene.revive();
        // One that core's end did not kill goes on now, beside the next core's.
        let _ = kill(stage, Signal::SIGCONT);
        scene.await_done(job.id, "ready");
        scene.is_whole();
        scene.remove();
        scene.house.is_again(&before);
    }
}

/// Stops the next stage of core's in the middle of its work; its pid.
fn hold_stage(core: i32) -> Pid {
    within(PATIENCE, "a stage", || {
        let tasks = fs::read_dir(format!("/proc/{core}/task")).ok()?.flatten();
        let children =
            tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
        let children: Vec<i32> = children
            .flat_map(|text| text.split(' ').filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>())
            .collect();
        let is_stage = |pid: &i32| {
            fs::read(format!("/proc/{pid}/cmdline"))
                .is_ok_and(|line| line.starts_with(b"piaule-stage\0"))
        };
        let stage = Pid::from_raw(children.into_iter().find(is_stage)?);
        kill(stage, Signal::SIGSTOP).ok().map(|()| stage)
    })
}

#[test]
fn a_destruction_goes_on_from_any_instant() {
    let scene = Scene::open();
    let before = scene.house.picture();
    let command = json!({ "room_destroy": { "name": NAME } });
    let steps = ["publish", "stop", "release", "erase", "network", "forget"].map(Moment::After);
    for moment in steps.into_iter().chain((0..=400).step_by(50).map(Moment::At)) {
        scene.make();
        scene.kill_core(moment, &command);
        scene.revive();
        until("the room is forgotten", || {
            (scene.house.piaule(&["show", NAME]).status == 4).then_some(())
        });
        scene.house.is_again(&before);
    }
}

#[test]
fn a_stop_goes_on_from_any_instant() {
    let scene = Scene::open();
    scene.make();
    let command = json!({ "room_stop": { "name": NAME } });
    let steps = ["publish", "stop", "release", "network"].map(Moment::After);
    for moment in steps.into_iter().chain((0..=400).step_by(50).map(Moment::At)) {
        let (job, _) = scene.kill_core(moment, &command);
        scene.revive();
        scene.await_done(job, "network");
        assert_eq!(scene.house.ask(&["show", NAME])["phase"], "stopped", "{moment:?}");
        scene.comes_to(&Traces::of_one_off());
        scene.house.piaule(&["start", NAME]).ok();
        scene.is_whole();
    }
}

#[test]
fn a_key_is_added_all_the_same() {
    let scene = Scene::open();
    scene.make();
    for (number, moment) in [0, 2, 4, 6, 8, 12, 16, 24, 32].map(Moment::At).into_iter().enumerate()
    {
        let key = scene.house.key(&format!("added-{number}"));
        let text = fs::read_to_string(format!("{key}.pub")).expect("a key");
        let command = json!({ "key_add": { "name": NAME, "key": text.trim() } });
        let (job, _) = scene.kill_core(moment, &command);
        scene.revive();
        scene.await_done(job, "keys");
        assert!(scene.signs_in(&key), "{moment:?}: the job is done, so the key opens");
    }
    scene.is_whole();
}

#[test]
fn a_neighbour_notices_nothing() {
    let scene = Scene::open();
    let owner = scene.house.account("neighbour");
    let key = format!("{}.pub", scene.key);
    scene.house.piaule(&["create", "calm", "--owner", &owner, "--key", &key]).ok();
    let inits = |scene: &Scene| -> BTreeSet<i32> {
        let all = scene.house.processes();
        all.iter().filter(|process| process.inner == 1).map(|process| process.pid).collect()
    };
    let calm = inits(&scene);
    assert_eq!(calm.len(), 1);
    let creation = scene.creation();
    let (job, _) = scene.kill_core(Moment::After("layer"), &creation);
    assert_eq!(scene.house.site("calm"), "200", "front serves without core");
    scene.house.manager.launch();
    within(Duration::from_secs(20), "core is back, and served meanwhile", || {
        assert_eq!(scene.house.site("calm"), "200");
        scene.house.piaule(&["status"]).is_ok().then_some(())
    });
    scene.house.manager.await_ready();
    scene.await_done(job, "ready");
    until("the new room's page", || (scene.house.site(NAME) == "200").then_some(()));
    assert!(inits(&scene).is_superset(&calm), "the neighbour's init is another one");
    assert_eq!(inits(&scene).len(), 2);
}
