//! The house's border: the firewall and the pinned neighbours, made whole from the store.
//!
//! Fifty rooms asking at once cost one or two replacements: whoever comes second finds that the
//! generation it needs is in place.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use tokio::sync::Mutex;

use crate::core::kernel::firewall::{self, FirewallError, Member, Rules};
use crate::core::kernel::link::{self, LinkError, Links};
use crate::core::store::{Room, Store, StoreError};
use crate::model::{MacAddr, RoomNetwork, Wanted};

/// What could not be done at the border.
#[derive(Debug, thiserror::Error)]
pub enum BorderError {
    #[error("cannot read what is wanted")]
    Store(#[from] StoreError),
    #[error("cannot replace the firewall")]
    Firewall(#[from] FirewallError),
    #[error("cannot pin the rooms' addresses")]
    Link(#[from] LinkError),
}

/// The border and what is in place there.
pub struct Border {
    store: Store,
    links: Links,
    network: RoomNetwork,
    public_address: Ipv4Addr,
    /// The generation that is in place.
    placed: Mutex<Option<u64>>,
}

impl Border {
    pub fn new(store: Store, links: Links, network: RoomNetwork, public_address: Ipv4Addr) -> Self {
        Self { store, links, network, public_address, placed: Mutex::default() }
    }

    /// Makes the border what the store wants now.
    pub async fn settle(&self) -> Result<(), BorderError> {
        let mut placed = self.placed.lock().await;
        let generation = self.store.generation().await?;
        if *placed == Some(generation) {
            return Ok(());
        }
        let members: Vec<Member> = self.store.rooms().await?.iter().filter_map(member).collect();
        let pins = members.iter().map(|member| (member.address, member.mac)).collect();
        let rules =
            Rules { network: self.network.clone(), public_address: self.public_address, members };
        tokio::try_join!(
            async { firewall::replace(&rules).await.map_err(BorderError::from) },
            async { self.pin(&pins).await.map_err(BorderError::from) }
        )?;
        *placed = Some(generation);
        Ok(())
    }

    /// What is pinned is read from the kernel: an earlier core, or a settling that failed halfway,
    /// may have pinned rooms that are no more.
    async fn pin(&self, after: &BTreeMap<Ipv4Addr, MacAddr>) -> Result<(), LinkError> {
        let gateway = self.links.index(link::GATEWAY).await?;
        let gateway = gateway.ok_or_else(|| LinkError::Missing(link::GATEWAY.to_owned()))?;
        let before = self.links.pins(gateway).await?;
        for (address, mac) in
            after.iter().filter(|(address, mac)| before.get(*address) != Some(*mac))
        {
            self.links.pin(gateway, *address, *mac).await?;
        }
        for address in before.keys().filter(|address| !after.contains_key(*address)) {
            self.links.unpin(gateway, *address).await?;
        }
        Ok(())
    }
}

/// A room that runs or is about to is a member; its redirections lead somewhere then.
fn member(room: &Room) -> Option<Member> {
    (room.wanted == Wanted::Running).then(|| Member {
        mac: MacAddr::of_room(room.address),
        address: room.address,
        ports: room.ports.iter().map(|port| (port.protocol, port.public, port.room)).collect(),
    })
}
