//! A room: its state and buttons, the way in, what happens, and what it is made of.

use jiff::Timestamp;
use maud::{Markup, html};

use super::progress::{self, Progress, RoomState};
use super::{Frame, Refresh, Visit, window};
use crate::front::panel::request::route::{Page, Verb};
use crate::front::panel::texts::Texts;
use crate::wire::{KeyView, PortView, RoomView};

/// The user that every template has.
const USER: &str = "student";

/// The page of one room.
pub(in crate::front::panel) fn page(visit: &Visit<'_>, room: &RoomView) -> Markup {
    let texts = visit.texts();
    let progress = Progress::of(room);
    let here = Page::Room(room.name.clone());
    let main = html! {
        (away(texts, &here))
        article.room data-state=[progress.state.map(RoomState::as_str)]
            data-events={ (here.path()) "/events" } {
            (head(visit, room, &progress))
            div.columns {
                div {
                    div.alive { (way_in(texts, room)) }
                    section.card aria-labelledby="timeline" {
                        h2 #timeline { (texts.room.timeline) }
                        p.unseen role="status" data-said {}
                        div data-progress { (progress::fragment(texts, &progress)) }
                    }
                }
                div.alive {
                    (facts(texts, room))
                    (ports(texts, &room.ports))
                    (keys(texts, &room.keys))
                }
            }
        }
    };
    let mut frame = Frame::of(visit, room.name.as_ref(), &here);
    if progress.is_under_way() {
        frame.refresh = Refresh::WithoutScript;
    }
    frame.around(&main)
}

/// Shown by the script while the live timeline cannot be reached.
fn away(texts: &Texts, here: &Page) -> Markup {
    html! {
        div role="status" {
            p.away data-away hidden {
                (texts.room.away) " " a href=(here.path()) { (texts.room.reload) }
            }
        }
    }
}

fn head(visit: &Visit<'_>, room: &RoomView, progress: &Progress<'_>) -> Markup {
    let texts = visit.texts();
    html! {
        header.card.head {
            (window::window())
            div.title {
                h1 { (room.name) }
                p { a href={ "https://" (room.host) "/" } { "https://" (room.host) } }
                p.state data-label {
                    @if let Some(state) = progress.state { ((texts.state)(state)) }
                }
            }
            div.actions {
                @for verb in Verb::ALL {
                    form.{ "do-" (verb.as_str()) } method="post"
                        action={ "/rooms/" (room.name) "/" (verb.as_str()) } {
                        (visit.form_token())
                        button class=[(verb == Verb::Start).then_some("primary")] { ((texts.verb)(verb)) }
                    }
                }
            }
        }
    }
}

fn way_in(texts: &Texts, room: &RoomView) -> Markup {
    html! {
        section.card aria-labelledby="connect" {
            h2 #connect { (texts.room.connect) }
            @match room.ssh_port() {
                Some(port) => {
                    div.line {
                        code #ssh { "ssh -p " (port) " " (USER) "@" (room.host) }
                        button.quiet type="button" hidden data-copy="ssh"
                            data-done=(texts.room.copied) { (texts.room.copy) }
                    }
                    p.hint { (texts.room.connect_hint) }
                }
                None => p.note { (texts.room.no_ssh) },
            }
        }
    }
}

fn facts(texts: &Texts, room: &RoomView) -> Markup {
    let limits = &room.limits;
    let memory = progress::memory(texts, (room.memory_used, limits.memory.0));
    html! {
        section.card aria-labelledby="facts" {
            h2 #facts { (texts.room.facts) }
            dl {
                dt { (texts.room.address) } dd { code { (room.address) } }
                dt { (texts.room.mac) } dd { code { (room.mac) } }
                dt { (texts.room.template) }
                dd { (room.template) ", " ((texts.room.version)(room.template_version.0)) }
                dt { (texts.room.memory) }
                dd data-used { (memory) }
                dt { (texts.room.disk) } dd { ((texts.bytes)(limits.disk.0)) }
                dt { (texts.room.created) } dd { (moment(texts, room.created_at)) }
                @if let Some(end) = room.destroy_at {
                    dt { (texts.room.destroyed) } dd { (moment(texts, end)) }
                }
            }
        }
    }
}

/// A moment, which the script rewrites in the visitor's own time zone.
fn moment(texts: &Texts, moment: Timestamp) -> Markup {
    html! { time datetime=(moment) { ((texts.moment)(moment)) } }
}

fn ports(texts: &Texts, ports: &[PortView]) -> Markup {
    html! {
        section.card aria-labelledby="ports" {
            h2 #ports { (texts.room.ports) }
            @if ports.is_empty() {
                p.note { (texts.room.no_ports) }
            } @else {
                p.hint { (texts.room.ports_hint) }
                table {
                    thead {
                        tr {
                            th scope="col" { (texts.room.public) }
                            th scope="col" { (texts.room.inside) }
                            th scope="col" { (texts.room.protocol) }
                        }
                    }
                    tbody {
                        @for port in ports {
                            tr {
                                td { (port.public) }
                                td { span.arrow aria-hidden="true" { "→ " } (port.room) }
                                td { (port.protocol) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn keys(texts: &Texts, keys: &[KeyView]) -> Markup {
    html! {
        section.card aria-labelledby="keys" {
            h2 #keys { (texts.room.keys) }
            @if keys.is_empty() {
                p.note { (texts.room.no_keys) }
            } @else {
                ul.keys {
                    @for key in keys {
                        li {
                            strong {
                                @if key.comment.is_empty() { (texts.room.no_comment) }
                                @else { (key.comment) }
                            }
                            " " span.hint { (key.algorithm) }
                            code { (key.fingerprint) }
                        }
                    }
                }
            }
        }
    }
}
