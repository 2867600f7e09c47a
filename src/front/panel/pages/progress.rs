//! What a room is doing: its state, and its newest job step by step. The same markup stands in
//! the page and comes with each event, so that both always agree.

use maud::{Markup, html};

use super::sentence;
use crate::front::panel::request::route::Page;
use crate::front::panel::texts::Texts;
use crate::model::{JobKind, JobState, Phase, Wanted};
use crate::wire::{JobEvent, JobView, RoomView, StepView};

/// What a room is to its student: what is wanted, seen and under way, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::front::panel) enum RoomState {
    Stopped,
    Starting,
    Running,
    Stopping,
    Failed,
    Archived,
    /// Being destroyed.
    Leaving,
    /// Destroyed, or never came to be.
    Gone,
}

impl RoomState {
    /// The word the style sheet knows it by.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Failed => "failed",
            Self::Archived => "archived",
            Self::Leaving => "leaving",
            Self::Gone => "gone",
        }
    }

    fn seen(phase: Phase, job: &JobView) -> Self {
        if is_last(job) {
            return Self::Gone;
        }
        let under_way = (job.state == JobState::Running).then_some(job.kind);
        match (phase, under_way) {
            (Phase::Stopped | Phase::Failed, Some(on)) if turns_on(on) => Self::Starting,
            (Phase::Running, Some(JobKind::Stop | JobKind::Archive | JobKind::Destroy)) => {
                Self::Stopping
            }
            (phase, _) => phase.into(),
        }
    }
}

impl From<Phase> for RoomState {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::Stopped => Self::Stopped,
            Phase::Starting => Self::Starting,
            Phase::Running => Self::Running,
            Phase::Stopping => Self::Stopping,
            Phase::Failed => Self::Failed,
        }
    }
}

/// Whether nothing is left of a room once this job has ended as it did.
pub(in crate::front::panel) fn is_last(job: &JobView) -> bool {
    matches!(
        (job.kind, job.state),
        (JobKind::Destroy, JobState::Done) | (JobKind::Create, JobState::Failed)
    )
}

fn turns_on(kind: JobKind) -> bool {
    matches!(kind, JobKind::Create | JobKind::Start | JobKind::Restart)
}

/// How a room is doing, from core's answer or from an event.
pub(in crate::front::panel) struct Progress<'a> {
    /// `None` when an event does not say.
    pub(super) state: Option<RoomState>,
    job: Option<&'a JobView>,
    problem: Option<&'a str>,
    /// In bytes, used if it is on, and the limit; `None` when an event does not say.
    memory: Option<(Option<u64>, u64)>,
}

impl<'a> Progress<'a> {
    pub(in crate::front::panel) fn of(room: &'a RoomView) -> Self {
        let state = match room.wanted {
            Wanted::Archived => RoomState::Archived,
            Wanted::Destroyed => RoomState::Leaving,
            Wanted::Running | Wanted::Stopped => match &room.job {
                Some(job) => RoomState::seen(room.phase, job),
                None => room.phase.into(),
            },
        };
        Self {
            state: Some(state),
            job: room.job.as_ref(),
            problem: room.problem.as_deref(),
            memory: Some((room.memory_used, room.limits.memory.0)),
        }
    }

    pub(in crate::front::panel) fn moved(event: &'a JobEvent) -> Self {
        let state = event.phase.map(|phase| RoomState::seen(phase, &event.job));
        Self { state, job: Some(&event.job), problem: None, memory: None }
    }

    /// Whether the page will soon be out of date.
    pub(super) fn is_under_way(&self) -> bool {
        matches!(self.state, Some(RoomState::Starting | RoomState::Stopping))
            || self.job.is_some_and(|job| job.state == JobState::Running)
    }
}

/// Memory in use, of how much.
pub(super) fn memory(texts: &Texts, (used, limit): (Option<u64>, u64)) -> String {
    used.map_or_else(|| (texts.bytes)(limit), |used| (texts.room.used_of)(used, limit))
}

/// The timeline. `data-state`, `data-label` and `data-memory` are for the room around it,
/// `data-said` for who listens to the page instead of seeing it.
pub(in crate::front::panel) fn fragment(texts: &Texts, progress: &Progress<'_>) -> Markup {
    let state = progress.state;
    html! {
        div.progress data-state=[state.map(RoomState::as_str)]
            data-label=[state.map(texts.state)]
            data-memory=[progress.memory.map(|bytes| memory(texts, bytes))]
            data-said=(said(texts, progress)) {
            @match progress.job {
                Some(job) => (timeline(texts, job)),
                None => p.note { (texts.room.no_job) },
            }
            @if let Some(problem) = problem(progress) {
                p.alert { (sentence(texts, problem)) }
            }
            @if state == Some(RoomState::Gone) {
                @if failed(progress) { p { (texts.room.nothing_left) } }
                a.button href=(Page::NewRoom.path()) { (texts.rooms.create) }
            }
        }
    }
}

fn failed(progress: &Progress<'_>) -> bool {
    progress.job.is_some_and(|job| job.state == JobState::Failed)
}

/// Why it went wrong, unless a step says it already.
fn problem<'a>(progress: &Progress<'a>) -> Option<&'a str> {
    if progress.job.is_some_and(|job| job.steps.iter().any(|step| step.detail.is_some())) {
        return None;
    }
    progress.job.and_then(|job| job.error.as_deref()).or(progress.problem)
}

fn said(texts: &Texts, progress: &Progress<'_>) -> String {
    let Some(job) = progress.job else { return String::new() };
    match job.steps.last() {
        Some(step) if job.state == JobState::Running => {
            format!("{}, {}", label(texts, step), (texts.step_state)(step.state))
        }
        _ => (texts.job)(job.kind, job.state).to_owned(),
    }
}

fn label<'a>(texts: &Texts, step: &'a StepView) -> &'a str {
    (texts.step)(&step.name).unwrap_or(&step.name)
}

fn timeline(texts: &Texts, job: &JobView) -> Markup {
    let total = job.steps.iter().map(|step| step.at_ms).fold(0.0, f64::max);
    html! {
        h3.job data-job=(job.state) { ((texts.job)(job.kind, job.state)) }
        @if !job.steps.is_empty() || job.state == JobState::Running {
            ol.steps {
                @for step in &job.steps { (line(texts, step, total)) }
                @if job.state == JobState::Running {
                    li.now { span.mark {} span.label { (texts.room.under_way) } }
                }
            }
        }
        @if job.state == JobState::Done && total > 0.0 {
            p.total { ((texts.milliseconds)(total)) " " (texts.room.total) }
        }
    }
}

/// A step: when it ran on the job's scale, and how long it took.
fn line(texts: &Texts, step: &StepView, total: f64) -> Markup {
    let (from, width) = span(step, total);
    html! {
        li data-step=(step.state) {
            span.mark aria-hidden="true" {}
            span.label {
                (label(texts, step))
                span.unseen { ", " ((texts.step_state)(step.state)) }
            }
            svg.bar viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true" focusable="false" {
                rect.track width="100" height="6" rx="1" {}
                rect.filled x=(format!("{from:.1}")) width=(format!("{width:.1}")) height="6" rx="1" {}
            }
            span.took { ((texts.milliseconds)(step.took_ms)) }
            @if let Some(detail) = &step.detail {
                p.detail { (sentence(texts, detail)) }
            }
        }
    }
}

/// Where a step lies on a scale of 100, at least 1 wide so that it can be seen.
fn span(step: &StepView, total: f64) -> (f64, f64) {
    if total <= 0.0 {
        return (0.0, 1.0);
    }
    let share = |ms: f64| (100.0 * ms / total).clamp(0.0, 100.0);
    let from = share(step.at_ms - step.took_ms).min(99.0);
    (from, (share(step.at_ms) - from).max(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::front::panel::texts::{ENGLISH, FRENCH};
    use crate::model::{JobId, StepState};

    fn step(name: &str, at_ms: f64, took_ms: f64) -> StepView {
        StepView { name: name.into(), state: StepState::Done, at_ms, took_ms, detail: None }
    }

    fn job(kind: JobKind, state: JobState, steps: Vec<StepView>) -> JobView {
        JobView {
            id: JobId(1),
            kind,
            state,
            object: "blog".into(),
            accepted_at: "2026-01-01T00:00:00Z".parse().expect("a timestamp"),
            finished_at: None,
            error: None,
            steps,
        }
    }

    fn moved(phase: Phase, job: JobView) -> JobEvent {
        JobEvent { room: None, phase: Some(phase), job }
    }

    #[test]
    fn a_state_is_what_is_under_way() {
        use JobState::{Done, Running};
        let cases = [
            (Phase::Stopped, JobKind::Create, Running, RoomState::Starting),
            (Phase::Failed, JobKind::Start, Running, RoomState::Starting),
            (Phase::Running, JobKind::Stop, Running, RoomState::Stopping),
            (Phase::Running, JobKind::Ports, Running, RoomState::Running),
            (Phase::Running, JobKind::Stop, Done, RoomState::Running),
            (Phase::Stopped, JobKind::Stop, Done, RoomState::Stopped),
            (Phase::Failed, JobKind::Start, JobState::Failed, RoomState::Failed),
            (Phase::Failed, JobKind::Create, JobState::Failed, RoomState::Gone),
            (Phase::Stopped, JobKind::Destroy, Running, RoomState::Stopped),
            (Phase::Stopped, JobKind::Destroy, Done, RoomState::Gone),
        ];
        for (phase, kind, state, expected) in cases {
            assert_eq!(
                RoomState::seen(phase, &job(kind, state, vec![])),
                expected,
                "{phase} {kind}"
            );
        }
    }

    #[test]
    fn spans_fit_the_scale() {
        let close = |(a, b): (f64, f64), (c, d): (f64, f64)| (a - c).abs() + (b - d).abs() < 1e-9;
        assert!(close(span(&step("a", 50.0, 50.0), 200.0), (0.0, 25.0)));
        assert!(close(span(&step("b", 200.0, 150.0), 200.0), (25.0, 75.0)));
        assert!(close(span(&step("c", 200.0, 0.0), 200.0), (99.0, 1.0)));
        assert!(close(span(&step("d", 0.0, 0.0), 0.0), (0.0, 1.0)));
        assert!(close(span(&step("e", 10.0, 20.0), 10.0), (0.0, 100.0)));
    }

    #[test]
    fn a_running_job_says_its_last_step_and_that_it_goes_on() {
        let steps = vec![step("layer", 10.0, 10.0), step("launch", 24.0, 14.0)];
        let event = moved(Phase::Starting, job(JobKind::Create, JobState::Running, steps));
        let html = fragment(&FRENCH, &Progress::moved(&event)).into_string();
        for expected in [
            "data-state=\"starting\"",
            "data-label=\"S’allume…\"",
            "data-said=\"Lancement, fait\"",
            "La piaule se crée…",
            "14\u{202f}ms",
            "class=\"now\"",
        ] {
            assert!(html.contains(expected), "{expected} in {html}");
        }
        assert!(!html.contains("en tout"), "{html}");
    }

    #[test]
    fn a_failed_job_says_why_and_marks_what_was_undone() {
        let mut failed = step("launch", 30.0, 20.0);
        failed.state = StepState::Failed;
        failed.detail = Some("<b>no & such template</b>".into());
        let mut undone = step("layer", 10.0, 10.0);
        undone.state = StepState::Undone;
        let mut job = job(JobKind::Create, JobState::Failed, vec![undone, failed]);
        job.error = Some("the step `launch` failed".into());
        let event = moved(Phase::Failed, job);
        let html = fragment(&ENGLISH, &Progress::moved(&event)).into_string();
        for expected in [
            "data-step=\"undone\"",
            "data-step=\"failed\"",
            "&lt;b&gt;",
            "no &amp; such template",
            "The creation failed",
            "Nothing is left of it",
            "href=\"/new-room\"",
        ] {
            assert!(html.contains(expected), "{expected} in {html}");
        }
        assert!(!html.contains("<b>"), "{html}");
        assert!(!html.contains("class=\"alert\""), "the reason is said once: {html}");
    }

    #[test]
    fn french_marks_what_stayed_english() {
        let mut job = job(JobKind::Start, JobState::Failed, vec![]);
        job.error = Some("the moon is full".into());
        let event = moved(Phase::Failed, job);
        let html = fragment(&FRENCH, &Progress::moved(&event)).into_string();
        assert!(html.contains("<span lang=\"en\">the moon is full</span>"), "{html}");
    }
}
