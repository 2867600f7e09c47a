//! What one room may use at most.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Invalid;

/// A number of bytes, written `512M` or `10G` (powers of 1,024) or in full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ByteSize(pub u64);

const UNITS: [(char, u64); 4] = [('T', 1 << 40), ('G', 1 << 30), ('M', 1 << 20), ('K', 1 << 10)];

impl FromStr for ByteSize {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let refused =
            || Invalid::new("a size is a number of bytes, or one with K, M, G or T: `10G`");
        let unit = UNITS.iter().find(|(letter, _)| text.ends_with(*letter));
        let digits = unit.map_or(text, |_| &text[..text.len() - 1]);
        let number: u64 = digits.parse().map_err(|_| refused())?;
        number.checked_mul(unit.map_or(1, |(_, factor)| *factor)).map(Self).ok_or_else(refused)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match UNITS.iter().find(|(_, factor)| self.0 >= *factor && self.0.is_multiple_of(*factor)) {
            Some((letter, factor)) => write!(f, "{}{letter}", self.0 / factor),
            None => self.0.fmt(f),
        }
    }
}

impl TryFrom<String> for ByteSize {
    type Error = Invalid;
    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<ByteSize> for String {
    fn from(size: ByteSize) -> Self {
        size.to_string()
    }
}

/// A room's share of the box. The kernel holds the room to it; the room's root cannot lift it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Memory and swap together (`memory.max` with `memory.swap.max` 0; v1
    /// `memory.memsw.limit_in_bytes`).
    pub memory: ByteSize,
    /// Processor time in thousandths of a core (`cpu.max`).
    pub cpu_millis: u32,
    /// Processes and threads (`pids.max`).
    pub pids: u32,
    /// Bytes on disk above the template (btrfs qgroup).
    pub disk: ByteSize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { memory: ByteSize(1 << 30), cpu_millis: 1000, pids: 512, disk: ByteSize(10 << 30) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!("10G".parse::<ByteSize>().expect("valid").0, 10 << 30);
        assert_eq!(ByteSize(1536 << 20).to_string(), "1536M");
        assert_eq!(ByteSize(1000).to_string(), "1000");
        for bad in ["", "G", "10 G", "10g", "-1", "99999999999T"] {
            assert!(bad.parse::<ByteSize>().is_err(), "{bad:?}");
        }
    }
}
