//! Everything that parses bytes from outside, without any privilege.
//!
//! Core starts this role with one end of a channel and hands it the listening sockets. It drops
//! uid, capabilities, file system and system calls in [`sandbox`] before its runtime exists, and
//! refuses to run if it can't. What it serves is the latest `Snapshot`, in [`view`]; what it
//! asks of core goes through [`house`], each command with the token of the person it serves. So
//! a front taken over can act for nobody who is not talking to it.
//!
//! The services know `view`, `house` and `site`, never each other.

pub mod dhcp;
pub mod dns;
pub mod house;
pub mod panel;
pub mod proxy;
pub mod sandbox;
pub mod site;
pub mod view;
