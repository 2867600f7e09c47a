//! The pages shown in place of a room that cannot answer: whole, small, French or English.

use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
    HeaderValue, REFERRER_POLICY, RETRY_AFTER, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{Response, StatusCode};
use http_body_util::Full;
use maud::{DOCTYPE, Markup, PreEscaped, html};

const STYLE: &str = include_str!("../../../../assets/pages/page.css");
/// Nothing is loaded and nothing runs; the style is the one whose digest is named. A test
/// checks the digest.
const POLICY: &str = "default-src 'none'; style-src 'sha256-x/tB/ZWBMyLVrpSIEpipBHGzGKqIAk2VCex2d9EAhDI='; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Why a visitor gets a page of the house's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::front::proxy) enum Trouble {
    /// The request contradicts itself, or does not say which host it is for.
    Malformed,
    /// A method no room gets: `CONNECT`, `TRACE`.
    Method,
    /// The visitor stopped sending before the request was whole.
    Unfinished,
    /// The host is not one this connection's certificate speaks for (RFC 9110 §15.5.20).
    Misdirected,
    /// No room has this name.
    Unknown,
    /// The room is in the archive.
    Archived,
    /// The room is off.
    Off,
    /// The room is on and takes no connection.
    Silent,
    /// The room works on as many requests as it may.
    Busy,
    /// The room broke off, or answered something that is not HTTP.
    Broken,
    /// The room took the request and did not answer in time.
    Late,
}

impl Trouble {
    fn status(self) -> StatusCode {
        match self {
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Unfinished => StatusCode::REQUEST_TIMEOUT,
            Self::Misdirected => StatusCode::MISDIRECTED_REQUEST,
            Self::Unknown => StatusCode::NOT_FOUND,
            Self::Archived => StatusCode::GONE,
            Self::Off | Self::Silent | Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::Broken => StatusCode::BAD_GATEWAY,
            Self::Late => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// Seconds after which another try makes sense.
    fn retry_after(self) -> Option<HeaderValue> {
        let seconds = match self {
            Self::Off => "300",
            Self::Silent => "5",
            Self::Busy => "2",
            _ => return None,
        };
        Some(HeaderValue::from_static(seconds))
    }

    /// Title and explanation.
    fn words(self, language: Language) -> (&'static str, &'static str) {
        use Language::{English, French};
        match (self, language) {
            (Self::Malformed, French) => (
                "Requête incompréhensible",
                "Votre programme a envoyé une requête qui ne dit pas clairement à quel site elle s’adresse.",
            ),
            (Self::Malformed, English) => (
                "Request not understood",
                "Your program sent a request that does not say clearly which site it is for.",
            ),
            (Self::Method, French) => {
                ("Méthode refusée", "Cette méthode HTTP n’est transmise à aucun site hébergé ici.")
            }
            (Self::Method, English) => {
                ("Method refused", "This HTTP method is not passed on to any site hosted here.")
            }
            (Self::Unfinished, French) => (
                "Envoi interrompu",
                "La fin de votre envoi n’est jamais arrivée. Vérifiez votre connexion et recommencez.",
            ),
            (Self::Unfinished, English) => (
                "Upload interrupted",
                "The end of what you were sending never arrived. Check your connection and try again.",
            ),
            (Self::Misdirected, French) => (
                "Mauvaise adresse",
                "Cette connexion n’a pas été ouverte pour ce site. Rechargez la page pour en ouvrir une autre.",
            ),
            (Self::Misdirected, English) => (
                "Wrong address",
                "This connection was not opened for this site. Reload the page to open another one.",
            ),
            (Self::Unknown, French) => {
                ("Aucun site ici", "Aucun site hébergé ici ne porte ce nom. Vérifiez l’adresse.")
            }
            (Self::Unknown, English) => {
                ("No site here", "No site hosted here has this name. Check the address.")
            }
            (Self::Archived, French) => (
                "Site archivé",
                "Le site a été archivé. Pendant 30 jours, la personne qui le tient peut encore le rétablir.",
            ),
            (Self::Archived, English) => (
                "Archived site",
                "The site has been archived. For 30 days, its owner can still bring it back.",
            ),
            (Self::Off, French) => (
                "Site arrêté",
                "La machine de ce site est arrêtée. Seule la personne qui la tient peut la démarrer.",
            ),
            (Self::Off, English) => (
                "Site switched off",
                "This site’s machine is switched off. Only its owner can start it.",
            ),
            (Self::Silent, French) => (
                "Le site ne répond pas",
                "La machine de ce site est allumée, mais aucun serveur web n’y répond. Si elle vient de démarrer, réessayez dans quelques secondes.",
            ),
            (Self::Silent, English) => (
                "The site is not answering",
                "This site’s machine is on, but no web server answers there. If it has just started, try again in a few seconds.",
            ),
            (Self::Busy, French) => (
                "Site très demandé",
                "Ce site reçoit plus de visites qu’il ne peut en servir. Réessayez dans un instant.",
            ),
            (Self::Busy, English) => (
                "Site overloaded",
                "This site has more visits than it can serve. Try again in a moment.",
            ),
            (Self::Broken, French) => (
                "Réponse incorrecte du site",
                "Le serveur web de ce site a coupé la connexion ou répondu quelque chose d’incompréhensible.",
            ),
            (Self::Broken, English) => (
                "Bad answer from the site",
                "This site’s web server closed the connection or answered something that makes no sense.",
            ),
            (Self::Late, French) => (
                "Le site est trop lent",
                "Le serveur web de ce site a reçu la demande et n’a pas répondu à temps.",
            ),
            (Self::Late, English) => (
                "The site is too slow",
                "This site’s web server received the request and did not answer in time.",
            ),
        }
    }

    /// The page for it, in the visitor's language. `host` is what they asked for, if they said.
    pub(in crate::front::proxy) fn page(
        self,
        language: Language,
        host: Option<&str>,
    ) -> Response<Full<Bytes>> {
        let body = self.render(language, host).into_string();
        let mut response = Response::new(Full::new(Bytes::from(body)));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        for (name, value) in [
            (CONTENT_TYPE, "text/html; charset=utf-8"),
            (CONTENT_LANGUAGE, language.code()),
            (VARY, "accept-language"),
            (CACHE_CONTROL, "no-store"),
            (CONTENT_SECURITY_POLICY, POLICY),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (REFERRER_POLICY, "no-referrer"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        if let Some(seconds) = self.retry_after() {
            headers.insert(RETRY_AFTER, seconds);
        }
        if matches!(self, Self::Malformed | Self::Method) {
            // Whoever sends these may mean something else by what follows.
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if self == Self::Method {
            let allowed = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
            headers.insert(ALLOW, HeaderValue::from_static(allowed));
        }
        response
    }

    fn render(self, language: Language, host: Option<&str>) -> Markup {
        let (title, explanation) = self.words(language);
        html! {
            (DOCTYPE)
            html lang=(language.code()) {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width";
                    meta name="robots" content="noindex";
                    title { (title) }
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    main {
                        h1 { (title) }
                        p { (explanation) }
                        small { (self.status().as_u16()) @if let Some(host) = host { " · " (host) } }
                    }
                }
            }
        }
    }
}

/// A language the pages exist in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::front::proxy) enum Language {
    French,
    English,
}

impl Language {
    fn code(self) -> &'static str {
        match self {
            Self::French => "fr",
            Self::English => "en",
        }
    }

    /// The one a visitor prefers (`Accept-Language`, RFC 9110 §12.5.4); English when they
    /// prefer neither.
    pub(in crate::front::proxy) fn of(accepted: Option<&HeaderValue>) -> Self {
        let accepted = accepted.and_then(|line| line.to_str().ok()).unwrap_or_default();
        let mut best = (Self::English, 0.0);
        for range in accepted.split(',') {
            let (tag, parameters) = range.split_once(';').unwrap_or((range, "q=1"));
            let language = match tag.trim().split('-').next() {
                Some(tag) if tag.eq_ignore_ascii_case("fr") => Self::French,
                Some(tag) if tag.eq_ignore_ascii_case("en") => Self::English,
                _ => continue,
            };
            let quality = parameters.trim().strip_prefix("q=").and_then(|q| q.parse().ok());
            let quality: f32 = quality.unwrap_or(0.0);
            if quality > best.1 {
                best = (language, quality);
            }
        }
        best.0
    }
}

#[cfg(test)]
mod tests;
