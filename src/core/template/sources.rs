//! The Debian sources of this machine, and nothing else it may install from.
//!
//! A template is built from, and keeps, the mirrors its house already trusts. Other publishers'
//! entries are left out: rooms never asked for them, and their keys are not Debian's.

use std::path::Path;

use super::recipe::Suite;

/// Debian's archive keys, on the host and in every template (package debian-archive-keyring).
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
/// The pockets of a release that a room should have.
const POCKETS: [&str; 3] = ["", "-updates", "-security"];

/// One entry of sources.list(5), in either of its formats.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Entry {
    binary: bool,
    uris: Vec<String>,
    suites: Vec<String>,
    components: Vec<String>,
    signed_by: Option<String>,
}

/// What apt on this machine reads: the texts of `sources.list` and of `sources.list.d`, each with
/// its file name. Files that cannot be read are left out, as apt does without them too.
pub(super) fn read(apt: &Path) -> Vec<(String, String)> {
    let parts = std::fs::read_dir(apt.join("sources.list.d")).into_iter().flatten().flatten();
    let mut paths: Vec<_> = parts.map(|part| part.path()).collect();
    paths.sort();
    paths.insert(0, apt.join("sources.list"));
    paths
        .into_iter()
        .filter_map(|path| {
            let text = std::fs::read_to_string(&path).ok()?;
            Some((path.file_name()?.to_str()?.to_owned(), text))
        })
        .collect()
}

/// The sources of a template in deb822 format: the official entries among `files`, their main
/// component, of `suite` or else of the first release they name. `None` without any.
///
/// `mirror` gives the text of a mirror list, which the cloud images of Debian use.
pub(super) fn official(
    files: &[(String, String)],
    suite: Option<&Suite>,
    mirror: impl Fn(&str) -> Option<String>,
) -> Option<String> {
    let entries: Vec<Entry> = files
        .iter()
        .flat_map(|(name, text)| parse(name, text))
        .map(|entry| Entry {
            uris: entry.uris.iter().filter_map(|uri| resolve(uri, &mirror)).collect(),
            ..entry
        })
        .filter(is_official)
        .collect();
    let release =
        entries.iter().flat_map(|entry| &entry.suites).find(|s| !s.contains(['-', '/']))?;
    let wanted = suite.map_or(release.as_str(), AsRef::as_ref);
    let paragraphs: Vec<String> =
        entries.iter().filter_map(|entry| paragraph(entry, release, wanted)).collect();
    (!paragraphs.is_empty()).then(|| paragraphs.join("\n"))
}

fn parse(name: &str, text: &str) -> Vec<Entry> {
    match name.rsplit_once('.') {
        Some((_, "list")) => text.lines().filter_map(one_line).collect(),
        Some((_, "sources")) => deb822(text),
        _ => Vec::new(),
    }
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// `deb [option=value …] uri suite component…`
fn one_line(line: &str) -> Option<Entry> {
    let line = line.split('#').next()?.trim().strip_prefix("deb ")?.trim();
    let (options, rest) = match line.strip_prefix('[') {
        Some(bracketed) => bracketed.split_once(']')?,
        None => ("", line),
    };
    let mut rest = rest.split_whitespace().map(str::to_owned);
    let signed_by = options.split_whitespace().find_map(|option| option.strip_prefix("signed-by="));
    Some(Entry {
        binary: true,
        uris: vec![rest.next()?],
        suites: vec![rest.next()?],
        components: rest.collect(),
        signed_by: signed_by.map(str::to_owned),
    })
}

/// Paragraphs of `Field: value`, continued by lines that begin with a blank (deb822(5)).
fn deb822(text: &str) -> Vec<Entry> {
    let mut entries = Vec::new();
    for paragraph in text.split("\n\n") {
        let mut entry = Entry::default();
        let mut enabled = true;
        let mut field = String::new();
        for line in paragraph.lines().filter(|line| !line.starts_with('#')) {
            let value = match line.split_once(':') {
                Some((name, value)) if !line.starts_with([' ', '\t']) => {
                    field = name.trim().to_ascii_lowercase();
                    value
                }
                _ => line,
            };
            match field.as_str() {
                "enabled" => enabled = !matches!(value.trim(), "no" | "false" | "0"),
                "types" => entry.binary |= value.split_whitespace().any(|word| word == "deb"),
                "uris" => entry.uris.extend(words(value)),
                "suites" => entry.suites.extend(words(value)),
                "components" => entry.components.extend(words(value)),
                "signed-by" => entry.signed_by.get_or_insert_default().push_str(value.trim()),
                _ => {}
            }
        }
        if enabled {
            entries.push(entry);
        }
    }
    entries
}

/// A URI that means the same inside a room: over the network.
fn resolve(uri: &str, mirror: impl Fn(&str) -> Option<String>) -> Option<String> {
    if let Some(list) = uri.strip_prefix("mirror+file:") {
        let list = mirror(&format!("/{}", list.trim_start_matches('/')))?;
        let first = list.lines().find(|line| !line.trim().is_empty() && !line.starts_with('#'))?;
        return first.split_whitespace().next().map(str::to_owned);
    }
    (uri.starts_with("http://") || uri.starts_with("https://")).then(|| uri.to_owned())
}

fn is_official(entry: &Entry) -> bool {
    let signed = match &entry.signed_by {
        Some(keyring) => keyring.contains("debian-archive-keyring"),
        None => entry.uris.iter().all(|uri| {
            let path = uri.trim_end_matches('/');
            path.ends_with("/debian") || path.ends_with("/debian-security")
        }),
    };
    signed
        && entry.binary
        && !entry.uris.is_empty()
        && entry.components.iter().any(|component| component == "main")
}

/// The entry's part of the sources, its suites of `release` renamed to those of `wanted`.
fn paragraph(entry: &Entry, release: &str, wanted: &str) -> Option<String> {
    let pocket = |suite: &String| {
        let pocket = suite.strip_prefix(release)?;
        POCKETS.contains(&pocket).then(|| format!("{wanted}{pocket}"))
    };
    let suites: Vec<String> = entry.suites.iter().filter_map(pocket).collect();
    (!suites.is_empty()).then(|| {
        let (uris, suites) = (entry.uris.join(" "), suites.join(" "));
        format!(
            "Types: deb\nURIs: {uris}\nSuites: {suites}\nComponents: main\nSigned-By: {KEYRING}\n"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIRROR: &str = "http://mirror.example/debian";

    fn from(files: &[(&str, &str)], suite: Option<&str>) -> Option<String> {
        let files: Vec<_> =
            files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        let suite = suite.map(|name| name.to_owned().try_into().expect("a suite"));
        let mirror = |path: &str| {
            (path == "/etc/apt/mirrors/debian.list")
                .then(|| format!("# nearest\n{MIRROR} priority:1\n"))
        };
        official(&files, suite.as_ref(), mirror)
    }

    fn expected(paragraphs: &[(&str, &str)]) -> String {
        let paragraphs: Vec<_> = paragraphs
            .iter()
            .map(|(uri, suites)| {
                format!("Types: deb\nURIs: {uri}\nSuites: {suites}\nComponents: main\nSigned-By: {KEYRING}\n")
            })
            .collect();
        paragraphs.join("\n")
    }

    #[test]
    fn both_formats_of_debian_itself() {
        let one_line = format!(
            "# a comment\ndeb {MIRROR} trixie main contrib # more\ndeb-src {MIRROR} trixie main\n\
             deb [arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] {MIRROR}-security/ trixie-security main\n\
             deb {MIRROR} trixie-backports main\n"
        );
        assert_eq!(
            from(&[("sources.list", &one_line)], None),
            Some(expected(&[
                (MIRROR, "trixie"),
                (&format!("{MIRROR}-security/"), "trixie-security"),
            ]))
        );
        let deb822 = format!(
            "# first\nTypes: deb deb-src\nURIs: {MIRROR}\nSuites: bookworm\n bookworm-updates bookworm-proposed-updates\n\
             Components: main non-free-firmware\nSigned-By: /usr/share/keyrings/debian-archive-keyring.pgp\n\n\
             Types: deb\nEnabled: no\nURIs: {MIRROR}\nSuites: bookworm-security\nComponents: main\n"
        );
        assert_eq!(
            from(&[("debian.sources", &deb822)], None),
            Some(expected(&[(MIRROR, "bookworm bookworm-updates")]))
        );
    }

    #[test]
    fn the_mirror_list_of_a_cloud_image() {
        let text = "Types: deb\nURIs: mirror+file:///etc/apt/mirrors/debian.list\nSuites: trixie\nComponents: main\n";
        assert_eq!(from(&[("debian.sources", text)], None), Some(expected(&[(MIRROR, "trixie")])));
    }

    #[test]
    fn another_release_from_the_same_mirror() {
        let text = format!("deb {MIRROR} bookworm main\ndeb {MIRROR} bookworm-updates main\n");
        assert_eq!(
            from(&[("sources.list", &text)], Some("trixie")),
            Some(expected(&[(MIRROR, "trixie"), (MIRROR, "trixie-updates")]))
        );
    }

    #[test]
    fn other_publishers_stay_out() {
        let others = [
            (
                "a.sources",
                "Types: deb\nURIs: https://node.example\nSuites: nodistro\nComponents: main\nSigned-By: /usr/share/keyrings/node.gpg\n",
            ),
            (
                "b.list",
                "deb [signed-by=/etc/apt/keyrings/h.gpg] https://h.example/debian bookworm main\n",
            ),
            ("c.list", "deb https://h.example/apt bookworm main\n"),
            ("d.list", "deb cdrom:[Debian GNU/Linux 12]/ bookworm main\n"),
            ("e.list.off", "deb http://mirror.example/debian bookworm main\n"),
            ("f.list", "deb http://mirror.example/debian bookworm contrib\n"),
        ];
        assert_eq!(from(&others, None), None);
    }
}
