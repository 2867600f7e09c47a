//! The pages, as HTML. Pure: core's answers and a language in, markup out. `maud` escapes all
//! that is not written here; the exceptions, an icon and a tag, are ours.

pub(super) mod home;
pub(super) mod new_room;
pub(super) mod progress;
pub(super) mod refusal;
pub(super) mod room;
pub(super) mod sign_in;

mod window;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::assets;
use super::request::Asked;
use super::request::route::Page;
use super::request::session::Session;
use super::texts::{Notice, Texts};
use crate::model::Login;

/// Asks for the page again in two seconds.
const REFRESH: PreEscaped<&str> = PreEscaped("<meta http-equiv=\"refresh\" content=\"2\">");

/// A page of someone signed in.
pub(super) struct Visit<'a> {
    pub(super) asked: &'a Asked,
    pub(super) session: &'a Session,
    pub(super) login: &'a Login,
}

impl Visit<'_> {
    pub(super) fn texts(&self) -> &'static Texts {
        self.asked.texts()
    }

    /// The hidden field that every form of a session carries.
    fn form_token(&self) -> Markup {
        html! { input type="hidden" name="token" value=(self.session.form_token()); }
    }
}

/// What surrounds a page.
struct Frame<'a> {
    asked: &'a Asked,
    title: &'a str,
    /// The page itself, for the language switch. It is always one that can be read.
    here: String,
    visit: Option<&'a Visit<'a>>,
    refresh: Refresh,
}

/// Whether a page asks for itself again soon.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Refresh {
    Never,
    /// Where there is no script to keep it up to date.
    WithoutScript,
    Always,
}

impl<'a> Frame<'a> {
    fn of(visit: &'a Visit<'a>, title: &'a str, page: &Page) -> Self {
        Self {
            asked: visit.asked,
            title,
            here: page.path(),
            visit: Some(visit),
            refresh: Refresh::Never,
        }
    }

    fn around(&self, main: &Markup) -> Markup {
        let texts = self.asked.texts();
        html! {
            (DOCTYPE)
            html lang=(texts.tag) {
                (self.head(texts))
                body {
                    a.skip href="#main" { (texts.skip) }
                    (self.top(texts))
                    main #main tabindex="-1" { (main) }
                }
            }
        }
    }

    fn head(&self, texts: &Texts) -> Markup {
        html! {
            head {
                meta charset="utf-8";
                title { (self.title) " · Piaule" }
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="description" content=(texts.tagline);
                meta name="robots" content="noindex";
                link rel="icon" type="image/svg+xml" href=(assets::ICON.path());
                link rel="stylesheet" href=(assets::STYLE.path());
                script src=(assets::SCRIPT.path()) defer {}
                @match self.refresh {
                    Refresh::Never => {}
                    Refresh::WithoutScript => noscript { (REFRESH) },
                    Refresh::Always => (REFRESH),
                }
            }
        }
    }

    fn top(&self, texts: &Texts) -> Markup {
        let other = self.asked.language.other();
        let joint = if self.here.contains('?') { '&' } else { '?' };
        html! {
            header.top {
                a.brand href="/" {
                    (PreEscaped(assets::ICON.content))
                    span { "Piaule" }
                }
                nav aria-label=(texts.account) {
                    a.switch href={ (self.here) (joint) "lang=" (other.tag()) }
                        hreflang=(other.tag()) lang=(other.tag()) { (other.texts().name) }
                    @if let Some(visit) = self.visit {
                        form method="post" action="/sign-out" {
                            (visit.form_token())
                            span.who { (visit.login) }
                            button.quiet { (texts.sign_in.leave) }
                        }
                    }
                }
            }
        }
    }
}

fn notice(notice: Notice) -> Markup {
    html! {
        h1 { (notice.title) }
        p { (notice.sentence) }
    }
}

/// One of core's sentences, in the page's language or else marked as English.
fn sentence(texts: &Texts, english: &str) -> Markup {
    html! {
        @match (texts.sentence)(english) {
            Some(sentence) => (with_code(&sentence)),
            None => span lang="en" { (with_code(english)) },
        }
    }
}

/// What a sentence has between backticks, as code.
fn with_code(sentence: &str) -> Markup {
    html! {
        @for (index, part) in sentence.split('`').enumerate() {
            @if index % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}
