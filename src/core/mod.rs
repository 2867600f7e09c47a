//! Decides, and drives the kernel. The only role that runs as root for long.
//!
//! It reads no packet and no TCP or UDP byte: those belong to front. Everything asked of it is a
//! `Command` with a `Caller` it has established itself, and flows one way:
//!
//! ```text
//! Command + Caller ─▶ gate ─▶ handle ─▶ one transaction in store ─▶ "accepted, job N"
//!                                              │
//!        snapshot to front ◀─ apply ◀─ plan ◀─ reconcile ◀─ wakes at once
//! ```

pub mod admin;
pub mod authority;
mod begin;
pub mod builder;
pub mod config;
mod dismantle;
pub mod doors;
pub mod gate;
pub mod handle;
pub mod keeper;
pub mod kernel;
pub mod launch;
mod living;
pub mod reconcile;
pub mod store;
pub mod template;

use std::path::{Path, PathBuf};

use config::Config;

/// Threads that run tasks: the box's cores belong to the rooms.
const WORKERS: usize = 2;
/// Threads that wait for the kernel on behalf of tasks.
const BLOCKING: usize = 16;

/// Why the house could not begin, or be taken down.
#[derive(Debug, thiserror::Error)]
pub enum CoreError {
    #[error(transparent)]
    Config(#[from] config::ConfigError),
    #[error("core must run as root: it makes namespaces, mounts and firewall rules")]
    NotRoot,
    #[error("the house is running: stop it first (`systemctl stop piaule`)")]
    Running,
    #[error("cannot {doing} {path}")]
    Io { doing: &'static str, path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Store(#[from] store::StoreError),
    #[error(transparent)]
    Pool(#[from] kernel::pool::PoolError),
    #[error(transparent)]
    Cgroup(#[from] kernel::cgroup::CgroupError),
    #[error(transparent)]
    Link(#[from] kernel::link::LinkError),
    #[error(transparent)]
    Authority(#[from] authority::AuthorityError),
    #[error(transparent)]
    Door(#[from] doors::DoorError),
    #[error(transparent)]
    Admin(#[from] admin::AdminError),
    #[error(transparent)]
    Border(reconcile::BorderError),
    #[error("the rooms cannot be taken up")]
    Rooms(#[from] reconcile::StepError),
    #[error("a task of the house failed")]
    Task(#[from] tokio::task::JoinError),
}

/// The `core` role: the house, until it is told to end.
///
/// # Errors
/// Whatever keeps the house from beginning.
pub fn run(config: &Path) -> Result<(), CoreError> {
    log();
    with_runtime(config, begin::house)
}

/// Takes the house down and removes everything it made, its data included.
///
/// # Errors
/// While it runs, and whatever keeps something from being removed.
pub fn dismantle(config: &Path) -> Result<(), CoreError> {
    with_runtime(config, dismantle::house)
}

fn with_runtime<F: Future<Output = Result<(), CoreError>>>(
    config: &Path,
    act: impl FnOnce(Config) -> F,
) -> Result<(), CoreError> {
    if !nix::unistd::geteuid().is_root() {
        return Err(CoreError::NotRoot);
    }
    // Rooms' files are born with it, whatever the service manager chose; what is secret here
    // gets its mode by name.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    let config = Config::read(config)?;
    let failed = |source| CoreError::Io { doing: "start", path: "core".into(), source };
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .max_blocking_threads(BLOCKING)
        .thread_name("core")
        .enable_all()
        .build()
        .map_err(failed)?
        .block_on(act(config))
}

/// Logs lines to standard error, for the journal as a rule; `PIAULE_LOG` chooses what.
fn log() {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_from_env("PIAULE_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Whoever called may have set up a log of their own.
    let _ = lines.with_ansi(false).try_init();
}
