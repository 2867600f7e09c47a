use std::sync::Mutex;

use super::*;
use crate::model::{JobState, Login, Wanted};
use crate::wire::{AccountView, JobView, RoomView};

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti ada";
const ROOT: Caller = Caller::Admin { uid: 0 };

/// A house where nothing runs, that remembers what it was told.
#[derive(Default)]
struct Quiet {
    woken: Mutex<Vec<RoomId>>,
    built: Mutex<Vec<(JobId, TemplateName)>>,
}

impl House for Quiet {
    fn wake(&self, room: RoomId) {
        self.woken.lock().expect("lock").push(room);
    }
    fn wake_template(&self, job: JobId, name: TemplateName) {
        self.built.lock().expect("lock").push((job, name));
    }
    fn live(&self, _: RoomId) -> Live {
        Live { phase: Phase::Stopped, memory_used: None, cpu_used_ms: None }
    }
    fn console_log(&self, room: RoomId) -> String {
        format!("room {room} login:")
    }
    fn status(&self) -> HouseStatus {
        HouseStatus { warnings: vec!["it rains".to_owned()], ..HouseStatus::default() }
    }
}

struct Scene {
    handler: Handler,
    house: Arc<Quiet>,
    store: Store,
    _folder: tempfile::TempDir,
}

impl Scene {
    /// A house with the template `light` and the accounts `ada` and `bob`, one room each.
    async fn open() -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let store = Store::open(&folder.path().join("store")).expect("store");
        let house = Arc::new(Quiet::default());
        let settings = HandlerSettings {
            zone: "rooms.example".parse().expect("valid"),
            panel: "desk.rooms.example".parse().expect("valid"),
            public_address: Ipv4Addr::new(192, 0, 2, 1),
            network: "192.168.200.0/22".parse().expect("valid"),
            public_ports: "20000-20099".parse().expect("valid"),
            limits: Limits::default(),
            archive_days: 30,
        };
        let handler = Handler::new(store.clone(), Arc::clone(&house) as Arc<dyn House>, settings);
        let scene = Self { handler, house, store, _folder: folder };
        scene.add_template().await;
        for login in ["ada", "bob"] {
            scene.say(&ROOT, account(login)).await.expect("an account");
        }
        scene
    }

    async fn add_template(&self) {
        let name: TemplateName = "light".parse().expect("valid");
        let version = self.store.template_next_version(&name).await.expect("a number");
        let actor = Actor::from(&ROOT);
        self.store.template_add(actor, Timestamp::now(), name, version, 1).await.expect("added");
    }

    async fn say(&self, caller: &Caller, json: serde_json::Value) -> Result<Reply, Fault> {
        let command = serde_json::from_value(json).expect("a command");
        self.handler.handle(caller.clone(), None, command).await
    }

    async fn refused(&self, caller: &Caller, json: serde_json::Value) -> FaultKind {
        self.say(caller, json).await.expect_err("refused").kind
    }

    async fn caller(&self, login: &str) -> Caller {
        let login: Login = login.parse().expect("valid");
        let account = self.store.account(&login).await.expect("read").expect("there");
        Caller::Account { id: account.id, login }
    }

    async fn show(&self, name: &str) -> RoomView {
        match self.say(&ROOT, named("room_show", name)).await {
            Ok(Reply::Room(room)) => *room,
            other => panic!("{other:?}"),
        }
    }
}

fn account(login: &str) -> serde_json::Value {
    let email = format!("{login}@school.example");
    serde_json::json!({"account_create":
        {"login": login, "email": email, "password": format!("the sentence of {login}")}})
}

fn sign_in(login: &str, of: &str) -> Command {
    let json = serde_json::json!({"sign_in":
        {"login": login, "password": format!("the sentence of {of}")}});
    serde_json::from_value(json).expect("a command")
}

fn named(command: &str, name: &str) -> serde_json::Value {
    serde_json::json!({command: {"name": name}})
}

fn create(name: &str, owner: Option<&str>) -> serde_json::Value {
    serde_json::json!({"room_create":
        {"name": name, "template": "light", "owner": owner, "keys": [KEY]}})
}

fn job(reply: Result<Reply, Fault>) -> JobId {
    match reply {
        Ok(Reply::Accepted { job }) => job,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn sessions() {
    let scene = Scene::open().await;
    let handler = &scene.handler;
    for wrong in [sign_in("ada", "bob"), sign_in("nobody", "nobody")] {
        let fault = handler.handle(Caller::Anonymous, None, wrong).await.expect_err("wrong");
        assert_eq!(fault.kind, FaultKind::Unauthenticated);
        assert_eq!(fault.message, "the login or the password is wrong");
    }
    let reply = handler.handle(Caller::Anonymous, None, sign_in("ada", "ada")).await;
    let Ok(Reply::Session { token, account }) = reply else { panic!("{reply:?}") };
    assert_eq!(account.login.as_ref(), "ada");
    let caller = handler.caller_of(Some(token.clone())).await;
    assert_eq!(caller, scene.caller("ada").await);
    let me = scene.say(&caller, serde_json::json!("who_am_i")).await;
    assert!(matches!(me, Ok(Reply::Account(AccountView { max_rooms: 1, .. }))), "{me:?}");

    handler.handle(caller, Some(token.clone()), Command::SignOut).await.expect("signed out");
    assert_eq!(handler.caller_of(Some(token)).await, Caller::Anonymous);
    assert_eq!(handler.caller_of(Some(Token::from_random([1; 32]))).await, Caller::Anonymous);
    assert_eq!(handler.caller_of(None).await, Caller::Anonymous);
}

#[tokio::test]
async fn a_new_password_ends_sessions() {
    let scene = Scene::open().await;
    let reply = scene.handler.handle(Caller::Anonymous, None, sign_in("ada", "ada")).await;
    let Ok(Reply::Session { token, .. }) = reply else { panic!("{reply:?}") };
    let change = serde_json::json!({"account_password":
        {"login": "ada", "password": "the sentence of eve"}});
    scene.say(&ROOT, change).await.expect("changed");
    assert_eq!(scene.handler.caller_of(Some(token)).await, Caller::Anonymous);
    scene
        .handler
        .handle(Caller::Anonymous, None, sign_in("ada", "eve"))
        .await
        .expect("the new one");
}

#[tokio::test]
async fn a_room_from_creation_to_destruction() {
    let scene = Scene::open().await;
    let ada = scene.caller("ada").await;
    job(scene.say(&ada, create("blog", None)).await);
    let room = scene.show("blog").await;
    assert_eq!(room.host.as_ref(), "blog.rooms.example");
    assert_eq!(room.owner.as_ref(), "ada");
    assert_eq!(room.mac, crate::model::MacAddr::of_room(room.address));
    assert!(room.ssh_port().is_some());
    assert_eq!(room.keys.len(), 1);
    assert!(matches!(room.job, Some(JobView { state: JobState::Running, .. })));

    for command in ["room_stop", "room_start", "room_restart", "room_archive"] {
        job(scene.say(&ada, named(command, "blog")).await);
    }
    let archived = scene.show("blog").await;
    assert_eq!(archived.wanted, Wanted::Archived);
    let kept = archived.destroy_at.expect("a date").duration_since(Timestamp::now());
    assert!((719..=720).contains(&kept.as_hours()), "{kept}");
    job(scene.say(&ada, named("room_unarchive", "blog")).await);
    assert_eq!(scene.refused(&ada, named("room_destroy", "blog")).await, FaultKind::Forbidden);
    job(scene.say(&ROOT, named("room_destroy", "blog")).await);
    assert_eq!(scene.house.woken.lock().expect("lock").len(), 7);
}

#[tokio::test]
async fn what_a_creation_refuses() {
    let scene = Scene::open().await;
    let ada = scene.caller("ada").await;
    let mut other = create("blog", None);
    other["room_create"]["template"] = "heavy".into();
    for (caller, command, kind) in [
        (&ROOT, create("blog", None), FaultKind::Invalid),
        (&ROOT, create("blog", Some("nobody")), FaultKind::NotFound),
        (&ada, create("blog", Some("bob")), FaultKind::Forbidden),
        (&ada, create("desk", None), FaultKind::Invalid),
        (&ada, other, FaultKind::NotFound),
    ] {
        assert_eq!(scene.refused(caller, command.clone()).await, kind, "{command}");
    }
    job(scene.say(&ROOT, create("blog", Some("ada"))).await);
    assert_eq!(scene.refused(&ada, create("wiki", None)).await, FaultKind::Limit);
    let bob = scene.caller("bob").await;
    assert_eq!(scene.refused(&bob, create("blog", None)).await, FaultKind::Conflict);
    assert_eq!(scene.house.woken.lock().expect("lock").len(), 1);
}

#[tokio::test]
async fn somebody_elses_room_does_not_exist() {
    let scene = Scene::open().await;
    let created = job(scene.say(&ROOT, create("blog", Some("ada"))).await);
    let bob = scene.caller("bob").await;
    let port = serde_json::json!({"protocol": "tcp", "room": 80});
    for (command, more) in [
        ("room_show", serde_json::json!({})),
        ("room_start", serde_json::json!({})),
        ("room_stop", serde_json::json!({})),
        ("room_restart", serde_json::json!({})),
        ("room_archive", serde_json::json!({})),
        ("room_unarchive", serde_json::json!({})),
        ("room_log", serde_json::json!({})),
        ("job_list", serde_json::json!({})),
        ("port_add", serde_json::json!({"port": port})),
        ("port_delete", serde_json::json!({"protocol": "tcp", "public": 20000})),
        ("key_add", serde_json::json!({"key": KEY})),
        ("key_delete", serde_json::json!({"fingerprint": "SHA256:x"})),
    ] {
        let on = |name: &str| {
            let mut fields = more.clone();
            fields["name"] = name.into();
            serde_json::json!({command: fields})
        };
        let theirs = scene.say(&bob, on("blog")).await.expect_err("hidden");
        let nobodys = scene.say(&bob, on("blag")).await.expect_err("absent");
        assert_eq!(theirs.kind, FaultKind::NotFound, "{command}");
        assert_eq!(theirs.message.replace("blog", "blag"), nobodys.message, "{command}");
    }
    let shown = |job: JobId| serde_json::json!({"job_show": {"job": job}});
    assert_eq!(scene.refused(&bob, shown(created)).await, FaultKind::NotFound);
    let ada = scene.caller("ada").await;
    assert!(matches!(scene.say(&ada, shown(created)).await, Ok(Reply::Job(_))));
    for (caller, count) in [(&ROOT, 1), (&ada, 1), (&bob, 0)] {
        let reply = scene.say(caller, serde_json::json!("room_list")).await;
        assert!(matches!(&reply, Ok(Reply::Rooms(rooms)) if rooms.len() == count), "{reply:?}");
    }
}

#[tokio::test]
async fn ports_keys_and_the_log() {
    let scene = Scene::open().await;
    let ada = scene.caller("ada").await;
    job(scene.say(&ada, create("blog", None)).await);
    let add = serde_json::json!({"port_add":
        {"name": "blog", "port": {"protocol": "udp", "room": 53, "public": 20050}}});
    job(scene.say(&ada, add).await);
    assert_eq!(scene.show("blog").await.ports.len(), 2);
    let delete = serde_json::json!({"port_delete":
        {"name": "blog", "protocol": "udp", "public": 20050}});
    job(scene.say(&ada, delete.clone()).await);
    assert_eq!(scene.refused(&ada, delete).await, FaultKind::NotFound);
    let again = serde_json::json!({"key_add": {"name": "blog", "key": KEY}});
    assert_eq!(scene.refused(&ada, again).await, FaultKind::Conflict);
    let log = scene.say(&ada, named("room_log", "blog")).await;
    assert!(matches!(&log, Ok(Reply::Text(text)) if text.ends_with("login:")), "{log:?}");
}

#[tokio::test]
async fn templates_audit_and_status() {
    let scene = Scene::open().await;
    let build = job(scene.say(&ROOT, named("template_build", "light")).await);
    assert_eq!(scene.house.built.lock().expect("lock").first().map(|told| told.0), Some(build));
    let ada = scene.caller("ada").await;
    let show = serde_json::json!({"job_show": {"job": build}});
    assert_eq!(scene.refused(&ada, show.clone()).await, FaultKind::NotFound);
    assert!(scene.say(&ROOT, show).await.is_ok());

    for limit in [0, 1001] {
        let list = serde_json::json!({"audit_list": {"limit": limit}});
        assert_eq!(scene.refused(&ROOT, list).await, FaultKind::Invalid);
    }
    let verified = scene.say(&ROOT, serde_json::json!("audit_verify")).await;
    assert!(matches!(verified, Ok(Reply::Text(_))), "{verified:?}");
    let status = scene.say(&ROOT, serde_json::json!("status")).await;
    let Ok(Reply::Status(status)) = status else { panic!("{status:?}") };
    assert_eq!((status.accounts, status.rooms, status.warnings.len()), (2, 0, 1));
}

#[test]
fn causes_are_for_administrators() {
    let fault = Fault::internal("it failed", &std::io::Error::other("/var/lib/piaule"));
    assert_eq!(told_to(&ROOT, fault.clone()).chain.len(), 1);
    assert!(told_to(&Caller::Anonymous, fault).chain.is_empty());
}

#[tokio::test]
async fn whoever_hangs_up_is_served_all_the_same() {
    let scene = Scene::open().await;
    let command = serde_json::from_value(create("blog", Some("ada"))).expect("a command");
    let mut asking = Box::pin(scene.handler.handle(ROOT, None, command));
    assert!(futures_util::poll!(&mut asking).is_pending());
    drop(asking);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while scene.house.woken.lock().expect("lock").is_empty() {
        assert!(std::time::Instant::now() < deadline, "nobody woke the reconciler");
        tokio::task::yield_now().await;
    }
}
