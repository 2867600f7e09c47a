//! The panel: the pages a student reads and the forms they send, on the panel's host only.
//!
//! The proxy calls it with requests that already came over TLS. It trusts nothing in them: a
//! request is understood and its form checked in [`request`], then turned into `Command`s that
//! core judges ([`show`], [`act`]), and core's answers into [`pages`]. The panel holds no right
//! of its own and decides none: what it knows about a room is what core answered for this
//! visitor's token.
//!
//! - **A room is a sibling of the panel.** `blog.hosting.example` and `panel.hosting.example`
//!   are the same *site* to a browser, so `SameSite` alone stops no student's page. Every form
//!   therefore carries a token derived from the session and must come from the panel's own
//!   *origin*; both cookies have the `__Host-` prefix, which no sibling can set.
//! - **Nothing is remembered here** but failed sign-ins ([`throttle`]), since front can be
//!   replaced at any moment. The price: an upgrade forgives whoever was guessing passwords.
//! - **Pages are whole without JavaScript**; with it the timeline moves by server-sent events
//!   ([`events`]), which carry the very HTML the page was made with. One renderer, one language
//!   table, at the price of a few hundred bytes an event.
//! - **A language is a Rust value** ([`texts`]): a text missing in one does not compile. Core's
//!   own sentences are English; the ones a form can provoke are translated, any other is shown
//!   as it came, marked as English.

mod act;
mod assets;
mod events;
mod pages;
mod reply;
mod request;
mod show;
mod texts;
mod throttle;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Request, Response};
use hyper::body::Body as HttpBody;

use self::events::Watchers;
use self::reply::Refusal;
use self::request::route::{self, Route};
use self::request::session::Session;
use self::request::{Asked, form};
use self::throttle::Throttle;
use super::house::House;
use super::site::{Body, BodyError, Site, Visitor};
use super::view::View;
use crate::wire::{Command, Fault, FaultKind, FrontSettings, Reply};

/// How long core may think before the visitor is told to come back.
const PATIENCE: Duration = Duration::from_secs(15);

/// The panel as a site. It asks core through `house`, and shows of `view` only how many windows
/// are lit.
pub fn site(house: House, view: Arc<View>, settings: Arc<FrontSettings>) -> Site {
    let panel = Arc::new(Panel::new(house, view, settings));
    Arc::new(move |request, visitor| {
        let panel = Arc::clone(&panel);
        Box::pin(async move { panel.answer(request, visitor).await })
    })
}

/// What answers need.
struct Panel {
    house: House,
    view: Arc<View>,
    settings: Arc<FrontSettings>,
    sign_ins: Throttle,
    watchers: Arc<Watchers>,
}

impl Panel {
    fn new(house: House, view: Arc<View>, settings: Arc<FrontSettings>) -> Self {
        let watchers = Arc::default();
        Self { house, view, settings, sign_ins: Throttle::default(), watchers }
    }

    async fn answer<B>(&self, request: Request<B>, visitor: Visitor) -> Response<Body>
    where
        B: HttpBody<Data = Bytes> + Send,
        B::Error: Into<BodyError>,
    {
        let (head, body) = request.into_parts();
        let route = route::route(&head.method, head.uri.path());
        let only_head = head.method == Method::HEAD;
        let asked = Asked::new(head, visitor, Instant::now());

        let answered = match route {
            Ok(Route::Asset(asset)) => return reply::asset(asset, only_head),
            Ok(Route::Page(page)) => self.show(&asked, &page).await,
            Ok(Route::Events(name)) => self.watch(&asked, name).await,
            Ok(Route::Form(form)) => match form::read(&asked.headers, body).await {
                Ok(bytes) => self.act(&asked, form, &bytes).await,
                Err(refusal) => Err(refusal),
            },
            Err(refusal) => Err(refusal),
        };
        let mut response =
            answered.unwrap_or_else(|refusal| pages::refusal::answer(&asked, &refusal));
        reply::remember_language(&mut response, &asked);
        if only_head { reply::without_body(response) } else { response }
    }

    /// Asks core, for whoever holds the session.
    async fn ask(&self, session: Option<&Session>, command: Command) -> Result<Reply, Refusal> {
        let token = session.map(|session| session.token().clone());
        let answer = tokio::time::timeout(PATIENCE, self.house.call(token, command)).await;
        let late = || Fault::new(FaultKind::Unavailable, "the house took too long to answer");
        Ok(answer.unwrap_or_else(|_| Err(late()))?)
    }
}
