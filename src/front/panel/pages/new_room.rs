//! The form that makes a room.

use maud::{Markup, html};

use super::{Frame, Visit, notice, sentence};
use crate::front::panel::request::form::{self, is_private};
use crate::front::panel::request::route::Page;
use crate::front::panel::texts::Texts;
use crate::model::{HostName, Invalid, TemplateName};
use crate::wire::{Fault, TemplateView};

/// What is wrong with a filled-in form: each field, and core's word on the whole.
#[derive(Default)]
pub(in crate::front::panel) struct Problems {
    pub(in crate::front::panel) name: Option<Invalid>,
    pub(in crate::front::panel) template: Option<Invalid>,
    pub(in crate::front::panel) keys: Option<Invalid>,
    pub(in crate::front::panel) whole: Option<Fault>,
}

impl Problems {
    /// The fields that something is wrong with.
    fn labels(&self, texts: &Texts) -> Vec<&'static str> {
        let texts = &texts.new_room;
        let fields =
            [(&self.name, texts.name), (&self.template, texts.template), (&self.keys, texts.keys)];
        fields.into_iter().filter(|(wrong, _)| wrong.is_some()).map(|(_, label)| label).collect()
    }
}

/// The form as it was filled in, with what is wrong beside each field.
pub(in crate::front::panel) fn page(
    visit: &Visit<'_>,
    zone: &HostName,
    templates: &[TemplateView],
    fields: &form::NewRoom,
    problems: &Problems,
) -> Markup {
    let texts = visit.texts();
    let mut names: Vec<&TemplateName> = templates.iter().map(|template| &template.name).collect();
    names.dedup();
    let main = html! {
        section.card.narrow {
            @if names.is_empty() {
                (notice(texts.new_room.no_template))
            } @else {
                h1 { (texts.new_room.title) }
                p.note { (texts.new_room.welcome) }
                (whole(texts, problems))
                form.fields method="post" action=(Page::NewRoom.path()) {
                    (visit.form_token())
                    (name(texts, zone, fields, problems.name.as_ref()))
                    (template(texts, &names, fields, problems.template.as_ref()))
                    (keys(texts, fields, problems.keys.as_ref()))
                    button.primary { (texts.new_room.submit) }
                }
            }
        }
    };
    Frame::of(visit, texts.new_room.title, &Page::NewRoom).around(&main)
}

fn whole(texts: &Texts, problems: &Problems) -> Markup {
    let labels = problems.labels(texts).join(", ");
    html! {
        @if let Some(fault) = &problems.whole {
            p.alert role="alert" { (sentence(texts, &fault.message)) }
        } @else if !labels.is_empty() {
            p.alert role="alert" { (texts.new_room.look_again) " " strong { (labels) } }
        }
    }
}

/// What is said under a field, wrong or right.
fn under(texts: &Texts, id: &str, hint: &str, problem: Option<&Invalid>) -> Markup {
    html! {
        @match problem {
            Some(problem) => p.problem id=(id) { (sentence(texts, &problem.0)) },
            None => p.hint id=(id) { (hint) },
        }
    }
}

fn name(
    texts: &Texts,
    zone: &HostName,
    fields: &form::NewRoom,
    problem: Option<&Invalid>,
) -> Markup {
    html! {
        label for="name" { (texts.new_room.name) }
        div.suffixed {
            input #name name="name" value=(fields.name) required minlength="2" maxlength="30"
                pattern="[a-z][a-z0-9]+" autocomplete="off" autocapitalize="none"
                spellcheck="false" aria-describedby="name-hint"
                aria-invalid=[problem.map(|_| "true")];
            span { "." (zone) }
        }
        (under(texts, "name-hint", texts.new_room.name_hint, problem))
    }
}

fn template(
    texts: &Texts,
    names: &[&TemplateName],
    fields: &form::NewRoom,
    problem: Option<&Invalid>,
) -> Markup {
    html! {
        label for="template" { (texts.new_room.template) }
        select #template name="template" required aria-describedby="template-hint"
            aria-invalid=[problem.map(|_| "true")] {
            @for name in names {
                option value=(name) selected[fields.template == name.as_ref()] { (name) }
            }
        }
        (under(texts, "template-hint", "", problem))
    }
}

fn keys(texts: &Texts, fields: &form::NewRoom, problem: Option<&Invalid>) -> Markup {
    html! {
        label for="keys" { (texts.new_room.keys) }
        textarea #keys name="keys" rows="4" required spellcheck="false" autocomplete="off"
            autocapitalize="none" placeholder="ssh-ed25519 AAAA…" aria-describedby="keys-hint"
            aria-invalid=[problem.map(|_| "true")] {
            // A private key pasted by mistake does not travel a second time.
            @if !is_private(&fields.keys) { (fields.keys) }
        }
        (under(texts, "keys-hint", texts.new_room.keys_hint, problem))
    }
}
