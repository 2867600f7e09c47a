//! The room's link: a private macvlan on the rooms' side of the house, addressed from outside.
//!
//! The room has no CAP_NET_ADMIN once it runs, so what is set here stays. The address is known
//! before pid 1 starts: no service in the room waits for DHCP.
//!
//! Macvlans send frames of any hardware address, and a packet socket (packet(7)) makes them:
//! under a neighbour's address and hardware address they would pass for the neighbour's at the
//! gateway. So a rule inside the room's namespace lets out its own hardware address alone. Price:
//! one nft(8) per start, beside the rest; taking packet sockets away would cost tcpdump instead.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::TryStreamExt;
use nix::sched::{CloneFlags, setns};
use rtnetlink::packet_route::link::MacVlanMode;
use rtnetlink::{Handle, LinkMacVlan, LinkUnspec, RouteMessageBuilder};

use super::start::PATH;
use super::{StageError, Start, doing};
use crate::model::MacAddr;

/// The room's interface.
const ROOM_LINK: &str = "eth0";
/// What it is called until it is inside: Linux 6.1 looks for a new link's name among the host's,
/// where there often is an `eth0`.
const BORN_AS: &str = "pl-room";
/// How long the kernel may take to tear down the link of the room's last run.
const TAKEN_DOWN: Duration = Duration::from_secs(10);

/// Makes the link in the namespace of `pid` and gives it the room's address and route. Moves the
/// calling thread into that namespace: call it last.
pub fn raise(order: &Start, pid: i32) -> Result<(), StageError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .map_err(doing("start a runtime for netlink"))?;
    let _entered = runtime.enter();
    let path = format!("/proc/{pid}/ns/net");
    let namespace = File::open(&path).map_err(doing(format!("open {path}")))?;
    runtime.block_on(create(order, pid)).map_err(netlink("create the room's link"))?;
    setns(namespace.as_fd(), CloneFlags::CLONE_NEWNET)
        .map_err(doing("enter the room's network"))?;
    runtime.block_on(rename()).map_err(netlink("name the room's link"))?;
    let fence = fence(order.mac).map_err(doing("run nft (package nftables)"))?;
    runtime.block_on(configure(order)).map_err(netlink("configure the room's link"))?;
    let fenced = fence.wait_with_output().map_err(doing("wait for nft"))?;
    if fenced.status.success() {
        Ok(())
    } else {
        let said = String::from_utf8_lossy(&fenced.stderr).trim().to_owned();
        Err(doing("bind the room to its hardware address")(std::io::Error::other(said)))
    }
}

/// Starts nft in the thread's network namespace, to drop what leaves under another hardware
/// address.
fn fence(mac: MacAddr) -> std::io::Result<Child> {
    let rule = format!(
        "table netdev piaule {{ chain out {{ \
         type filter hook egress device \"{ROOM_LINK}\" priority 0; policy accept; \
         ether saddr != {mac} drop; }}; }}"
    );
    Command::new("nft")
        .env("PATH", PATH)
        .arg(rule)
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
}

fn netlink(what: &'static str) -> impl FnOnce(rtnetlink::Error) -> StageError {
    move |error| doing(what)(std::io::Error::other(error.to_string()))
}

/// A netlink socket in the thread's current network namespace.
fn open() -> Result<Handle, rtnetlink::Error> {
    let (connection, handle, _) = rtnetlink::new_connection()
        .map_err(|error| rtnetlink::Error::InvalidNla(error.to_string()))?;
    tokio::spawn(connection);
    Ok(handle)
}

async fn create(order: &Start, pid: i32) -> Result<(), rtnetlink::Error> {
    let handle = open()?;
    let parent = index(&handle, &order.lan).await?;
    let link = LinkMacVlan::new(BORN_AS, parent, MacVlanMode::Private)
        .address(order.mac.0.to_vec())
        .setns_by_pid(pid.cast_unsigned())
        .build();
    handle.link().add(link).execute().await
}

async fn rename() -> Result<(), rtnetlink::Error> {
    let handle = open()?;
    let link = index(&handle, BORN_AS).await?;
    let named = LinkUnspec::new_with_index(link).name(ROOM_LINK).build();
    handle.link().set(named).execute().await
}

async fn configure(order: &Start) -> Result<(), rtnetlink::Error> {
    let handle = open()?;
    let link = index(&handle, ROOM_LINK).await?;
    let address = IpAddr::V4(order.address);
    handle.address().add(link, address, order.prefix).execute().await?;
    // The loopback's index is 1 in every namespace.
    up(&handle, 1).await?;
    let begun = Instant::now();
    while let Err(error) = up(&handle, link).await {
        // The kernel takes a dead room's link down some time after the room: until then a quick
        // restart finds its hardware address in use.
        if !is_in_use(&error) || begun.elapsed() > TAKEN_DOWN {
            return Err(error);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let route = RouteMessageBuilder::<Ipv4Addr>::new().gateway(order.gateway).build();
    handle.route().add(route).execute().await
}

async fn up(handle: &Handle, index: u32) -> Result<(), rtnetlink::Error> {
    handle.link().set(LinkUnspec::new_with_index(index).up().build()).execute().await
}

fn is_in_use(error: &rtnetlink::Error) -> bool {
    matches!(error, rtnetlink::Error::NetlinkError(error) if error.raw_code() == -nix::libc::EADDRINUSE)
}

async fn index(handle: &Handle, name: &str) -> Result<u32, rtnetlink::Error> {
    let link = handle.link().get().match_name(name).execute().try_next().await?;
    link.map(|link| link.header.index)
        .ok_or_else(|| rtnetlink::Error::InvalidNla(format!("no link {name}")))
}
