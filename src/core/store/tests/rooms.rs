//! Making rooms, their ports and their keys.

use std::net::Ipv4Addr;

use FaultKind::{Conflict, Invalid, Limit, NotFound};
use Protocol::{Tcp, Udp};

use super::*;
use crate::model::{ByteSize, JobKind, JobState, RoomId, UidRange, Wanted};

#[tokio::test]
async fn a_room_is_made_whole() {
    let bench = Bench::new().await;
    let store = &bench.store;
    let ada = bench.account("ada", 1).await;
    let before =
        (store.generation().await.expect("read"), store.zone_serial().await.expect("read"));
    let new = NewRoom {
        keys: vec![key(1), key(2)],
        ports: vec![port(Udp, 53, None), port(Tcp, 80, Some(20_000))],
        limits: Limits { disk: ByteSize(u64::MAX), ..Limits::default() },
        ..new_room(ada.id, "blog")
    };
    let (room, job) = bench.create(new).await.expect("made");

    assert_eq!((room.owner, room.owner_id), (login("ada"), ada.id));
    assert_eq!((room.template, room.version), (template("light"), TemplateVersion(1)));
    assert_eq!((room.wanted, room.generation, room.problem), (Wanted::Running, 1, None));
    assert_eq!((room.created_at, room.archived_at), (at(2), None));
    assert_eq!(room.address, Ipv4Addr::new(192, 168, 200, 2));
    assert_eq!(room.uids, UidRange::first());
    assert_eq!(room.keys, [key(1), key(2)]);
    assert_eq!(room.limits.memory, Limits::default().memory);
    assert_eq!(room.limits.disk, ByteSize(u64::MAX / 2), "no number of SQLite is larger");
    let ports: Vec<_> = room
        .ports
        .iter()
        .map(|port| (port.protocol, u16::from(port.public), u16::from(port.room)))
        .collect();
    // The one for SSH comes first, and leaves alone what is asked for by number.
    assert_eq!(ports, [(Tcp, 20_001, 22), (Udp, 20_002, 53), (Tcp, 20_000, 80)]);

    let job = store.job(job).await.expect("read").expect("there");
    assert_eq!(
        (job.kind, job.state, job.object),
        (JobKind::Create, JobState::Running, "blog".into())
    );
    let after = (store.generation().await.expect("read"), store.zone_serial().await.expect("read"));
    assert_eq!(after, (before.0 + 1, before.1 + 1));
    let audit = store.audit(Some("blog".to_owned()), 10).await.expect("read");
    let [row] = &audit[..] else { panic!("{audit:?}") };
    assert_eq!((row.actor.as_str(), row.action.as_str()), ("admin:0", "room.create"));
    assert!(row.detail.contains("192.168.200.2"), "{}", row.detail);
}

#[tokio::test]
async fn rooms_are_found_by_name_number_and_owner() {
    let bench = Bench::new().await;
    let store = &bench.store;
    let (ada, bob) = (bench.account("ada", 2).await, bench.account("bob", 1).await);
    let wiki = bench.room(ada.id, "wiki").await;
    let blog = bench.room(ada.id, "blog").await;
    let shop = bench.room(bob.id, "shop").await;
    let names = |rooms: Vec<Room>| rooms.into_iter().map(|room| room.name).collect::<Vec<_>>();
    assert_eq!(
        names(store.rooms().await.expect("read")),
        [name("blog"), name("shop"), name("wiki")]
    );
    assert_eq!(names(store.rooms_of(ada.id).await.expect("read")), [name("blog"), name("wiki")]);
    assert_eq!(store.room(&name("wiki")).await.expect("read").expect("there").id, wiki.id);
    assert_eq!(store.room_by_id(shop.id).await.expect("read").expect("there").owner, login("bob"));
    assert!(store.room(&name("none")).await.expect("read").is_none());
    let ada = store.account_by_id(ada.id).await.expect("read").expect("there");
    assert_eq!(ada.rooms, [blog.name, wiki.name]);
}

#[tokio::test]
async fn what_cannot_be_made_is_refused_whole() {
    let bench = Bench::new().await;
    let ada = bench.account("ada", 3).await;
    let none = bench.account("none", 0).await;
    bench.room(ada.id, "blog").await;
    let good = || new_room(ada.id, "wiki");
    let ports = |ports| NewRoom { ports, ..good() };
    let keys = |keys| NewRoom { keys, ..good() };
    let cases = [
        ("another's name", new_room(ada.id, "blog"), Conflict),
        ("no such owner", new_room(AccountId(99), "wiki"), NotFound),
        ("no room allowed", new_room(none.id, "wiki"), Limit),
        ("no such version", NewRoom { version: TemplateVersion(2), ..good() }, NotFound),
        ("no key", keys(vec![]), Invalid),
        ("a key twice", keys(vec![key(1), key(2), key(1)]), Conflict),
        ("21 keys", keys((1..=21).map(key).collect()), Limit),
        ("a port out of range", ports(vec![port(Tcp, 80, Some(20_006))]), Invalid),
        ("another's port", ports(vec![port(Tcp, 80, Some(20_000))]), Conflict),
        ("SSH again", ports(vec![port(Tcp, 22, None)]), Conflict),
        ("a port twice", ports(vec![port(Udp, 80, None), port(Udp, 80, None)]), Conflict),
        ("20 more ports", ports((100..120).map(|to| port(Udp, to, None)).collect()), Limit),
        ("more than are free", ports((100..105).map(|to| port(Tcp, to, None)).collect()), Limit),
    ];
    let audit = bench.store.audit(None, 100).await.expect("read").len();
    let generation = bench.store.generation().await.expect("read");
    for (what, new, expected) in cases {
        let (kind, sentence) = refused(bench.create(new).await);
        assert_eq!(kind, expected, "{what}: {sentence}");
        assert!(!sentence.to_lowercase().contains("constraint"), "{what}: {sentence}");
    }
    assert_eq!(bench.store.rooms().await.expect("read").len(), 1);
    assert_eq!(bench.store.audit(None, 100).await.expect("read").len(), audit);
    assert_eq!(bench.store.generation().await.expect("read"), generation);
    // What refused rooms were about to be given is still there for the next.
    let wiki = bench.create(good()).await.expect("made").0;
    assert_eq!(wiki.address, Ipv4Addr::new(192, 168, 200, 3));
    assert_eq!(wiki.ports[0].public, public(20_001));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_rooms_at_once_an_account_gets_the_one_it_may_have() {
    let bench = Bench::new().await;
    let ada = bench.account("ada", 1).await;
    let races = ["blog", "wiki"].map(|room| {
        let (store, network, range) =
            (bench.store.clone(), bench.network.clone(), bench.range.clone());
        let new = new_room(ada.id, room);
        tokio::spawn(async move { store.room_create(admin(), at(2), new, &network, &range).await })
    });
    let mut results = Vec::new();
    for race in races {
        results.push(race.await.expect("joins"));
    }
    let (made, lost): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    assert_eq!(made.len(), 1);
    let lost = lost.into_iter().next().expect("one lost");
    assert_eq!(kind(lost), Limit);
    assert_eq!(bench.store.rooms().await.expect("read").len(), 1);
}

#[tokio::test]
async fn addresses_uids_and_ports_go_round_and_run_out() {
    let bench = Bench::new().await;
    let ada = bench.account("ada", 9).await;
    let given = |room: &Room| {
        let [.., address] = room.address.octets();
        (address, room.uids.base() / UidRange::SIZE, u16::from(room.ports[0].public))
    };
    let mut rooms = Vec::new();
    for number in 0..5 {
        rooms.push(bench.room(ada.id, &format!("room{number}")).await);
    }
    assert_eq!(given(&rooms[4]), (6, 14, 20_004));
    let (kind, sentence) = refused(bench.create(new_room(ada.id, "full")).await);
    assert_eq!(kind, Limit);
    assert!(sentence.contains("192.168.200.0/29"), "{sentence}");

    for gone in [1, 3] {
        bench.store.room_forget(at(5), rooms[gone].id).await.expect("gone");
    }
    // Addresses begin again at the lowest free one; ranges and ports have not been through yet.
    assert_eq!(given(&bench.room(ada.id, "after1").await), (3, 15, 20_005));
    // Now ports begin again, too: 20000 is still taken, 20001 is not.
    assert_eq!(given(&bench.room(ada.id, "after2").await), (5, 16, 20_001));
}

#[tokio::test]
async fn the_last_uid_range_is_followed_by_the_first() {
    let bench = Bench::new().await;
    let ada = bench.account("ada", 9).await;
    let first = bench.room(ada.id, "first").await;
    let last = UidRange::LAST;
    let set = move |connection: &mut rusqlite::Connection| {
        Ok(connection.execute("UPDATE house SET last_uids = ?1", [last])?)
    };
    bench.store.writer.run(set).await.expect("moved");
    let next = bench.room(ada.id, "next").await;
    assert_eq!(next.uids, first.uids.next(), "the first is still in a row");
}

#[tokio::test]
async fn public_ports_run_out() {
    let bench = Bench::new().await;
    let ada = bench.account("ada", 9).await;
    let ports = (100..105).map(|to| port(Tcp, to, None)).collect();
    let blog = bench.create(NewRoom { ports, ..new_room(ada.id, "blog") }).await.expect("made").0;
    assert_eq!(kind(bench.create(new_room(ada.id, "wiki")).await), Limit);
    let add = |new| bench.store.port_add(admin(), at(3), blog.id, new, &bench.range);
    assert_eq!(kind(add(port(Tcp, 200, None)).await), Limit);
    add(port(Udp, 200, None)).await.expect("UDP has numbers of its own");
}

#[tokio::test]
async fn ports_come_and_go() {
    let bench = Bench::new().await;
    let store = &bench.store;
    let ada = bench.account("ada", 1).await;
    let blog = bench.room(ada.id, "blog").await;
    let add = |new| store.port_add(admin(), at(3), blog.id, new, &bench.range);
    let delete =
        |protocol, port| store.port_delete(admin(), at(4), blog.id, protocol, public(port));

    let before = store.generation().await.expect("read");
    let (added, job) = add(port(Tcp, 80, Some(20_004))).await.expect("added");
    assert_eq!((added.public, added.room), (public(20_004), 80.try_into().expect("valid")));
    assert_eq!(store.job(job).await.expect("read").expect("there").kind, JobKind::Ports);
    assert_eq!(store.job_room(job).await.expect("read"), Some(blog.id));
    assert_eq!(bench.again(&blog).await.generation, 2);
    assert_eq!(store.generation().await.expect("read"), before + 1);

    assert_eq!(kind(add(port(Tcp, 80, None)).await), Conflict);
    assert_eq!(kind(add(port(Tcp, 81, Some(20_004))).await), Conflict);
    assert_eq!(kind(add(port(Tcp, 81, Some(19_999))).await), Invalid);
    add(port(Udp, 80, Some(20_004))).await.expect("UDP is apart");

    assert_eq!(kind(delete(Tcp, 20_000).await), Conflict, "SSH stays");
    assert_eq!(kind(delete(Tcp, 20_003).await), NotFound);
    delete(Tcp, 20_004).await.expect("deleted");
    assert_eq!(kind(delete(Tcp, 20_004).await), NotFound);
    let left: Vec<_> = bench.again(&blog).await.ports.iter().map(|port| port.protocol).collect();
    assert_eq!(left, [Tcp, Udp]);

    let wide: PublicPorts = "30000-39999".parse().expect("valid");
    for to in 1000..1018 {
        store.port_add(admin(), at(5), blog.id, port(Udp, to, None), &wide).await.expect("added");
    }
    let one_more = store.port_add(admin(), at(5), blog.id, port(Udp, 2000, None), &wide).await;
    assert_eq!(kind(one_more), Limit);
    let nobody = RoomId(99);
    let missing = store.port_add(admin(), at(5), nobody, port(Udp, 1, None), &wide).await;
    assert_eq!(kind(missing), NotFound);
    assert_eq!(
        kind(store.port_delete(admin(), at(5), nobody, Udp, public(20_004)).await),
        NotFound
    );
}

#[tokio::test]
async fn keys_come_and_go() {
    let bench = Bench::new().await;
    let store = &bench.store;
    let ada = bench.account("ada", 1).await;
    let blog = bench.room(ada.id, "blog").await;
    let add = |number| store.key_add(admin(), at(3), blog.id, key(number));
    let delete = |number| store.key_delete(admin(), at(4), blog.id, key(number).fingerprint());

    let (kind_of, sentence) = refused(delete(1).await);
    assert_eq!(kind_of, Conflict);
    assert!(sentence.contains("add another first"), "{sentence}");
    assert_eq!(kind(add(1).await), Conflict);
    let job = add(2).await.expect("added");
    assert_eq!(store.job(job).await.expect("read").expect("there").kind, JobKind::Keys);
    assert_eq!(kind(delete(3).await), NotFound);
    delete(1).await.expect("deleted");
    let room = bench.again(&blog).await;
    assert_eq!((room.keys, room.generation), (vec![key(2)], 3));
    for number in 3..=21 {
        add(number).await.expect("added");
    }
    assert_eq!(kind(add(22).await), Limit);
    let nobody = store.key_add(admin(), at(5), RoomId(99), key(1)).await;
    assert_eq!(kind(nobody), NotFound);
}
