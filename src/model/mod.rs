//! Validated types, without I/O.
//!
//! Everything that arrives from a person, a socket or a file is parsed here once, at the edge;
//! past that point a value of one of these types is right wherever it appears. Each `FromStr`
//! refuses with an [`Invalid`] whose sentence says what was expected, because that sentence is
//! what the student or the administrator reads. Deserialisation goes through the same parsers,
//! so a hostile front cannot hand core a value the types exclude.
//!
//! Any room may use this one; it uses none.

mod identity;
mod key;
mod limits;
mod name;
mod network;
mod port;
mod secret;
mod state;

pub use identity::{AccountId, Email, JobId, Login, RoomId, UidRange};
pub use key::SshKey;
pub use limits::{ByteSize, Limits};
pub use name::{HostName, RoomName, TemplateName, TemplateVersion};
pub use network::{MacAddr, RoomNetwork};
pub use port::{Protocol, PublicPort, PublicPorts, RoomPort};
pub use secret::{Password, Token};
pub use state::{JobKind, JobState, Phase, StepState, Wanted};

/// Why a value was refused: one sentence that names what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub String);

impl Invalid {
    /// A refusal with this sentence.
    pub fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }
}

/// Gives a string newtype its `Display`, `AsRef<str>`, and serde through its `FromStr`.
macro_rules! parsed_string {
    ($($type:ident),+) => {$(
        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
        impl TryFrom<String> for $type {
            type Error = $crate::model::Invalid;
            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }
        impl From<$type> for String {
            fn from(value: $type) -> Self {
                value.to_string()
            }
        }
    )+};
}
use parsed_string;
