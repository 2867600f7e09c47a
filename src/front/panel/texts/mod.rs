//! Every text of the panel, in both languages: one [`Texts`] value each, so a text missing in
//! one does not compile, nor a state without a word.

mod en;
mod fr;
mod sentences;

use jiff::Timestamp;

pub(super) use self::en::ENGLISH;
pub(super) use self::fr::FRENCH;
use super::pages::progress::RoomState;
use super::request::route::Verb;
use crate::model::{JobKind, JobState, StepState};
use crate::wire::FaultKind;

/// A title and a sentence under it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Notice {
    pub(super) title: &'static str,
    pub(super) sentence: &'static str,
}

/// The panel in one language. Numbers are in the units of their names.
pub(super) struct Texts {
    /// RFC 5646.
    pub(super) tag: &'static str,
    /// The language's name in itself, for the switch.
    pub(super) name: &'static str,
    pub(super) tagline: &'static str,
    pub(super) skip: &'static str,
    pub(super) account: &'static str,

    pub(super) sign_in: SignInTexts,
    pub(super) rooms: RoomsTexts,
    pub(super) room: RoomTexts,
    pub(super) new_room: NewRoomTexts,
    pub(super) refusals: RefusalTexts,

    pub(super) state: fn(RoomState) -> &'static str,
    pub(super) verb: fn(Verb) -> &'static str,
    /// A job of this kind, in this state, as the timeline's heading.
    pub(super) job: fn(JobKind, JobState) -> &'static str,
    /// How a step ended.
    pub(super) step_state: fn(StepState) -> &'static str,
    /// What a step does, by core's name for it; a test compares with core's own list.
    pub(super) step: fn(&str) -> Option<&'static str>,
    pub(super) milliseconds: fn(f64) -> String,
    pub(super) bytes: fn(u64) -> String,
    /// A date and time, in UTC.
    pub(super) moment: fn(Timestamp) -> String,
    /// One of core's English sentences; `None` when it is not known in this language.
    pub(super) sentence: fn(&str) -> Option<String>,
}

pub(super) struct SignInTexts {
    pub(super) title: &'static str,
    pub(super) welcome: &'static str,
    pub(super) login: &'static str,
    pub(super) password: &'static str,
    pub(super) submit: &'static str,
    pub(super) leave: &'static str,
    pub(super) refused: &'static str,
    /// Said when another page sent the visitor here.
    pub(super) needed: &'static str,
    pub(super) lost: &'static str,
    /// So many rooms on, of so many.
    pub(super) lit: fn(usize, usize) -> String,
}

pub(super) struct RoomsTexts {
    pub(super) title: &'static str,
    pub(super) empty: Notice,
    pub(super) create: &'static str,
    /// For the account that may have no room of its own.
    pub(super) ask: &'static str,
}

pub(super) struct RoomTexts {
    pub(super) connect: &'static str,
    pub(super) connect_hint: &'static str,
    pub(super) no_ssh: &'static str,
    pub(super) copy: &'static str,
    pub(super) copied: &'static str,
    pub(super) timeline: &'static str,
    pub(super) no_job: &'static str,
    /// Said when the live timeline cannot be reached.
    pub(super) away: &'static str,
    pub(super) reload: &'static str,
    /// Said when the creation failed, with a way to try again.
    pub(super) nothing_left: &'static str,
    pub(super) under_way: &'static str,
    pub(super) total: &'static str,
    pub(super) facts: &'static str,
    pub(super) address: &'static str,
    pub(super) mac: &'static str,
    pub(super) template: &'static str,
    pub(super) version: fn(u32) -> String,
    pub(super) memory: &'static str,
    /// Used, of a limit.
    pub(super) used_of: fn(u64, u64) -> String,
    pub(super) disk: &'static str,
    pub(super) created: &'static str,
    pub(super) destroyed: &'static str,
    pub(super) ports: &'static str,
    pub(super) ports_hint: &'static str,
    pub(super) public: &'static str,
    pub(super) inside: &'static str,
    pub(super) protocol: &'static str,
    pub(super) no_ports: &'static str,
    pub(super) keys: &'static str,
    pub(super) no_keys: &'static str,
    pub(super) no_comment: &'static str,
}

pub(super) struct NewRoomTexts {
    pub(super) title: &'static str,
    pub(super) welcome: &'static str,
    pub(super) name: &'static str,
    pub(super) name_hint: &'static str,
    pub(super) template: &'static str,
    pub(super) keys: &'static str,
    pub(super) keys_hint: &'static str,
    pub(super) submit: &'static str,
    pub(super) no_template: Notice,
    /// Above a form with something wrong in it.
    pub(super) look_again: &'static str,
}

pub(super) struct RefusalTexts {
    pub(super) back: &'static str,
    pub(super) no_such_page: Notice,
    pub(super) wrong_method: Notice,
    pub(super) foreign: Notice,
    pub(super) not_a_form: Notice,
    pub(super) too_long: Notice,
    pub(super) too_slow: Notice,
    pub(super) slow_down: Notice,
    pub(super) house: fn(FaultKind) -> Notice,
}

/// A number with one decimal below ten and none above, with this decimal mark.
fn rounded(number: f64, mark: &str) -> String {
    if number < 9.95 { format!("{number:.1}").replace('.', mark) } else { format!("{number:.0}") }
}

/// Bytes in the largest of these units (powers of 1,024) that leaves at least one.
fn binary(bytes: u64, units: [&'static str; 5]) -> (f64, &'static str) {
    let mut rank = 0;
    let mut unit = 1_u64;
    while rank < units.len() - 1 && bytes >= unit * 1024 {
        unit *= 1024;
        rank += 1;
    }
    #[allow(clippy::cast_precision_loss, reason = "two digits are shown")]
    let number = bytes as f64 / unit as f64;
    (number, units[rank])
}

/// As [`rounded`], without a decimal that is zero.
fn short(number: f64, mark: &str) -> String {
    let text = rounded(number, mark);
    text.strip_suffix(&format!("{mark}0")).map_or(text.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NARROW: char = '\u{202f}';

    #[test]
    fn numbers_are_written_as_readers_do() {
        assert_eq!((FRENCH.milliseconds)(0.42), "0,4\u{202f}ms");
        assert_eq!((FRENCH.milliseconds)(12.6), "13\u{202f}ms");
        assert_eq!((FRENCH.milliseconds)(1250.0), "1,25\u{202f}s");
        assert_eq!((ENGLISH.milliseconds)(1250.0), "1.25\u{202f}s");
        assert_eq!((FRENCH.bytes)(1 << 30), "1\u{202f}Gio");
        assert_eq!((ENGLISH.bytes)(26_600_000), "25\u{202f}MiB");
        assert_eq!((FRENCH.bytes)(1536 << 20), "1,5\u{202f}Gio");
        assert_eq!((ENGLISH.bytes)(u64::MAX), "16777216\u{202f}TiB");
        assert!((FRENCH.milliseconds)(1.0).contains(NARROW));
    }

    #[test]
    fn dates_are_written_as_readers_do() {
        let moment: Timestamp = "2026-08-01T09:05:00Z".parse().expect("a timestamp");
        assert_eq!((FRENCH.moment)(moment), "1er août 2026 à 09:05 UTC");
        assert_eq!((ENGLISH.moment)(moment), "1 August 2026 at 09:05 UTC");
    }

    #[test]
    fn french_punctuation_never_begins_a_line() {
        let source = include_str!("fr.rs").lines().filter(|line| !line.starts_with("//!"));
        let texts = source.chain(sentences::SENTENCES.iter().map(|(_, french)| *french));
        for text in texts {
            for mark in [" !", " ?", " ;", " :", " »", "« "] {
                assert!(!text.contains(mark), "a plain space by {mark:?}: {text}");
            }
            let letters: Vec<char> = text.chars().collect();
            let straight = |around: &[char]| {
                around[1] == '\'' && around[0].is_alphabetic() && around[2].is_alphabetic()
            };
            assert!(!letters.windows(3).any(straight), "a straight apostrophe: {text}");
        }
    }
}
