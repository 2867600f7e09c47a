//! What came: where to ([`route`]), from whom ([`session`]), in which language ([`language`]),
//! with what fields ([`form`]). Nothing here asks core.

pub(super) mod form;
pub(super) mod language;
pub(super) mod route;
pub(super) mod session;

use std::time::Instant;

use http::Method;
use http::header::{HOST, HeaderMap};
use http::request::Parts;

use self::form::Tokened;
use self::language::Language;
use self::route::Page;
use self::session::{Provenance, Session};
use super::reply::Refusal;
use super::texts::Texts;
use crate::front::site::Visitor;

/// A request, before anything is asked of core.
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) headers: HeaderMap,
    pub(super) query: String,
    pub(super) language: Language,
    pub(super) session: Option<Session>,
    pub(super) visitor: Visitor,
    pub(super) at: Instant,
    /// The host the visitor typed, with its port unless it is 443.
    authority: String,
}

impl Asked {
    pub(super) fn new(head: Parts, visitor: Visitor, at: Instant) -> Self {
        let query = head.uri.query().unwrap_or_default().to_owned();
        let authority = match head.uri.authority() {
            Some(authority) => authority.as_str().to_owned(),
            None => session::header(&head.headers, &HOST).to_owned(),
        };
        Self {
            language: Language::choose(&query, &head.headers),
            session: Session::of(&head.headers),
            method: head.method,
            headers: head.headers,
            query,
            visitor,
            at,
            authority,
        }
    }

    pub(super) fn texts(&self) -> &'static Texts {
        self.language.texts()
    }

    /// Where the form that came was filled in.
    pub(super) fn provenance(&self) -> Provenance {
        session::provenance(&self.headers, &self.authority)
    }

    /// The session; without one, the way is to sign in and then to go on to `page`.
    pub(super) fn session(&self, page: &Page) -> Result<&Session, Refusal> {
        let signed_out = || Refusal::SignedOut { then: Some(page.clone()) };
        self.session.as_ref().ok_or_else(signed_out)
    }

    /// The fields of a form that this session filled in on the panel; `page` is where it is.
    pub(super) fn own_form<T>(&self, page: &Page, bytes: &[u8]) -> Result<(&Session, T), Refusal>
    where
        T: serde::de::DeserializeOwned + Tokened,
    {
        let session = self.session(page)?;
        Ok((session, form::parse_own(bytes, session, self.provenance())?))
    }
}
