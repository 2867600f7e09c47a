//! A panel on a real hyper connection, a core made of one function, and a small browser.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::header::{COOKIE, HOST, LOCATION, SET_COOKIE};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use piaule::front::house::House;
use piaule::front::panel;
use piaule::front::site::{Site, Visitor};
use piaule::front::view::View;
use piaule::model::{JobId, JobKind, JobState, Phase, StepState, Token, Wanted};
use piaule::wire::{
    AccountView, Command, Fault, FaultKind, FromFront, FrontSettings, JobView, KeyView, PortView,
    Reply, RoomView, Route, RouteState, Snapshot, StepView, TemplateView, Zone,
};
use tokio::sync::mpsc;

pub(crate) const PANEL: &str = "panel.house.example";
pub(crate) const PASSWORD: &str = "correct horse battery staple";
pub(crate) const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti ada@laptop";

pub(crate) fn token() -> Token {
    Token::from_random([7; 32])
}

/// What the core of these tests has, and what was asked of it.
pub(crate) struct Core {
    pub(crate) rooms: Vec<RoomView>,
    pub(crate) max_rooms: u32,
    pub(crate) refuse: Option<Fault>,
    pub(crate) asked: Vec<Command>,
}

impl Core {
    fn answer(&mut self, from: Option<&Token>, command: Command) -> Result<Reply, Fault> {
        self.asked.push(command.clone());
        if let Command::SignIn { login, password } = &command {
            let known = login.as_ref() == "ada" && password.expose() == PASSWORD;
            return if known {
                Ok(Reply::Session { token: token(), account: self.account() })
            } else {
                Err(Fault::new(FaultKind::Unauthenticated, "who is this?"))
            };
        }
        if from != Some(&token()) {
            return Err(Fault::new(FaultKind::Unauthenticated, "sign in first"));
        }
        if let Some(fault) = &self.refuse {
            return Err(fault.clone());
        }
        match command {
            Command::WhoAmI => Ok(Reply::Account(self.account())),
            Command::RoomList => Ok(Reply::Rooms(self.rooms.clone())),
            Command::RoomShow { name } => match self.rooms.iter().find(|room| room.name == name) {
                Some(room) => Ok(Reply::Room(Box::new(room.clone()))),
                None => Err(Fault::new(
                    FaultKind::NotFound,
                    "there is no such room; it may have been destroyed",
                )),
            },
            Command::TemplateList => Ok(Reply::Templates(vec![template(1), template(2)])),
            Command::SignOut => Ok(Reply::Done),
            _ => Ok(Reply::Accepted { job: JobId(9) }),
        }
    }

    fn account(&self) -> AccountView {
        AccountView {
            login: "ada".parse().expect("a login"),
            email: "ada@school.example".parse().expect("an address"),
            max_rooms: self.max_rooms,
            rooms: self.rooms.iter().map(|room| room.name.clone()).collect(),
            created_at: "2026-01-01T00:00:00Z".parse().expect("a timestamp"),
        }
    }
}

fn template(version: u32) -> TemplateView {
    TemplateView {
        name: "light".parse().expect("a name"),
        version: piaule::model::TemplateVersion(version),
        built_at: "2026-01-01T00:00:00Z".parse().expect("a timestamp"),
        size: 188_000_000,
        rooms: 1,
    }
}

/// A house with a panel.
pub(crate) struct Stage {
    pub(crate) house: House,
    pub(crate) core: Arc<Mutex<Core>>,
    pub(crate) site: Site,
}

impl Stage {
    pub(crate) fn with(rooms: Vec<RoomView>) -> Self {
        let core = Core { rooms, max_rooms: 1, refuse: None, asked: Vec::new() };
        let core = Arc::new(Mutex::new(core));
        let (outgoing, mut calls) = mpsc::channel(16);
        let house = House::new(outgoing);
        let (line, mind) = (house.clone(), Arc::clone(&core));
        tokio::spawn(async move {
            while let Some(frame) = calls.recv().await {
                if let FromFront::Call { call, token, command } = frame {
                    let answer = mind.lock().expect("core").answer(token.as_ref(), *command);
                    line.answer(call, answer);
                }
            }
        });
        let view = View::empty();
        view.replace(snapshot());
        let site = panel::site(house.clone(), Arc::new(view), Arc::new(settings()));
        Self { house, core, site }
    }

    pub(crate) fn core(&self) -> std::sync::MutexGuard<'_, Core> {
        self.core.lock().expect("core")
    }

    /// A browser that speaks French, signed in or not.
    pub(crate) async fn browser(&self, signed_in: bool) -> Browser {
        let mut browser = Browser::new(Arc::clone(&self.site)).await;
        browser.say("accept-language", "fr-FR,fr;q=0.9,en;q=0.5");
        if signed_in {
            browser.cookies.push(("__Host-piaule".into(), token().expose().into()));
        }
        browser
    }
}

/// A whole response.
pub(crate) struct Page {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) html: String,
}

impl Page {
    pub(crate) fn location(&self) -> &str {
        self.headers.get(LOCATION).expect("a location").to_str().expect("text")
    }

    pub(crate) fn has(&self, parts: &[&str]) {
        for part in parts {
            assert!(self.html.contains(part), "{part:?} is not in {}", self.html);
        }
    }

    pub(crate) fn lacks(&self, parts: &[&str]) {
        for part in parts {
            assert!(!self.html.contains(part), "{part:?} is in {}", self.html);
        }
    }

    /// The token of its forms.
    pub(crate) fn form_token(&self) -> String {
        let after = self.html.split("name=\"token\" value=\"").nth(1).expect("a form");
        after.split('"').next().expect("a value").to_owned()
    }
}

pub(crate) struct Browser {
    line: SendRequest<Full<Bytes>>,
    pub(crate) cookies: Vec<(String, String)>,
    headers: Vec<(&'static str, String)>,
}

impl Browser {
    pub(crate) async fn new(site: Site) -> Self {
        let (client, server) = tokio::io::duplex(64 * 1024);
        let visitor = Visitor { address: SocketAddr::from(([192, 0, 2, 7], 40_000)) };
        let service = hyper::service::service_fn(move |request| {
            let answer = site(request, visitor);
            async move { Ok::<_, std::convert::Infallible>(answer.await) }
        });
        tokio::spawn(async move {
            let connections = hyper::server::conn::http1::Builder::new();
            // The browser may leave in the middle of a stream.
            let _ = connections.serve_connection(TokioIo::new(server), service).await;
        });
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(client));
        let (line, connection) = handshake.await.expect("a connection");
        tokio::spawn(connection);
        Self { line, cookies: Vec::new(), headers: vec![("host", PANEL.into())] }
    }

    pub(crate) fn say(&mut self, name: &'static str, value: &str) {
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, value.into()));
    }

    pub(crate) async fn send(
        &mut self,
        method: Method,
        path: &str,
        body: String,
    ) -> Response<Incoming> {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let cookies: Vec<_> = self.cookies.iter().map(|(n, v)| format!("{n}={v}")).collect();
        if !cookies.is_empty() {
            request = request.header(COOKIE, cookies.join("; "));
        }
        if !body.is_empty() {
            request = request.header("content-type", "application/x-www-form-urlencoded");
        }
        self.line.ready().await.expect("the connection is open");
        let request = request.body(Full::new(Bytes::from(body))).expect("a request");
        assert!(request.headers().contains_key(HOST));
        let response = self.line.send_request(request).await.expect("a response");
        self.keep_cookies(&response);
        response
    }

    async fn page(&mut self, method: Method, path: &str, body: String) -> Page {
        let response = self.send(method, path, body).await;
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = response.into_body().collect().await.expect("a body").to_bytes();
        Page { status, headers, html: String::from_utf8(bytes.to_vec()).expect("UTF-8") }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Page {
        self.page(Method::GET, path, String::new()).await
    }

    /// Sends a form as a browser does from a page of this origin.
    pub(crate) async fn post(&mut self, path: &str, origin: &str, fields: &[(&str, &str)]) -> Page {
        self.say("origin", origin);
        let body = serde_html_form::to_string(fields).expect("a form");
        let page = self.page(Method::POST, path, body).await;
        self.headers.retain(|(name, _)| *name != "origin");
        page
    }

    fn keep_cookies(&mut self, response: &Response<Incoming>) {
        for set in response.headers().get_all(SET_COOKIE) {
            let set = set.to_str().expect("text");
            let (name, value) = set.split(';').next().and_then(|p| p.split_once('=')).expect("a=b");
            self.cookies.retain(|(known, _)| known != name);
            if !value.is_empty() {
                self.cookies.push((name.into(), value.into()));
            }
        }
    }
}

pub(crate) fn own() -> String {
    format!("https://{PANEL}")
}

pub(crate) fn room(name: &str) -> RoomView {
    RoomView {
        name: name.parse().expect("a name"),
        owner: "ada".parse().expect("a login"),
        host: format!("{name}.house.example").parse().expect("a host"),
        template: "light".parse().expect("a name"),
        template_version: piaule::model::TemplateVersion(2),
        wanted: Wanted::Running,
        phase: Phase::Running,
        problem: None,
        address: [192, 168, 200, 2].into(),
        mac: "02:37:c0:a8:c8:02".parse().expect("a MAC"),
        limits: piaule::model::Limits::default(),
        ports: vec![port("tcp", "20022", "22"), port("udp", "20053", "53")],
        keys: vec![KeyView {
            fingerprint: "SHA256:TUFcAFtdzpwQ6Ip7Q6xWgKkM2K5bbrvyAzoPsEmSEcs".into(),
            algorithm: "ssh-ed25519".into(),
            comment: "ada@laptop".into(),
        }],
        created_at: "2026-09-01T08:00:00Z".parse().expect("a timestamp"),
        destroy_at: None,
        job: Some(job(4, JobKind::Create, JobState::Done)),
        memory_used: Some(26 << 20),
        cpu_used_ms: Some(420),
    }
}

fn port(protocol: &str, public: &str, room: &str) -> PortView {
    PortView {
        protocol: protocol.parse().expect("a protocol"),
        public: public.parse().expect("a port"),
        room: room.parse().expect("a port"),
    }
}

pub(crate) fn job(id: i64, kind: JobKind, state: JobState) -> JobView {
    let step = |name: &str, at_ms, took_ms| StepView {
        name: name.into(),
        state: StepState::Done,
        at_ms,
        took_ms,
        detail: None,
    };
    JobView {
        id: JobId(id),
        kind,
        state,
        object: "blog".into(),
        accepted_at: "2026-09-01T08:00:00Z".parse().expect("a timestamp"),
        finished_at: None,
        error: None,
        steps: vec![
            step("layer", 10.2, 9.5),
            step("publish", 18.9, 8.1),
            step("network", 33.4, 14.2),
            step("launch", 39.0, 28.4),
            step("ready", 252.8, 213.6),
        ],
    }
}

fn snapshot() -> Snapshot {
    let routes = (0..12).map(|index| Route {
        host: format!("room{index}.house.example").parse().expect("a host"),
        address: [192, 168, 200, 2 + index].into(),
        state: if index < 8 { RouteState::Up } else { RouteState::Down },
    });
    Snapshot {
        generation: 1,
        zone: Zone { serial: 1, rooms: Vec::new() },
        routes: routes.collect(),
        leases: Vec::new(),
        certificates: Vec::new(),
    }
}

fn settings() -> FrontSettings {
    FrontSettings {
        zone: "house.example".parse().expect("a host"),
        panel: PANEL.parse().expect("a host"),
        public_address: [192, 0, 2, 1].into(),
        network: "192.168.200.0/22".parse().expect("a network"),
        resolvers: Vec::new(),
        uid: 990,
        gid: 990,
    }
}
