//! Which language a page is in: what the visitor switched to, else what the browser prefers
//! (RFC 9110 §12.5.4), else French.

use http::header::{ACCEPT_LANGUAGE, HeaderMap};

use super::session;
use crate::front::panel::texts::{self, Texts};

const COOKIE_NAME: &str = "__Host-lang";
/// A year, in seconds.
const REMEMBERED: i64 = 365 * 24 * 3600;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::front::panel) enum Language {
    French,
    English,
}

impl Language {
    pub(in crate::front::panel) fn texts(self) -> &'static Texts {
        match self {
            Self::French => &texts::FRENCH,
            Self::English => &texts::ENGLISH,
        }
    }

    /// The language tag (RFC 5646).
    pub(in crate::front::panel) fn tag(self) -> &'static str {
        self.texts().tag
    }

    pub(in crate::front::panel) fn other(self) -> Self {
        match self {
            Self::French => Self::English,
            Self::English => Self::French,
        }
    }

    pub(in crate::front::panel) fn choose(query: &str, headers: &HeaderMap) -> Self {
        Self::switched(query)
            .or_else(|| Self::parse(&session::cookie(headers, COOKIE_NAME)?))
            .unwrap_or_else(|| Self::preferred(session::header(headers, &ACCEPT_LANGUAGE)))
    }

    /// The language asked for with `?lang=`.
    pub(in crate::front::panel) fn switched(query: &str) -> Option<Self> {
        #[derive(serde::Deserialize)]
        struct Switch {
            lang: String,
        }
        serde_html_form::from_str::<Switch>(query).ok().and_then(|switch| Self::parse(&switch.lang))
    }

    /// The `Set-Cookie` value that keeps a switch.
    pub(in crate::front::panel) fn remembered(self) -> String {
        let mut cookie = session::guarded(COOKIE_NAME, self.tag().to_owned());
        cookie.set_max_age(cookie::time::Duration::seconds(REMEMBERED));
        cookie.to_string()
    }

    fn parse(tag: &str) -> Option<Self> {
        let primary = tag.split('-').next().unwrap_or_default();
        [Self::French, Self::English]
            .into_iter()
            .find(|language| primary.eq_ignore_ascii_case(language.tag()))
    }

    fn preferred(accepted: &str) -> Self {
        let mut best = (0.0, None);
        for range in accepted.split(',') {
            let (tag, weight) = range.split_once(';').unwrap_or((range, ""));
            let tag = tag.trim();
            let weight = match weight.trim().strip_prefix("q=") {
                Some(digits) => digits.parse().unwrap_or(0.0),
                None => 1.0_f32,
            };
            let language = if tag == "*" { Some(Self::French) } else { Self::parse(tag) };
            if language.is_some() && weight > best.0 {
                best = (weight, language);
            }
        }
        match best.1 {
            Some(language) => language,
            // Whoever reads neither is likelier to read English.
            None if accepted.trim().is_empty() => Self::French,
            None => Self::English,
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::Language::{English, French};
    use super::*;

    #[test]
    fn the_browser_prefers() {
        let cases = [
            ("", French),
            ("fr", French),
            ("fr-CA,en;q=0.5", French),
            ("en-GB,en;q=0.9,fr;q=0.8", English),
            ("en;q=0.3, FR;q=0.7", French),
            ("de,en;q=0.5", English),
            ("de, it", English),
            ("fr;q=0, en;q=0.1", English),
            ("*", French),
            ("fr;q=zut,en;q=0.1", English),
        ];
        for (accepted, expected) in cases {
            assert_eq!(Language::preferred(accepted), expected, "{accepted:?}");
        }
    }

    #[test]
    fn the_switch_beats_the_cookie_beats_the_browser() {
        let mut headers = HeaderMap::new();
        headers.insert("accept-language", HeaderValue::from_static("en"));
        assert_eq!(Language::choose("", &headers), English);
        headers.insert("cookie", HeaderValue::from_static("__Host-lang=fr"));
        assert_eq!(Language::choose("", &headers), French);
        assert_eq!(Language::choose("next=%2F&lang=en", &headers), English);
        assert_eq!(Language::choose("lang=tlh", &headers), French);
    }

    #[test]
    fn the_cookie_is_guarded() {
        let set = English.remembered();
        assert!(set.starts_with("__Host-lang=en; "), "{set}");
        for flag in ["HttpOnly", "Secure", "SameSite=Lax", "Path=/", "Max-Age=31536000"] {
            assert!(set.contains(flag), "{flag} in {set}");
        }
    }
}
