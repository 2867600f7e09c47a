//! What is wanted of a room, what it is seen to do, and how its jobs go.
//!
//! ```text
//!   wanted:  Running ⇄ Stopped ──▶ Archived ──▶ Destroyed (the row goes when nothing is left)
//!                │                     ▲   │
//!                └─────────────────────┘   └──▶ Stopped (taken back within the 30 days)
//! ```

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Invalid;

/// Defines an enum whose text form is the same in the store, on the wire and on screen.
macro_rules! words {
    ($($(#[$doc:meta])* $type:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? })+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $type { $($(#[$vdoc])* $variant),+ }

        impl $type {
            /// The word for it, as stored and as on the wire.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
        impl FromStr for $type {
            type Err = Invalid;
            fn from_str(text: &str) -> Result<Self, Invalid> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(Invalid::new(format!("`{}` is none of: {}", text.escape_debug(), [$($word),+].join(", ")))),
                }
            }
        }
    )+};
}

words! {
    /// The desired state of a room, written by commands, read by the reconciler.
    Wanted {
        /// On, and started again whenever it is found off.
        Running = "running",
        /// Off; its files, address, name and ports are kept.
        Stopped = "stopped",
        /// Off and kept 30 days.
        Archived = "archived",
        /// To be removed without a trace.
        Destroyed = "destroyed",
    }

    /// What a room is seen to do.
    Phase {
        /// Off.
        Stopped = "stopped",
        /// Its pid 1 runs, and has not yet said it is ready.
        Starting = "starting",
        /// Its init reported `READY=1` (sd_notify(3)).
        Running = "running",
        /// Asked to stop; its init is still there.
        Stopping = "stopping",
        /// The last attempt to reach the wanted state failed; the job says why.
        Failed = "failed",
    }

    /// What a job is for.
    JobKind {
        /// Make a room and start it.
        Create = "create",
        /// Start a room.
        Start = "start",
        /// Stop a room.
        Stop = "stop",
        /// Stop and start a room.
        Restart = "restart",
        /// Redirect or no longer redirect a port.
        Ports = "ports",
        /// Change who may sign in by SSH.
        Keys = "keys",
        /// Archive a room.
        Archive = "archive",
        /// Take a room out of the archive.
        Unarchive = "unarchive",
        /// Remove a room.
        Destroy = "destroy",
        /// Build a template.
        Template = "template",
    }

    /// How far a job is.
    JobState {
        /// Accepted; the reconciler is at it or about to be.
        Running = "running",
        /// The wanted state was reached.
        Done = "done",
        /// A step failed; what was done before it was undone.
        Failed = "failed",
        /// A later command on the same room made it moot.
        Superseded = "superseded",
    }

    /// How a step ended.
    StepState {
        /// Done.
        Done = "done",
        /// Failed; `detail` says why.
        Failed = "failed",
        /// Done before, then taken back because a later step failed.
        Undone = "undone",
    }
}
