//! The frames between core and front.

use serde::{Deserialize, Serialize};

use super::{Command, Fault, FrontSettings, JobEvent, Reply, Snapshot};
use crate::model::Token;

/// From core to front.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToFront {
    /// The first frame. Its descriptors are the sockets to serve, in the order of `sockets`.
    Begin {
        settings: FrontSettings,
        /// Names from [`crate::wire::channel::socket`].
        sockets: Vec<String>,
    },
    /// Serve this from now on.
    Snapshot(Box<Snapshot>),
    /// The answer to the call of that number.
    Answer { call: u64, result: Result<Reply, Fault> },
    /// A job moved.
    Job(Box<JobEvent>),
}

/// From front to core.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FromFront {
    /// Privileges are dropped, the first snapshot is being served.
    Ready,
    /// A command, with the token of whoever talks to the panel.
    Call { call: u64, token: Option<Token>, command: Box<Command> },
}
