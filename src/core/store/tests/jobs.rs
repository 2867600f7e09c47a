//! Jobs, their steps, and how much of them is kept.

use super::*;
use crate::model::{JobKind, JobState, RoomId, StepState, Wanted};
use crate::wire::StepView;

fn step(name: &str, state: StepState) -> StepView {
    StepView { name: name.to_owned(), state, at_ms: 12.5, took_ms: 3.25, detail: None }
}

#[tokio::test]
async fn a_job_goes_from_step_to_step_to_its_end() {
    let Bench { store, .. } = &Bench::bare();
    let start = store.job_start(admin(), at(1), JobKind::Template, "light".to_owned());
    let job = start.await.expect("accepted");
    let failed = StepView { detail: Some("no mirror".into()), ..step("fetch", StepState::Failed) };
    let steps = [step("prepare", StepState::Done), failed, step("prepare", StepState::Undone)];
    for step in &steps {
        store.job_step(job, step.clone()).await.expect("noted");
    }
    assert_eq!(
        kind(store.job_finish(job, at(2), JobState::Running, None).await),
        FaultKind::Invalid
    );
    let finish = |second, state, error| store.job_finish(job, at(second), state, error);
    finish(3, JobState::Failed, Some("no mirror".to_owned())).await.expect("ended");
    finish(4, JobState::Done, None).await.expect("no effect");
    store.job_step(job, step("late", StepState::Done)).await.expect("no effect");

    let view = store.job(job).await.expect("read").expect("there");
    assert_eq!(
        (view.kind, view.state, view.object),
        (JobKind::Template, JobState::Failed, "light".into())
    );
    assert_eq!((view.accepted_at, view.finished_at), (at(1), Some(at(3))));
    assert_eq!((view.error.as_deref(), view.steps), (Some("no mirror"), steps.to_vec()));
    assert_eq!(store.job_room(job).await.expect("read"), None);
    assert!(store.job(JobId(99)).await.expect("read").is_none());
    assert_eq!(store.job_room(JobId(99)).await.expect("read"), None);
    store.job_step(JobId(99), step("none", StepState::Done)).await.expect("no effect");
    let rows = store.audit(Some("light".to_owned()), 9).await.expect("read");
    assert_eq!(rows[0].action, "template.build");
}

#[tokio::test]
async fn open_jobs_are_oldest_first_and_history_newest_first() {
    let bench = Bench::new().await;
    let store = &bench.store;
    let ada = bench.account("ada", 1).await;
    let (blog, create) = bench.create(new_room(ada.id, "blog")).await.expect("made");
    let build = store.job_start(admin(), at(2), JobKind::Template, "light".to_owned()).await;
    let build = build.expect("accepted");
    let keys = store.key_add(admin(), at(3), blog.id, key(2)).await.expect("added");
    let ids = |jobs: Vec<crate::wire::JobView>| jobs.iter().map(|job| job.id).collect::<Vec<_>>();
    assert_eq!(ids(store.open_jobs(blog.id).await.expect("read")), [create, keys]);
    assert_eq!(ids(store.open_jobs_all().await.expect("read")), [create, build, keys]);
    assert_eq!(ids(store.jobs_of(blog.id, 9).await.expect("read")), [keys, create]);
    assert_eq!(ids(store.jobs_of(blog.id, 1).await.expect("read")), [keys]);
    store.job_finish(create, at(4), JobState::Done, None).await.expect("ended");
    assert_eq!(ids(store.open_jobs(blog.id).await.expect("read")), [keys]);
}

#[tokio::test]
async fn history_is_bounded_but_running_jobs_stay() {
    let bench = Bench::new().await;
    let store = &bench.store;
    let ada = bench.account("ada", 2).await;
    let blog = bench.room(ada.id, "blog").await;
    let keys = store.key_add(admin(), at(3), blog.id, key(2)).await.expect("added");
    bench.room(ada.id, "wiki").await;
    for _ in 0..210 {
        let job = store.room_want(admin(), at(4), blog.id, Wanted::Running, JobKind::Start).await;
        store
            .job_step(job.expect("accepted"), step("launch", StepState::Done))
            .await
            .expect("noted");
    }
    let jobs = store.jobs_of(blog.id, 1000).await.expect("read");
    assert_eq!(jobs.len(), 201, "the newest 200, and the old one that still runs");
    assert_eq!(jobs.last().expect("one").id, keys);
    let steps: i64 = store
        .read(|tx| Ok(tx.query_row("SELECT count(*) FROM step", [], |row| row.get(0))?))
        .await
        .expect("read");
    assert_eq!(steps, 200, "steps go with their jobs");
    assert_eq!(store.open_jobs_all().await.expect("read").len(), 3);
}

#[tokio::test]
async fn jobs_of_gone_rooms_are_bounded() {
    let bench = Bench::new().await;
    let store = &bench.store;
    let ada = bench.account("ada", 1).await;
    let blog = bench.room(ada.id, "blog").await;
    let fill = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10050)
                INSERT INTO job (room, kind, state, object, accepted_at, finished_at)
                SELECT 1000 + i, 'destroy', 'done', 'gone', 0, 0 FROM n";
    store.write(move |tx| Ok(tx.execute(fill, [])?)).await.expect("filled");
    store.room_forget(at(5), blog.id).await.expect("forgotten");
    let kept = "SELECT count(*), min(room) FROM job WHERE state <> 'running'";
    let kept = store
        .read(move |tx| {
            Ok(tx.query_row(kept, [], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?)
        })
        .await
        .expect("read");
    assert_eq!(kept, (10_000, 1051), "the newest");
    assert_eq!(store.open_jobs(blog.id).await.expect("read").len(), 1);
}

#[tokio::test]
async fn a_job_keeps_its_newest_steps() {
    let Bench { store, .. } = &Bench::bare();
    let job = store.job_start(admin(), at(1), JobKind::Template, "light".to_owned()).await;
    let job = job.expect("accepted");
    for number in 0..203 {
        store.job_step(job, step(&number.to_string(), StepState::Done)).await.expect("noted");
    }
    let steps = store.job(job).await.expect("read").expect("there").steps;
    assert_eq!((steps.len(), steps[0].name.as_str()), (200, "3"));
    assert_eq!(store.jobs_of(RoomId(1), 9).await.expect("read").len(), 0);
}
