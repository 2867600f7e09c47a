//! The header fields that change between visitor and room.

use http::Version;
use http::header::{
    CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, FORWARDED, HOST, HeaderMap, HeaderName,
    HeaderValue, TE, TRANSFER_ENCODING, UPGRADE,
};
use http::request::Parts;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The protocols a visitor asks to switch to (RFC 9110 §7.8), when that is a thing to pass on:
/// HTTP/1.1 only. `h2c` is not, since past it the room would take a visitor's word for who they
/// are.
pub(in crate::front::proxy) fn upgrade(parts: &Parts) -> Option<HeaderValue> {
    let value = parts.headers.get(UPGRADE)?;
    let h2c = |protocol: &str| protocol.get(..3).is_some_and(|p| p.eq_ignore_ascii_case("h2c"));
    let asked = parts.version == Version::HTTP_11
        && tokens(&parts.headers, &CONNECTION).any(|token| token.eq_ignore_ascii_case("upgrade"))
        && !tokens(&parts.headers, &UPGRADE).any(h2c);
    asked.then(|| value.clone())
}

/// Makes a visitor's request the room's: hop-by-hop fields go, and what a visitor says of their
/// own address and protocol is replaced by what the house saw. `host` is from
/// [`super::host::settle`].
pub(in crate::front::proxy) fn to_room(
    parts: &mut Parts,
    host: &HeaderValue,
    visitor: &HeaderValue,
    upgrade: Option<HeaderValue>,
) {
    let headers = &mut parts.headers;
    strip_hops(headers);
    strip_claims(headers);
    // Answered by hyper, which sends 100 when the room's side first asks for the body.
    headers.remove(EXPECT);
    join_cookies(headers);
    headers.insert(HOST, host.clone());
    headers.insert(X_FORWARDED_FOR, visitor.clone());
    headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static("https"));
    headers.insert(X_FORWARDED_HOST, host.clone());
    if let Some(forwarded) = forwarded(visitor, host) {
        headers.insert(FORWARDED, forwarded);
    }
    if let Some(protocols) = upgrade {
        switch(headers, protocols);
    }
    parts.version = Version::HTTP_11;
}

/// Makes a room's response the visitor's. On 101, say what was switched to with [`switch`].
pub(in crate::front::proxy) fn to_visitor(headers: &mut HeaderMap) {
    strip_hops(headers);
}

/// Marks a message as a switch of protocols.
pub(in crate::front::proxy) fn switch(headers: &mut HeaderMap, protocols: HeaderValue) {
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, protocols);
}

/// A body of unknown length must be sent chunked even where hyper would guess there is none.
pub(in crate::front::proxy) fn frame(headers: &mut HeaderMap, has_body: bool) {
    if has_body && !headers.contains_key(CONTENT_LENGTH) {
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
}

/// What a visitor says of themselves to whatever is behind the proxy, leaving out what only the
/// house may say.
pub(in crate::front::proxy) fn strip_claims(headers: &mut HeaderMap) {
    let claims: Vec<HeaderName> = headers.keys().filter(|name| is_claim(name)).cloned().collect();
    for name in claims {
        headers.remove(name);
    }
}

/// Fields that tell a room who its visitor is. CGI-like servers take `_` and `-` for the same,
/// and `Proxy` for a setting (CVE-2016-5385).
fn is_claim(name: &HeaderName) -> bool {
    const PREFIX: &[u8] = b"x-forwarded-";
    let name = name.as_str().as_bytes();
    let same = |a: &[u8], b: &[u8]| {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a == b || (*a == b'_' && *b == b'-'))
    };
    match name.first() {
        Some(b'x') => {
            name.get(..PREFIX.len()).is_some_and(|start| same(start, PREFIX))
                || same(name, b"x-real-ip")
                || same(name, b"x-client-ip")
        }
        Some(b'f') => name == b"forwarded",
        Some(b'p') => name == b"proxy",
        _ => false,
    }
}

/// RFC 9110 §7.6.1: what `Connection` names, and the fields known to be for one hop.
fn strip_hops(headers: &mut HeaderMap) {
    if headers.contains_key(CONNECTION) {
        let named: Vec<HeaderName> =
            tokens(headers, &CONNECTION).filter_map(|token| token.parse().ok()).collect();
        for name in named {
            headers.remove(name);
        }
        headers.remove(CONNECTION);
    }
    for name in [KEEP_ALIVE, PROXY_CONNECTION, TE, TRANSFER_ENCODING, UPGRADE, HTTP2_SETTINGS] {
        headers.remove(name);
    }
}

/// HTTP/2 may split cookies over lines; HTTP/1.1 may not (RFC 9113 §8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let mut lines = headers.get_all(COOKIE).iter();
    let (Some(first), Some(second)) = (lines.next(), lines.next()) else { return };
    let mut joined = first.as_bytes().to_vec();
    for line in std::iter::once(second).chain(lines) {
        joined.extend_from_slice(b"; ");
        joined.extend_from_slice(line.as_bytes());
    }
    if let Ok(joined) = HeaderValue::from_bytes(&joined) {
        headers.insert(COOKIE, joined);
    }
}

/// RFC 7239: an IPv6 address and a host with a port are quoted.
fn forwarded(visitor: &HeaderValue, host: &HeaderValue) -> Option<HeaderValue> {
    let (visitor, host) = (visitor.to_str().ok()?, host.to_str().ok()?);
    let value = if visitor.contains(':') {
        format!("for=\"[{visitor}]\";host=\"{host}\";proto=https")
    } else {
        format!("for={visitor};host=\"{host}\";proto=https")
    };
    HeaderValue::try_from(value).ok()
}

fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim).filter(|token| !token.is_empty())
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn parts(lines: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().uri("/");
        for (name, value) in lines {
            request = request.header(*name, *value);
        }
        request.body(()).expect("request").into_parts().0
    }

    fn text(headers: &HeaderMap) -> Vec<String> {
        let mut lines: Vec<_> = headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().expect("text")))
            .collect();
        lines.sort();
        lines
    }

    fn sent(lines: &[(&str, &str)], visitor: &'static str) -> Vec<String> {
        let mut parts = parts(lines);
        let upgrade = upgrade(&parts);
        let (host, visitor) =
            (HeaderValue::from_static("blog.example"), HeaderValue::from_static(visitor));
        to_room(&mut parts, &host, &visitor, upgrade);
        text(&parts.headers)
    }

    const SAID: [&str; 5] = [
        "forwarded: for=192.0.2.1;host=\"blog.example\";proto=https",
        "host: blog.example",
        "x-forwarded-for: 192.0.2.1",
        "x-forwarded-host: blog.example",
        "x-forwarded-proto: https",
    ];

    #[test]
    fn claims_are_replaced() {
        let lines = [
            ("x-forwarded-for", "10.0.0.1"),
            ("x-forwarded-for", "10.0.0.2"),
            ("x_forwarded_for", "10.0.0.3"),
            ("x-forwarded_proto", "http"),
            ("x-forwarded-port", "80"),
            ("forwarded", "for=10.0.0.1"),
            ("x-real-ip", "10.0.0.1"),
            ("proxy", "http://evil.example"),
        ];
        assert_eq!(sent(&lines, "192.0.2.1"), SAID);
    }

    #[test]
    fn hops_go() {
        let lines = [
            ("connection", "close, X-Mine"),
            ("connection", "host, x-forwarded-for"),
            ("x-mine", "1"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "websocket"),
            ("expect", "100-continue"),
        ];
        assert_eq!(sent(&lines, "192.0.2.1"), SAID);
    }

    #[test]
    fn ipv6_is_quoted() {
        let lines = sent(&[], "2001:db8::1");
        assert_eq!(lines[0], "forwarded: for=\"[2001:db8::1]\";host=\"blog.example\";proto=https");
    }

    #[test]
    fn cookies_are_joined() {
        let lines =
            sent(&[("cookie", "a=1"), ("cookie", "b=2; c=3"), ("cookie", "d=4")], "192.0.2.1");
        assert_eq!(lines[0], "cookie: a=1; b=2; c=3; d=4");
    }

    #[test]
    fn upgrades() {
        for (lines, expected) in [
            (
                &[("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")][..],
                Some("websocket"),
            ),
            (&[("connection", "upgrade"), ("upgrade", "h2c")], None),
            (&[("connection", "upgrade"), ("upgrade", "websocket, H2C")], None),
            (&[("connection", "keep-alive"), ("upgrade", "websocket")], None),
            (&[("connection", "upgrade")], None),
        ] {
            let mut parts = parts(lines);
            let asked = upgrade(&parts);
            assert_eq!(asked.as_ref().map(|v| v.to_str().expect("text")), expected, "{lines:?}");
            let host = HeaderValue::from_static("blog.example");
            to_room(&mut parts, &host, &host, asked);
            assert_eq!(parts.headers.contains_key(CONNECTION), expected.is_some());
            assert_eq!(parts.headers.contains_key(UPGRADE), expected.is_some());
        }
        let mut old = parts(&[("connection", "upgrade"), ("upgrade", "websocket")]);
        old.version = Version::HTTP_10;
        assert_eq!(upgrade(&old), None);
    }
}
