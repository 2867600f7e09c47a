//! The ground a house stands on: a folder, two network namespaces, settings; and the guard that
//! clears it.
//!
//! The guard is a shell that waits for the end of its standard input, whose other end the test
//! process alone holds. It comes when the place is dropped, and also when the test process is
//! killed, so there is one way of cleaning up, and it always happens.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use nix::sched::{CloneFlags, setns};
use tempfile::TempDir;

use super::{BOX, PIAULE, ZONE, program};

/// `$1` piaule, `$2` folder, `$3` host and `$4` Internet namespaces, `$5` cgroup.
const GUARD: &str = r#"
trap '' INT HUP TERM
read -r _
exec > "$2/guard.log" 2>&1
failed=0
if pid=$(cat "$2/core.pid") && [ "$(readlink "/proc/$pid/exe")" = "$1" ]; then
    kill -KILL "$pid"
    timeout 10 tail --pid="$pid" --sleep-interval=0.05 -f /dev/null
fi
timeout 60 nsenter --net="/run/netns/$3" "$1" dismantle --config "$2/piaule.toml" --yes || failed=1
for namespace in "$3" "$4"; do
    ip netns pids "$namespace" | xargs --no-run-if-empty kill -KILL
    ip netns del "$namespace" || failed=1
done
if grep -F " $2/" /proc/self/mountinfo; then failed=1; fi
# A loop device goes with its last mount, which a process being born may have copied.
loops() { losetup --list --noheadings --output BACK-FILE | grep -F "$2/" > /dev/null; }
tries=600
while loops "$@" && [ $tries -gt 0 ]; do
    tries=$((tries - 1))
    sleep 0.05
done
if [ $tries = 0 ]; then
    failed=1
    echo "its loop device stays; its pool is still mounted for:"
    grep -lF "$2/" /proc/[0-9]*/mountinfo | sed 's/mountinfo/comm/' | xargs --no-run-if-empty grep .
fi
if find /sys/fs/cgroup -type d -name "$5" | grep .; then failed=1; fi
[ $failed = 0 ] && rm -rf --one-file-system "$2"
exit $failed
"#;

/// A network namespace with a name.
pub struct Namespace(String);

impl Namespace {
    /// A command in it. Nothing else is changed: `ip netns exec` would also mount another /sys.
    pub fn enter(&self, words: &[&str]) -> Command {
        let mut command = Command::new("timeout");
        command.args(["--kill-after=5", "120"]);
        command.arg("nsenter").arg(format!("--net={}", self.path())).args(words);
        command
    }

    /// Does something on a thread that has moved there.
    pub fn within<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        let namespace = fs::File::open(self.path()).expect("it is there");
        let act = move || {
            setns(namespace, CloneFlags::CLONE_NEWNET).expect("root may");
            act()
        };
        thread::scope(|scope| scope.spawn(act).join().expect("it does not panic"))
    }

    pub fn path(&self) -> String {
        format!("/run/netns/{}", self.0)
    }
}

/// See the module.
pub struct Place {
    pub host: Namespace,
    pub internet: Namespace,
    pub cgroup: String,
    folder: std::path::PathBuf,
    guard: Child,
}

impl Place {
    /// Makes it, with the usual settings and these.
    pub fn make(settings: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let root = nix::unistd::geteuid().is_root();
        assert!(root, "these tests need root: they make namespaces, mounts and firewall rules");
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("pl-t{}-{number}", std::process::id());
        let host = Namespace(format!("{name}-host"));
        let internet = Namespace(format!("{name}-net"));
        let folder = TempDir::with_prefix(format!("{name}-")).expect("a folder").keep();
        // Rooms pass through it to their template.
        fs::set_permissions(&folder, Permissions::from_mode(0o755)).expect("its mode is set");
        let guard = guard(&folder, &host, &internet, &name);
        let place = Self { host, internet, cgroup: name, folder, guard };
        place.write_settings(settings);
        place.lay_wire();
        place
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The command line of core.
    pub fn core(&self) -> Vec<String> {
        let settings = self.folder.join("piaule.toml").display().to_string();
        let namespace = format!("--net={}", self.host.path());
        ["nsenter", &namespace, PIAULE, "core", "--config", &settings].map(str::to_owned).into()
    }

    fn write_settings(&self, more: &str) {
        let recipes = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles/templates");
        let folder = self.folder.display();
        let text = format!(
            "zone = \"{ZONE}\"\npublic_address = \"{BOX}\"\nuplink = \"pub0\"\n\
             state = \"{folder}/state\"\nrun = \"{folder}/run\"\npool = \"{folder}/pool\"\n\
             pool_size = \"20G\"\nrecipes = \"{recipes}\"\nfront_uid = {uid}\nresolvers = []\n\
             cgroup = \"{cgroup}\"\n{more}",
            recipes = recipes.display(),
            uid = 64_910 + std::process::id() % 64,
            cgroup = self.cgroup,
        );
        fs::write(self.folder.join("piaule.toml"), text).expect("settings are written");
        fs::create_dir(self.folder.join("pool")).expect("the pool's folder is made");
    }

    fn lay_wire(&self) {
        let (host, internet) = (&self.host.0, &self.internet.0);
        for line in [
            format!("netns add {host}"),
            format!("netns add {internet}"),
            format!("link add pub0 netns {host} type veth peer name eth0 netns {internet}"),
            format!("-n {host} address add {BOX}/24 dev pub0"),
            format!("-n {internet} address add 203.0.113.2/24 dev eth0"),
            format!("-n {host} link set lo up"),
            format!("-n {internet} link set lo up"),
            format!("-n {host} link set pub0 up"),
            format!("-n {internet} link set eth0 up"),
        ] {
            program::run(Command::new("ip").args(line.split(' ')), b"").ok();
        }
    }
}

fn guard(folder: &Path, host: &Namespace, internet: &Namespace, cgroup: &str) -> Child {
    let mut guard = Command::new("sh");
    guard.args(["-c", GUARD, "sh", PIAULE]).arg(folder).args([&host.0, &internet.0, cgroup]);
    // A group of its own: the terminal's Ctrl-C is for the tests.
    guard.process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    guard.spawn().expect("a shell")
}

impl Drop for Place {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let cleared = self.guard.wait().is_ok_and(|status| status.success());
        if !cleared {
            let log = fs::read_to_string(self.folder.join("guard.log")).unwrap_or_default();
            let said = format!("{} is not cleared:\n{log}", self.folder.display());
            // Two panics at once would hide the first.
            if thread::panicking() { eprintln!("{said}") } else { panic!("{said}") }
        }
    }
}
