//! The door: login and password.

use maud::{Markup, html};

use super::{Frame, Refresh, window};
use crate::front::panel::request::Asked;
use crate::front::panel::request::route::Page;
use crate::wire::{RouteState, Snapshot};

/// The sign-in page. `refused` is the login that was typed when it was not let in.
pub(in crate::front::panel) fn page(
    asked: &Asked,
    house: &Snapshot,
    next: &str,
    refused: Option<&str>,
) -> Markup {
    let texts = &asked.texts().sign_in;
    let next = Page::at(next).filter(|page| !matches!(page, Page::Home | Page::SignIn));
    let lit = house.routes.iter().filter(|route| route.state == RouteState::Up).count();
    let main = html! {
        div.door {
            div.dusk {
                (window::house(lit))
                p { ((texts.lit)(lit, house.routes.len())) }
            }
            form.card method="post" action="/sign-in" {
                h1 { (texts.welcome) }
                @if refused.is_some() {
                    p #refused .alert role="alert" { (texts.refused) }
                } @else if next.is_some() {
                    p.note { (texts.needed) }
                } @else {
                    p.note { (asked.texts().tagline) }
                }
                @if let Some(next) = &next {
                    input type="hidden" name="next" value=(next.path());
                }
                label for="login" { (texts.login) }
                input #login name="login" value=(refused.unwrap_or_default()) required
                    autocomplete="username" autocapitalize="none" autocorrect="off"
                    spellcheck="false" maxlength="64" autofocus[refused.is_none()]
                    aria-describedby=[refused.map(|_| "refused")];
                label for="password" { (texts.password) }
                input #password name="password" type="password" required
                    autocomplete="current-password" autofocus[refused.is_some()];
                button.primary { (texts.submit) }
                p.hint { (texts.lost) }
            }
        }
    };
    let here = next.map_or_else(|| Page::SignIn.path(), |page| door_to(&page));
    Frame { asked, title: texts.title, here, visit: None, refresh: Refresh::Never }.around(&main)
}

/// The way to the sign-in page, and from there to `page`.
pub(in crate::front::panel) fn door_to(page: &Page) -> String {
    match page {
        Page::Home | Page::SignIn => Page::SignIn.path(),
        // A page's path is letters, digits, `-` and `/`: nothing to encode (RFC 3986 §3.4).
        page => format!("{}?next={}", Page::SignIn.path(), page.path()),
    }
}
