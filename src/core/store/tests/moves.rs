//! What is wanted of rooms, and forgetting them.

use super::*;
use FaultKind::Conflict;

use crate::model::{JobKind, JobState, RoomId, Wanted};

#[tokio::test]
async fn a_newer_wish_supersedes_the_older_but_not_ports_and_keys() {
    let bench = Bench::new().await;
    let store = &bench.store;
    let ada = bench.account("ada", 2).await;
    let (blog, create) = bench.create(new_room(ada.id, "blog")).await.expect("made");
    let (wiki, other) = bench.create(new_room(ada.id, "wiki")).await.expect("made");
    let keys = store.key_add(admin(), at(3), blog.id, key(2)).await.expect("added");
    let web = port(Protocol::Tcp, 80, None);
    let (_, ports) =
        store.port_add(admin(), at(3), blog.id, web, &bench.range).await.expect("added");
    let state = async |job| store.job(job).await.expect("read").expect("there").state;
    assert_eq!(state(create).await, JobState::Running, "ports and keys supersede nothing");

    let before = store.generation().await.expect("read");
    store.room_set_problem(blog.id, Some("no layer".to_owned())).await.expect("noted");
    let want = |wanted, kind| store.room_want(admin(), at(4), blog.id, wanted, kind);
    let stop = want(Wanted::Stopped, JobKind::Stop).await.expect("accepted");
    assert_eq!(state(create).await, JobState::Superseded);
    assert_eq!(store.job(create).await.expect("read").expect("there").finished_at, Some(at(4)));
    for job in [keys, ports, stop, other] {
        assert_eq!(state(job).await, JobState::Running);
    }
    let room = bench.again(&blog).await;
    assert_eq!((room.wanted, room.problem, room.generation), (Wanted::Stopped, None, 4));
    assert_eq!(store.generation().await.expect("read"), before + 2);

    let open = store.open_jobs(blog.id).await.expect("read");
    assert_eq!(open.iter().map(|job| job.id).collect::<Vec<_>>(), [keys, ports, stop]);
    let destroy = want(Wanted::Destroyed, JobKind::Destroy).await.expect("accepted");
    let open = store.open_jobs(blog.id).await.expect("read");
    assert_eq!(open.iter().map(|job| job.id).collect::<Vec<_>>(), [destroy], "all are moot now");
    assert_eq!(store.open_jobs(wiki.id).await.expect("read").len(), 1);
}

#[tokio::test]
async fn the_archive_keeps_a_room_and_gives_it_back() {
    let bench = Bench::new().await;
    let store = &bench.store;
    let ada = bench.account("ada", 1).await;
    let blog = bench.room(ada.id, "blog").await;
    let want = |wanted, kind| store.room_want(admin(), at(7), blog.id, wanted, kind);
    assert_eq!(kind(want(Wanted::Stopped, JobKind::Unarchive).await), Conflict);
    want(Wanted::Archived, JobKind::Archive).await.expect("accepted");
    assert_eq!(bench.again(&blog).await.archived_at, Some(at(7)));
    assert_eq!(kind(bench.create(new_room(ada.id, "wiki")).await), FaultKind::Limit, "it counts");
    for (wanted, job) in [
        (Wanted::Running, JobKind::Start),
        (Wanted::Stopped, JobKind::Stop),
        (Wanted::Running, JobKind::Restart),
        (Wanted::Archived, JobKind::Archive),
    ] {
        let (kind, sentence) = refused(want(wanted, job).await);
        assert_eq!(kind, Conflict, "{job}");
        assert!(sentence.starts_with("`blog` is in the archive"), "{sentence}");
    }
    store.room_set_wanted_by_house(at(8), blog.id, Wanted::Stopped, "late").await.expect("ignored");
    assert_eq!(bench.again(&blog).await.wanted, Wanted::Archived);
    want(Wanted::Stopped, JobKind::Unarchive).await.expect("accepted");
    let room = bench.again(&blog).await;
    assert_eq!((room.wanted, room.archived_at), (Wanted::Stopped, None));
}

#[tokio::test]
async fn a_room_being_destroyed_takes_no_other_wish() {
    let bench = Bench::new().await;
    let store = &bench.store;
    let ada = bench.account("ada", 1).await;
    let blog = bench.room(ada.id, "blog").await;
    let want = |wanted, kind| store.room_want(admin(), at(7), blog.id, wanted, kind);
    let destroy = want(Wanted::Destroyed, JobKind::Destroy).await.expect("accepted");
    for (wanted, job) in [
        (Wanted::Running, JobKind::Start),
        (Wanted::Stopped, JobKind::Stop),
        (Wanted::Running, JobKind::Restart),
        (Wanted::Archived, JobKind::Archive),
        (Wanted::Stopped, JobKind::Unarchive),
        (Wanted::Destroyed, JobKind::Destroy),
    ] {
        assert_eq!(kind(want(wanted, job).await), Conflict, "{job}");
    }
    let web = port(Protocol::Tcp, 80, None);
    assert_eq!(kind(store.port_add(admin(), at(8), blog.id, web, &bench.range).await), Conflict);
    let ssh = store.port_delete(admin(), at(8), blog.id, Protocol::Tcp, public(20_000)).await;
    assert_eq!(kind(ssh), Conflict);
    assert_eq!(kind(store.key_add(admin(), at(8), blog.id, key(2)).await), Conflict);
    let gone = store.key_delete(admin(), at(8), blog.id, key(1).fingerprint()).await;
    assert_eq!(kind(gone), Conflict);

    // One that failed can be tried again.
    store.job_finish(destroy, at(9), JobState::Failed, Some("busy".into())).await.expect("ended");
    want(Wanted::Destroyed, JobKind::Destroy).await.expect("accepted");
}

#[tokio::test]
async fn jobs_lead_where_their_kind_says() {
    let bench = Bench::new().await;
    let ada = bench.account("ada", 1).await;
    let blog = bench.room(ada.id, "blog").await;
    let want = |room, wanted, kind| bench.store.room_want(admin(), at(3), room, wanted, kind);
    for (wanted, job) in [(Wanted::Stopped, JobKind::Start), (Wanted::Running, JobKind::Ports)] {
        assert_eq!(kind(want(blog.id, wanted, job).await), FaultKind::Invalid, "{job}");
    }
    let missing = want(RoomId(99), Wanted::Running, JobKind::Start).await;
    assert_eq!(kind(missing), FaultKind::NotFound);
}

#[tokio::test]
async fn the_house_notes_what_rooms_do_themselves() {
    let bench = Bench::new().await;
    let store = &bench.store;
    let ada = bench.account("ada", 1).await;
    let (blog, create) = bench.create(new_room(ada.id, "blog")).await.expect("made");
    let off = "it powered itself off";
    store.room_set_wanted_by_house(at(5), blog.id, Wanted::Stopped, off).await.expect("noted");
    let room = bench.again(&blog).await;
    assert_eq!((room.wanted, room.generation), (Wanted::Stopped, 2));
    let rows = store.audit(Some("blog".to_owned()), 1).await.expect("read");
    assert_eq!((rows[0].actor.as_str(), rows[0].action.as_str()), ("house", "room.wanted"));
    assert!(rows[0].detail.contains(off), "{}", rows[0].detail);
    let job = store.job(create).await.expect("read").expect("there");
    assert_eq!(job.state, JobState::Running, "no job is touched");
    let generation = store.generation().await.expect("read");
    store.room_set_wanted_by_house(at(6), blog.id, Wanted::Stopped, off).await.expect("as it was");
    store.room_set_wanted_by_house(at(6), RoomId(99), Wanted::Stopped, off).await.expect("gone");
    assert_eq!(store.generation().await.expect("read"), generation);
}

#[tokio::test]
async fn a_problem_moves_the_generation_once() {
    let bench = Bench::new().await;
    let store = &bench.store;
    let ada = bench.account("ada", 1).await;
    let blog = bench.room(ada.id, "blog").await;
    let before = store.generation().await.expect("read");
    let problem = || Some("no address".to_owned());
    for _ in 0..2 {
        store.room_set_problem(blog.id, problem()).await.expect("noted");
    }
    let room = bench.again(&blog).await;
    assert_eq!((room.problem, room.generation), (problem(), 1));
    assert_eq!(store.generation().await.expect("read"), before + 1);
    store.room_set_problem(blog.id, None).await.expect("cleared");
    assert_eq!(bench.again(&blog).await.problem, None);
    store.room_set_problem(RoomId(99), problem()).await.expect("no effect");
}

#[tokio::test]
async fn a_forgotten_room_leaves_its_jobs_only() {
    let bench = Bench::new().await;
    let store = &bench.store;
    let ada = bench.account("ada", 1).await;
    let blog = bench.room(ada.id, "blog").await;
    let destroy =
        store.room_want(admin(), at(3), blog.id, Wanted::Destroyed, JobKind::Destroy).await;
    let destroy = destroy.expect("accepted");
    let serial = store.zone_serial().await.expect("read");
    for _ in 0..2 {
        store.room_forget(at(4), blog.id).await.expect("forgotten");
    }
    assert_eq!(store.zone_serial().await.expect("read"), serial + 1);
    assert!(store.room_by_id(blog.id).await.expect("read").is_none());
    let left = "SELECT (SELECT count(*) FROM port) + (SELECT count(*) FROM ssh_key)";
    let left: i64 =
        store.read(move |tx| Ok(tx.query_row(left, [], |row| row.get(0))?)).await.expect("read");
    assert_eq!(left, 0);

    store.job_finish(destroy, at(5), JobState::Done, None).await.expect("ended");
    let jobs = store.jobs_of(blog.id, 50).await.expect("read");
    let seen: Vec<_> = jobs.iter().map(|job| (job.kind, job.state, job.object.as_str())).collect();
    assert_eq!(
        seen,
        [
            (JobKind::Destroy, JobState::Done, "blog"),
            (JobKind::Create, JobState::Superseded, "blog")
        ]
    );
    assert_eq!(store.job_room(destroy).await.expect("read"), Some(blog.id));
    let again = bench.room(ada.id, "blog").await;
    assert_ne!(again.id, blog.id, "a number is never given twice");
    assert_eq!(store.jobs_of(again.id, 50).await.expect("read").len(), 1);
}
