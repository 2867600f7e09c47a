//! Names of rooms, templates and hosts.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Invalid, parsed_string};

/// Labels a room may not take: the house's own, and those browsers, mail programs and resolvers
/// ask for without the student knowing (RFC 2142, RFC 6186, RFC 7838's neighbours, WPAD).
const RESERVED: &[&str] = &[
    "abuse",
    "acme",
    "admin",
    "administrator",
    "api",
    "autoconfig",
    "autodiscover",
    "broadcasthost",
    "dns",
    "ftp",
    "gateway",
    "git",
    "hostmaster",
    "imap",
    "isatap",
    "localdomain",
    "localhost",
    "mail",
    "mta",
    "mx",
    "news",
    "noc",
    "ns",
    "ns0",
    "ns1",
    "ns2",
    "ns3",
    "panel",
    "piaule",
    "pop",
    "pop3",
    "postmaster",
    "root",
    "security",
    "smtp",
    "ssl",
    "status",
    "support",
    "sysadmin",
    "vpn",
    "webmail",
    "webmaster",
    "wpad",
    "www",
];

/// A room's name: its label under the hosting zone and its host name. 2 to 30 lower-case
/// letters and digits, a letter first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RoomName(String);

impl RoomName {
    /// Refuses a name that no new room may take. Apart from parsing, since a room that has a
    /// name keeps it when the list grows.
    ///
    /// # Errors
    /// When it is reserved.
    pub fn refuse_reserved(&self) -> Result<(), Invalid> {
        if RESERVED.contains(&self.0.as_str()) {
            return Err(Invalid::new(format!("the name `{self}` is reserved; choose another")));
        }
        Ok(())
    }
}

impl FromStr for RoomName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if text.len() < 2 || text.len() > 30 {
            return Err(Invalid::new("a room's name has 2 to 30 characters"));
        }
        let alphanumeric = text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9'));
        if !alphanumeric || !text.starts_with(|c: char| c.is_ascii_lowercase()) {
            return Err(Invalid::new(
                "a room's name is made of lower-case letters and digits, and begins with a letter",
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

/// A template's name: 2 to 30 lower-case letters, digits and hyphens, a letter first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TemplateName(String);

impl FromStr for TemplateName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let fits = (2..=30).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(Invalid::new(
                "a template's name is 2 to 30 lower-case letters, digits and hyphens, such as `light`",
            ))
        }
    }
}

/// One immutable build of a template: 1, 2, 3…
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TemplateVersion(pub u32);

impl fmt::Display for TemplateVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A host name in lower case without its final dot (RFC 1123 §2.1): labels of 1 to 63 letters,
/// digits and inner hyphens, 253 characters in all.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostName(String);

impl HostName {
    /// `label.self`.
    ///
    /// # Errors
    /// When the result would not be a host name.
    pub fn child(&self, label: &str) -> Result<Self, Invalid> {
        format!("{label}.{self}").parse()
    }
}

impl FromStr for HostName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let lower = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        let label_fits = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if lower.len() <= 253 && lower.split('.').all(label_fits) {
            Ok(Self(lower))
        } else {
            Err(Invalid::new(format!("`{}` is not a host name", text.escape_debug())))
        }
    }
}

parsed_string!(RoomName, TemplateName, HostName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_names() {
        for good in ["blog", "wiki2", "a1"] {
            assert!(good.parse::<RoomName>().is_ok(), "{good}");
        }
        let long = "a".repeat(31);
        for bad in ["", "a", "2wiki", "Blog", "my-blog", "my.blog", "blog\n", "été", &long] {
            assert!(bad.parse::<RoomName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn reserved_names_are_read_but_not_given() {
        let taken: RoomName = "www".parse().expect("a name");
        assert!(taken.refuse_reserved().is_err());
        assert!("blog".parse::<RoomName>().expect("a name").refuse_reserved().is_ok());
    }

    #[test]
    fn host_names() {
        assert_eq!("Blog.Example.".parse::<HostName>().expect("valid").as_ref(), "blog.example");
        for bad in ["", ".", "a..b", "-a.b", "a_b", "a/b", &"a".repeat(64)] {
            assert!(bad.parse::<HostName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn serde_refuses_what_from_str_refuses() {
        assert!(serde_json::from_str::<RoomName>("\"../etc\"").is_err());
    }
}
