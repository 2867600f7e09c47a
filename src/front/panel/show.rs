//! Pages: what to ask core for each, with the visitor's own session.

use http::{Response, StatusCode};

use super::Panel;
use super::pages::new_room::{self, Problems};
use super::pages::{Visit, home, room, sign_in};
use super::reply::{self, Refusal};
use super::request::Asked;
use super::request::form;
use super::request::route::Page;
use super::request::session::Session;
use crate::front::site::Body;
use crate::model::RoomName;
use crate::wire::{AccountView, Command, Reply, RoomView, TemplateView};

impl Panel {
    /// Answers with a page.
    pub(super) async fn show(&self, asked: &Asked, page: &Page) -> Result<Response<Body>, Refusal> {
        let shown = match page {
            Page::SignIn => Ok(self.show_sign_in(asked)),
            Page::Home => self.show_home(asked, asked.session(page)?).await,
            Page::Room(name) => self.show_room(asked, asked.session(page)?, name).await,
            Page::NewRoom => {
                let (fields, none) = (form::NewRoom::default(), Problems::default());
                let session = asked.session(page)?;
                self.show_new_room(asked, session, &fields, &none, StatusCode::OK).await
            }
        };
        shown.map_err(|refusal| refusal.then(page))
    }

    fn show_sign_in(&self, asked: &Asked) -> Response<Body> {
        let next = form::next_page(&asked.query);
        let markup = sign_in::page(asked, &self.view.now(), &next, None);
        reply::page(StatusCode::OK, asked.language, markup)
    }

    async fn show_home(&self, asked: &Asked, session: &Session) -> Result<Response<Body>, Refusal> {
        let (account, rooms) = tokio::try_join!(self.account(session), self.rooms(session))?;
        let visit = Visit { asked, session, login: &account.login };
        let markup = home::page(&visit, &account, &rooms);
        Ok(reply::page(StatusCode::OK, asked.language, markup))
    }

    async fn show_room(
        &self,
        asked: &Asked,
        session: &Session,
        name: &RoomName,
    ) -> Result<Response<Body>, Refusal> {
        let (account, shown) = tokio::try_join!(self.account(session), self.room(session, name))?;
        let visit = Visit { asked, session, login: &account.login };
        Ok(reply::page(StatusCode::OK, asked.language, room::page(&visit, &shown)))
    }

    /// The new room form, as it was filled in and with what is wrong with it.
    pub(super) async fn show_new_room(
        &self,
        asked: &Asked,
        session: &Session,
        fields: &form::NewRoom,
        problems: &Problems,
        status: StatusCode,
    ) -> Result<Response<Body>, Refusal> {
        let (account, templates) =
            tokio::try_join!(self.account(session), self.templates(session))?;
        let visit = Visit { asked, session, login: &account.login };
        let markup = new_room::page(&visit, &self.settings.zone, &templates, fields, problems);
        Ok(reply::page(status, asked.language, markup))
    }

    async fn account(&self, session: &Session) -> Result<AccountView, Refusal> {
        match self.ask(Some(session), Command::WhoAmI).await? {
            Reply::Account(account) => Ok(account),
            _ => Err(Refusal::Unfit),
        }
    }

    async fn rooms(&self, session: &Session) -> Result<Vec<RoomView>, Refusal> {
        match self.ask(Some(session), Command::RoomList).await? {
            Reply::Rooms(rooms) => Ok(rooms),
            _ => Err(Refusal::Unfit),
        }
    }

    /// A room, if it is the session's.
    pub(super) async fn room(
        &self,
        session: &Session,
        name: &RoomName,
    ) -> Result<RoomView, Refusal> {
        match self.ask(Some(session), Command::RoomShow { name: name.clone() }).await? {
            Reply::Room(room) => Ok(*room),
            _ => Err(Refusal::Unfit),
        }
    }

    async fn templates(&self, session: &Session) -> Result<Vec<TemplateView>, Refusal> {
        match self.ask(Some(session), Command::TemplateList).await? {
            Reply::Templates(templates) => Ok(templates),
            _ => Err(Refusal::Unfit),
        }
    }
}
