//! A student's room in a house under test.

use std::net::Ipv4Addr;
use std::process::Command;

use serde_json::Value;

use super::program::{Outcome, run};
use super::{House, ZONE};

/// A room, destroyed when dropped.
pub struct Room<'house> {
    pub house: &'house House,
    pub name: String,
    pub host: String,
    pub owner: String,
    /// The path of the student's private key; `.pub` beside it.
    pub key: String,
    pub ssh_port: u16,
    pub address: Ipv4Addr,
    pub mac: String,
}

impl House {
    /// An account, its key, and its room, which is ready.
    pub fn room(&self, name: &str) -> Room<'_> {
        let owner = self.account(&format!("of-{name}"));
        let key = self.key(name);
        self.piaule(&["create", name, "--owner", &owner, "--key", &format!("{key}.pub")]).ok();
        let view = self.ask(&["show", name]);
        let text = |field: &str| view[field].as_str().expect(field).to_owned();
        let ports = view["ports"].as_array().expect("ports");
        let ssh = ports.iter().find(|port| port["room"] == 22).expect("a port for ssh");
        Room {
            house: self,
            name: name.to_owned(),
            host: format!("{name}.{ZONE}"),
            owner,
            key,
            ssh_port: ssh["public"].as_u64().and_then(|port| port.try_into().ok()).expect("port"),
            address: text("address").parse().expect("an address"),
            mac: text("mac"),
        }
    }

    /// An account; its login.
    pub fn account(&self, login: &str) -> String {
        let mail = format!("{login}@school.example");
        let words = ["account", "create", login, &mail, "--password-stdin"];
        self.piaule_given(&words, b"a window on the yard\n").ok();
        login.to_owned()
    }

    /// A fresh key pair; the path of the private one.
    pub fn key(&self, name: &str) -> String {
        let path = self.folder().join(format!("key-{name}"));
        let mut keygen = Command::new("ssh-keygen");
        keygen.args(["-q", "-t", "ed25519", "-N", "", "-C", "laptop", "-f"]).arg(&path);
        run(&mut keygen, b"").ok();
        path.display().to_string()
    }
}

impl Room<'_> {
    /// What `piaule show` says.
    pub fn view(&self) -> Value {
        self.house.ask(&["show", &self.name])
    }

    /// A verb on this room that must do: `start`, `stop`, `archive`…
    pub fn does(&self, verb: &str) {
        self.house.piaule(&[verb, &self.name]).ok();
    }

    /// A command as the student, by SSH from the Internet.
    pub fn ssh(&self, words: &[&str]) -> Outcome {
        self.house.ssh(self.ssh_port, &self.key, "student", words)
    }

    /// A command as the room's root, by `piaule enter`.
    pub fn enter(&self, words: &[&str]) -> Outcome {
        self.enter_given(words, b"")
    }

    /// The same, with this on its standard input.
    pub fn enter_given(&self, words: &[&str], input: &[u8]) -> Outcome {
        let mut all = vec!["enter", &self.name, "--"];
        all.extend(words);
        self.house.piaule_given(&all, input)
    }

    /// A shell script as the room's root.
    pub fn root(&self, script: &str) -> Outcome {
        self.enter(&["sh", "-c", script])
    }

    /// The pid of its init, on the host.
    pub fn init(&self) -> i32 {
        let inside = self.root("readlink /proc/1/ns/pid").word();
        let all = self.house.processes();
        let init = all.iter().find(|process| process.inner == 1 && process.pids == inside);
        init.expect("it has an init").pid
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        // A test that destroyed it itself is refused.
        let _ = self.house.piaule(&["destroy", &self.name, "--yes"]);
    }
}
