//! Reads Rust source as far as the walls need it: words, paths and lines, without comments or
//! the contents of strings.

use std::path::Path;

/// One file of the tree.
pub(crate) struct Source {
    /// From the crate's root: `src/core/store/mod.rs`.
    pub(crate) path: String,
    /// `core::store`; empty for `lib.rs` and `main.rs`.
    pub(crate) module: String,
    /// All of it.
    pub(crate) text: String,
    code: String,
}

/// Every Rust file under `folder`.
pub(crate) fn tree(folder: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join(folder)];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a readable folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).expect("a readable file");
                let path = path.strip_prefix(root).expect("inside").display().to_string();
                sources.push(Source::new(path, text));
            }
        }
    }
    assert!(!sources.is_empty(), "{folder} has no source");
    sources.sort_by(|one, other| one.path.cmp(&other.path));
    sources
}

impl Source {
    pub(crate) fn new(path: String, text: String) -> Self {
        let inside = path.strip_prefix("src/").unwrap_or(&path).trim_end_matches(".rs");
        let module = inside.trim_end_matches("/mod").replace('/', "::");
        let module = if matches!(inside, "lib" | "main") { String::new() } else { module };
        let code = without_words_of_people(&text);
        Self { path, module, text, code }
    }

    /// Identifiers, each with the `::` that follows it.
    pub(crate) fn words(&self) -> impl Iterator<Item = &str> {
        words(&self.code)
    }

    /// Lines of code that are not tests.
    pub(crate) fn lines(&self) -> usize {
        if self.path.ends_with("tests.rs") {
            return 0;
        }
        let code = self.code.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        code.lines().filter(|line| !line.trim().is_empty()).count()
    }

    /// The modules and items it names through `crate::` and `super::`, from the crate's root.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        for (module, code) in self.scopes() {
            for (start, _) in code.match_indices("crate::") {
                if !code[..start].ends_with(is_word) {
                    expand(&code[start + "crate::".len()..], "", &mut names);
                }
            }
            for (start, _) in code.match_indices("super::") {
                if code[..start].ends_with(is_word) || code[..start].ends_with("super::") {
                    continue;
                }
                let mut base = parent(&module);
                let mut rest = &code[start + "super::".len()..];
                while let Some(further) = rest.strip_prefix("super::") {
                    (base, rest) = (parent(base), further);
                }
                expand(rest, base, &mut names);
            }
        }
        names
    }

    /// The code with the module it is in: the file's own, then that of each module inside it.
    fn scopes(&self) -> Vec<(String, String)> {
        let mut outer = String::new();
        let mut scopes = Vec::new();
        let mut rest = self.code.as_str();
        while let Some((before, name, body, after)) = inline_module(rest) {
            outer.push_str(before);
            let module = join(&self.module, name);
            scopes.push((module, body.to_owned()));
            rest = after;
        }
        outer.push_str(rest);
        scopes.push((self.module.clone(), outer));
        scopes
    }
}

/// The first `mod name { body }` of `code`, with what is before and after it.
fn inline_module(code: &str) -> Option<(&str, &str, &str, &str)> {
    for (start, _) in code.match_indices("mod ") {
        if code[..start].ends_with(is_word) {
            continue;
        }
        let head = &code[start + "mod ".len()..];
        let name = words(head).next()?;
        let Some(body) = head[name.len()..].trim_start().strip_prefix('{') else { continue };
        let mut depth = 1;
        for (at, character) in body.char_indices() {
            depth += i32::from(character == '{') - i32::from(character == '}');
            if depth == 0 {
                return Some((&code[..start], name, &body[..at], &body[at + 1..]));
            }
        }
    }
    None
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn words(code: &str) -> impl Iterator<Item = &str> {
    let mut rest = code;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(|c| !is_word(c));
        let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        let end = if rest[end..].starts_with("::") { end + 2 } else { end };
        let (word, further) = rest.split_at(end);
        rest = further;
        (!word.is_empty()).then_some(word)
    })
}

fn join(base: &str, name: &str) -> String {
    if base.is_empty() { name.to_owned() } else { format!("{base}::{name}") }
}

fn parent(module: &str) -> &str {
    module.rsplit_once("::").map_or("", |(parent, _)| parent)
}

/// Adds every path of the use-tree or path that `code` begins with, and gives what follows it.
fn expand<'a>(code: &'a str, base: &str, names: &mut Vec<String>) -> &'a str {
    let code = code.trim_start();
    if let Some(mut list) = code.strip_prefix('{') {
        loop {
            list = expand(list, base, names).trim_start();
            match list.strip_prefix(',') {
                Some(further) => list = further.trim_start(),
                None => return list.strip_prefix('}').unwrap_or(list),
            }
            if let Some(further) = list.strip_prefix('}') {
                return further;
            }
        }
    }
    let end = code.find(|c| !is_word(c)).unwrap_or(code.len());
    let (name, rest) = code.split_at(end);
    let path = match name {
        "" | "self" => base.to_owned(),
        name => join(base, name),
    };
    if let Some(further) = rest.strip_prefix("::") {
        return expand(further, &path, names);
    }
    names.push(path);
    let rest = rest.strip_prefix('*').unwrap_or(rest);
    match rest.trim_start().strip_prefix("as ") {
        Some(renamed) => renamed.trim_start_matches(|c| is_word(c) || c == ' '),
        None => rest,
    }
}

/// The text with comments, strings and character literals blanked, lines kept.
fn without_words_of_people(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if first == '"' {
            string_end(rest)
        } else if (rest.starts_with("r\"") || rest.starts_with("r#")) && !code.ends_with(is_word) {
            raw_string_end(rest)
        } else if first == '\'' {
            character_end(rest)
        } else {
            0
        };
        if skipped == 0 {
            code.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            let (gone, further) = rest.split_at(skipped);
            code.extend(gone.chars().filter(|c| *c == '\n'));
            rest = further;
        }
    }
    code
}

fn string_end(text: &str) -> usize {
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            '"' if !escaped => return at + 1,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}

/// Zero for a raw identifier.
fn raw_string_end(text: &str) -> usize {
    let hashes = text[1..].bytes().take_while(|byte| *byte == b'#').count();
    if !text[1 + hashes..].starts_with('"') {
        return 0;
    }
    let close = format!("\"{}", "#".repeat(hashes));
    let from = 2 + hashes;
    text[from..].find(&close).map_or(text.len(), |at| from + at + close.len())
}

/// Zero for a lifetime.
fn character_end(text: &str) -> usize {
    let mut characters = text.char_indices().skip(1);
    match characters.next() {
        Some((_, '\\')) => text[3..].find('\'').map_or(text.len(), |at| 3 + at + 1),
        Some(_) => match characters.next() {
            Some((at, '\'')) => at + 1,
            _ => 0,
        },
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::Source;

    fn names(path: &str, text: &str) -> Vec<String> {
        let mut names = Source::new(path.to_owned(), text.to_owned()).names();
        names.sort();
        names
    }

    #[test]
    fn paths_of_every_shape_are_found() {
        let text = "use crate::{model::{self, Login as L}, wire::*};\nuse super::{mask, tree::copy};\n\
                    pub(in crate::core::template) fn f() { crate::sys::g('\\'', '{') }\n\
                    #[cfg(test)]\nmod tests { use super::*; use super::super::gate; }";
        let expected = [
            "core::gate",
            "core::mask",
            "core::template",
            "core::template",
            "core::tree::copy",
            "model",
            "model::Login",
            "sys::g",
            "wire",
        ];
        assert_eq!(names("src/core/template.rs", text), expected);
    }

    #[test]
    fn comments_and_strings_name_nothing() {
        let text = "//! crate::front\n/* crate::front */ const A: &str = \"crate::front \\\" \";\n\
                    const B: &str = r#\"crate::\"front\"#; fn f<'a>(x: &'a str) {}";
        assert_eq!(names("src/core/gate.rs", text), Vec::<String>::new());
    }

    #[test]
    fn lines_of_tests_and_comments_do_not_count() {
        let text = "//! What.\n\nfn f() {}\n// why\nfn g() {}\n#[cfg(test)]\nmod tests {\n}\n";
        assert_eq!(Source::new("src/a.rs".to_owned(), text.to_owned()).lines(), 2);
    }
}
