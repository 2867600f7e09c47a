//! Who: accounts, rooms and jobs by number, logins and addresses of people, uid ranges.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Invalid, parsed_string};

macro_rules! row_id {
    ($($(#[$doc:meta])* $type:ident),+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $type(pub i64);

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
        impl FromStr for $type {
            type Err = Invalid;
            fn from_str(text: &str) -> Result<Self, Invalid> {
                match text.parse::<i64>() {
                    Ok(number) if number > 0 => Ok(Self(number)),
                    _ => Err(Invalid::new(format!("`{text}` is not a number above zero"))),
                }
            }
        }
    )+};
}

row_id!(
    /// An account's row.
    AccountId,
    /// A room's row. It names the room's cgroup, subvolume and console, since a name can be
    /// taken again after a destruction and a number cannot.
    RoomId,
    /// A job's row.
    JobId
);

/// What an account signs in with: 2 to 32 of `a-z`, `0-9` and `-`, a letter first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Login(String);

impl FromStr for Login {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let fits = (2..=32).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(Invalid::new(
                "a login is 2 to 32 lower-case letters, digits and hyphens, and begins with a letter",
            ))
        }
    }
}

/// A mailbox, `local@domain` (RFC 5321 §4.1.2 without quoted strings or address literals).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Email(String);

impl Email {
    /// The part after the `@`, in lower case.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(_, domain)| domain)
    }
}

impl FromStr for Email {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let refused = || Invalid::new("an e-mail address looks like `name@school.example`");
        let (local, domain) = text.rsplit_once('@').ok_or_else(refused)?;
        let atext = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&b);
        let dotted = |part: &str| !part.split('.').any(str::is_empty);
        if local.len() > 64 || !local.bytes().all(atext) || !dotted(local) {
            return Err(refused());
        }
        let domain: super::HostName = domain.parse().map_err(|_| refused())?;
        if !domain.as_ref().contains('.') {
            return Err(refused());
        }
        Ok(Self(format!("{local}@{domain}")))
    }
}

parsed_string!(Login, Email);

/// The 65,536 uids (and gids, the same numbers) of one room's user namespace.
///
/// No two rooms share one, and a range is given again only once nothing on disk could belong to
/// it any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct UidRange(u32);

impl UidRange {
    /// Ids in one range.
    pub const SIZE: u32 = 65_536;
    /// The lowest base: above what Debian and systemd allot (systemd.io/UIDS-GIDS, the
    /// container range 524288–1879048191).
    pub const FIRST: u32 = 10 * Self::SIZE;
    /// The highest base.
    pub const LAST: u32 = 28_671 * Self::SIZE;

    /// The host uid of the room's root.
    #[must_use]
    pub fn base(self) -> u32 {
        self.0
    }

    /// The range after this one, beginning again after the last.
    #[must_use]
    pub fn next(self) -> Self {
        if self.0 >= Self::LAST { Self(Self::FIRST) } else { Self(self.0 + Self::SIZE) }
    }

    /// The first range.
    #[must_use]
    pub fn first() -> Self {
        Self(Self::FIRST)
    }
}

impl TryFrom<u32> for UidRange {
    type Error = Invalid;

    fn try_from(base: u32) -> Result<Self, Invalid> {
        if base.is_multiple_of(Self::SIZE) && (Self::FIRST..=Self::LAST).contains(&base) {
            Ok(Self(base))
        } else {
            Err(Invalid::new(format!("{base} is not the base of a room's uid range")))
        }
    }
}

impl From<UidRange> for u32 {
    fn from(range: UidRange) -> Self {
        range.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins() {
        for good in ["ada", "a1", "jean-claude"] {
            assert!(good.parse::<Login>().is_ok(), "{good}");
        }
        for bad in ["", "a", "1ada", "Ada", "a_b", "a\nb", &"a".repeat(33)] {
            assert!(bad.parse::<Login>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn mailboxes() {
        let mail: Email = "ada.lovelace+piaule@School.Example".parse().expect("valid");
        assert_eq!(mail.domain(), "school.example");
        for bad in ["ada", "ada@", "@x.y", "a b@x.y", "a@x", "a\r\nBcc: b@x.y", "a..b@x.y"] {
            assert!(bad.parse::<Email>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn ranges_go_round() {
        let last = UidRange::try_from(UidRange::LAST).expect("valid");
        assert_eq!(last.next(), UidRange::first());
        assert!(UidRange::try_from(1000).is_err());
    }
}
