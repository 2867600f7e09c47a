//! Watching a job: its steps as they come, then how it ended.

use std::io::Write;
use std::time::Duration;

use super::client::Client;
use super::failure::Said;
use super::show::plain;
use crate::model::{JobId, JobState, StepState};
use crate::wire::{Fault, FaultKind, JobView, StepView};

/// How long core may be gone, being restarted, before the watch is given up.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(200);

/// Watches a job until it ends, and gives `timeline` to `out` on the way.
pub(super) async fn to_its_end(
    client: &Client,
    job: JobId,
    timeline: &mut Timeline,
    out: &mut impl Write,
) -> anyhow::Result<JobView> {
    let mut seen = tokio::time::Instant::now();
    loop {
        let lost = match watch(client, job, timeline, out, &mut seen).await? {
            Ok(ended) => return Ok(ended),
            Err(fault) => fault,
        };
        // The job is on core's disk and goes on when core is back.
        if lost.kind != FaultKind::Unavailable || seen.elapsed() > PATIENCE {
            return Err(lost.into());
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// One connection's worth of watching. The outer error is ours, the inner one core's.
async fn watch(
    client: &Client,
    job: JobId,
    timeline: &mut Timeline,
    out: &mut impl Write,
    seen: &mut tokio::time::Instant,
) -> std::io::Result<Result<JobView, Fault>> {
    let mut events = match client.events(job).await {
        Ok(events) => events,
        Err(fault) => return Ok(Err(fault)),
    };
    loop {
        match events.next().await {
            Ok(Some(event)) => {
                *seen = tokio::time::Instant::now();
                timeline.write(&event.job, out)?;
                if event.job.state != JobState::Running {
                    return Ok(Ok(event.job));
                }
            }
            Ok(None) => {
                let gone = "the house was stopped before the job ended";
                return Ok(Err(Fault::new(FaultKind::Unavailable, gone)));
            }
            Err(fault) => return Ok(Err(fault)),
        }
    }
}

/// What was shown of a job's steps so far.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    shown: Vec<StepView>,
    colour: bool,
    silent: bool,
}

impl Timeline {
    /// A timeline for people.
    pub(super) fn new(colour: bool) -> Self {
        Self { colour, ..Self::default() }
    }

    /// One that shows nothing.
    pub(super) fn silent() -> Self {
        Self { silent: true, ..Self::default() }
    }

    /// Shows what is new or changed since the last time.
    pub(super) fn write(&mut self, job: &JobView, out: &mut impl Write) -> std::io::Result<()> {
        let known = self.shown.iter().map(Some).chain(std::iter::repeat(None));
        let news = job.steps.iter().zip(known).filter(|(step, known)| Some(*step) != *known);
        if !self.silent {
            for (step, _) in news {
                writeln!(out, "{}", line(step, self.colour))?;
            }
            out.flush()?;
        }
        self.shown.clone_from(&job.steps);
        Ok(())
    }
}

/// One step as a line.
pub(super) fn line(step: &StepView, colour: bool) -> String {
    let (word, paint) = match step.state {
        StepState::Done => ("done", "32"),
        StepState::Failed => ("failed", "31"),
        StepState::Undone => ("undone", "33"),
    };
    let word = if colour { format!("\x1b[{paint}m{word:<6}\x1b[0m") } else { format!("{word:<6}") };
    let name = plain(&step.name);
    let detail = step.detail.as_deref().map(plain).unwrap_or_default();
    let text = format!("  {word}  {name:<16} {:>9.1} ms  {detail}", step.took_ms);
    text.trim_end().to_owned()
}

/// How a job ended, for people.
///
/// # Errors
/// When it did not reach what was wanted: what to say, and the status to exit with.
pub(super) fn verdict(job: &JobView) -> anyhow::Result<String> {
    let what = format!("{} {}", job.kind, plain(&job.object));
    match job.state {
        JobState::Done => {
            let took = job.steps.iter().map(|step| step.at_ms).fold(0.0, f64::max);
            Ok(format!("{what}: done in {took:.1} ms"))
        }
        JobState::Running => Ok(format!("{what}: running")),
        JobState::Superseded => {
            let sentence = format!("{what}: a later command took over");
            Err(Fault::new(FaultKind::Conflict, sentence).into())
        }
        JobState::Failed => Err(failure(&what, job).into()),
    }
}

fn failure(what: &str, job: &JobView) -> Fault {
    let failed = job.steps.iter().rev().find(|step| step.state == StepState::Failed);
    let at = failed.map(|step| format!(" at the step `{}`", step.name)).unwrap_or_default();
    let mut fault = Fault::new(FaultKind::Internal, format!("{what} failed{at}"));
    let detail = failed.and_then(|step| step.detail.clone());
    fault.chain.extend(job.error.clone());
    fault.chain.extend(detail.filter(|detail| Some(detail) != job.error.as_ref()));
    fault
}

/// [`verdict`] where the reply itself, not a sentence, is what is printed.
pub(super) fn status(job: &JobView) -> anyhow::Result<()> {
    verdict(job).map(drop).map_err(|error| Said(super::failure::status(&error)).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::JobKind;

    fn step(name: &str, state: StepState, detail: Option<&str>) -> StepView {
        let detail = detail.map(str::to_owned);
        StepView { name: name.to_owned(), state, at_ms: 12.34, took_ms: 9.96, detail }
    }

    fn job(state: JobState, steps: Vec<StepView>) -> JobView {
        JobView {
            id: JobId(7),
            kind: JobKind::Create,
            state,
            object: "blog".to_owned(),
            accepted_at: jiff::Timestamp::UNIX_EPOCH,
            finished_at: None,
            error: None,
            steps,
        }
    }

    #[test]
    fn each_step_is_shown_once_and_again_when_undone() {
        let mut timeline = Timeline::default();
        let mut out = Vec::new();
        let layer = step("layer", StepState::Done, None);
        let launch = step("launch", StepState::Failed, Some("no\u{1b} room"));
        let undone = step("layer", StepState::Undone, None);
        for steps in [vec![layer.clone()], vec![layer, launch.clone()], vec![undone, launch]] {
            timeline.write(&job(JobState::Running, steps), &mut out).expect("write");
        }
        assert_eq!(
            String::from_utf8(out).expect("text"),
            "  done    layer                 10.0 ms\n  \
               failed  launch                10.0 ms  no\\u{1b} room\n  \
               undone  layer                 10.0 ms\n"
        );
    }

    #[test]
    fn verdicts() {
        let steps = vec![step("launch", StepState::Failed, Some("no memory"))];
        let error = verdict(&job(JobState::Failed, steps)).expect_err("failed");
        assert_eq!(error.to_string(), "create blog failed at the step `launch`");
        let statuses = [JobState::Done, JobState::Failed, JobState::Superseded].map(|state| {
            status(&job(state, Vec::new()))
                .map_or_else(|error| super::super::failure::status(&error), |()| 0)
        });
        assert_eq!(statuses, [0, 1, 5]);
        let done = job(JobState::Done, vec![step("ready", StepState::Done, None)]);
        assert_eq!(verdict(&done).expect("done"), "create blog: done in 12.3 ms");
    }
}
