//! People on the Internet: dig, curl and ssh in their namespace.

use std::io;

use super::program::Outcome;
use super::{BOX, House, ZONE};

impl House {
    /// What `dig +short` finds at the box.
    pub fn dig(&self, question: &[&str]) -> String {
        let at = format!("@{BOX}");
        let mut words = vec!["dig", &at, "+short", "+time=2", "+tries=3"];
        words.extend(question);
        self.on_internet(&words).word()
    }

    /// curl, trusting the house's authority alone, with every host of `names` at the box.
    pub fn curl(&self, host: &str, words: &[&str]) -> Outcome {
        let ca = self.folder().join("state/ca.pem").display().to_string();
        let resolve = [80, 443].map(|port| format!("{host}:{port}:{BOX}"));
        let mut all = vec!["curl", "--silent", "--show-error", "--max-time", "20"];
        all.extend(["--cacert", &ca, "--resolve", &resolve[0], "--resolve", &resolve[1]]);
        all.extend(words);
        self.on_internet(&all)
    }

    /// The HTTP status of a room's site over HTTPS; 000 when there is no answer.
    pub fn site(&self, room: &str) -> String {
        let host = format!("{room}.{ZONE}");
        let url = format!("https://{host}/");
        self.curl(&host, &["--output", "/dev/null", "--write-out", "%{http_code}", &url]).out
    }

    /// ssh to a public port of the box with a key.
    pub fn ssh(&self, port: u16, key: &str, user: &str, words: &[&str]) -> Outcome {
        self.ssh_with(port, key, user, &[], words)
    }

    /// The same with other options, which come first and so win (ssh_config(5)).
    pub fn ssh_with(
        &self,
        port: u16,
        key: &str,
        user: &str,
        options: &[&str],
        words: &[&str],
    ) -> Outcome {
        let (port, to) = (port.to_string(), format!("{user}@{BOX}"));
        let mut all = vec!["ssh", "-p", &port, "-i", key, "-F", "none"];
        all.extend(options);
        for option in [
            "BatchMode=yes",
            "ConnectTimeout=10",
            "IdentitiesOnly=yes",
            "IdentityAgent=none",
            "LogLevel=ERROR",
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
        ] {
            all.extend(["-o", option]);
        }
        all.push(&to);
        all.extend(words);
        self.on_internet(&all)
    }
}

/// Sockets of the test itself.
impl House {
    /// A socket that lives in the namespace that stands for the Internet.
    pub fn internet_socket<T: Send>(&self, open: impl FnOnce() -> io::Result<T> + Send) -> T {
        self.place().internet.within(open).expect("a socket on the Internet")
    }

    /// A socket that lives in the namespace that stands for the host.
    pub fn host_socket<T: Send>(&self, open: impl FnOnce() -> io::Result<T> + Send) -> T {
        self.place().host.within(open).expect("a socket on the host")
    }
}
