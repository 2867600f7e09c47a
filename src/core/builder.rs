//! Builds templates, one at a time, and moves them between houses as tar.zst.
//!
//! A version appears in the store when its files are sealed and on disk, not before; what a
//! killed core left half-built is removed by the next, which builds again.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use tokio::process::Command;
use tokio::sync::Mutex;

use super::kernel::pool::{Pool, PoolError};
use super::reconcile::{Cause, Ledger, Recorded};
use super::store::{Actor, Store, StoreError};
use super::template::{self, TemplateError};
use crate::model::{JobId, JobKind, JobState, Phase, StepState, TemplateName, TemplateVersion};
use crate::wire::{Fault, FaultKind, Reply};

/// Why a template did not come to be.
#[derive(Debug, thiserror::Error)]
pub enum BuilderError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Pool(#[from] PoolError),
    #[error(transparent)]
    Template(#[from] TemplateError),
    #[error("cannot run tar")]
    Run(#[source] std::io::Error),
    #[error("tar failed: {0}")]
    Tar(String),
    #[error("a task of the house failed")]
    Task(#[from] tokio::task::JoinError),
}

/// The builder. It lives in an `Arc`; its builds hold it.
pub struct Builder {
    store: Store,
    pool: Pool,
    ledger: Ledger,
    recipes: PathBuf,
    /// Held while a version is made: builds take a machine's breath away one at a time.
    making: Mutex<()>,
    myself: std::sync::Weak<Self>,
}

impl Builder {
    pub fn new(store: Store, pool: Pool, ledger: Ledger, recipes: PathBuf) -> Arc<Self> {
        Arc::new_cyclic(|myself| Self {
            store,
            pool,
            ledger,
            recipes,
            making: Mutex::new(()),
            myself: myself.clone(),
        })
    }

    /// Removes what an earlier core left half-built, and builds it again.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn begin(&self) -> Result<(), StoreError> {
        let known = self.store.templates().await?;
        let found = self.pool.templates_found().unwrap_or_default();
        for (name, version) in found {
            if !known.iter().any(|view| view.name == name && view.version == version) {
                tracing::warn!(%name, %version, "removing a half-built template");
                if let Err(error) = self.pool.remove_template(&name, version) {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "it cannot be removed"
                    );
                }
            }
        }
        for job in self.store.open_jobs_all().await? {
            if let (JobKind::Template, Ok(name)) = (job.kind, job.object.parse()) {
                self.build(job.id, name);
            }
        }
        Ok(())
    }

    /// Builds a new version of a template, for a job.
    pub fn build(&self, job: JobId, name: TemplateName) {
        let Some(myself) = self.myself.upgrade() else { return };
        tokio::spawn(async move {
            let cause = myself.cause(job).await;
            let outcome = myself.build_now(&name, &cause).await;
            let (state, said) = match &outcome {
                Ok(()) => (JobState::Done, None),
                Err(error) => (JobState::Failed, Some(chain(error))),
            };
            myself.ledger.end(&cause, Phase::Stopped, state, said.as_deref());
        });
    }

    async fn cause(&self, job: JobId) -> Cause {
        let accepted = match self.store.job(job).await {
            Ok(Some(view)) => view.accepted_at,
            _ => Timestamp::now(),
        };
        Cause { room: None, jobs: vec![(job, accepted)] }
    }

    async fn build_now(&self, name: &TemplateName, cause: &Cause) -> Result<(), BuilderError> {
        let _one = self.making.lock().await;
        let version = self.store.template_next_version(name).await?;
        let into = self.pool.begin_template(name, version)?;
        let mut step = Running::new(BEGIN);
        let log = |line: &str| {
            if let Some((_, next)) = STEPS.iter().find(|(said, _)| *said == line) {
                let ended = std::mem::replace(&mut step, Running::new(next));
                self.ledger.step(cause, Phase::Stopped, &ended.end(StepState::Done, None));
            } else {
                tracing::debug!(%name, "{line}");
            }
        };
        let built = template::build(name, &self.recipes, &into, log).await;
        let sealed = match built {
            Ok(size) => self.seal(Actor::house(), name, version, size).await,
            Err(error) => Err(error.into()),
        };
        let said = sealed.as_ref().err().map(chain);
        let state = if sealed.is_ok() { StepState::Done } else { StepState::Failed };
        self.ledger.step(cause, Phase::Stopped, &step.end(state, said));
        sealed.inspect_err(|_| self.discard(name, version))
    }

    async fn seal(
        &self,
        actor: Actor,
        name: &TemplateName,
        version: TemplateVersion,
        size: u64,
    ) -> Result<(), BuilderError> {
        let (pool, owned) = (self.pool.clone(), name.clone());
        tokio::task::spawn_blocking(move || pool.seal_template(&owned, version)).await??;
        Ok(self.store.template_add(actor, Timestamp::now(), name.clone(), version, size).await?)
    }

    fn discard(&self, name: &TemplateName, version: TemplateVersion) {
        if let Err(error) = self.pool.remove_template(name, version) {
            tracing::error!(%name, %version, error = &error as &dyn std::error::Error, "a half-built template stays");
        }
    }

    /// Writes a template's newest version as tar.zst to `to`.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    pub async fn export(
        &self,
        actor: Actor,
        name: TemplateName,
        to: OwnedFd,
    ) -> Result<Reply, Fault> {
        let version = self.store.template_latest(&name).await?.ok_or_else(|| {
            Fault::new(
                FaultKind::NotFound,
                format!("there is no template `{name}`; `piaule template build {name}` makes it"),
            )
        })?;
        let now = Timestamp::now();
        self.store
            .audit_note(
                actor,
                now,
                "template.export",
                name.to_string(),
                format!("version {version}"),
            )
            .await?;
        let mut tar = tar(&self.pool.template(&name, version));
        tar.args(["--create", "--file=-", "."]).stdout(Stdio::from(to));
        run(tar)
            .await
            .map_err(|error| Fault::internal("the template could not be exported", &error))?;
        Ok(Reply::Done)
    }

    /// Makes a new version of a template from the tar.zst in `from`.
    ///
    /// # Errors
    /// When it cannot be unpacked, or no room could be born from it.
    pub async fn import(
        &self,
        actor: Actor,
        name: TemplateName,
        from: OwnedFd,
    ) -> Result<Reply, Fault> {
        let _one = self.making.lock().await;
        let failed =
            |error: BuilderError| Fault::internal("the template could not be imported", &error);
        let version = self.store.template_next_version(&name).await?;
        let into =
            self.pool.begin_template(&name, version).map_err(|error| failed(error.into()))?;
        let unpacked = async {
            let mut tar = tar(&into);
            tar.args(["--extract", "--file=-", "--same-owner", "--preserve-permissions"]);
            tar.stdin(Stdio::from(from)).stdout(Stdio::null());
            run(tar).await?;
            let size = template::check(&into).await?;
            self.seal(actor, &name, version, size).await
        };
        unpacked.await.inspect_err(|_| self.discard(&name, version)).map_err(failed)?;
        Ok(Reply::Done)
    }
}

/// The names of a build's steps, in order.
pub fn step_names() -> impl Iterator<Item = &'static str> {
    std::iter::once(BEGIN).chain(STEPS.iter().map(|(_, step)| *step))
}

/// The step before the build says anything.
const BEGIN: &str = "begin";

/// What the build says when it begins a part, and the step that part is.
const STEPS: [(&str, &str); 3] = [
    ("installing packages", "packages"),
    ("preparing files", "prepare"),
    ("checking the result", "check"),
];

/// A step under way.
struct Running {
    name: &'static str,
    begun: Instant,
}

impl Running {
    fn new(name: &'static str) -> Self {
        Self { name, begun: Instant::now() }
    }

    fn end(self, state: StepState, detail: Option<String>) -> Recorded {
        let took_ms = self.begun.elapsed().as_secs_f64() * 1e3;
        Recorded { name: self.name, state, at: Timestamp::now(), took_ms, detail }
    }
}

/// tar(1) in a folder, with owners by number and extended attributes.
fn tar(folder: &std::path::Path) -> Command {
    let mut tar = Command::new("tar");
    tar.arg("--directory").arg(folder).args([
        "--use-compress-program=zstd -T0",
        "--numeric-owner",
        "--xattrs",
        "--xattrs-include=*",
    ]);
    tar.stdin(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    tar
}

async fn run(mut tar: Command) -> Result<(), BuilderError> {
    let child = tar.spawn().map_err(BuilderError::Run)?;
    // Our copies of its standard input and output would keep them open.
    drop(tar);
    let output = child.wait_with_output().await.map_err(BuilderError::Run)?;
    if output.status.success() {
        Ok(())
    } else {
        Err(BuilderError::Tar(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
    }
}

fn chain(error: &BuilderError) -> String {
    super::reconcile::chain(error)
}
