//! The whole house on the real kernel, asked by real clients: dig, curl, ssh, udhcpc, dhclient.
//!
//! Each [`house::House`] lives in two network namespaces of its own and leaves nothing behind.
//! These tests need root, btrfs and what `packaging/bootstrap.sh` installs; a machine that
//! lacks one fails them with the reason.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "tests say so")]

mod crash;
mod desk;
mod house;
mod kill;
mod leases;
mod life;
mod limits;
mod refusals;
mod walls;
