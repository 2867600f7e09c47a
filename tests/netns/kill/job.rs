//! A job, followed as it goes: what a killer needs to know when to strike.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::house::House;
use crate::house::patience::PATIENCE;

/// A job core has accepted, and its events from then on.
pub struct Job {
    pub id: u64,
    /// When the word of its acceptance came.
    pub accepted: Instant,
    events: BufReader<UnixStream>,
    now: Value,
}

impl Job {
    /// Sends a command, which must be accepted as a job.
    pub fn accept(house: &House, command: &Value) -> Self {
        let body = command.to_string();
        let head = format!(
            "POST /v1/command HTTP/1.1\r\nHost: piaule\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let mut answer = String::new();
        ask(house, &format!("{head}{body}")).read_to_string(&mut answer).expect("an answer");
        let accepted = Instant::now();
        let said = answer.split("\r\n\r\n").nth(1).unwrap_or_default();
        let reply: Value = serde_json::from_str(said).unwrap_or_default();
        let id = reply["accepted"]["job"].as_u64().unwrap_or_else(|| panic!("{command}: {answer}"));
        let events =
            ask(house, &format!("GET /v1/jobs/{id}/events HTTP/1.1\r\nHost: piaule\r\n\r\n"));
        Self { id, accepted, events: BufReader::new(events), now: Value::Null }
    }

    /// Follows it until that step is done, or the job has ended; whether it is still going on.
    pub fn after(&mut self, step: &str) -> bool {
        loop {
            self.next();
            let steps = self.now["steps"].as_array().expect("steps");
            let done = steps.iter().any(|view| view["name"] == step && view["state"] == "done");
            if done || self.now["state"] != "running" {
                return self.now["state"] == "running";
            }
        }
    }

    /// Follows it to its end.
    pub fn end(&mut self) -> &Value {
        while self.now.is_null() || self.now["state"] == "running" {
            self.next();
        }
        &self.now
    }

    /// Lets this much time pass since it was accepted. It stands for an instant chosen at random,
    /// not for something to come.
    pub fn let_pass(&self, time: Duration) {
        while let Some(left) = time.checked_sub(self.accepted.elapsed()) {
            std::thread::park_timeout(left);
        }
    }

    fn next(&mut self) {
        let mut line = String::new();
        loop {
            line.clear();
            let read = self.events.read_line(&mut line).expect("an event in time");
            assert_ne!(read, 0, "job {}: its events end before it does", self.id);
            // What else there is are HTTP's own lines.
            if line.starts_with('{') {
                let mut event: Value = serde_json::from_str(&line).expect("JSON");
                self.now = event["job"].take();
                return;
            }
        }
    }
}

fn ask(house: &House, request: &str) -> UnixStream {
    let socket = house.folder().join("run/piaule.sock");
    let mut stream = UnixStream::connect(socket).expect("core listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("set");
    stream.write_all(request.as_bytes()).expect("asked");
    stream
}
