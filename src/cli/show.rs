//! Replies for people: tables, and sentences where a table would say less.

use std::fmt::Write as _;

use comfy_table::{Cell, CellAlignment, Table, TableStyle};
use jiff::Timestamp;

use super::follow;
use crate::model::{JobState, PublicPort};
use crate::wire::{
    AccountView, AuditView, JobView, PortView, Reply, RoomView, StatusView, TemplateView,
};

/// A reply as text, each line ended.
pub(super) fn reply(reply: &Reply, colour: bool) -> String {
    match reply {
        Reply::Done => String::new(),
        Reply::Accepted { job } => {
            format!("accepted as job {job}; `piaule jobs {job}` follows it\n")
        }
        Reply::Session { account: view, .. } | Reply::Account(view) => account(view),
        Reply::Accounts(views) => accounts(views),
        Reply::Templates(views) => templates(views),
        Reply::Room(view) => room(view, colour),
        Reply::Rooms(views) => rooms(views),
        Reply::Job(view) => job(view, colour),
        Reply::Jobs(views) => views.iter().map(|view| job(view, colour)).collect(),
        Reply::Audit(rows) => audit(rows),
        Reply::Status(view) => status(view),
        Reply::Text(text) => plain(text.trim_end()) + "\n",
    }
}

/// Text without what a terminal would obey; lines and tabs stay. The characters that turn the
/// direction of writing (UAX #9) go too: with them a name can look like another.
pub(super) fn plain(text: &str) -> String {
    let turns = |c| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if turns(c) || (c.is_control() && c != '\n' && c != '\t') {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Columns two spaces apart; those whose heading begins with `>` to the right.
fn table<const N: usize>(headings: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    table.load_style(TableStyle::new());
    let bare = headings.map(|heading| heading.trim_start_matches('>'));
    table.set_header(bare);
    for row in rows {
        table.add_row(row.map(|text| Cell::new(plain(&text))));
    }
    for (column, heading) in table.column_iter_mut().zip(headings) {
        column.set_padding((0, 2));
        if heading.starts_with('>') {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

/// Facts, one a line.
fn facts(facts: &[(&str, String)]) -> String {
    let width = facts.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    facts.iter().fold(String::new(), |mut text, (name, value)| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name:<width$}  {}", plain(value));
        text
    })
}

/// A time as people read it, in UTC.
fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// Bytes to three digits: `1.4 GiB`.
fn bytes(number: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let mut value = number as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let digits = usize::from(unit > 0 && value < 100.0);
    format!("{value:.digits$} {}", UNITS[unit])
}

fn account(view: &AccountView) -> String {
    facts(&[
        ("login", view.login.to_string()),
        ("e-mail", view.email.to_string()),
        ("rooms", listed(view)),
        ("at most", view.max_rooms.to_string()),
        ("since", time(view.created_at)),
    ])
}

fn listed(view: &AccountView) -> String {
    let names: Vec<&str> = view.rooms.iter().map(AsRef::as_ref).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(" ") }
}

fn accounts(views: &[AccountView]) -> String {
    let row = |view: &AccountView| {
        let since = time(view.created_at);
        [
            view.login.to_string(),
            view.email.to_string(),
            since,
            view.max_rooms.to_string(),
            listed(view),
        ]
    };
    table(["LOGIN", "E-MAIL", "SINCE", ">AT MOST", "ROOMS"], views.iter().map(row))
}

fn templates(views: &[TemplateView]) -> String {
    let row = |view: &TemplateView| {
        let (version, rooms) = (view.version.to_string(), view.rooms.to_string());
        [view.name.to_string(), version, bytes(view.size), rooms, time(view.built_at)]
    };
    table(["TEMPLATE", ">VERSION", ">SIZE", ">ROOMS", "BUILT"], views.iter().map(row))
}

fn rooms(views: &[RoomView]) -> String {
    let row = |view: &RoomView| {
        [
            view.name.to_string(),
            view.owner.to_string(),
            state(view),
            view.address.to_string(),
            view.ssh_port().map_or_else(String::new, |port| port.to_string()),
            view.memory_used.map_or_else(String::new, bytes),
            format!("{} {}", view.template, view.template_version),
        ]
    };
    let headings = ["ROOM", "OWNER", "STATE", "ADDRESS", ">SSH PORT", ">MEMORY", "TEMPLATE"];
    table(headings, views.iter().map(row))
}

/// What the room does, and what is wanted where that differs.
fn state(view: &RoomView) -> String {
    let (phase, wanted) = (view.phase.as_str(), view.wanted.as_str());
    if phase == wanted { phase.to_owned() } else { format!("{phase}, to be {wanted}") }
}

fn room(view: &RoomView, colour: bool) -> String {
    let mut lines = vec![
        ("room", view.name.to_string()),
        ("owner", view.owner.to_string()),
        ("state", state(view)),
        ("site", format!("https://{}", view.host)),
    ];
    lines.extend(view.ssh_port().map(|port| ("ssh", ssh(view, port))));
    lines.extend(view.problem.clone().map(|problem| ("problem", problem)));
    lines.push(("address", format!("{} ({})", view.address, view.mac)));
    lines.push(("template", format!("{} {}", view.template, view.template_version)));
    lines.push(("limits", limits(view)));
    lines.extend(view.memory_used.map(|used| ("memory", bytes(used))));
    lines.extend(view.cpu_used_ms.map(|used| ("processor", seconds(used))));
    lines.push(("created", time(view.created_at)));
    lines.extend(view.destroy_at.map(|at| ("destroyed", format!("on {}", time(at)))));
    lines.extend(view.ports.iter().map(|port| ("port", redirection(*port))));
    lines.extend(
        view.keys
            .iter()
            .map(|key| ("key", format!("{} {} {}", key.fingerprint, key.algorithm, key.comment))),
    );
    facts(&lines) + &view.job.as_ref().map_or_else(String::new, |view| job(view, colour))
}

/// The line that leads into a room by SSH.
pub(super) fn ssh(view: &RoomView, port: PublicPort) -> String {
    format!("ssh -p {port} student@{}", view.host)
}

fn redirection(port: PortView) -> String {
    format!("{} -> {}/{}", port.public, port.room, port.protocol)
}

fn limits(view: &RoomView) -> String {
    let limits = &view.limits;
    let cores = f64::from(limits.cpu_millis) / 1000.0;
    format!(
        "memory {}, {cores} core, {} processes, disk {}",
        limits.memory, limits.pids, limits.disk
    )
}

fn seconds(milliseconds: u64) -> String {
    format!("{}.{} s", milliseconds / 1000, milliseconds % 1000 / 100)
}

fn job(view: &JobView, colour: bool) -> String {
    let (id, kind, object) = (view.id, view.kind, plain(&view.object));
    let mut text =
        format!("job {id}  {kind} {object}  {}  {}\n", view.state, time(view.accepted_at));
    for step in &view.steps {
        text += &(follow::line(step, colour) + "\n");
    }
    if let (JobState::Failed, Some(error)) = (view.state, &view.error) {
        text.extend(["  ", &plain(error), "\n"]);
    }
    text
}

fn audit(rows: &[AuditView]) -> String {
    let row = |row: &AuditView| {
        let (actor, action) = (row.actor.clone(), row.action.clone());
        [row.seq.to_string(), time(row.at), actor, action, row.object.clone(), row.detail.clone()]
    };
    table([">ROW", "AT (UTC)", "WHO", "DID", "WHAT", "DETAIL"], rows.iter().map(row))
}

fn status(view: &StatusView) -> String {
    let mut lines = vec![
        ("version", view.version.clone()),
        ("zone", view.zone.to_string()),
        ("panel", format!("https://{}", view.panel)),
        ("address", view.public_address.to_string()),
        ("accounts", view.accounts.to_string()),
        ("rooms", format!("{}, {} running, {} failed", view.rooms, view.running, view.failed)),
        ("pool", format!("{} of {}", bytes(view.pool_used), bytes(view.pool_size))),
        ("memory", format!("core {}, front {}", bytes(view.core_memory), bytes(view.front_memory))),
        ("front", format!("started again {} times", view.front_restarts)),
    ];
    lines.extend(view.warnings.iter().map(|warning| ("warning", warning.clone())));
    facts(&lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_for_people() {
        for (number, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1536, "1.5 KiB"),
            (10 << 30, "10.0 GiB"),
            (200 << 20, "200 MiB"),
        ] {
            assert_eq!(bytes(number), text);
        }
        assert_eq!(seconds(61_250), "61.2 s");
    }

    #[test]
    fn a_terminal_obeys_nothing_that_is_shown() {
        assert_eq!(
            plain("a\u{1b}]0;x\u{7}\r\n\tb\u{202e}"),
            "a\\u{1b}]0;x\\u{7}\\u{d}\n\tb\\u{202e}"
        );
    }

    #[test]
    fn a_table() {
        let rows = [["blog".to_owned(), "7".to_owned()], ["a\u{1b}".to_owned(), "10".to_owned()]];
        let text = table(["ROOM", ">JOB"], rows.into_iter());
        assert_eq!(text, "ROOM     JOB\nblog       7\na\\u{1b}   10\n");
    }
}
