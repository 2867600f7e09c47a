//! The walls between the rooms of the source, checked by reading it.
//!
//! The compiler lets any module of a crate name any other; these rules are what makes the path of
//! a file tell its privilege. A rule that stands in the way is changed here and in the `//!` of
//! the room it opens, in the same commit.
#![allow(clippy::expect_used, reason = "a test fails by panicking")]

#[path = "rooms/source.rs"]
mod source;

use source::{Source, tree};

/// Which rooms a room may name besides itself. The longest room that a file is in decides, so
/// `core::store` has none of what `core` may.
const MAY_USE: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("sys", &[]),
    ("wire", &["model", "sys"]),
    ("cli", &["model", "wire", "sys"]),
    // Core's own files join its rooms; only those that drive the kernel or keep descriptors make
    // system calls, and store and kernel never meet.
    ("core", &["model", "wire", "core"]),
    ("core::store", &["model", "wire"]),
    ("core::template", &["model"]),
    ("core::kernel", &["model", "sys"]),
    ("core::launch", &["model", "wire", "sys", "core::kernel"]),
    ("core::keeper", &["model", "wire", "sys", "core"]),
    // Front's services never meet but in its three seams.
    ("front", &["model", "wire", "front"]),
    ("front::sandbox", &["model", "wire", "sys"]),
    ("front::view", &["model", "wire"]),
    ("front::house", &["model", "wire"]),
    ("front::site", &["model", "wire"]),
    ("front::dns", &["model", "wire", "front::view"]),
    ("front::dhcp", &["model", "wire", "front::view"]),
    ("front::proxy", &["model", "wire", "front::view", "front::site"]),
    ("front::panel", &["model", "wire", "front::view", "front::house", "front::site"]),
];

/// Crates that are one room's business.
const CRATES: &[(&str, &[&str])] = &[
    ("rusqlite", &["core::store"]),
    ("rusqlite_migration", &["core::store"]),
    ("rtnetlink", &["core::kernel", "core::launch"]),
    ("netlink_packet_route", &["core::kernel", "core::launch"]),
    ("cgroups_rs", &["core::kernel"]),
    ("landlock", &["front::sandbox"]),
    ("maud", &["front::panel", "front::proxy"]),
    ("domain", &["front::dns"]),
    ("dhcproto", &["front::dhcp"]),
    ("clap", &["cli"]),
    ("comfy_table", &["cli"]),
    ("anyhow", &["cli"]),
];

/// Code lines of one file, without tests, comments and blank lines.
const MOST_LINES: usize = 600;

/// Whether `path` is `room` or inside it.
fn within(path: &str, room: &str) -> bool {
    path.strip_prefix(room).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn refused(source: &Source, target: &str) -> bool {
    let room = MAY_USE
        .iter()
        .filter(|(room, _)| within(&source.module, room))
        .max_by_key(|(room, _)| room.len());
    let Some((room, may)) = room else { return true };
    !within(target, room) && !may.iter().any(|allowed| within(target, allowed))
}

/// The rooms' files: `lib.rs` only lists the rooms, and `main.rs` chooses a role.
fn rooms() -> impl Iterator<Item = Source> {
    tree("src").into_iter().filter(|source| !source.module.is_empty())
}

fn none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn rooms_use_only_what_their_privilege_allows() {
    let mut complaints = Vec::new();
    for source in rooms() {
        for target in source.names().into_iter().filter(|target| refused(&source, target)) {
            complaints.push(format!("{} uses crate::{target}", source.path));
        }
    }
    none(&complaints);
}

#[test]
fn the_walls_hold() {
    for (path, target, wanted) in [
        ("src/core/store/room.rs", "core::kernel::link", true),
        ("src/core/kernel/link.rs", "core::store", true),
        ("src/core/gate.rs", "front::view", true),
        ("src/core/gate.rs", "core::store::Store", false),
        ("src/core/handle/room.rs", "sys::fdpass", true),
        ("src/front/dns/mod.rs", "front::dhcp", true),
        ("src/front/dns/mod.rs", "front::view::View", false),
        ("src/front/panel/mod.rs", "sys", true),
        ("src/front/mod.rs", "core", true),
        ("src/model/name.rs", "wire", true),
        ("src/attic/mod.rs", "model", true),
    ] {
        let source = Source::new(path.to_owned(), String::new());
        assert_eq!(refused(&source, target), wanted, "{path} uses {target}");
    }
}

#[test]
fn crates_stay_in_their_rooms() {
    let mut complaints = Vec::new();
    for source in rooms() {
        for (name, homes) in CRATES {
            let at_home = homes.iter().any(|room| within(&source.module, room));
            if !at_home && source.words().any(|word| word.strip_suffix("::") == Some(name)) {
                complaints.push(format!("{} uses the crate {name}", source.path));
            }
        }
    }
    none(&complaints);
}

#[test]
fn unsafe_is_fenced_and_explained() {
    let mut complaints = Vec::new();
    for source in tree("src") {
        let blocks = source.words().filter(|word| *word == "unsafe").count();
        let fenced = within(&source.module, "sys");
        if !fenced && (blocks > 0 || source.words().any(|word| word == "unsafe_code")) {
            complaints.push(format!("{} has unsafe code outside src/sys", source.path));
        }
        if fenced && source.text.matches("SAFETY:").count() < blocks {
            complaints.push(format!("{} has an unsafe block without a SAFETY line", source.path));
        }
    }
    none(&complaints);
}

#[test]
fn files_keep_a_size_one_can_read() {
    let complaints: Vec<String> = tree("src")
        .iter()
        .filter(|source| source.lines() > MOST_LINES)
        .map(|source| format!("{} has {} lines of code", source.path, source.lines()))
        .collect();
    none(&complaints);
}

#[test]
fn rooms_introduce_themselves() {
    let complaints: Vec<String> = tree("src")
        .iter()
        .filter(|source| source.path.ends_with("/mod.rs") && !source.text.starts_with("//!"))
        .map(|source| format!("{} does not begin with `//!`", source.path))
        .collect();
    none(&complaints);
}

#[test]
fn nothing_is_left_for_later() {
    // In two parts each, since this file is read too.
    let marks =
        [("TO", "DO"), ("FIX", "ME"), ("to", "do!("), ("unimpl", "emented!("), ("#[ig", "nore")]
            .map(|(begin, end)| format!("{begin}{end}"));
    let mut complaints = Vec::new();
    for source in tree("src").iter().chain(&tree("tests")) {
        for mark in marks.iter().filter(|mark| source.text.contains(mark.as_str())) {
            complaints.push(format!("{} says {mark}", source.path));
        }
    }
    none(&complaints);
}
