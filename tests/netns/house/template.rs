//! The template that rooms are born from, built once for a recipe and kept for the next tests,
//! and for the demonstration, in /var/cache/piaule/templates.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use nix::fcntl::{Flock, FlockArg};
use piaule::core::template;

use super::program::run;

const CACHE: &str = "/var/cache/piaule/templates";
/// As packaging/demo/run.sh names it: by what goes into it.
const KEY: &str = "find profiles/templates/light /etc/apt/sources.list* -type f -print0 \
                   | LC_ALL=C sort --zero-terminated | xargs --null sha256sum \
                   | sha256sum | cut -c1-16";

/// The path of its archive.
pub fn file() -> String {
    static FILE: OnceLock<String> = OnceLock::new();
    FILE.get_or_init(|| {
        let root = env!("CARGO_MANIFEST_DIR");
        let key = run(Command::new("sh").args(["-c", KEY]).current_dir(root), b"").word();
        fs::create_dir_all(CACHE).expect("a cache");
        let file = Path::new(CACHE).join(format!("light-{key}.tar.zst"));
        // Another test process may be building it.
        let lock = File::create(Path::new(CACHE).join("lock")).expect("a lock");
        let _lock = Flock::lock(lock, FlockArg::LockExclusive).expect("locked");
        if !file.exists() {
            build(&file);
        }
        file.display().to_string()
    })
    .clone()
}

/// Builds it outside any house: core in its namespace has no way to Debian's mirrors.
fn build(file: &Path) {
    let into = tempfile::tempdir_in(CACHE).expect("a folder");
    let recipes: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles/templates");
    let name = "light".parse().expect("a name");
    let mut words = Vec::new();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let built = runtime.block_on(template::build(&name, &recipes, into.path(), |line| {
        words.push(line.to_owned());
    }));
    if let Err(error) = built {
        panic!("the template light cannot be built: {error}\n{}", words.join("\n"));
    }
    let partial = file.with_extension("partial");
    let tar = "exec tar --directory \"$1\" --use-compress-program='zstd -T0' --numeric-owner \
               --xattrs --xattrs-include='*' --create --file=\"$2\" .";
    let mut command = Command::new("sh");
    run(command.args(["-c", tar, "sh"]).arg(into.path()).arg(&partial), b"").ok();
    fs::rename(&partial, file).expect("kept");
}
