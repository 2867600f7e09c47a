//! The one door to the kernel, one file per facility.
//!
//! Each facility takes wanted objects and makes them so, or says what it found. None knows the
//! store, a command or another facility; `reconcile` and the house's start put them together.

pub mod cgroup;
pub mod console;
pub mod fdstore;
pub mod firewall;
pub mod link;
pub mod notify;
pub mod pool;
pub mod process;
