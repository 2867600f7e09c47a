//! The administrator's settings: `/etc/piaule/piaule.toml`.
//!
//! Everything has a default but the zone and the public address. An unknown key is an error, so
//! a typing mistake cannot pass for a setting.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::model::{ByteSize, HostName, Limits, PublicPorts, RoomNetwork};

/// The settings, checked.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The hosting zone; rooms are its children.
    pub zone: HostName,
    /// Where visitors reach the box: an address of one of its interfaces.
    pub public_address: Ipv4Addr,
    /// The interface that leads to visitors; the default route's when absent.
    #[serde(default)]
    pub uplink: Option<String>,
    /// The panel's host; `panel.ZONE` when absent.
    #[serde(default)]
    pub panel: Option<HostName>,
    /// Database, certificates, loop file.
    #[serde(default = "default_state")]
    pub state: PathBuf,
    /// Sockets.
    #[serde(default = "default_run")]
    pub run: PathBuf,
    /// Where templates and rooms lie: a directory on btrfs, or one on which a loop file of
    /// `pool_size` is mounted.
    #[serde(default = "default_pool")]
    pub pool: PathBuf,
    /// The loop file's size.
    #[serde(default = "default_pool_size")]
    pub pool_size: ByteSize,
    /// Where the templates' recipes are.
    #[serde(default = "default_recipes")]
    pub recipes: PathBuf,
    /// The user front becomes…
    #[serde(default = "default_front_user")]
    pub front_user: String,
    /// …or its number, for a machine without such a user.
    #[serde(default)]
    pub front_uid: Option<u32>,
    /// The rooms' prefix.
    #[serde(default = "default_network")]
    pub network: RoomNetwork,
    /// The public ports for redirections.
    #[serde(default = "default_ports")]
    pub public_ports: PublicPorts,
    /// Resolvers for the rooms' questions about the rest of the world; those of
    /// /etc/resolv.conf when absent.
    #[serde(default)]
    pub resolvers: Option<Vec<Ipv4Addr>>,
    /// The name of the cgroup that holds the rooms.
    #[serde(default = "default_cgroup")]
    pub cgroup: String,
    /// A room's limits.
    #[serde(default)]
    pub limits: Limits,
}

/// Why the settings could not be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read the settings in {path}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("the settings in {path} are not right")]
    Parse { path: PathBuf, source: Box<toml::de::Error> },
    #[error("the user `{0}` that front should become does not exist; make it, or set `front_uid`")]
    FrontUser(String),
}

fn default_state() -> PathBuf {
    "/var/lib/piaule".into()
}
fn default_run() -> PathBuf {
    "/run/piaule".into()
}
fn default_pool() -> PathBuf {
    "/var/lib/piaule/pool".into()
}
fn default_pool_size() -> ByteSize {
    ByteSize(100 << 30)
}
fn default_recipes() -> PathBuf {
    "/usr/share/piaule/templates".into()
}
fn default_front_user() -> String {
    "piaule".to_owned()
}
fn default_cgroup() -> String {
    "piaule".to_owned()
}
#[allow(clippy::expect_used, reason = "constants, checked by this file's test")]
fn default_network() -> RoomNetwork {
    "192.168.200.0/22".parse().expect("a network")
}
#[allow(clippy::expect_used, reason = "constants, checked by this file's test")]
fn default_ports() -> PublicPorts {
    "20000-29999".parse().expect("a range")
}

impl Config {
    /// Reads the settings.
    ///
    /// # Errors
    /// When the file cannot be read or something in it is not right; the source says where.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        toml::from_str(&text).map_err(|source| ConfigError::Parse {
            path: path.to_owned(),
            source: Box::new(source),
        })
    }

    /// The panel's host.
    #[must_use]
    pub fn panel(&self) -> HostName {
        let default = || self.zone.child("panel").unwrap_or_else(|_| self.zone.clone());
        self.panel.clone().unwrap_or_else(default)
    }

    /// The uid and gid front becomes.
    ///
    /// # Errors
    /// When the user does not exist.
    pub fn front_ids(&self) -> Result<(u32, u32), ConfigError> {
        if let Some(uid) = self.front_uid {
            return Ok((uid, uid));
        }
        match nix::unistd::User::from_name(&self.front_user) {
            Ok(Some(user)) => Ok((user.uid.as_raw(), user.gid.as_raw())),
            _ => Err(ConfigError::FrontUser(self.front_user.clone())),
        }
    }

    /// The resolvers for the rooms' questions.
    #[must_use]
    pub fn resolvers(&self) -> Vec<Ipv4Addr> {
        self.resolvers.clone().unwrap_or_else(|| {
            let text = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
            resolvers_of(&text)
        })
    }
}

/// The IPv4 `nameserver` lines of a resolv.conf(5).
fn resolvers_of(text: &str) -> Vec<Ipv4Addr> {
    text.lines()
        .filter_map(|line| line.strip_prefix("nameserver")?.trim().parse().ok())
        .take(3)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_fill_what_is_not_said() {
        let config: Config = toml::from_str(
            "zone = 'hosting.example'\npublic_address = '192.0.2.1'\n[limits]\nmemory = '512M'",
        )
        .expect("settings");
        assert_eq!(config.panel().as_ref(), "panel.hosting.example");
        assert_eq!(config.limits.memory.0, 512 << 20);
        assert_eq!(config.limits.pids, Limits::default().pids);
        assert_eq!(config.network.rooms().count(), 1021);
    }

    #[test]
    fn a_typing_mistake_is_an_error() {
        let wrong =
            toml::from_str::<Config>("zone='a.b'\npublic_address='192.0.2.1'\nuplnk='eth0'");
        assert!(wrong.is_err());
    }

    #[test]
    fn resolvers_are_read() {
        let text = "# c\nnameserver 192.0.2.53\nsearch x\nnameserver ::1\nnameserver 192.0.2.54\n";
        assert_eq!(resolvers_of(text).len(), 2);
    }
}
