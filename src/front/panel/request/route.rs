//! Method and path to what is asked for. Pure.

use http::Method;

use crate::front::panel::assets::{self, Asset};
use crate::front::panel::reply::Refusal;
use crate::model::RoomName;
use crate::wire::Command;

/// Everything the panel answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::front::panel) enum Route {
    Asset(&'static Asset),
    Page(Page),
    /// The live timeline of a room.
    Events(RoomName),
    Form(Form),
}

/// What is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::front::panel) enum Page {
    Home,
    SignIn,
    /// Not under `/rooms/`: a room may be called `new`.
    NewRoom,
    Room(RoomName),
}

/// What is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::front::panel) enum Form {
    SignIn,
    SignOut,
    NewRoom,
    Room(RoomName, Verb),
}

/// What a student does to a room with one button.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::front::panel) enum Verb {
    Start,
    Stop,
    Restart,
}

impl Verb {
    pub(in crate::front::panel) const ALL: [Self; 3] = [Self::Start, Self::Restart, Self::Stop];

    pub(in crate::front::panel) fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verb| verb.as_str() == word)
    }

    pub(in crate::front::panel) fn command(self, name: RoomName) -> Command {
        match self {
            Self::Start => Command::RoomStart { name },
            Self::Stop => Command::RoomStop { name },
            Self::Restart => Command::RoomRestart { name },
        }
    }
}

impl Page {
    /// The one path of the page.
    pub(in crate::front::panel) fn path(&self) -> String {
        match self {
            Self::Home => "/".to_owned(),
            Self::SignIn => "/sign-in".to_owned(),
            Self::NewRoom => "/new-room".to_owned(),
            Self::Room(name) => format!("/rooms/{name}"),
        }
    }

    /// The page of a path, if it is one; never another site's.
    pub(in crate::front::panel) fn at(path: &str) -> Option<Self> {
        match route(&Method::GET, path) {
            Ok(Route::Page(page)) => Some(page),
            _ => None,
        }
    }
}

/// What a path stands for, by method.
struct Place {
    read: Option<Route>,
    sent: Option<Form>,
}

/// Finds what is asked for.
pub(in crate::front::panel) fn route(method: &Method, path: &str) -> Result<Route, Refusal> {
    let place = place(path).ok_or(Refusal::NoSuchPage)?;
    let allow = match (&place.read, &place.sent) {
        (Some(_), Some(_)) => "GET, HEAD, POST",
        (Some(_), None) => "GET, HEAD",
        _ => "POST",
    };
    let found = match *method {
        Method::GET | Method::HEAD => place.read,
        Method::POST => place.sent.map(Route::Form),
        _ => None,
    };
    found.ok_or(Refusal::WrongMethod { allow })
}

fn place(path: &str) -> Option<Place> {
    let read = |route| Place { read: Some(route), sent: None };
    let send = |form| Place { read: None, sent: Some(form) };
    let both = |page, form| Place { read: Some(Route::Page(page)), sent: Some(form) };

    let segments: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
    Some(match *segments.as_slice() {
        [""] => read(Route::Page(Page::Home)),
        ["sign-in"] => both(Page::SignIn, Form::SignIn),
        ["sign-out"] => send(Form::SignOut),
        ["new-room"] => both(Page::NewRoom, Form::NewRoom),
        ["assets", file] => read(Route::Asset(assets::named(file)?)),
        ["rooms", name] => read(Route::Page(Page::Room(name.parse().ok()?))),
        ["rooms", name, "events"] => read(Route::Events(name.parse().ok()?)),
        ["rooms", name, verb] => send(Form::Room(name.parse().ok()?, Verb::parse(verb)?)),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(name: &str) -> RoomName {
        name.parse().expect("a name")
    }

    #[test]
    fn every_page_and_form() {
        let css = format!("/assets/{}", assets::STYLE.name());
        let cases = [
            (Method::GET, "/", Route::Page(Page::Home)),
            (Method::HEAD, "/", Route::Page(Page::Home)),
            (Method::GET, "/sign-in", Route::Page(Page::SignIn)),
            (Method::POST, "/sign-in", Route::Form(Form::SignIn)),
            (Method::POST, "/sign-out", Route::Form(Form::SignOut)),
            (Method::GET, "/new-room", Route::Page(Page::NewRoom)),
            (Method::POST, "/new-room", Route::Form(Form::NewRoom)),
            (Method::GET, "/rooms/new", Route::Page(Page::Room(room("new")))),
            (Method::GET, "/rooms/blog/events", Route::Events(room("blog"))),
            (Method::POST, "/rooms/blog/stop", Route::Form(Form::Room(room("blog"), Verb::Stop))),
            (Method::GET, css.as_str(), Route::Asset(&assets::STYLE)),
        ];
        for (method, path, expected) in cases {
            assert_eq!(route(&method, path).expect(path), expected, "{method} {path}");
        }
    }

    #[test]
    fn nothing_else() {
        for path in [
            "",
            "*",
            "//",
            "//evil.example",
            "/sign-in/",
            "/rooms",
            "/rooms/",
            "/rooms/../etc",
            "/rooms/Blog",
            "/rooms/blog%0a",
            "/rooms/blog/destroy",
            "/rooms/blog/start/",
            "/assets/panel.css",
        ] {
            let found = route(&Method::GET, path);
            assert!(matches!(found, Err(Refusal::NoSuchPage)), "{path}: {found:?}");
        }
    }

    #[test]
    fn the_wrong_method_says_the_right_one() {
        let cases = [
            (Method::GET, "/sign-out", "POST"),
            (Method::GET, "/rooms/blog/stop", "POST"),
            (Method::POST, "/rooms/blog", "GET, HEAD"),
            (Method::PUT, "/sign-in", "GET, HEAD, POST"),
            (Method::OPTIONS, "/", "GET, HEAD"),
        ];
        for (method, path, expected) in cases {
            match route(&method, path) {
                Err(Refusal::WrongMethod { allow }) => assert_eq!(allow, expected, "{path}"),
                other => panic!("{method} {path}: {other:?}"),
            }
        }
    }

    #[test]
    fn only_own_pages_can_be_gone_to() {
        assert_eq!(Page::at("/rooms/blog").map(|page| page.path()), Some("/rooms/blog".into()));
        for bad in ["https://evil.example/", "//evil.example", "/sign-out", "/\\evil.example", ""] {
            assert_eq!(Page::at(bad), None, "{bad}");
        }
    }
}
