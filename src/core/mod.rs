//! Decides, and drives the kernel. The only role that runs as root for long.
//!
//! It reads no packet and no TCP or UDP byte: those belong to front. Everything asked of it is a
//! `Command` with a `Caller` it has established itself, and flows one way:
//!
//! ```text
//! Command + Caller ─▶ gate ─▶ handle ─▶ one transaction in store ─▶ "accepted, job N"
//!                                              │
//!        snapshot to front ◀─ apply ◀─ plan ◀─ reconcile ◀─ wakes at once
//! ```

pub mod config;
pub mod console;
pub mod kernel;
pub mod launch;
pub mod notify;
pub mod reconcile;
pub mod store;
pub mod template;
