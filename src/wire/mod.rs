//! What core, front and the administrator's client say to each other.
//!
//! [`Command`] is the whole interface to core: the panel and `piaule VERB` send the same ones,
//! told apart by the [`Caller`] that core itself establishes. A command says what is wanted,
//! never how: no host path, no rule text. [`Reply`] answers it, or a [`Fault`] does.
//! [`Snapshot`] is everything front serves, pushed whole by core.
//!
//! [`channel`] carries the frames between core and front, and between core and its stages;
//! [`attach`] what needs descriptors on the administrator's socket.

pub mod attach;
pub mod channel;
mod command;
mod fault;
mod front;
mod reply;
mod snapshot;

pub use command::{Caller, Command, NewPort};
pub use fault::{Fault, FaultKind};
pub use front::{FromFront, ToFront};
pub use reply::{
    AccountView, AuditView, JobEvent, JobView, KeyView, PortView, Reply, RoomView, StatusView,
    StepView, TemplateView,
};
pub use snapshot::{Certificate, FrontSettings, Lease, Route, RouteState, Snapshot, Zone};
