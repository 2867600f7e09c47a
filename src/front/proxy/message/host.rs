//! Which host a request is for, made the same for every form it can be asked in.

use std::borrow::Cow;

use http::header::{HOST, HeaderValue};
use http::request::Parts;
use http::{Uri, Version};

/// Brings a request to origin form (RFC 9112 §3.2.1) with one `Host`, the one that counts, and
/// returns it. `None` when the request does not say, or says two things:
///
/// - HTTP/2's `:authority` and a `Host` beside it must agree (RFC 9113 §8.3.1);
/// - in HTTP/1.1's absolute form the target counts and `Host` is ignored (RFC 9112 §3.2.2);
/// - two `Host` lines, or none, are refused (RFC 9112 §3.2).
pub(in crate::front::proxy) fn settle(parts: &mut Parts) -> Option<HeaderValue> {
    let mut lines = parts.headers.get_all(HOST).iter();
    let line = lines.next();
    if lines.next().is_some() {
        return None;
    }
    let Some(authority) = parts.uri.authority() else {
        return line.cloned();
    };
    let agrees =
        |line: &HeaderValue| line.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes());
    if parts.version == Version::HTTP_2 && !line.is_none_or(agrees) {
        return None;
    }
    let host = HeaderValue::from_str(authority.as_str()).ok()?;
    let target = std::mem::take(&mut parts.uri).into_parts().path_and_query;
    parts.uri = target.map(Uri::from).unwrap_or_default();
    parts.headers.insert(HOST, host.clone());
    Some(host)
}

/// The host's name in lower case, without its port and final dot (RFC 9110 §7.2). `None` when
/// it is not a name a house could have; an IP literal is not.
pub(in crate::front::proxy) fn name(host: &HeaderValue) -> Option<Cow<'_, str>> {
    let text = host.to_str().ok()?;
    let name = match text.split_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        Some(_) => return None,
        None => text,
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    if name.is_empty() || !name.bytes().all(fits) {
        return None;
    }
    Some(lower(name))
}

/// In lower case, copied only when it was not.
pub(in crate::front::proxy) fn lower(name: &str) -> Cow<'_, str> {
    if name.bytes().any(|b| b.is_ascii_uppercase()) {
        name.to_ascii_lowercase().into()
    } else {
        name.into()
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn parts(version: Version, uri: &str, hosts: &[&str]) -> Parts {
        let mut request = Request::builder().version(version).uri(uri);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        request.body(()).expect("request").into_parts().0
    }

    #[test]
    fn settles() {
        use Version as V;
        for (version, uri, hosts, expected) in [
            (V::HTTP_11, "/a?b", &["x.example"][..], Some(("x.example", "/a?b"))),
            (V::HTTP_11, "*", &["x.example"], Some(("x.example", "*"))),
            (V::HTTP_11, "http://y.example/a?b", &["x.example"], Some(("y.example", "/a?b"))),
            (V::HTTP_11, "http://y.example", &["x.example"], Some(("y.example", "/"))),
            (V::HTTP_11, "/", &["x.example", "x.example"], None),
            (V::HTTP_11, "http://y.example/", &["x.example", "y.example"], None),
            (V::HTTP_11, "/", &[], None),
            (V::HTTP_2, "https://x.example/a", &[], Some(("x.example", "/a"))),
            (V::HTTP_2, "https://x.example/a", &["X.example"], Some(("x.example", "/a"))),
            (V::HTTP_2, "https://x.example/a", &["y.example"], None),
        ] {
            let mut parts = parts(version, uri, hosts);
            let host = settle(&mut parts);
            assert_eq!(
                host.as_ref().map(|h| h.to_str().expect("text")),
                expected.map(|e| e.0),
                "{uri} {hosts:?}"
            );
            if let Some((host, uri)) = expected {
                assert_eq!(parts.uri.to_string(), uri);
                assert_eq!(parts.headers.get_all(HOST).iter().collect::<Vec<_>>(), [host]);
            }
        }
    }

    #[test]
    fn names() {
        for (host, expected) in [
            ("blog.example", Some("blog.example")),
            ("Blog.Example.:8443", Some("blog.example")),
            ("blog.example:", Some("blog.example")),
            ("192.0.2.1", Some("192.0.2.1")),
            ("", None),
            (":80", None),
            (".", None),
            ("user@blog.example", None),
            ("blog.example:80:80", None),
            ("[::1]", None),
            ("[::1]:443", None),
            ("blog.example/x", None),
            ("blog example", None),
        ] {
            let host = HeaderValue::from_str(host).expect("header");
            assert_eq!(name(&host).as_deref(), expected, "{host:?}");
        }
    }
}
