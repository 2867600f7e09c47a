//! What crosses the wire when something could not be done.

use serde::{Deserialize, Serialize};

use crate::model::Invalid;

/// The kind of a fault; callers branch on it, never on the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// What was given cannot be used; nothing was changed. HTTP 400, exit status 2.
    Invalid,
    /// Not signed in, or the session is over. HTTP 401, exit status 3.
    Unauthenticated,
    /// Not allowed to this caller. HTTP 403, exit status 3.
    Forbidden,
    /// No such thing. HTTP 404, exit status 4.
    NotFound,
    /// It clashes with what is there. HTTP 409, exit status 5.
    Conflict,
    /// A limit is reached. HTTP 429, exit status 5.
    Limit,
    /// The house failed; the log says more. HTTP 500, exit status 1.
    Internal,
    /// Not now; try again. HTTP 503, exit status 6.
    Unavailable,
}

impl FaultKind {
    /// The exit status of `piaule VERB`.
    #[must_use]
    pub fn exit_status(self) -> u8 {
        match self {
            Self::Internal => 1,
            Self::Invalid => 2,
            Self::Unauthenticated | Self::Forbidden => 3,
            Self::NotFound => 4,
            Self::Conflict | Self::Limit => 5,
            Self::Unavailable => 6,
        }
    }

    /// The HTTP status (RFC 9110 §15).
    #[must_use]
    pub fn http_status(self) -> u16 {
        match self {
            Self::Invalid => 400,
            Self::Unauthenticated => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::Conflict => 409,
            Self::Limit => 429,
            Self::Internal => 500,
            Self::Unavailable => 503,
        }
    }
}

/// A refusal or a failure: a sentence for the person who asked, and for an administrator the
/// chain of causes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    pub kind: FaultKind,
    /// One sentence: what happened and what to do.
    pub message: String,
    /// The causes, outermost first; empty for callers who are not administrators.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chain: Vec<String>,
}

impl Fault {
    /// A fault of this kind with this sentence.
    pub fn new(kind: FaultKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), chain: Vec::new() }
    }

    /// An internal failure: what was being done, and the chain of `error`.
    pub fn internal(doing: impl Into<String>, error: &dyn std::error::Error) -> Self {
        let chain = std::iter::successors(Some(error), |error| error.source())
            .map(ToString::to_string)
            .collect();
        Self { kind: FaultKind::Internal, message: doing.into(), chain }
    }
}

impl From<Invalid> for Fault {
    fn from(invalid: Invalid) -> Self {
        Self::new(FaultKind::Invalid, invalid.0)
    }
}
