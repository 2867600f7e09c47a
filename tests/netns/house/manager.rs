//! A service manager for one service, as systemd is one for core: it hears READY=1, keeps
//! descriptors (`FDSTORE=1`, `FDSTOREREMOVE=1`, `FDNAME=`) and passes them to the next core
//! (`LISTEN_FDS`). sd_notify(3), sd_listen_fds(3), systemd.service(5).
//!
//! As systemd does, it kills core alone (`KillMode=process`), and lets go of a stored descriptor
//! that hangs up.

use std::ffi::CString;
use std::fs;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, posix_spawnp};
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use piaule::sys::fdpass;

use super::patience::{PATIENCE, until};

/// `LISTEN_PID` must be the pid of the service itself, which exec(2) keeps.
/// What a unit may set for its service must not reach the rooms.
const WRAP: &str = r#"umask 077; echo 500 > /proc/self/oom_score_adj; LISTEN_PID=$$ exec "$@""#;
/// What ends the thread that listens, and what makes it let go of everything.
const END: &[u8] = b"X_END=1";
const LOSE: &[u8] = b"X_LOSE=1";

#[derive(Default)]
struct Heard {
    ready: u32,
    store: Vec<(String, Arc<OwnedFd>)>,
}

#[derive(Default)]
struct Shared {
    heard: Mutex<Heard>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Default)]
struct Service {
    /// While it runs.
    pid: Option<Pid>,
    /// How often a service had been ready before this one.
    ready_before: u32,
}

/// See the module.
pub struct Manager {
    command: Vec<String>,
    folder: PathBuf,
    shared: Arc<Shared>,
    service: Mutex<Service>,
    listening: Option<JoinHandle<()>>,
}

impl Manager {
    /// A manager for the service `command`, with its socket and its service's log in `folder`.
    pub fn new(command: Vec<String>, folder: &Path) -> Self {
        let socket = UnixDatagram::bind(folder.join("manager.sock")).expect("a socket");
        let shared = Arc::new(Shared::default());
        let heard = Arc::clone(&shared);
        let listening = Some(std::thread::spawn(move || listen(&socket, &heard)));
        let folder = folder.to_owned();
        Self { command, folder, shared, service: Mutex::default(), listening }
    }

    fn service(&self) -> MutexGuard<'_, Service> {
        self.service.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the service and waits until it says that it is ready.
    pub fn start(&self) {
        self.launch();
        self.await_ready();
    }

    /// Starts the service.
    pub fn launch(&self) {
        let mut service = self.service();
        assert!(service.pid.is_none(), "core runs already");
        let heard = self.shared.lock();
        let (names, fds): (Vec<String>, Vec<Arc<OwnedFd>>) = heard.store.iter().cloned().unzip();
        service.ready_before = heard.ready;
        drop(heard);
        let pid = self.spawn(&names, &fds);
        service.pid = Some(pid);
        fs::write(self.folder.join("core.pid"), pid.to_string()).expect("its pid is written");
    }

    fn spawn(&self, names: &[String], fds: &[Arc<OwnedFd>]) -> Pid {
        let mut actions = PosixSpawnFileActions::init().expect("actions");
        let append = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_APPEND;
        let log = self.folder.join("core.log");
        actions.add_open(0, "/dev/null", OFlag::O_RDONLY, Mode::empty()).expect("stdin");
        actions.add_open(1, &log, append, Mode::from_bits_truncate(0o644)).expect("stdout");
        actions.add_dup2(1, 2).expect("stderr");
        // Out of the way of the numbers that are to be given.
        let first = 3 + i32::try_from(fds.len()).expect("few");
        let moved: Vec<i32> = fds
            .iter()
            .map(|fd| fcntl(fd.as_fd(), FcntlArg::F_DUPFD_CLOEXEC(first)).expect("a duplicate"))
            .collect();
        for (fd, number) in moved.iter().zip(3..) {
            actions.add_dup2(*fd, number).expect("a descriptor");
        }
        let mut words = vec!["sh", "-c", WRAP, "sh"];
        words.extend(self.command.iter().map(String::as_str));
        let mut variables = vec![
            format!("PATH={}", std::env::var("PATH").unwrap_or_default()),
            format!("PIAULE_LOG={}", std::env::var("PIAULE_LOG").unwrap_or("info".to_owned())),
            format!("NOTIFY_SOCKET={}", self.folder.join("manager.sock").display()),
        ];
        if !fds.is_empty() {
            variables.push(format!("LISTEN_FDS={}", fds.len()));
            variables.push(format!("LISTEN_FDNAMES={}", names.join(":")));
        }
        let c = |text: &str| CString::new(text).expect("no NUL");
        let words: Vec<CString> = words.into_iter().map(c).collect();
        let variables: Vec<CString> = variables.iter().map(|text| c(text)).collect();
        let attributes = PosixSpawnAttr::init().expect("attributes");
        let pid = posix_spawnp(c"sh", &actions, &attributes, &words, &variables);
        for fd in moved {
            nix::unistd::close(fd).expect("closed");
        }
        pid.expect("core is started")
    }

    /// Waits until the service that was launched says that it is ready.
    pub fn await_ready(&self) {
        let mut service = self.service();
        let pid = service.pid.expect("core was launched");
        let begun = Instant::now();
        let mut heard = self.shared.lock();
        while heard.ready == service.ready_before {
            let state = waitpid(pid, Some(WaitPidFlag::WNOHANG)).expect("a child");
            let ended = state != WaitStatus::StillAlive;
            if ended || begun.elapsed() > PATIENCE {
                service.pid = service.pid.filter(|_| !ended);
                drop((heard, service));
                let log = fs::read_to_string(self.folder.join("core.log")).unwrap_or_default();
                panic!("core is not ready ({state:?}); its log:\n{log}");
            }
            let pause = Duration::from_millis(20);
            let waited = self.shared.changed.wait_timeout(heard, pause);
            heard = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The pid of core.
    pub fn pid(&self) -> i32 {
        self.service().pid.expect("core runs").as_raw()
    }

    /// kill -9, and waits until it is gone.
    pub fn kill(&self) {
        self.end(Signal::SIGKILL);
    }

    /// As `systemctl stop`; how it ended.
    pub fn stop(&self) -> WaitStatus {
        self.end(Signal::SIGTERM).expect("core runs")
    }

    fn end(&self, signal: Signal) -> Option<WaitStatus> {
        let pid = self.service().pid.take()?;
        // It may have ended by itself.
        let _ = kill(pid, signal);
        waitpid(pid, None).ok()
    }

    /// Lets go of all that is stored, like a machine without a service manager.
    pub fn lose_store(&self) {
        // The thread that listens holds what it watches, so it is the one to let go.
        self.tell(LOSE).expect("told");
        until("the store is empty", || self.shared.lock().store.is_empty().then_some(()));
    }

    fn tell(&self, message: &[u8]) -> std::io::Result<usize> {
        UnixDatagram::unbound()?.send_to(message, self.folder.join("manager.sock"))
    }

    /// The names of what is stored, sorted.
    pub fn stored(&self) -> Vec<String> {
        let mut names: Vec<String> =
            self.shared.lock().store.iter().map(|(name, _)| name.clone()).collect();
        names.sort();
        names
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        self.end(Signal::SIGKILL);
        if let (Ok(_), Some(listening)) = (self.tell(END), self.listening.take()) {
            let _ = listening.join();
        }
    }
}

fn listen(socket: &UnixDatagram, shared: &Shared) {
    loop {
        if wait(socket.as_fd(), shared) {
            let received = fdpass::receive(socket.as_fd(), 4096).expect("a message");
            let Some((message, fds)) = received else { continue };
            if message == END {
                return;
            }
            if message == LOSE {
                shared.lock().store.clear();
            }
            take(&mut shared.lock(), &message, fds);
        }
        shared.changed.notify_all();
    }
}

/// Waits for a message, letting go of what hangs up; whether there is one.
fn wait(socket: BorrowedFd<'_>, shared: &Shared) -> bool {
    let held: Vec<Arc<OwnedFd>> =
        shared.lock().store.iter().map(|(_, fd)| Arc::clone(fd)).collect();
    let mut watched = vec![PollFd::new(socket, PollFlags::POLLIN)];
    watched.extend(held.iter().map(|fd| PollFd::new(fd.as_fd(), PollFlags::empty())));
    if poll(&mut watched, PollTimeout::NONE).is_err() {
        return false;
    }
    let happened = |watched: &PollFd<'_>| watched.any() == Some(true);
    let gone: Vec<i32> = held
        .iter()
        .zip(&watched[1..])
        .filter(|(_, watched)| happened(watched))
        .map(|(fd, _)| fd.as_raw_fd())
        .collect();
    shared.lock().store.retain(|(_, fd)| !gone.contains(&fd.as_raw_fd()));
    happened(&watched[0])
}

fn take(heard: &mut Heard, message: &[u8], fds: Vec<OwnedFd>) {
    let text = String::from_utf8_lossy(message);
    let says = |line: &str| text.lines().any(|other| other == line);
    let name = text.lines().find_map(|line| line.strip_prefix("FDNAME=")).unwrap_or("stored");
    if says("READY=1") {
        heard.ready += 1;
    }
    if says("FDSTOREREMOVE=1") {
        heard.store.retain(|(stored, _)| stored != name);
    }
    if says("FDSTORE=1") {
        heard.store.extend(fds.into_iter().map(|fd| (name.to_owned(), Arc::new(fd))));
    }
}
