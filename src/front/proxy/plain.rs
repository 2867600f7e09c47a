//! Port 80: everything that exists is elsewhere, over TLS.

use bytes::Bytes;
use http::header::{ACCEPT_LANGUAGE, CONTENT_TYPE, HeaderValue, LOCATION};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;

use super::index::Index;
use super::message::host;
use super::message::page::{Language, Trouble};

/// Where certificate authorities look for proofs (RFC 8555 §8.3).
const CHALLENGE: &str = "/.well-known/acme-challenge/";

/// What a plain request gets.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// It is at this URL.
    Elsewhere(String),
    /// A certificate authority's question: it follows no redirection here.
    Challenge,
    Trouble(Trouble),
}

/// Answers a request that came without TLS. `https` is the port that speaks it.
pub(super) fn answer<B>(index: &Index, https: u16, request: Request<B>) -> Response<Full<Bytes>> {
    let language = Language::of(request.headers().get(ACCEPT_LANGUAGE));
    let (mut parts, _) = request.into_parts();
    let settled = host::settle(&mut parts);
    let name = settled.as_ref().and_then(host::name);
    match judge(index, https, &parts, name.as_deref()) {
        Verdict::Trouble(trouble) => trouble.page(language, name.as_deref()),
        Verdict::Challenge => text(StatusCode::NOT_FOUND, "no such challenge\n"),
        Verdict::Elsewhere(url) => {
            let mut response = text(StatusCode::PERMANENT_REDIRECT, "");
            match HeaderValue::try_from(url) {
                Ok(url) => response.headers_mut().insert(LOCATION, url),
                Err(_) => return Trouble::Malformed.page(language, name.as_deref()),
            };
            response
        }
    }
}

fn judge(index: &Index, https: u16, parts: &Parts, name: Option<&str>) -> Verdict {
    if matches!(parts.method, Method::CONNECT | Method::TRACE) {
        return Verdict::Trouble(Trouble::Method);
    }
    let Some(name) = name else { return Verdict::Trouble(Trouble::Malformed) };
    if index.target(name).is_none() {
        return Verdict::Trouble(Trouble::Unknown);
    }
    if parts.uri.path().starts_with(CHALLENGE) {
        return Verdict::Challenge;
    }
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let path = if path.starts_with('/') { path } else { "/" };
    Verdict::Elsewhere(match https {
        443 => format!("https://{name}{path}"),
        port => format!("https://{name}:{port}{path}"),
    })
}

fn text(status: StatusCode, body: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    if !body.is_empty() {
        let plain = HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, plain);
    }
    response
}
