use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream as Client;

use super::*;
use crate::model::{JobId, JobKind, JobState};
use crate::wire::attach::{Attach, Attached, answer, ask};
use crate::wire::{FaultKind, JobView};

/// A house that knows one job and echoes what it is given.
struct Echo {
    jobs: broadcast::Sender<Arc<JobEvent>>,
    dropped: Arc<tokio::sync::Notify>,
}

fn job(state: JobState) -> JobView {
    JobView {
        id: JobId(7),
        kind: JobKind::Start,
        state,
        object: "blog".to_owned(),
        accepted_at: jiff::Timestamp::UNIX_EPOCH,
        finished_at: None,
        error: None,
        steps: Vec::new(),
    }
}

struct Tell(Arc<tokio::sync::Notify>);
impl Drop for Tell {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

impl AdminService for Echo {
    fn command(&self, caller: Caller, command: Command) -> Answer<'_, Reply> {
        Box::pin(async move {
            match command {
                Command::JobShow { .. } => Ok(Reply::Job(job(JobState::Running))),
                Command::WhoAmI => Ok(Reply::Text(format!("{caller:?}"))),
                Command::RoomList => Ok(Reply::Rooms(Vec::new())),
                _ => Err(Fault::new(FaultKind::Conflict, "not today")),
            }
        })
    }

    fn job_events(&self) -> broadcast::Receiver<Arc<JobEvent>> {
        self.jobs.subscribe()
    }

    fn enter(&self, _: Caller, enter: Enter, fds: Vec<OwnedFd>) -> Answer<'_, i32> {
        let tell = Tell(Arc::clone(&self.dropped));
        Box::pin(async move {
            let _tell = tell;
            let mut out = std::fs::File::from(fds.into_iter().nth(1).expect("output"));
            writeln!(out, "{:?}", enter.command.expect("a command").words()).expect("write");
            if enter.name.as_ref() == "asleep" {
                std::future::pending::<()>().await;
            }
            Ok(143)
        })
    }

    fn console(&self, _: Caller, name: RoomName) -> Answer<'_, OwnedFd> {
        Box::pin(async move {
            let (reader, mut writer) = std::io::pipe().expect("pipe");
            write!(writer, "{name} login: ").expect("write");
            Ok(reader.into())
        })
    }

    fn template_export(&self, _: Caller, _: TemplateName, to: OwnedFd) -> Answer<'_, Reply> {
        Box::pin(async move {
            std::fs::File::from(to).write_all(b"archive").expect("write");
            Ok(Reply::Done)
        })
    }

    fn template_import(&self, _: Caller, _: TemplateName, from: OwnedFd) -> Answer<'_, Reply> {
        Box::pin(async move {
            let mut text = String::new();
            std::fs::File::from(from).read_to_string(&mut text).expect("read");
            Ok(Reply::Text(text))
        })
    }
}

struct House {
    folder: tempfile::TempDir,
    jobs: broadcast::Sender<Arc<JobEvent>>,
    dropped: Arc<tokio::sync::Notify>,
}

impl House {
    fn open() -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let house = Self { folder, jobs: broadcast::Sender::new(4), dropped: Arc::default() };
        let listener = AdminSocket::bind(&house.socket()).expect("bind");
        let (jobs, dropped) = (house.jobs.clone(), Arc::clone(&house.dropped));
        tokio::spawn(serve(listener, Arc::new(Echo { jobs, dropped })));
        house
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("piaule.sock")
    }

    fn connect(&self) -> Client {
        Client::connect(self.socket()).expect("connect")
    }

    /// Says `request` and gives back all that is answered.
    async fn say(&self, request: String) -> String {
        let mut client = self.connect();
        blocking(move || {
            client.write_all(request.as_bytes()).expect("write");
            let mut text = String::new();
            client.read_to_string(&mut text).expect("read");
            text
        })
        .await
    }

    async fn attach(&self, request: serde_json::Value, fds: Vec<OwnedFd>) -> Attached {
        self.attach_for(request, fds).await.0
    }

    async fn attach_for(
        &self,
        request: serde_json::Value,
        fds: Vec<OwnedFd>,
    ) -> (Attached, Vec<OwnedFd>) {
        let client = self.connect();
        let request: Attach = serde_json::from_value(request).expect("a request");
        blocking(move || {
            let fds: Vec<BorrowedFd<'_>> = fds.iter().map(AsFd::as_fd).collect();
            ask(&client, &request, &fds).expect("ask");
            answer(&client).expect("answer")
        })
        .await
    }
}

async fn blocking<T: Send + 'static>(act: impl FnOnce() -> T + Send + 'static) -> T {
    let acting = tokio::task::spawn_blocking(act);
    tokio::time::timeout(Duration::from_secs(10), acting).await.expect("in time").expect("acted")
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: house\r\nConnection: close\r\n\r\n")
}

fn post(body: &str) -> String {
    let length = body.len();
    format!(
        "POST /v1/command HTTP/1.1\r\nHost: house\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

#[tokio::test]
async fn the_file_is_for_administrators_only() {
    let house = House::open();
    let mode = std::fs::metadata(house.socket()).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
    // A second core takes the first one's place.
    AdminSocket::bind(&house.socket()).expect("bind again");
}

#[tokio::test]
async fn commands_over_http() {
    let house = House::open();
    let uid = nix::unistd::getuid();
    for (request, status, part) in [
        (get("/v1/rooms"), "200", "{\"rooms\":[]}\n".to_owned()),
        (post("\"who_am_i\""), "200", format!("uid: {uid}")),
        (get("/v1/status"), "409", "\"kind\":\"conflict\"".to_owned()),
        (get("/nowhere"), "404", "POST /v1/command".to_owned()),
        (post("\"dance\""), "400", "unknown variant".to_owned()),
        (post(&" ".repeat(LONG)), "400", "1 MiB".to_owned()),
    ] {
        let text = house.say(request).await;
        assert!(text.starts_with(&format!("HTTP/1.1 {status}")), "{text}");
        assert!(text.contains(&part), "{text}");
    }
}

const LONG: usize = 1024 * 1024 + 1;

#[tokio::test]
async fn a_job_is_followed_to_its_end() {
    let house = House::open();
    let mut client = house.connect();
    let reading = tokio::task::spawn_blocking(move || {
        client.write_all(get("/v1/jobs/7/events").as_bytes()).expect("write");
        let mut text = String::new();
        client.read_to_string(&mut text).expect("read");
        text
    });
    while house.jobs.receiver_count() == 0 {
        tokio::task::yield_now().await;
    }
    let event = |id, state| {
        let job = JobView { id: JobId(id), ..job(state) };
        Arc::new(JobEvent { room: None, phase: None, job })
    };
    // Somebody else's, then more than the queue holds, then the end.
    for (id, state) in [(8, JobState::Failed); 6].into_iter().chain([(7, JobState::Done)]) {
        house.jobs.send(event(id, state)).expect("someone listens");
    }
    let text = reading.await.expect("read");
    assert!(text.contains("application/x-ndjson"), "{text}");
    let states: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with('{'))
        .map(|line| if line.contains("\"state\":\"done\"") { "done" } else { "running" })
        .collect();
    assert_eq!(states.first(), Some(&"running"));
    assert_eq!(states.last(), Some(&"done"));
    assert!(!text.contains("\"id\":8"));
}

#[tokio::test]
async fn descriptors_cross() {
    let house = House::open();
    let enter = |name| serde_json::json!({"enter": {"name": name, "command": ["id"]}});
    let (input, _) = std::io::pipe().expect("pipe");
    let (mut read, output) = std::io::pipe().expect("pipe");
    let errors = output.try_clone().expect("clone");
    let answer =
        house.attach(enter("blog"), vec![input.into(), output.into(), errors.into()]).await;
    assert!(matches!(answer, Attached::Exit(143)), "{answer:?}");
    let mut text = String::new();
    read.read_to_string(&mut text).expect("read");
    assert_eq!(text, "[\"id\"]\n");

    let (answer, fds) =
        house.attach_for(serde_json::json!({"console": {"name": "blog"}}), Vec::new()).await;
    assert!(matches!(answer, Attached::Console));
    let mut text = String::new();
    std::fs::File::from(fds.into_iter().next().expect("one")).read_to_string(&mut text).expect("r");
    assert_eq!(text, "blog login: ");

    let (from, mut writer) = std::io::pipe().expect("pipe");
    writer.write_all(b"archive").expect("write");
    drop(writer);
    let import = serde_json::json!({"template_import": {"name": "light"}});
    let answer = house.attach(import, vec![from.into()]).await;
    assert!(matches!(answer, Attached::Reply(Reply::Text(text)) if text == "archive"));
}

#[tokio::test]
async fn too_few_descriptors_and_garbage_are_refused() {
    let house = House::open();
    let enter = serde_json::json!({"enter": {"name": "blog", "command": null}});
    let answer = house.attach(enter, Vec::new()).await;
    assert!(matches!(answer, Attached::Fault(fault) if fault.kind == FaultKind::Invalid));
    let answer = house.say("\0{\"leave\":1}\n".to_owned()).await;
    assert!(answer.contains("unknown variant"), "{answer}");
}

#[tokio::test]
async fn hanging_up_ends_what_was_entered() {
    let house = House::open();
    let client = house.connect();
    let (input, _) = std::io::pipe().expect("pipe");
    let (mut read, output) = std::io::pipe().expect("pipe");
    let enter = serde_json::json!({"enter": {"name": "asleep", "command": ["id"]}});
    let request: Attach = serde_json::from_value(enter).expect("a request");
    ask(&client, &request, &[input.as_fd(), output.as_fd(), output.as_fd()]).expect("ask");
    blocking(move || read.read_exact(&mut [0; 7])).await.expect("it runs");
    drop(client);
    let ended = tokio::time::timeout(Duration::from_secs(10), house.dropped.notified());
    ended.await.expect("it ends");
}
