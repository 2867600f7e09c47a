//! Recipes: what a template is made of, as data that an administrator can read and change.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::TemplateError;
use crate::model::{Invalid, TemplateName};

/// A recipe read from `RECIPES/NAME/`: `recipe.toml`, `files/` and `prepare.sh`.
#[derive(Debug)]
pub struct Recipe {
    /// What `recipe.toml` says.
    pub list: Ingredients,
    /// Copied over the root file system as it is, owned by root; `None` without such a folder.
    pub files: Option<PathBuf>,
    /// Shell commands for the new root file system.
    pub prepare: String,
}

/// The contents of `recipe.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ingredients {
    /// The release to build; the machine's own when absent.
    #[serde(default)]
    pub suite: Option<Suite>,
    /// What students read before they choose.
    pub description: Description,
    /// Packages to install, in groups that mean something to the reader only.
    pub packages: BTreeMap<String, Vec<Package>>,
    /// What must not run in a room.
    #[serde(default)]
    pub masked: Vec<Masked>,
}

/// One sentence or two, in the panel's languages.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// English.
    pub en: String,
    /// French.
    pub fr: String,
}

/// Units and generators of systemd that are masked for one reason.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Masked {
    /// Why, for whoever wonders where the unit went.
    pub reason: String,
    /// Unit names (systemd.unit(5)).
    #[serde(default)]
    pub units: Vec<Unit>,
    /// Names of generators (systemd.generator(7)).
    #[serde(default)]
    pub generators: Vec<Unit>,
}

macro_rules! checked_word {
    ($($(#[$doc:meta])* $type:ident, $expected:literal, $fits:expr;)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
        #[serde(try_from = "String")]
        pub struct $type(String);

        impl TryFrom<String> for $type {
            type Error = Invalid;
            fn try_from(text: String) -> Result<Self, Invalid> {
                let fits: fn(&str) -> bool = $fits;
                if fits(&text) {
                    Ok(Self(text))
                } else {
                    Err(Invalid::new(format!(concat!("`{}` is not ", $expected), text.escape_debug())))
                }
            }
        }
        impl AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    )+};
}

checked_word!(
    /// A Debian suite or code name, without `-updates` or the like.
    Suite, "a Debian release such as `trixie` or `stable`",
    |text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase());
    /// A Debian package name (Debian policy §5.6.7).
    Package, "the name of a Debian package",
    |text| text.len() > 1
        && text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'+' | b'-' | b'.'));
    /// A file name in a folder of systemd.
    Unit, "the name of a unit or generator of systemd",
    |text| text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '-')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.@:\\".contains(&b));
);

impl Recipe {
    /// Reads the recipe of the template `name` from the folder of all recipes.
    ///
    /// # Errors
    /// When there is none, or when it is not as described here.
    pub fn load(recipes: &Path, name: &TemplateName) -> Result<Self, TemplateError> {
        let folder = recipes.join(name.as_ref());
        let read = |file: &str| {
            let path = folder.join(file);
            std::fs::read_to_string(&path)
                .map_err(|source| TemplateError::ReadRecipe { path, source })
        };
        let list = toml::from_str(&read("recipe.toml")?).map_err(|source| {
            TemplateError::ParseRecipe { path: folder.join("recipe.toml"), source }
        })?;
        let files = Some(folder.join("files")).filter(|path| path.is_dir());
        Ok(Self { list, files, prepare: read("prepare.sh")? })
    }
}

impl Ingredients {
    /// The packages as mmdebstrap's `--include` takes them.
    pub(super) fn include(&self) -> String {
        let names: Vec<&str> = self.packages.values().flatten().map(AsRef::as_ref).collect();
        names.join(",")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: &str = "description = { en = \"x\", fr = \"x\" }\n";

    fn parse(text: &str) -> Result<Ingredients, toml::de::Error> {
        toml::from_str(&format!("{LEAST}{text}"))
    }

    #[test]
    fn the_recipes_of_this_tree_are_valid() {
        let recipes = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles/templates");
        for entry in std::fs::read_dir(&recipes).expect("recipes") {
            let name = entry.expect("entry").file_name().into_string().expect("a name");
            let recipe = Recipe::load(&recipes, &name.parse().expect("valid")).expect("valid");
            assert!(recipe.list.include().contains("systemd-sysv"), "{name}");
            assert!(recipe.list.masked.iter().all(|masked| masked.reason.len() > 10), "{name}");
        }
    }

    #[test]
    fn what_apt_or_the_shell_could_misread_is_refused() {
        for bad in ["", "a", "Apache2", "-y", "?any", "apache2,", "../x", "a b", "a\nb"] {
            let list = format!("packages = {{ x = [{bad:?}] }}");
            assert!(parse(&list).is_err(), "{bad:?}");
        }
        for bad in ["", "../../etc/passwd", "a/b.service", ".", "a b.service"] {
            let list =
                format!("packages = {{}}\n[[masked]]\nreason = \"none at all\"\nunits = [{bad:?}]");
            assert!(parse(&list).is_err(), "{bad:?}");
        }
        assert!(parse("packages = {}\nsuite = \"trixie\"").is_ok());
        assert!(parse("packages = {}\nsuite = \"trixie/updates\"").is_err());
        assert!(parse("packages = {}\npackage = []").is_err(), "an unknown key");
    }

    #[test]
    fn no_recipe_is_said_with_its_path() {
        let none = Recipe::load(Path::new("/nonexistent"), &"light".parse().expect("valid"));
        let message = none.expect_err("there is none").to_string();
        assert!(message.contains("/nonexistent/light/recipe.toml"), "{message}");
    }
}
