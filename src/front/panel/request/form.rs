//! Reading forms: bounded in size and time, of the one content type, from the panel's own pages.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Body as HttpBody;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::session::{self, Provenance, Session};
use crate::front::panel::reply::Refusal;
use crate::front::site::BodyError;

/// The longest form, in bytes: a few SSH keys fit.
const LONGEST: usize = 64 * 1024;
/// How long a form may take to arrive.
const PATIENCE: Duration = Duration::from_secs(20);

/// Name and password.
#[derive(Deserialize)]
pub(in crate::front::panel) struct SignIn {
    pub(in crate::front::panel) login: String,
    pub(in crate::front::panel) password: String,
    #[serde(default)]
    pub(in crate::front::panel) next: String,
}

/// A form that is only a button.
#[derive(Deserialize)]
pub(in crate::front::panel) struct Button {
    token: String,
}

/// A room to be made.
#[derive(Default, Deserialize)]
pub(in crate::front::panel) struct NewRoom {
    #[serde(default)]
    token: String,
    #[serde(default)]
    pub(in crate::front::panel) name: String,
    #[serde(default)]
    pub(in crate::front::panel) template: String,
    /// One per line.
    #[serde(default)]
    pub(in crate::front::panel) keys: String,
}

/// A form that must carry the session's token.
pub(in crate::front::panel) trait Tokened {
    fn token(&self) -> &str;
}

impl Tokened for Button {
    fn token(&self) -> &str {
        &self.token
    }
}

impl Tokened for NewRoom {
    fn token(&self) -> &str {
        &self.token
    }
}

/// Receives a form's bytes.
pub(in crate::front::panel) async fn read<B>(headers: &HeaderMap, body: B) -> Result<Bytes, Refusal>
where
    B: HttpBody<Data = Bytes> + Send,
    B::Error: Into<BodyError>,
{
    let mime = session::header(headers, &CONTENT_TYPE);
    let essence = mime.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(Refusal::NotAForm);
    }
    if body.size_hint().lower() > LONGEST as u64 {
        return Err(Refusal::TooLong);
    }
    match tokio::time::timeout(PATIENCE, Limited::new(body, LONGEST).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Refusal::TooLong),
        Ok(Err(_)) => Err(Refusal::NotAForm),
        Err(_) => Err(Refusal::TooSlow),
    }
}

/// The fields of a form.
pub(in crate::front::panel) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refusal> {
    serde_html_form::from_bytes(bytes).map_err(|_| Refusal::NotAForm)
}

/// The page to go to after signing in, as `?next=` has it; not yet checked.
pub(in crate::front::panel) fn next_page(query: &str) -> String {
    #[derive(Deserialize)]
    struct Next {
        next: String,
    }
    serde_html_form::from_str::<Next>(query).map(|next| next.next).unwrap_or_default()
}

/// Whether someone pasted a private key, or a part of one (RFC 7468).
pub(in crate::front::panel) fn is_private(keys: &str) -> bool {
    keys.contains("PRIVATE KEY")
}

/// The fields of a form that `session` filled in on the panel.
pub(in crate::front::panel) fn parse_own<T: DeserializeOwned + Tokened>(
    bytes: &[u8],
    session: &Session,
    provenance: Provenance,
) -> Result<T, Refusal> {
    let form: T = parse(bytes)?;
    if provenance == Provenance::Foreign || !session.sent(form.token()) {
        return Err(Refusal::Foreign);
    }
    Ok(form)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http_body_util::Full;

    use super::*;
    use crate::model::Token;

    fn headers(mime: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(mime));
        headers
    }

    #[tokio::test]
    async fn a_form_is_short_and_a_form() {
        let right = headers("application/x-www-form-urlencoded; charset=UTF-8");
        let body = |length| Full::new(Bytes::from(vec![b'a'; length]));
        assert!(read(&right, body(LONGEST)).await.is_ok());
        assert!(matches!(read(&right, body(LONGEST + 1)).await, Err(Refusal::TooLong)));
        for wrong in ["text/plain", "multipart/form-data", "application/json", ""] {
            let result = read(&headers(wrong), body(1)).await;
            assert!(matches!(result, Err(Refusal::NotAForm)), "{wrong}");
        }
    }

    #[test]
    fn only_the_sessions_own_forms_pass() {
        let mut cookies = HeaderMap::new();
        let cookie = format!("__Host-piaule={}", Token::from_random([3; 32]).expose());
        cookies.insert("cookie", cookie.parse().expect("a header"));
        let session = Session::of(&cookies).expect("a session");
        let good = format!("token={}", session.form_token());

        let passes = |bytes: &str, provenance| {
            parse_own::<Button>(bytes.as_bytes(), &session, provenance).is_ok()
        };
        assert!(passes(&good, Provenance::Own));
        assert!(passes(&good, Provenance::Unsaid), "text browsers say nothing");
        assert!(!passes(&good, Provenance::Foreign));
        assert!(!passes("token=", Provenance::Own));
        assert!(!passes("", Provenance::Own));
        assert!(!passes(&format!("{good}&{good}"), Provenance::Own), "two tokens");
    }
}
