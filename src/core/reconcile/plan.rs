//! From what is wanted and what is seen to what is to be done. Pure: no kernel, no store.

use crate::model::{JobKind, Wanted};

/// What the store wants of a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desired {
    pub wanted: Wanted,
    /// Its open jobs, oldest first.
    pub jobs: Vec<OpenJob>,
}

/// An accepted job and the steps already done for it, by an earlier core perhaps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenJob {
    pub kind: JobKind,
    pub done: Vec<String>,
}

impl OpenJob {
    fn has_done(&self, step: Step) -> bool {
        self.done.iter().any(|done| done == step.name())
    }
}

/// What the kernel has of a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Observed {
    /// Its layer is complete.
    pub layer: bool,
    /// It has a cgroup: it runs, or has run and has not been put away.
    pub cgroup: bool,
    /// Its pid 1 lives…
    pub running: bool,
    /// …and has said it is ready.
    pub ready: bool,
}

/// One thing to do. The names are what timelines show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Give front the house as it is wanted now.
    Publish,
    /// Replace the firewall and pin the rooms' neighbours.
    Network,
    /// Make the room's layer.
    Layer,
    /// Bring pid 1 up.
    Launch,
    /// Write the managed keys inside.
    Keys,
    /// Wait for pid 1 to be ready.
    Ready,
    /// Ask pid 1 to power off, and see to it.
    Stop,
    /// Remove the cgroup.
    Release,
    /// Remove the layer.
    Erase,
    /// Remove the row.
    Forget,
}

impl Step {
    /// The step's name, in jobs and timelines.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Network => "network",
            Self::Layer => "layer",
            Self::Launch => "launch",
            Self::Keys => "keys",
            Self::Ready => "ready",
            Self::Stop => "stop",
            Self::Release => "release",
            Self::Erase => "erase",
            Self::Forget => "forget",
        }
    }

    /// Whether the step makes something of the room's own, to be taken back on failure.
    #[must_use]
    pub fn leaves_something(self) -> bool {
        matches!(self, Self::Layer | Self::Launch)
    }

    /// Whether the step goes on beside those that follow, up to [`Step::Ready`]. What a room may
    /// not do without it is refused until it is done: the firewall drops a room it does not know.
    #[must_use]
    pub fn aside(self) -> bool {
        matches!(self, Self::Publish | Self::Network)
    }
}

/// The steps from `seen` to `desired`, in order. Empty when there is nothing to do.
#[must_use]
pub fn plan(desired: &Desired, seen: Observed) -> Vec<Step> {
    match desired.wanted {
        Wanted::Running => run(desired, seen),
        Wanted::Stopped | Wanted::Archived => rest(desired, seen),
        Wanted::Destroyed => {
            let stop = seen.running.then_some(Step::Stop);
            let remove = [Step::Release, Step::Erase, Step::Network, Step::Forget];
            std::iter::once(Step::Publish).chain(stop).chain(remove).collect()
        }
    }
}

fn run(desired: &Desired, seen: Observed) -> Vec<Step> {
    let open = |kind| desired.jobs.iter().any(|job| job.kind == kind);
    let restart =
        desired.jobs.iter().any(|job| job.kind == JobKind::Restart && !job.has_done(Step::Stop));
    let halts = seen.running && restart;
    let launches = !seen.running || halts;
    let mut steps = Vec::new();
    // Keys are the room's own affair, redirections the firewall's; everything else is everyone's.
    let only = |kinds: &[JobKind]| desired.jobs.iter().all(|job| kinds.contains(&job.kind));
    if launches || !only(&[JobKind::Ports, JobKind::Keys]) {
        steps.push(Step::Publish);
    }
    if launches || !only(&[JobKind::Keys]) {
        steps.push(Step::Network);
    }
    if halts {
        steps.extend([Step::Stop, Step::Release]);
    }
    if !seen.layer {
        steps.push(Step::Layer);
    }
    if launches {
        // A launch writes the keys too.
        steps.push(Step::Launch);
    } else if open(JobKind::Keys) {
        steps.push(Step::Keys);
    }
    // Recorded even when it is ready already: a creation's timeline ends with it.
    let waits = desired.jobs.iter().any(|job| {
        matches!(job.kind, JobKind::Create | JobKind::Start | JobKind::Restart)
            && !job.has_done(Step::Ready)
    });
    if launches || waits {
        steps.push(Step::Ready);
    }
    steps
}

fn rest(desired: &Desired, seen: Observed) -> Vec<Step> {
    // One that powered itself off has no job, and still is to be put away.
    if !seen.running && !seen.cgroup && desired.jobs.is_empty() {
        return Vec::new();
    }
    let stop = seen.running.then_some(Step::Stop);
    let away = [Step::Release, Step::Network];
    std::iter::once(Step::Publish).chain(stop).chain(away).collect()
}

#[cfg(test)]
mod tests {
    use super::Step::{Erase, Forget, Keys, Launch, Layer, Network, Publish, Ready, Release, Stop};
    use super::*;

    fn desired(wanted: Wanted, jobs: &[JobKind]) -> Desired {
        let jobs = jobs.iter().map(|kind| OpenJob { kind: *kind, done: Vec::new() }).collect();
        Desired { wanted, jobs }
    }

    const NOTHING: Observed =
        Observed { layer: false, cgroup: false, running: false, ready: false };
    const LAYER: Observed = Observed { layer: true, ..NOTHING };
    const ENDED: Observed = Observed { cgroup: true, ..LAYER };
    const BOOTING: Observed = Observed { running: true, ..ENDED };
    const UP: Observed = Observed { ready: true, ..BOOTING };

    #[test]
    fn each_situation_has_its_steps() {
        let cases: &[(Wanted, &[JobKind], Observed, &[Step])] = &[
            (
                Wanted::Running,
                &[JobKind::Create],
                NOTHING,
                &[Publish, Network, Layer, Launch, Ready],
            ),
            // Killed after the layer, or after the launch.
            (Wanted::Running, &[JobKind::Create], LAYER, &[Publish, Network, Launch, Ready]),
            (Wanted::Running, &[JobKind::Create], BOOTING, &[Publish, Network, Ready]),
            (Wanted::Running, &[JobKind::Create], UP, &[Publish, Network, Ready]),
            (Wanted::Running, &[], UP, &[]),
            // The room rebooted, or the host did.
            (Wanted::Running, &[], LAYER, &[Publish, Network, Launch, Ready]),
            (
                Wanted::Running,
                &[JobKind::Restart],
                UP,
                &[Publish, Network, Stop, Release, Launch, Ready],
            ),
            (Wanted::Running, &[JobKind::Keys], UP, &[Keys]),
            (Wanted::Running, &[JobKind::Keys], LAYER, &[Publish, Network, Launch, Ready]),
            (Wanted::Running, &[JobKind::Ports], UP, &[Network]),
            (Wanted::Stopped, &[JobKind::Stop], UP, &[Publish, Stop, Release, Network]),
            (Wanted::Stopped, &[JobKind::Ports], LAYER, &[Publish, Release, Network]),
            (Wanted::Stopped, &[], LAYER, &[]),
            // Powered off from inside.
            (Wanted::Stopped, &[], ENDED, &[Publish, Release, Network]),
            (Wanted::Archived, &[JobKind::Archive], UP, &[Publish, Stop, Release, Network]),
            (
                Wanted::Destroyed,
                &[JobKind::Destroy],
                UP,
                &[Publish, Stop, Release, Erase, Network, Forget],
            ),
            (Wanted::Destroyed, &[], NOTHING, &[Publish, Release, Erase, Network, Forget]),
        ];
        for (wanted, jobs, seen, expected) in cases {
            assert_eq!(
                plan(&desired(*wanted, jobs), *seen),
                *expected,
                "{wanted} {jobs:?} {seen:?}"
            );
        }
    }

    #[test]
    fn a_restart_interrupted_after_its_stop_does_not_stop_again() {
        let job = OpenJob { kind: JobKind::Restart, done: vec!["stop".to_owned()] };
        let desired = Desired { wanted: Wanted::Running, jobs: vec![job] };
        assert_eq!(plan(&desired, BOOTING), [Publish, Network, Ready]);
    }
}
