//! Responses and their headers; and why a request is refused.

use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use http::header::{self, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;
use maud::Markup;

use super::assets::Asset;
use super::request::Asked;
use super::request::language::Language;
use super::request::route::Page;
use crate::front::site::{Body, BodyError};
use crate::wire::{Fault, FaultKind};

/// What every response says. The panel needs nothing from elsewhere and nothing inline, so the
/// policy allows neither.
const SAFETY: [(HeaderName, &str); 8] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
         connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    ),
    (header::STRICT_TRANSPORT_SECURITY, "max-age=63072000"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    // `no-referrer` would make browsers send `Origin: null` with the panel's own forms.
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    ),
];

/// Why a request is not answered with what it asked for.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("no such page")]
    NoSuchPage,
    #[error("this path takes {allow}")]
    WrongMethod { allow: &'static str },
    #[error("not signed in")]
    SignedOut { then: Option<Page> },
    #[error("the form was not filled in on the panel")]
    Foreign,
    #[error("not a form")]
    NotAForm,
    #[error("the form is too long")]
    TooLong,
    #[error("the form took too long to arrive")]
    TooSlow,
    #[error("too many failed sign-ins")]
    SlowDown { wait: Duration },
    #[error("core refused")]
    House(#[from] Fault),
    /// Core answered a question that was not asked.
    #[error("an answer that does not fit")]
    Unfit,
}

impl Refusal {
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::NoSuchPage => StatusCode::NOT_FOUND,
            Self::WrongMethod { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::SignedOut { .. } => StatusCode::SEE_OTHER,
            Self::Foreign => StatusCode::FORBIDDEN,
            Self::NotAForm => StatusCode::BAD_REQUEST,
            Self::TooLong => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::SlowDown { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::House(fault) => status_of(fault.kind),
            Self::Unfit => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Whether the session is over, whoever noticed.
    pub(super) fn is_signed_out(&self) -> bool {
        match self {
            Self::SignedOut { .. } => true,
            Self::House(fault) => fault.kind == FaultKind::Unauthenticated,
            _ => false,
        }
    }

    /// The page to come back to after signing in.
    #[must_use]
    pub(super) fn then(self, page: &Page) -> Self {
        if self.is_signed_out() { Self::SignedOut { then: Some(page.clone()) } } else { self }
    }
}

/// The HTTP status of a fault.
pub(super) fn status_of(kind: FaultKind) -> StatusCode {
    StatusCode::from_u16(kind.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// A page. It is never kept by a cache: it may hold a form's token.
pub(super) fn page(status: StatusCode, language: Language, markup: Markup) -> Response<Body> {
    let mut response = safe(status, whole(Bytes::from(markup.into_string())));
    set(&mut response, header::CONTENT_TYPE, "text/html; charset=utf-8");
    set(&mut response, header::CONTENT_LANGUAGE, language.tag());
    set(&mut response, header::CACHE_CONTROL, "no-store");
    response
}

/// Go and read this page (RFC 9110 §15.4.4).
pub(super) fn see_other(path: &str) -> Response<Body> {
    let mut response = safe(StatusCode::SEE_OTHER, whole(Bytes::new()));
    set(&mut response, header::LOCATION, path);
    set(&mut response, header::CACHE_CONTROL, "no-store");
    response
}

/// An embedded file.
pub(super) fn asset(asset: &'static Asset, only_head: bool) -> Response<Body> {
    let mut response = safe(StatusCode::OK, whole(Bytes::from_static(asset.content.as_bytes())));
    set(&mut response, header::CONTENT_TYPE, asset.mime);
    set(&mut response, header::CACHE_CONTROL, "public, max-age=31536000, immutable");
    if only_head { without_body(response) } else { response }
}

/// Server-sent events (HTML Living Standard §9.2).
pub(super) fn events(stream: impl Stream<Item = Bytes> + Send + 'static) -> Response<Body> {
    use futures_util::StreamExt as _;
    let frames = stream.map(|bytes| Ok::<_, BodyError>(Frame::data(bytes)));
    let mut response = safe(StatusCode::OK, StreamBody::new(frames).boxed_unsync());
    set(&mut response, header::CONTENT_TYPE, "text/event-stream");
    set(&mut response, header::CACHE_CONTROL, "no-store");
    response
}

/// Sets a header; a value no header can hold is left out.
pub(super) fn set(response: &mut Response<Body>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// Adds a cookie.
pub(super) fn add_cookie(response: &mut Response<Body>, set_cookie: &str) {
    if let Ok(value) = HeaderValue::from_str(set_cookie) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
}

/// Keeps the language when the visitor just switched it.
pub(super) fn remember_language(response: &mut Response<Body>, asked: &Asked) {
    if let Some(language) = Language::switched(&asked.query) {
        add_cookie(response, &language.remembered());
    }
}

/// What HEAD answers: GET's headers alone.
pub(super) fn without_body(response: Response<Body>) -> Response<Body> {
    response.map(|_| whole(Bytes::new()))
}

fn safe(status: StatusCode, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    for (name, value) in SAFETY {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

fn whole(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
}
