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

pub mod authority;
pub mod store;
