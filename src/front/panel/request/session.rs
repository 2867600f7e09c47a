//! Who a request comes from: the session cookie, the token in forms, and the origin.

use aws_lc_rs::hmac;
use cookie::{Cookie, SameSite};
use http::header::{COOKIE, HeaderMap, HeaderName, ORIGIN, REFERER};

use crate::model::Token;

/// The session's cookie. `__Host-` makes browsers refuse it from a room, which is a sibling
/// host, and over plain HTTP (RFC 6265bis §4.1.3.2).
const COOKIE_NAME: &str = "__Host-piaule";

/// A session token as it came; whether it is good, core says with each command.
#[derive(Debug, Clone)]
pub(in crate::front::panel) struct Session(Token);

impl Session {
    pub(in crate::front::panel) fn of(headers: &HeaderMap) -> Option<Self> {
        cookie(headers, COOKIE_NAME)?.parse().ok().map(Self)
    }

    pub(in crate::front::panel) fn token(&self) -> &Token {
        &self.0
    }

    /// What every form of this session carries: HMAC-SHA256 of a constant under the session's
    /// token. It needs no memory, so it outlives front, and tells nothing of the token.
    pub(in crate::front::panel) fn form_token(&self) -> String {
        use std::fmt::Write as _;
        let tag = hmac::sign(&self.key(), FORM);
        tag.as_ref().iter().fold(String::with_capacity(64), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    /// Whether a form carries this session's token; in constant time.
    pub(in crate::front::panel) fn sent(&self, form_token: &str) -> bool {
        let expected = self.form_token();
        aws_lc_rs::constant_time::verify_slices_are_equal(
            expected.as_bytes(),
            form_token.as_bytes(),
        )
        .is_ok()
    }

    fn key(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, self.0.expose().as_bytes())
    }
}

const FORM: &[u8] = b"form";

/// The `Set-Cookie` value that opens a session. Without `Max-Age` it ends with the browser,
/// which is right on a school's shared computers.
pub(in crate::front::panel) fn open(token: &Token) -> String {
    guarded(COOKIE_NAME, token.expose().to_owned()).to_string()
}

/// The `Set-Cookie` value that closes it.
pub(in crate::front::panel) fn close() -> String {
    let mut cookie = guarded(COOKIE_NAME, String::new());
    cookie.make_removal();
    cookie.to_string()
}

/// A cookie of the panel's own: not for scripts, other hosts or plain HTTP.
pub(in crate::front::panel) fn guarded(name: &'static str, value: String) -> Cookie<'static> {
    Cookie::build((name, value))
        .path("/")
        .secure(true)
        .http_only(true)
        .same_site(SameSite::Lax)
        .build()
}

/// The value of a cookie, wherever it is among the `Cookie` headers (HTTP/2 may split them).
pub(in crate::front::panel) fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| Cookie::split_parse(value.to_owned()))
        .flatten()
        .find(|cookie| cookie.name() == name)
        .map(|cookie| cookie.value().to_owned())
}

/// A header as text; empty when it is missing or not text.
pub(in crate::front::panel) fn header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Where a form was filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::front::panel) enum Provenance {
    /// On the panel itself.
    Own,
    /// Elsewhere, a room's site included.
    Foreign,
    /// The browser does not say.
    Unsaid,
}

/// Where a form was filled in, by the best witness there is: `Sec-Fetch-Site` (W3C Fetch
/// Metadata), `Origin` (RFC 6454), `Referer`. `authority` is the panel's host, with its port
/// unless that is 443.
pub(in crate::front::panel) fn provenance(headers: &HeaderMap, authority: &str) -> Provenance {
    let own = format!("https://{}", authority.strip_suffix(":443").unwrap_or(authority));
    let judge = |is_own| if is_own { Provenance::Own } else { Provenance::Foreign };

    let fetched = header(headers, &HeaderName::from_static("sec-fetch-site"));
    let origin = header(headers, &ORIGIN);
    let referrer = header(headers, &REFERER);
    if !fetched.is_empty() {
        judge(fetched == "same-origin")
    } else if !origin.is_empty() {
        judge(origin == own)
    } else if !referrer.is_empty() {
        judge(referrer.strip_prefix(&own).is_some_and(|rest| rest.starts_with('/')))
    } else {
        Provenance::Unsaid
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, HeaderValue::from_static(value));
        }
        map
    }

    #[test]
    fn cookies_are_guarded() {
        let token = Token::from_random([7; 32]);
        let set = open(&token);
        assert!(set.starts_with("__Host-piaule=0707"), "{set}");
        for flag in ["HttpOnly", "Secure", "SameSite=Lax", "Path=/"] {
            assert!(set.split("; ").any(|part| part == flag), "{flag} in {set}");
            assert!(close().split("; ").any(|part| part == flag), "{flag} in {}", close());
        }
        assert!(!set.contains("Domain"), "{set}");
        assert!(close().contains("Max-Age=0"), "{}", close());
    }

    #[test]
    fn a_session_is_found_among_cookies() {
        let value = "a=b; __Host-piaule=0707070707070707070707070707070707070707070707070707070707070707; c=d";
        assert!(Session::of(&headers(&[("cookie", "x=y"), ("cookie", value)])).is_some());
        for bad in ["", "__Host-piaule=", "__Host-piaule=07", "piaule=07; __Host-piaule"] {
            assert!(Session::of(&headers(&[("cookie", bad)])).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_form_token_belongs_to_one_session() {
        let one = Session(Token::from_random([1; 32]));
        let other = Session(Token::from_random([2; 32]));
        assert!(one.sent(&one.form_token()));
        assert!(!one.sent(&other.form_token()));
        assert!(!one.sent(""));
        assert!(!one.form_token().contains(one.0.expose()));
    }

    #[test]
    fn provenance_by_the_best_witness() {
        use Provenance::{Foreign, Own, Unsaid};
        let fetched = "sec-fetch-site";
        let cases: [(&[(&'static str, &'static str)], Provenance); 12] = [
            (&[(fetched, "same-origin")], Own),
            (&[(fetched, "same-site")], Foreign),
            (&[(fetched, "cross-site"), ("origin", "https://panel.example")], Foreign),
            (&[(fetched, "none")], Foreign),
            (&[("origin", "https://panel.example")], Own),
            (&[("origin", "http://panel.example")], Foreign),
            (&[("origin", "https://panel.example:8443")], Foreign),
            (&[("origin", "https://blog.panel.example")], Foreign),
            (&[("origin", "null")], Foreign),
            (&[("referer", "https://panel.example/sign-in")], Own),
            (&[("referer", "https://panel.example.evil.example/")], Foreign),
            (&[], Unsaid),
        ];
        for (given, expected) in cases {
            assert_eq!(provenance(&headers(given), "panel.example"), expected, "{given:?}");
        }
        let port = headers(&[("origin", "https://panel.example:8443")]);
        assert_eq!(provenance(&port, "panel.example:8443"), Own);
    }
}
