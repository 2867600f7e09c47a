//! Builds the root file systems that rooms are born from.
//!
//! A recipe (a folder with `recipe.toml`, `files/` and `prepare.sh`, owned by the administrator)
//! becomes a tree in an empty folder its caller made; the caller makes it immutable and gives it
//! a version. `core` alone calls this room. It trusts the recipe as it trusts the administrator,
//! and Debian's packages as apt does: by the archive's signatures.
//!
//! Decisions:
//! - Packages come from the machine's own Debian sources through mmdebstrap(1), so a house behind
//!   a mirror or a proxy needs no second configuration. Price: a build needs the network, and a
//!   house that is not on Debian cannot build (it can import).
//! - Both programs run in process and mount namespaces of their own and die with their parent: a
//!   build given up leaves no process and no mount behind, only its folder.
//! - `prepare.sh` has no network: what a template holds is what its list of packages says.

mod recipe;
mod sources;
mod tree;

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;

pub use recipe::{Description, Ingredients, Masked, Package, Recipe, Suite, Unit};

use crate::model::TemplateName;

/// Lines of a failed program's words that are kept for the job.
const LAST_LINES: usize = 12;
/// How this machine's apt reaches its sources, as far as a build must do the same.
const APT_WAYS: [&str; 4] = [
    "Acquire::http::Proxy",
    "Acquire::https::Proxy",
    "Acquire::Check-Valid-Until",
    "Acquire::Check-Date",
];
/// Mounts what programs expect and enters `$1` to run the commands `$2`.
const ENTER: &str = "mount --bind /dev \"$1/dev\"; mount -t proc proc \"$1/proc\"; \
                     exec chroot \"$1\" /bin/sh -eu -c \"$2\"";

/// Why a template was not built.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// A part of the recipe is missing or unreadable.
    #[error("cannot read {}", path.display())]
    ReadRecipe { path: PathBuf, source: io::Error },
    /// `recipe.toml` is not as it should be.
    #[error("{} is not a valid recipe", path.display())]
    ParseRecipe { path: PathBuf, source: toml::de::Error },
    /// Nothing to install from.
    #[error(
        "no Debian source was found in /etc/apt; a build installs from the machine's own sources, \
         so add one, or import a template built elsewhere"
    )]
    NoSources,
    /// A program did not start or could not be heard.
    #[error("cannot run {program}")]
    Run { program: &'static str, source: io::Error },
    /// A program did not do its work.
    #[error("{program} failed ({status}); its last words:\n{words}")]
    Failed { program: &'static str, status: ExitStatus, words: String },
    /// The tree could not be changed or read.
    #[error("cannot finish {}", path.display())]
    Write { path: PathBuf, source: io::Error },
    /// The tree was built, and no room could be born from it.
    #[error("{} {reason}", path.display())]
    Unfit { path: PathBuf, reason: &'static str },
}

/// Builds the template `name` from its recipe in the folder `recipes` into the empty folder
/// `into`, and tells how it goes line by line. Gives the bytes of its files.
///
/// Dropping the future ends the build; `into` is then to be removed by the caller, as after an
/// error.
///
/// # Errors
/// Each with what to look at; see [`TemplateError`].
pub async fn build(
    name: &TemplateName,
    recipes: &Path,
    into: &Path,
    mut log: impl FnMut(&str),
) -> Result<u64, TemplateError> {
    let recipe = Recipe::load(recipes, name)?;
    let apt = sources::read(Path::new("/etc/apt"));
    let mirror_list = |path: &str| std::fs::read_to_string(path).ok();
    let sources = sources::official(&apt, recipe.list.suite.as_ref(), mirror_list)
        .ok_or(TemplateError::NoSources)?;

    log("installing packages");
    bootstrap(&recipe, &sources, into, &mut log).await?;
    log("preparing files");
    let (root, files, masked) = (into.to_owned(), recipe.files, recipe.list.masked);
    blocking(move || {
        tree::set_sources(&root, &sources)?;
        files.map_or(Ok(()), |files| tree::copy(&files, &root))?;
        tree::mask(&root, &masked)
    })
    .await?;
    prepare(&recipe.prepare, into, &mut log).await?;
    log("checking the result");
    check(into).await
}

/// Checks that rooms can be born from the tree in `root`; gives the bytes of its files.
///
/// # Errors
/// [`TemplateError::Unfit`], saying what is wrong where.
pub async fn check(root: &Path) -> Result<u64, TemplateError> {
    let root = root.to_owned();
    blocking(move || {
        tree::empty_mount_points(&root)?;
        tree::survey(&root)
    })
    .await
}

async fn bootstrap(
    recipe: &Recipe,
    sources: &str,
    into: &Path,
    log: &mut impl FnMut(&str),
) -> Result<(), TemplateError> {
    let mut arguments: Vec<OsString> =
        ["--mode=root", "--variant=minbase", "--format=directory"].map(Into::into).into();
    arguments.push(format!("--include={}", recipe.list.include()).into());
    arguments.extend(apt_ways().await?.into_iter().map(|way| format!("--aptopt={way}").into()));
    // The suite is named by the sources, which come through standard input.
    arguments.extend(["".into(), into.into(), "-".into()]);
    run("mmdebstrap", fenced(&["--mount-proc", "--", "mmdebstrap"], arguments), sources, log).await
}

async fn prepare(
    script: &str,
    into: &Path,
    log: &mut impl FnMut(&str),
) -> Result<(), TemplateError> {
    let arguments = ["-ec".into(), ENTER.into(), "prepare".into(), into.into(), script.into()];
    run("prepare.sh", fenced(&["--net", "--", "sh"], arguments.into()), "", log).await
}

/// The settings of this machine's apt that say how to reach its sources (apt-config(8)).
async fn apt_ways() -> Result<Vec<String>, TemplateError> {
    let dump = Command::new("apt-config").arg("dump").args(APT_WAYS).output().await;
    let dump = dump.map_err(|source| TemplateError::Run { program: "apt-config", source })?;
    let text = String::from_utf8_lossy(&dump.stdout);
    let chosen = |line: &&str| APT_WAYS.iter().any(|way| line.starts_with(&format!("{way} ")));
    Ok(text.lines().filter(chosen).map(str::to_owned).collect())
}

/// A command in namespaces of its own, whose processes all die with this one.
fn fenced(options: &[&str], arguments: Vec<OsString>) -> Command {
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "KILL", "--", "unshare", "--mount", "--pid", "--fork"])
        .arg("--kill-child")
        .args(options)
        .args(arguments);
    command
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LC_ALL", "C.UTF-8")
        .env("DEBIAN_FRONTEND", "noninteractive")
        .envs(
            ["http_proxy", "https_proxy", "no_proxy"]
                .into_iter()
                .filter_map(|name| std::env::var_os(name).map(|value| (name, value))),
        )
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// Runs `command` with `input`, passing on what it says.
async fn run(
    program: &'static str,
    mut command: Command,
    input: &str,
    log: &mut impl FnMut(&str),
) -> Result<(), TemplateError> {
    let failed = |source| TemplateError::Run { program, source };
    let mut child = command.spawn().map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        match stdin.write_all(input.as_bytes()).await {
            // It ended without reading; its status says why.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            written => written.map_err(failed)?,
        }
    }
    let mut last = VecDeque::new();
    if let Some(stderr) = child.stderr.take() {
        let mut lines = BufReader::new(stderr).split(b'\n');
        while let Some(line) = lines.next_segment().await.map_err(failed)? {
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            log(&line);
            if last.len() == LAST_LINES {
                last.pop_front();
            }
            last.push_back(line);
        }
    }
    let status = child.wait().await.map_err(failed)?;
    if status.success() {
        return Ok(());
    }
    let words = Vec::from(last).join("\n");
    Err(TemplateError::Failed { program, status, words })
}

/// Runs file work off the runtime's threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, TemplateError> + Send + 'static,
) -> Result<T, TemplateError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(ended) => {
            let source = io::Error::other(ended);
            Err(TemplateError::Run { program: "the preparation of files", source })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    #[tokio::test]
    async fn a_failure_keeps_the_last_words() {
        let mut heard = Vec::new();
        let failed = run(
            "sh",
            shell("cat >&2; for i in $(seq 40); do echo line $i >&2; done; exit 3"),
            "the input\n",
            &mut |line: &str| heard.push(line.to_owned()),
        )
        .await;
        assert_eq!((heard.len(), heard[0].as_str()), (41, "the input"));
        match failed {
            Err(TemplateError::Failed { status, words, .. }) => {
                assert_eq!(status.code(), Some(3));
                assert_eq!(words.lines().next(), Some("line 29"));
                assert_eq!(words.lines().last(), Some("line 40"));
            }
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_program_that_does_not_listen_is_judged_by_its_status() {
        let long = "x".repeat(1 << 20);
        assert!(run("sh", shell("exec <&-; exit 0"), &long, &mut |_: &str| {}).await.is_ok());
    }

    #[tokio::test]
    async fn without_a_recipe_nothing_runs() {
        let into = tempfile::tempdir().expect("folder");
        let name = "light".parse().expect("valid");
        let built = build(&name, Path::new("/nonexistent"), into.path(), |_| {}).await;
        assert!(matches!(built, Err(TemplateError::ReadRecipe { .. })));
    }
}
