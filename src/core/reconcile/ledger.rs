//! The record of what the reconciler does: steps and ends of jobs, in order, into the store and
//! on to whoever watches. Writing to disk does not hold a room's bring-up up.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::{broadcast, mpsc};

use crate::core::store::Store;
use crate::model::{JobId, JobState, Phase, RoomId, RoomName, StepState};
use crate::wire::{JobEvent, JobView, StepView};

/// A handle on the record; clones share it.
#[derive(Debug, Clone)]
pub struct Ledger {
    entries: mpsc::UnboundedSender<Entry>,
    events: broadcast::Sender<Arc<JobEvent>>,
}

#[derive(Debug)]
struct Entry {
    job: JobId,
    room: Option<RoomName>,
    phase: Option<Phase>,
    what: What,
}

#[derive(Debug)]
enum What {
    Begun,
    Step(StepView),
    End { at: Timestamp, state: JobState, error: Option<String> },
}

/// The jobs a run of the reconciler works for, and the room they are about.
#[derive(Debug, Clone)]
pub struct Cause {
    pub room: Option<(RoomId, RoomName)>,
    /// Each with when it was accepted.
    pub jobs: Vec<(JobId, Timestamp)>,
}

impl Ledger {
    /// Starts recording into `store`.
    pub fn start(store: Store) -> Self {
        let (entries, mut received) = mpsc::unbounded_channel::<Entry>();
        let events = broadcast::Sender::new(1024);
        let ledger = Self { entries, events: events.clone() };
        tokio::spawn(async move {
            while let Some(entry) = received.recv().await {
                if let Err(error) = write(&store, &events, entry).await {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "a step is not recorded"
                    );
                }
            }
        });
        ledger
    }

    /// Where job events are sent, for whoever subscribes later.
    pub fn sender(&self) -> broadcast::Sender<Arc<JobEvent>> {
        self.events.clone()
    }

    /// Every job event from now on.
    pub fn events(&self) -> broadcast::Receiver<Arc<JobEvent>> {
        self.events.subscribe()
    }

    /// Work for these jobs begins: tells watchers, writes nothing.
    pub fn begun(&self, cause: &Cause, phase: Phase) {
        for (job, _) in &cause.jobs {
            self.enter(cause, *job, phase, What::Begun);
        }
    }

    /// A step ended that took `took_ms` and ended at `at`.
    pub fn step(&self, cause: &Cause, phase: Phase, step: &Recorded) {
        for (job, accepted_at) in &cause.jobs {
            let view = StepView {
                name: step.name.to_owned(),
                state: step.state,
                at_ms: milliseconds(step.at, *accepted_at),
                took_ms: step.took_ms,
                detail: step.detail.clone(),
            };
            self.enter(cause, *job, phase, What::Step(view));
        }
    }

    /// The jobs ended.
    pub fn end(&self, cause: &Cause, phase: Phase, state: JobState, error: Option<&str>) {
        let at = Timestamp::now();
        for (job, _) in &cause.jobs {
            self.enter(
                cause,
                *job,
                phase,
                What::End { at, state, error: error.map(str::to_owned) },
            );
        }
    }

    fn enter(&self, cause: &Cause, job: JobId, phase: Phase, what: What) {
        let room = cause.room.as_ref().map(|(_, name)| name.clone());
        let entry = Entry { job, phase: room.is_some().then_some(phase), room, what };
        // The recorder ends only with core.
        let _ = self.entries.send(entry);
    }
}

/// A step that ended.
#[derive(Debug)]
pub struct Recorded {
    pub name: &'static str,
    pub state: StepState,
    pub at: Timestamp,
    pub took_ms: f64,
    pub detail: Option<String>,
}

fn milliseconds(at: Timestamp, since: Timestamp) -> f64 {
    at.duration_since(since).as_secs_f64() * 1e3
}

async fn write(
    store: &Store,
    events: &broadcast::Sender<Arc<JobEvent>>,
    entry: Entry,
) -> Result<(), crate::core::store::StoreError> {
    let Entry { job, room, phase, what } = entry;
    match what {
        What::Begun => {}
        What::Step(step) => store.job_step(job, step).await?,
        What::End { at, state, error } => store.job_finish(job, at, state, error).await?,
    }
    let view: Option<JobView> = store.job(job).await?;
    if let Some(job) = view {
        // Nobody may be watching.
        let _ = events.send(Arc::new(JobEvent { room, phase, job }));
    }
    Ok(())
}
