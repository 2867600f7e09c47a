//! The entrance: an account's rooms.

use maud::{Markup, html};

use super::progress::Progress;
use super::{Frame, Visit, notice, room, window};
use crate::front::panel::request::route::Page;
use crate::wire::{AccountView, RoomView};

/// The only room whole, or all of them as a list.
pub(in crate::front::panel) fn page(
    visit: &Visit<'_>,
    account: &AccountView,
    rooms: &[RoomView],
) -> Markup {
    let texts = visit.texts();
    if let [only] = rooms
        && account.max_rooms <= 1
    {
        return room::page(visit, only);
    }
    let may_create = rooms.len() < usize::try_from(account.max_rooms).unwrap_or(usize::MAX);
    let main = html! {
        @if rooms.is_empty() {
            section.card.empty {
                (window::window())
                (notice(texts.rooms.empty))
                @if may_create { (create(visit)) } @else { p { (texts.rooms.ask) } }
            }
        } @else {
            h1 { (texts.rooms.title) }
            ul.rooms { @for room in rooms { li { (card(visit, room)) } } }
            @if may_create { (create(visit)) }
        }
    };
    Frame::of(visit, texts.rooms.title, &Page::Home).around(&main)
}

fn create(visit: &Visit<'_>) -> Markup {
    html! { a.button.primary href=(Page::NewRoom.path()) { (visit.texts().rooms.create) } }
}

fn card(visit: &Visit<'_>, room: &RoomView) -> Markup {
    let texts = visit.texts();
    let state = Progress::of(room).state;
    html! {
        article.card.small data-state=[state.map(super::progress::RoomState::as_str)] {
            (window::window())
            div {
                h2 { a href=(Page::Room(room.name.clone()).path()) { (room.name) } }
                p { a href={ "https://" (room.host) "/" } { (room.host) } }
            }
            p.state { @if let Some(state) = state { ((texts.state)(state)) } }
        }
    }
}
