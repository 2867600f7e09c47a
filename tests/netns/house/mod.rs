//! A house to test: `piaule core` and its front in a network namespace that stands for the host,
//! a second one that stands for the Internet, and a service manager between core and the test.
//!
//! ```text
//!   namespace pl-t…-net            namespace pl-t…-host
//!   dig, curl, ssh ── eth0 ═ pub0 ── core, front, rooms      state, run, pool: one folder in /tmp
//!   203.0.113.2                 203.0.113.1
//! ```
//!
//! Houses of several tests and test processes run side by side. What a house made goes with it
//! when it is dropped, when its test panics, and when the test process is killed (see [`place`]).

pub mod client;
pub mod manager;
pub mod patience;
pub mod picture;
mod place;
pub mod program;
pub mod room;
mod template;

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use manager::Manager;
use place::Place;
use program::Outcome;
use serde_json::Value;

/// The house's public address.
pub const BOX: &str = "203.0.113.1";
/// The rooms' gateway.
pub const GATEWAY: &str = "192.168.200.1";
/// The zone of its rooms.
pub const ZONE: &str = "piaule.test";
/// Limits small enough to be reached in a test.
pub const LIMITS: &str = "[limits]\nmemory = \"256M\"\npids = 192\ndisk = \"96M\"\n";

/// The binary under test.
pub const PIAULE: &str = env!("CARGO_BIN_EXE_piaule");

pub struct House {
    // Dropped in this order: core ends, then the place is dismantled.
    pub manager: Manager,
    place: Place,
}

impl House {
    /// The house that tests share which leave it as it is: it lives while one of them holds it.
    pub fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<House>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let house = Arc::new(Self::own());
            *shared = Arc::downgrade(&house);
            house
        })
    }

    /// A house for one test, with the template and [`LIMITS`].
    pub fn own() -> Self {
        Self::with(LIMITS)
    }

    /// A house for one test, with the template and these settings besides the usual ones; a
    /// `[table]` last.
    pub fn with(settings: &str) -> Self {
        let house = Self::bare(settings);
        house.piaule(&["template", "import", "light", &template::file()]).ok();
        house
    }

    /// A house without a template.
    pub fn bare(settings: &str) -> Self {
        let place = Place::make(settings);
        let manager = Manager::new(place.core(), place.folder());
        manager.start();
        Self { manager, place }
    }

    fn place(&self) -> &Place {
        &self.place
    }

    /// The hardware address of the rooms' gateway.
    pub fn gateway_mac(&self) -> String {
        let link = self.on_host(&["ip", "-oneline", "link", "show", "dev", "pl-gw"]).ok();
        let mut words = link.split_whitespace().skip_while(|word| *word != "link/ether");
        words.nth(1).expect("a hardware address").to_owned()
    }

    /// The path of the namespace that stands for the Internet.
    pub fn internet_namespace(&self) -> String {
        self.place.internet.path()
    }

    /// Where state, run, pool and logs are.
    pub fn folder(&self) -> &Path {
        self.place.folder()
    }

    /// `piaule --socket … WORDS`.
    pub fn piaule(&self, words: &[&str]) -> Outcome {
        self.piaule_given(words, b"")
    }

    /// The same, with this on its standard input.
    pub fn piaule_given(&self, words: &[&str], input: &[u8]) -> Outcome {
        program::run(Command::new("timeout").arg("120").args(self.command(words)), input)
    }

    /// The words of that command line, for a test that runs it in its own way.
    pub fn command(&self, words: &[&str]) -> Vec<String> {
        let socket = self.folder().join("run/piaule.sock").display().to_string();
        let first = [PIAULE, "--socket", &socket];
        first.iter().chain(words).map(|word| (*word).to_owned()).collect()
    }

    /// `piaule --json WORDS`, which must do; the reply without its kind.
    pub fn ask(&self, words: &[&str]) -> Value {
        let mut all = vec!["--json"];
        all.extend(words);
        let reply: Value = serde_json::from_str(&self.piaule(&all).ok()).expect("JSON");
        match reply {
            Value::Object(map) => map.into_iter().next().map(|(_, value)| value).expect("a kind"),
            word => word,
        }
    }

    /// A command in the namespace that stands for the host, and its outcome.
    pub fn on_host(&self, words: &[&str]) -> Outcome {
        program::run(self.place.host.enter(words), b"")
    }

    /// A command in the namespace that stands for the Internet, and its outcome.
    pub fn on_internet(&self, words: &[&str]) -> Outcome {
        program::run(self.place.internet.enter(words), b"")
    }

    /// The name of the cgroup that holds its rooms.
    pub fn cgroup(&self) -> &str {
        &self.place.cgroup
    }

    /// The network namespace it is in, as `/proc/PID/ns/net` names it.
    pub fn network_namespace(&self) -> String {
        self.on_host(&["readlink", "/proc/self/ns/net"]).word()
    }

    /// The pid of core, as its service manager knows it.
    pub fn core(&self) -> i32 {
        self.manager.pid()
    }

    /// The pid of the front that serves, as core wrote it down.
    pub fn front(&self) -> i32 {
        let text = std::fs::read_to_string(self.folder().join("run/front.pid"));
        let text = text.expect("core writes front's pid");
        text.split(' ').next().and_then(|pid| pid.parse().ok()).expect("a pid")
    }

    /// What core and front wrote in their log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder().join("core.log")).unwrap_or_default()
    }
}
