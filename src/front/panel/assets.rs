//! The files pages refer to, inside the binary. Each one's name holds the hash of its content,
//! so a browser may keep it for ever and an upgrade is seen at once.

use std::sync::LazyLock;

use aws_lc_rs::digest;

/// An embedded file.
#[derive(Debug)]
pub(super) struct Asset {
    pub(super) mime: &'static str,
    pub(super) content: &'static str,
    name: LazyLock<String>,
}

macro_rules! asset {
    ($stem:literal, $extension:literal, $mime:literal, $path:literal) => {
        Asset {
            mime: $mime,
            content: include_str!(concat!("../../../assets/", $path)),
            name: LazyLock::new(|| {
                named_by_content(
                    $stem,
                    $extension,
                    include_str!(concat!("../../../assets/", $path)),
                )
            }),
        }
    };
}

pub(super) static STYLE: Asset = asset!("panel", "css", "text/css; charset=utf-8", "css/panel.css");
pub(super) static SCRIPT: Asset =
    asset!("panel", "js", "text/javascript; charset=utf-8", "js/panel.js");
pub(super) static ICON: Asset = asset!("piaule", "svg", "image/svg+xml", "icons/piaule.svg");

/// The asset of this file name, hash included.
pub(super) fn named(file: &str) -> Option<&'static Asset> {
    [&STYLE, &SCRIPT, &ICON].into_iter().find(|asset| asset.name() == file)
}

impl Asset {
    /// The file name, such as `panel.0123456789abcdef.css`.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The path to refer to it by.
    pub(super) fn path(&self) -> String {
        format!("/assets/{}", self.name())
    }
}

impl PartialEq for Asset {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}
impl Eq for Asset {}

fn named_by_content(stem: &str, extension: &str, content: &str) -> String {
    let hash = digest::digest(&digest::SHA256, content.as_bytes());
    let short = hash.as_ref().iter().take(8).fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
    format!("{stem}.{short:016x}.{extension}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_follows_the_content() {
        let one = named_by_content("panel", "css", "a{}");
        assert_eq!(one.len(), "panel.0123456789abcdef.css".len());
        assert_ne!(one, named_by_content("panel", "css", "b{}"));
        assert!(named(STYLE.name()).is_some());
        assert!(named("panel.css").is_none());
    }
}
