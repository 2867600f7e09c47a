//! The store on a real file. Each test has its own folder.

mod accounts;
mod chain;
mod file;
mod jobs;
mod moves;
mod rooms;

use jiff::Timestamp;
use ssh_key::public::{Ed25519PublicKey, KeyData};
use tempfile::TempDir;

use super::{Account, Actor, NewAccount, NewRoom, Room, Store, StoreError};
use crate::model::{
    AccountId, JobId, Limits, Login, Protocol, PublicPort, PublicPorts, RoomName, RoomNetwork,
    SshKey, TemplateName, TemplateVersion,
};
use crate::wire::{FaultKind, NewPort};

/// A store with the template `light` 1, five addresses and six public ports.
struct Bench {
    store: Store,
    folder: TempDir,
    network: RoomNetwork,
    range: PublicPorts,
}

impl Bench {
    async fn new() -> Self {
        let bench = Self::bare();
        let light = template("light");
        let version = bench.store.template_next_version(&light).await.expect("a number");
        bench.store.template_add(admin(), at(0), light, version, 1000).await.expect("added");
        bench
    }

    fn bare() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(&folder.path().join("store.db")).expect("opens");
        Self {
            store,
            folder,
            network: "192.168.200.0/29".parse().expect("valid"),
            range: "20000-20005".parse().expect("valid"),
        }
    }

    async fn account(&self, login: &str, max_rooms: u32) -> Account {
        let new = new_account(login, &format!("{login}@school.example"), max_rooms);
        self.store.account_create(admin(), at(1), new).await.expect("made")
    }

    async fn create(&self, new: NewRoom) -> Result<(Room, JobId), StoreError> {
        self.store.room_create(admin(), at(2), new, &self.network, &self.range).await
    }

    async fn room(&self, owner: AccountId, name: &str) -> Room {
        self.create(new_room(owner, name)).await.expect("made").0
    }

    async fn again(&self, room: &Room) -> Room {
        self.store.room_by_id(room.id).await.expect("read").expect("there")
    }
}

fn admin() -> Actor {
    Actor("admin:0".to_owned())
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).expect("in range")
}

fn login(text: &str) -> Login {
    text.parse().expect("valid")
}

fn name(text: &str) -> RoomName {
    text.parse().expect("valid")
}

fn template(text: &str) -> TemplateName {
    text.parse().expect("valid")
}

fn public(port: u16) -> PublicPort {
    port.try_into().expect("valid")
}

fn port(protocol: Protocol, room: u16, port: Option<u16>) -> NewPort {
    NewPort { protocol, room: room.try_into().expect("valid"), public: port.map(public) }
}

fn key(number: u8) -> SshKey {
    let data = KeyData::Ed25519(Ed25519PublicKey([number; 32]));
    let line = ssh_key::PublicKey::new(data, "ada@laptop").to_openssh().expect("a line");
    line.parse().expect("valid")
}

fn new_account(name: &str, email: &str, max_rooms: u32) -> NewAccount {
    NewAccount {
        login: login(name),
        email: email.parse().expect("valid"),
        password_hash: "$argon2id$of-ten-letters".to_owned(),
        max_rooms,
    }
}

fn new_room(owner: AccountId, room: &str) -> NewRoom {
    NewRoom {
        owner,
        name: name(room),
        template: template("light"),
        version: TemplateVersion(1),
        limits: Limits::default(),
        keys: vec![key(1)],
        ports: Vec::new(),
    }
}

/// The kind and the sentence of a refusal; anything else fails the test.
fn refused<T: std::fmt::Debug>(result: Result<T, StoreError>) -> (FaultKind, String) {
    match result {
        Err(StoreError::Refused(fault)) => (fault.kind, fault.message),
        other => panic!("not refused: {other:?}"),
    }
}

fn kind<T: std::fmt::Debug>(result: Result<T, StoreError>) -> FaultKind {
    refused(result).0
}
