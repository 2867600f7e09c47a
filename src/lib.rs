//! Piaule: a house of small Linux machines, in one program.
//!
//! The path tells the privilege: `core` runs as root, `front` without any, `cli` as the
//! administrator; `model` and `wire` do nothing by themselves; `sys` holds the system calls.
//! `model ← wire ← {core, front, cli}`, and core and front never import each other:
//! `tests/rooms.rs` checks it.

pub mod cli;
pub mod core;
pub mod front;
pub mod model;
pub mod sys;
pub mod wire;
