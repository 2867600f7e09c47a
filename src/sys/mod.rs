//! The only `unsafe` code: thin wrappers of system calls, without policy.
//!
//! Each wrapper takes and returns owned or borrowed descriptors and plain numbers, reports the
//! kernel's error as `io::Error`, and decides nothing. `wire`, `core/{kernel,launch,keeper}` and
//! `front/sandbox` may use this room; nobody else needs to.
#![allow(unsafe_code, reason = "this is the room where system calls are made")]

pub mod allocator;
pub mod bpf;
pub mod btrfs;
pub mod clone;
pub mod descriptor;
pub mod fdpass;
pub mod listen;
pub mod loopdev;
pub mod memory;
pub mod mount;
pub mod pty;
pub mod readiness;
pub mod seccomp;
pub mod signal;
