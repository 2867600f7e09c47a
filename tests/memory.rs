//! Signing in must not make core grow. Alone in its file, since it measures the whole process.

#![allow(clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::net::Ipv4Addr;
use std::sync::Arc;

use piaule::core::handle::{Handler, HandlerSettings, House, HouseStatus, Live};
use piaule::core::store::Store;
use piaule::model::{JobId, Limits, Phase, RoomId, TemplateName};
use piaule::sys;
use piaule::wire::{Caller, FaultKind};

struct Empty;

impl House for Empty {
    fn wake(&self, _: RoomId) {}
    fn wake_template(&self, _: JobId, _: TemplateName) {}
    fn live(&self, _: RoomId) -> Live {
        Live { phase: Phase::Stopped, memory_used: None, cpu_used_ms: None }
    }
    fn console_log(&self, _: RoomId) -> String {
        String::new()
    }
    fn status(&self) -> HouseStatus {
        HouseStatus::default()
    }
}

/// Resident memory in KiB (proc_pid_status(5)).
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("proc is mounted");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

async fn sign_in(handler: &Handler) {
    let json = serde_json::json!({"sign_in": {"login": "nobody", "password": "a long sentence"}});
    let command = serde_json::from_value(json).expect("a command");
    let fault = handler.handle(Caller::Anonymous, None, command).await.expect_err("unknown");
    assert_eq!(fault.kind, FaultKind::Unauthenticated);
}

#[test]
fn sign_ins_leave_no_memory_behind() {
    sys::allocator::map_large_blocks_apart().expect("set");
    let folder = tempfile::tempdir().expect("folder");
    let store = Store::open(&folder.path().join("store")).expect("store");
    let settings = HandlerSettings {
        zone: "rooms.example".parse().expect("valid"),
        panel: "panel.rooms.example".parse().expect("valid"),
        public_address: Ipv4Addr::new(192, 0, 2, 1),
        network: "192.168.200.0/22".parse().expect("valid"),
        public_ports: "20000-20099".parse().expect("valid"),
        limits: Limits::default(),
        archive_days: 30,
    };
    let runtime = tokio::runtime::Runtime::new().expect("runtime");
    runtime.block_on(async {
        let handler = Handler::new(store, Arc::new(Empty), settings);
        sign_in(&handler).await;
        let before = resident();
        for _ in 0..12 {
            tokio::join!(sign_in(&handler), sign_in(&handler));
        }
        let grown = resident().saturating_sub(before);
        assert!(grown < 8 * 1024, "24 sign-ins left {grown} KiB behind");
    });
}
