//! What could not be answered: an honest page with a way on.

use http::{Method, Response, header};
use maud::{Markup, html};

use super::sign_in::door_to;
use super::{Frame, Refresh, notice, sentence, window};
use crate::front::panel::reply::{self, Refusal};
use crate::front::panel::request::Asked;
use crate::front::panel::request::route::Page;
use crate::front::panel::request::session;
use crate::front::panel::texts::Notice;
use crate::front::site::Body;
use crate::wire::{Fault, FaultKind};

/// The response to a request that was refused: the way to the door for whoever is not signed
/// in, a page for anyone else.
pub(in crate::front::panel) fn answer(asked: &Asked, refusal: &Refusal) -> Response<Body> {
    if refusal.is_signed_out() {
        return to_the_door(asked, refusal);
    }
    if refusal.status().is_server_error() {
        tracing::warn!(error = refusal as &dyn std::error::Error, "a panel request failed");
    }
    let mut response = reply::page(refusal.status(), asked.language, page(asked, refusal));
    match refusal {
        Refusal::WrongMethod { allow } => reply::set(&mut response, header::ALLOW, allow),
        Refusal::SlowDown { wait } => {
            // Rounded up: a whole second too early would be refused again.
            reply::set(&mut response, header::RETRY_AFTER, &(wait.as_secs() + 1).to_string());
        }
        Refusal::House(fault) if fault.kind == FaultKind::Unavailable => {
            reply::set(&mut response, header::RETRY_AFTER, "2");
        }
        _ => {}
    }
    response
}

fn to_the_door(asked: &Asked, refusal: &Refusal) -> Response<Body> {
    let then = match refusal {
        Refusal::SignedOut { then } => then.clone(),
        _ => None,
    };
    let mut response = reply::see_other(&door_to(&then.unwrap_or(Page::Home)));
    if asked.session.is_some() {
        reply::add_cookie(&mut response, &session::close());
    }
    response
}

fn page(asked: &Asked, refusal: &Refusal) -> Markup {
    let texts = asked.texts();
    let words = words(asked, refusal);
    let main = html! {
        section.card.empty data-state="stopped" {
            (window::window())
            p.code { (refusal.status().as_u16()) }
            @match detail(refusal) {
                Some(fault) => {
                    h1 { (words.title) }
                    p { (sentence(texts, &fault.message)) }
                }
                None => (notice(words)),
            }
            a.button href="/" { (texts.refusals.back) }
        }
    };
    let here = Page::Home.path();
    let refresh = if comes_back(asked, refusal) { Refresh::Always } else { Refresh::Never };
    Frame { asked, title: words.title, here, visit: None, refresh }.around(&main)
}

/// Whether the page that was asked for will be there in a moment. A form is not sent again by
/// itself.
fn comes_back(asked: &Asked, refusal: &Refusal) -> bool {
    let is_away = matches!(refusal, Refusal::House(fault) if fault.kind == FaultKind::Unavailable);
    is_away && asked.method == Method::GET
}

fn words(asked: &Asked, refusal: &Refusal) -> Notice {
    let texts = &asked.texts().refusals;
    match refusal {
        Refusal::NoSuchPage => texts.no_such_page,
        Refusal::WrongMethod { .. } => texts.wrong_method,
        Refusal::SignedOut { .. } => (texts.house)(FaultKind::Unauthenticated),
        Refusal::Foreign => texts.foreign,
        Refusal::NotAForm => texts.not_a_form,
        Refusal::TooLong => texts.too_long,
        Refusal::TooSlow => texts.too_slow,
        Refusal::SlowDown { .. } => texts.slow_down,
        Refusal::House(fault) => (texts.house)(fault.kind),
        Refusal::Unfit => (texts.house)(FaultKind::Internal),
    }
}

/// Core's own sentence, where it tells the student more than ours would.
fn detail(refusal: &Refusal) -> Option<&Fault> {
    match refusal {
        Refusal::House(fault) => match fault.kind {
            FaultKind::Invalid | FaultKind::Forbidden | FaultKind::Conflict | FaultKind::Limit => {
                Some(fault)
            }
            _ => None,
        },
        _ => None,
    }
}
