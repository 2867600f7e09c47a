//! `piaule VERB` as people and scripts run it, against the real socket, handlers and store. Only
//! the house behind them is played: rooms are processes of this test.
#![allow(clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::collections::HashSet;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Output, Stdio};
use std::sync::{Arc, Mutex};

use piaule::core::admin::{AdminService, AdminSocket, Answer, serve};
use piaule::core::handle::{Handler, HandlerSettings, House, HouseStatus, Live};
use piaule::core::store::{Actor, Store};
use piaule::model::{
    JobId, JobState, Limits, Phase, RoomId, RoomName, StepState, TemplateName, TemplateVersion,
};
use piaule::sys::{fdpass, pty};
use piaule::wire::attach::Enter;
use piaule::wire::{Caller, Command, Fault, FaultKind, JobEvent, Reply, StepView};
use tokio::sync::{broadcast, mpsc};

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti ada";

/// Hands wake-ups to the task that plays the reconciler.
struct Played(mpsc::UnboundedSender<RoomId>);

impl House for Played {
    fn wake(&self, room: RoomId) {
        self.0.send(room).expect("the reconciler runs");
    }
    fn wake_template(&self, _: JobId, _: TemplateName) {}
    fn live(&self, _: RoomId) -> Live {
        Live { phase: Phase::Stopped, memory_used: None, cpu_used_ms: None }
    }
    fn console_log(&self, _: RoomId) -> String {
        "blog login: \u{1b}[2J".to_owned()
    }
    fn status(&self) -> HouseStatus {
        HouseStatus::default()
    }
}

/// Ends every open job of the rooms it is told of; a room called `broken` cannot be made.
async fn reconcile(
    store: Store,
    mut woken: mpsc::UnboundedReceiver<RoomId>,
    told: broadcast::Sender<Arc<JobEvent>>,
) {
    let mut seen = HashSet::new();
    while let Some(room) = woken.recv().await {
        for job in store.open_jobs(room).await.expect("jobs") {
            if !seen.insert(job.id) {
                continue;
            }
            let broken = job.object == "broken";
            for (name, at_ms) in [("layer", 9.8), ("launch", 24.1)] {
                let failed = broken && name == "launch";
                let state = if failed { StepState::Failed } else { StepState::Done };
                let detail = failed.then(|| "no memory".to_owned());
                let step = StepView { name: name.to_owned(), state, at_ms, took_ms: 9.8, detail };
                store.job_step(job.id, step).await.expect("step");
                tell(&store, job.id, &told).await;
            }
            let (state, error) = if broken {
                (JobState::Failed, Some("the room was not made".to_owned()))
            } else {
                (JobState::Done, None)
            };
            store.job_finish(job.id, jiff::Timestamp::now(), state, error).await.expect("finish");
            tell(&store, job.id, &told).await;
        }
    }
}

async fn tell(store: &Store, job: JobId, told: &broadcast::Sender<Arc<JobEvent>>) {
    let job = store.job(job).await.expect("read").expect("there");
    // Nobody may be watching.
    let _ = told.send(Arc::new(JobEvent { room: None, phase: None, job }));
}

struct Core {
    handler: Handler,
    told: broadcast::Sender<Arc<JobEvent>>,
    terminal: Mutex<Option<OwnedFd>>,
}

/// A terminal of the room's own, whose master goes over the socket.
fn terminal_for(socket: &OwnedFd) -> Vec<OwnedFd> {
    let master = pty::open_master().expect("a master");
    let slave = pty::open_slave(master.as_fd()).expect("its slave");
    fdpass::send(socket.as_fd(), b"t", &[master.as_fd()]).expect("sent");
    assert!(fdpass::receive(socket.as_fd(), 1).expect("waited").is_none());
    vec![slave]
}

impl AdminService for Core {
    fn command(&self, caller: Caller, command: Command) -> Answer<'_, Reply> {
        Box::pin(self.handler.handle(caller, None, command))
    }

    fn job_events(&self) -> broadcast::Receiver<Arc<JobEvent>> {
        self.told.subscribe()
    }

    fn enter(&self, _: Caller, enter: Enter, fds: Vec<OwnedFd>) -> Answer<'_, i32> {
        Box::pin(async move {
            let words = enter.command.map_or_else(|| vec!["sh".to_owned()], Vec::from);
            let mut command = if enter.tty {
                // Its controlling terminal, as a stage would do it.
                let mut command = tokio::process::Command::new("setsid");
                command.args(["--ctty", "--wait"]).args(words);
                command
            } else {
                let mut command = tokio::process::Command::new(&words[0]);
                command.args(&words[1..]);
                command
            };
            let fds = if enter.tty { terminal_for(&fds[0]) } else { fds };
            let mut fds = fds.into_iter();
            let first = fds.next().expect("a descriptor");
            let mut next = || fds.next().or_else(|| first.try_clone().ok()).expect("a descriptor");
            command.stdout(next()).stderr(next()).stdin(first).kill_on_drop(true);
            let mut child = command.spawn().map_err(|error| {
                Fault::new(FaultKind::NotFound, format!("cannot run it: {error}"))
            })?;
            drop(command);
            let status = child.wait().await.expect("waited");
            let signal = std::os::unix::process::ExitStatusExt::signal(&status);
            Ok(status.code().or(signal.map(|number| 128 + number)).unwrap_or(255))
        })
    }

    fn console(&self, _: Caller, name: RoomName) -> Answer<'_, OwnedFd> {
        Box::pin(async move {
            let pty = nix::pty::openpty(None, None).expect("pty");
            std::fs::File::from(pty.slave.try_clone().expect("clone"))
                .write_all(format!("{name} login: ").as_bytes())
                .expect("write");
            *self.terminal.lock().expect("lock") = Some(pty.slave);
            Ok(pty.master)
        })
    }

    fn template_export(&self, _: Caller, name: TemplateName, to: OwnedFd) -> Answer<'_, Reply> {
        Box::pin(async move {
            if name.as_ref() == "absent" {
                return Err(Fault::new(FaultKind::NotFound, "there is no template `absent`"));
            }
            std::fs::File::from(to).write_all(b"archive").expect("write");
            Ok(Reply::Done)
        })
    }

    fn template_import(&self, _: Caller, _: TemplateName, from: OwnedFd) -> Answer<'_, Reply> {
        Box::pin(async move {
            let text = std::io::read_to_string(std::fs::File::from(from)).expect("read");
            Ok(Reply::Text(text))
        })
    }
}

/// A house that answers, until dropped.
struct Scene {
    folder: tempfile::TempDir,
    _runtime: tokio::runtime::Runtime,
}

impl Scene {
    fn open() -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let runtime = tokio::runtime::Runtime::new().expect("runtime");
        runtime.block_on(Self::begin(folder.path()));
        let scene = Self { folder, _runtime: runtime };
        let made = scene.run_with(
            &["account", "create", "ada", "ada@school.example", "--password-stdin", "--rooms", "5"],
            "a long sentence\n",
        );
        assert!(made.status.success(), "{made:?}");
        scene
    }

    async fn begin(folder: &Path) {
        let store = Store::open(&folder.join("store")).expect("store");
        let light: TemplateName = "light".parse().expect("valid");
        let version: TemplateVersion = store.template_next_version(&light).await.expect("number");
        let now = jiff::Timestamp::now();
        store.template_add(Actor::house(), now, light, version, 1).await.expect("added");
        let settings = HandlerSettings {
            zone: "rooms.example".parse().expect("valid"),
            panel: "panel.rooms.example".parse().expect("valid"),
            public_address: std::net::Ipv4Addr::new(192, 0, 2, 1),
            network: "192.168.200.0/22".parse().expect("valid"),
            public_ports: "20000-20099".parse().expect("valid"),
            limits: Limits::default(),
            archive_days: 30,
        };
        let (wake, woken) = mpsc::unbounded_channel();
        let told = broadcast::Sender::new(64);
        tokio::spawn(reconcile(store.clone(), woken, told.clone()));
        let handler = Handler::new(store, Arc::new(Played(wake)), settings);
        let listener = AdminSocket::bind(&folder.join("piaule.sock")).expect("bind");
        let core = Core { handler, told, terminal: Mutex::new(None) };
        tokio::spawn(serve(listener, Arc::new(core)));
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn piaule(&self) -> Process {
        let mut process = Process::new(env!("CARGO_BIN_EXE_piaule"));
        process.arg("--socket").arg(self.path("piaule.sock"));
        process
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.run_with(arguments, "")
    }

    fn run_with(&self, arguments: &[&str], input: &str) -> Output {
        let mut process = self.piaule();
        process.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = process.spawn().expect("run");
        // A verb may well end without reading.
        let _ = child.stdin.take().expect("input").write_all(input.as_bytes());
        child.wait_with_output().expect("ended")
    }

    /// Runs a shell line at a terminal of its own, `$P` being the program; its output and status.
    fn at_terminal(&self, line: &str, typed: &str) -> (String, i32) {
        let program = format!(
            "P='{} --socket {}'; {line}",
            env!("CARGO_BIN_EXE_piaule"),
            self.path("piaule.sock").display()
        );
        let mut script = Process::new("script");
        script.args(["-qec", &program, "/dev/null"]).env("SHELL", "/bin/sh").env("TERM", "xterm");
        let mut child = script
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("script(1) of bsdutils is installed");
        let mut input = child.stdin.take().expect("input");
        input.write_all(typed.as_bytes()).expect("type");
        let ended = child.wait_with_output().expect("ended");
        drop(input);
        let text = String::from_utf8_lossy(&ended.stdout).replace('\r', "");
        (text, ended.status.code().unwrap_or(-1))
    }
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_creation_is_followed_to_its_end() {
    let scene = Scene::open();
    let made = scene.run_with(&["create", "blog", "--owner", "ada", "--key", "-"], KEY);
    assert_eq!(made.status.code(), Some(0), "{made:?}");
    let text = out(&made);
    for part in [
        "  done    layer",
        "  done    launch",
        "create blog: done in 24.1 ms\n",
        "  https://blog.rooms.example\n  ssh -p 20000 student@blog.rooms.example\n",
    ] {
        assert!(text.contains(part), "{text}");
    }
    assert!(!text.contains('\u{1b}'), "no colours without a terminal: {text}");

    let failed = scene.run(&["create", "broken", "--owner", "ada", "--key", KEY]);
    assert_eq!(failed.status.code(), Some(1), "{failed:?}");
    assert_eq!(
        err(&failed),
        "piaule: create broken failed at the step `launch`\n  the room was not made\n  no memory\n"
    );
    let accepted = scene.run(&["--json", "stop", "blog", "--no-wait"]);
    assert!(out(&accepted).starts_with("{\"accepted\":{\"job\":"), "{accepted:?}");
    let json = out(&scene.run(&["restart", "blog", "--json"]));
    let job: Reply = serde_json::from_str(&json).expect("a reply");
    assert!(matches!(job, Reply::Job(job) if job.state == JobState::Done), "{json}");
}

#[test]
fn statuses_and_sentences() {
    let scene = Scene::open();
    let create = ["create", "blog", "--owner", "ada", "--key", KEY];
    assert!(scene.run(&create).status.success());
    for (arguments, status, part) in [
        (&["show", "nothing"][..], 4, "there is no room `nothing`"),
        (&["show", "Blog"], 2, "lower-case"),
        (&create, 5, "blog"),
        (&["destroy", "blog"], 2, "--yes"),
        (&["unarchive", "blog"], 5, "archive"),
        (&["console", "blog"], 2, "needs a terminal"),
        (&["template", "export", "absent", "/nowhere/x"], 1, "/nowhere/x.part"),
    ] {
        let output = scene.run(arguments);
        assert_eq!(output.status.code(), Some(status), "{output:?}");
        assert!(err(&output).contains(part), "{output:?}");
    }
    for (arguments, part) in [
        (&["list"][..], "blog  ada"),
        (&["show", "blog"], "https://blog.rooms.example"),
        (&["status"], "192.0.2.1"),
        (&["account", "list"], "ada@school.example"),
        (&["template", "list"], "light"),
        (&["jobs", "blog"], "create blog  done"),
        (&["audit"], "account.create"),
        (&["audit", "--verify"], "holds together"),
        (&["logs", "blog"], "blog login: \\u{1b}[2J"),
        (&["destroy", "blog", "--yes"], "destroy blog: done"),
    ] {
        let output = scene.run(arguments);
        assert!(output.status.success() && out(&output).contains(part), "{output:?}");
    }
}

#[test]
fn enter_without_a_terminal() {
    let scene = Scene::open();
    let output = scene.run_with(
        &["enter", "blog", "--", "sh", "-c", "cat; echo oops >&2; exit 7"],
        "through and back",
    );
    assert_eq!(output.status.code(), Some(7), "{output:?}");
    assert_eq!((out(&output).as_str(), err(&output).as_str()), ("through and back", "oops\n"));

    let killed = scene.run(&["enter", "blog", "--", "sh", "-c", "kill -9 $$"]);
    assert_eq!(killed.status.code(), Some(137), "{killed:?}");
    let absent = scene.run(&["enter", "blog", "--", "no-such-program"]);
    assert_eq!(absent.status.code(), Some(4), "{absent:?}");

    let long = scene.run(&["enter", "blog", "--", "head", "-c", "3000000", "/dev/zero"]);
    assert_eq!(long.stdout.len(), 3_000_000);
}

#[test]
fn enter_at_a_terminal() {
    let scene = Scene::open();
    // The room's terminal has the size of ours, is not ours, and ours comes back as it was.
    let line = "stty rows 33 cols 77; before=$(stty -g); ours=$(tty); \
                $P enter blog -- sh -c 'stty size; echo $TERM; tty; exit 7'; echo \"status $?\"; \
                test \"$before\" = \"$(stty -g)\" && echo same; echo \"ours $ours\"";
    let (text, _) = scene.at_terminal(line, "");
    for part in ["33 77\n", "status 7\n", "same\n"] {
        assert!(text.contains(part), "{part:?} in {text}");
    }
    let terminals: HashSet<&str> =
        text.lines().filter_map(|l| l.split("/dev/pts/").nth(1)).collect();
    assert_eq!(terminals.len(), 2, "{text}");

    let (text, _) = scene.at_terminal("$P enter blog -- sh -c 'read x; echo \"<$x>\"'", "typed\n");
    assert!(text.contains("<typed>"), "{text}");
}

#[test]
fn a_signal_gives_the_terminal_back() {
    let scene = Scene::open();
    let pid = scene.path("pid");
    let line = format!(
        "before=$(stty -g); \
         (until test -s {pid}; do :; done; until stty | grep -q -- -icanon; do :; done; \
          kill -TERM $(cat {pid})) < /dev/tty & \
         sh -c 'echo $$ > {pid}; exec '\"$P\"' enter blog -- sleep 60'; echo \"status $?\"; \
         test \"$before\" = \"$(stty -g)\" && echo same",
        pid = pid.display()
    );
    let (text, _) = scene.at_terminal(&line, "");
    assert!(text.contains("status 143\n") && text.contains("same\n"), "{text}");
}

#[test]
fn a_console_is_left_by_its_key() {
    let scene = Scene::open();
    let (text, status) = scene.at_terminal("$P console blog", "\u{1d}");
    assert_eq!(status, 0, "{text}");
    assert!(text.contains("Ctrl-] leaves it") && text.contains("left blog's console"), "{text}");
}

#[test]
fn templates_come_and_go() {
    let scene = Scene::open();
    let file = scene.path("light.tar.zst");
    let name = file.to_str().expect("a name");
    assert!(scene.run(&["template", "export", "light", name]).status.success());
    assert_eq!(std::fs::read(&file).expect("written"), b"archive");
    let absent = scene.run(&["template", "export", "absent", name]);
    assert_eq!(absent.status.code(), Some(4));
    assert!(!scene.path("light.tar.zst.part").exists());
    assert_eq!(out(&scene.run(&["template", "export", "light", "-"])), "archive");
    assert_eq!(out(&scene.run(&["template", "import", "light", name])), "archive\n");
    assert_eq!(out(&scene.run_with(&["template", "import", "light", "-"], "piped")), "piped\n");
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let scene = Scene::open();
    let mut process = scene.piaule();
    process.arg("list").stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = process.spawn().expect("run");
    drop(child.stdout.take());
    let ended = child.wait_with_output().expect("ended");
    assert_eq!(err(&ended), "", "{ended:?}");
}
