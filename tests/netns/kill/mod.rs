//! kill -9 of core and of front, at every step of what they do. The product has no hook for it:
//! core is killed right after the event that tells of a step, and at instants spread over a job.
//! Then core is started again, and what was accepted must become true, with nothing made twice
//! and nothing left behind.

mod core;
mod front;
mod job;
mod traces;

use std::time::Instant;

use serde_json::{Value, json};

use crate::house::House;
use crate::house::patience::{PATIENCE, until};
use job::Job;
use traces::Traces;

/// The room that lives through it.
const NAME: &str = "phoenix";

/// A house whose core and front are killed, and somebody who may have a room there.
struct Scene {
    house: House,
    owner: String,
    key: String,
}

impl Scene {
    fn open() -> Self {
        let house = House::own();
        let owner = house.account("sam");
        let key = house.key("sam");
        Self { house, owner, key }
    }

    /// The command that makes the room.
    fn creation(&self) -> Value {
        json!({ "room_create": {
            "name": NAME, "template": "light", "owner": self.owner, "keys": [self.public_key()],
        }})
    }

    fn public_key(&self) -> String {
        let text = std::fs::read_to_string(format!("{}.pub", self.key)).expect("a key");
        text.trim().to_owned()
    }

    /// The room, made without disturbance.
    fn make(&self) {
        let mut job = Job::accept(&self.house, &self.creation());
        assert_eq!(job.end()["state"], "done");
    }

    fn remove(&self) {
        self.house.piaule(&["destroy", NAME, "--yes"]).ok();
    }

    /// Core comes again after its kill, with what its manager kept for it.
    fn revive(&self) {
        self.house.manager.start();
    }

    fn signs_in(&self, key: &str) -> bool {
        let view = self.house.ask(&["show", NAME]);
        let ports = view["ports"].as_array().expect("ports");
        let ssh = ports.iter().find(|port| port["room"] == 22).expect("a port for ssh");
        let port = ssh["public"].as_u64().and_then(|port| port.try_into().ok()).expect("a port");
        self.house.ssh(port, key, "student", &["true"]).is_ok()
    }

    /// Waits until the job has ended as done, its last step in the record.
    fn await_done(&self, job: u64, last_step: &str) {
        let number = job.to_string();
        let view = until("the job's end", || {
            let view = self.house.ask(&["jobs", &number]);
            (view["state"] != "running").then_some(view)
        });
        assert_eq!(view["state"], "done", "{view}\n{}", self.house.log());
        let steps = view["steps"].as_array().expect("steps");
        let recorded =
            steps.iter().any(|step| step["name"] == last_step && step["state"] == "done");
        assert!(recorded, "{last_step} is not recorded: {view}");
    }

    /// The room runs, serves and lets its student in; there is one of everything it is made of,
    /// and nothing else.
    fn is_whole(&self) {
        let host = format!("{NAME}: its page");
        until(&host, || (self.house.site(NAME) == "200").then_some(()));
        assert_eq!(self.house.ask(&["show", NAME])["phase"], "running");
        assert!(self.signs_in(&self.key), "the student's key opens");
        self.comes_to(&Traces::of_one());
    }

    /// Waits until what is there of rooms is this: an earlier front may still be taking its leave.
    #[track_caller]
    fn comes_to(&self, wanted: &Traces) {
        let begun = Instant::now();
        loop {
            let seen = self.traces(Some(self.house.core()));
            if seen == *wanted {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{seen:?}\ninstead of {wanted:?}");
        }
    }
}
