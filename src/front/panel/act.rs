//! From a checked form to a command, and from core's answer to the next page.

use http::{Response, StatusCode};

use super::Panel;
use super::pages::new_room::Problems;
use super::pages::sign_in;
use super::reply::{self, Refusal};
use super::request::Asked;
use super::request::form::{self, Button, SignIn};
use super::request::route::{Form, Page};
use super::request::session::{self, Provenance, Session};
use crate::front::site::Body;
use crate::model::{Invalid, Login, Password, RoomName, SshKey, TemplateName};
use crate::wire::{Command, FaultKind, Reply};

impl Panel {
    /// Does what a form asks.
    pub(super) async fn act(
        &self,
        asked: &Asked,
        form: Form,
        bytes: &[u8],
    ) -> Result<Response<Body>, Refusal> {
        match form {
            Form::SignIn => self.sign_in(asked, bytes).await,
            Form::SignOut => {
                let (session, Button { .. }) = asked.own_form(&Page::Home, bytes)?;
                Ok(self.sign_out(session).await)
            }
            Form::NewRoom => {
                let (session, fields) = asked.own_form(&Page::NewRoom, bytes)?;
                self.create(asked, session, &fields).await
            }
            Form::Room(name, verb) => {
                let page = Page::Room(name.clone());
                let (session, Button { .. }) = asked.own_form(&page, bytes)?;
                let done = self.ask(Some(session), verb.command(name)).await;
                done.map_err(|refusal| refusal.then(&page))?;
                Ok(reply::see_other(&page.path()))
            }
        }
    }

    /// Opens a session. Whatever is wrong with a login or a password, the answer is the same.
    async fn sign_in(&self, asked: &Asked, bytes: &[u8]) -> Result<Response<Body>, Refusal> {
        // There is no session yet to tie a form token to, so the origin must be said.
        if asked.provenance() != Provenance::Own {
            return Err(Refusal::Foreign);
        }
        let fields: SignIn = form::parse(bytes)?;
        let address = asked.visitor.address.ip();
        self.sign_ins.attempt(address, asked.at).map_err(|wait| {
            tracing::warn!(%address, "too many failed sign-ins");
            Refusal::SlowDown { wait }
        })?;
        match self.open_session(&fields).await {
            Ok(Some(token)) => {
                self.sign_ins.forgive(address);
                let next = Page::at(&fields.next).unwrap_or(Page::Home);
                let mut response = reply::see_other(&next.path());
                reply::add_cookie(&mut response, &session::open(&token));
                Ok(response)
            }
            Ok(None) => {
                tracing::info!(%address, "a sign-in was refused");
                let page =
                    sign_in::page(asked, &self.view.now(), &fields.next, Some(&fields.login));
                Ok(reply::page(StatusCode::FORBIDDEN, asked.language, page))
            }
            Err(refusal) => {
                self.sign_ins.forgive(address);
                Err(refusal)
            }
        }
    }

    /// A token, or `None` when the login and the password do not go together.
    async fn open_session(&self, fields: &SignIn) -> Result<Option<crate::model::Token>, Refusal> {
        // Phones like to begin with a capital and to end with a space.
        let login = fields.login.trim().to_ascii_lowercase().parse::<Login>();
        let password = fields.password.parse::<Password>();
        let (Ok(login), Ok(password)) = (login, password) else { return Ok(None) };
        match self.ask(None, Command::SignIn { login, password }).await {
            Ok(Reply::Session { token, .. }) => Ok(Some(token)),
            Ok(_) => Err(Refusal::Unfit),
            Err(Refusal::House(fault)) => match fault.kind {
                FaultKind::Unavailable | FaultKind::Internal => Err(fault.into()),
                _ => Ok(None),
            },
            Err(refusal) => Err(refusal),
        }
    }

    /// Ends the session; this browser forgets it even when core is away.
    async fn sign_out(&self, session: &Session) -> Response<Body> {
        if let Err(error) = self.ask(Some(session), Command::SignOut).await {
            tracing::info!(error = &error as &dyn std::error::Error, "a session was not ended");
        }
        let mut response = reply::see_other(&Page::SignIn.path());
        reply::add_cookie(&mut response, &session::close());
        response
    }

    /// Makes a room, or shows the form again with what is wrong with it.
    async fn create(
        &self,
        asked: &Asked,
        session: &Session,
        fields: &form::NewRoom,
    ) -> Result<Response<Body>, Refusal> {
        let (status, problems) = match wish(fields) {
            Err(problems) => (StatusCode::BAD_REQUEST, problems),
            Ok(command) => match self.ask(Some(session), command).await {
                Ok(Reply::Accepted { .. }) => {
                    let made = fields.name.trim().parse().map_or(Page::Home, Page::Room);
                    return Ok(reply::see_other(&made.path()));
                }
                Ok(_) => return Err(Refusal::Unfit),
                Err(Refusal::House(fault)) if is_about_the_wish(fault.kind) => {
                    let status = reply::status_of(fault.kind);
                    (status, Box::new(Problems { whole: Some(fault), ..Problems::default() }))
                }
                Err(refusal) => return Err(refusal.then(&Page::NewRoom)),
            },
        };
        self.show_new_room(asked, session, fields, &problems, status).await
    }
}

fn is_about_the_wish(kind: FaultKind) -> bool {
    use FaultKind::{Conflict, Forbidden, Invalid, Limit, NotFound};
    matches!(kind, Conflict | Forbidden | Invalid | Limit | NotFound)
}

/// The command for a filled-in form, or what is wrong with each field.
fn wish(fields: &form::NewRoom) -> Result<Command, Box<Problems>> {
    let name = fields.name.trim().parse::<RoomName>();
    let template = fields.template.parse::<TemplateName>();
    let keys = keys(&fields.keys);
    match (name, template, keys) {
        (Ok(name), Ok(template), Ok(keys)) => {
            Ok(Command::RoomCreate { name, template, owner: None, keys, ports: Vec::new() })
        }
        (name, template, keys) => Err(Box::new(Problems {
            name: name.err(),
            template: template.err(),
            keys: keys.err(),
            whole: None,
        })),
    }
}

/// One key per line; at least one, or nobody could enter the room.
fn keys(text: &str) -> Result<Vec<SshKey>, Invalid> {
    if form::is_private(text) {
        // The lines of a private key say nothing; the whole does.
        return text.replace(['\r', '\n'], " ").parse().map(|key| vec![key]);
    }
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let keys: Vec<SshKey> = lines.map(str::parse).collect::<Result<_, _>>()?;
    if keys.is_empty() { "".parse().map(|key| vec![key]) } else { Ok(keys) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti ada@laptop";

    #[test]
    fn keys_are_one_per_line() {
        let two = format!("\r\n{KEY}\r\n\r\n  {KEY}\n");
        assert_eq!(keys(&two).expect("keys").len(), 2);
        for bad in ["", " \n", "ssh-ed25519 AAAA", &format!("{KEY}\nzut")] {
            assert!(keys(bad).is_err(), "{bad:?}");
        }
        let private =
            "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n-----END OPENSSH PRIVATE KEY-----";
        assert!(keys(private).expect_err("private").0.contains("private key"));
    }

    #[test]
    fn every_wrong_field_is_told_at_once() {
        let mut fields = form::NewRoom::default();
        let problems = wish(&fields).expect_err("empty");
        assert!(problems.name.is_some() && problems.template.is_some() && problems.keys.is_some());

        fields.name = "blog".into();
        fields.template = "light".into();
        fields.keys = KEY.into();
        assert!(matches!(wish(&fields), Ok(Command::RoomCreate { owner: None, .. })));
    }
}
