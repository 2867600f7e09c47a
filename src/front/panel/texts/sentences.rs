//! French for the sentences that a student's commands can provoke. Core and `model` speak
//! English; a sentence that changes there is shown as it came until it is changed here too.

/// English and French; `{}` is what the sentence is about, the same in both.
pub(super) const SENTENCES: &[(&str, &str)] = &[
    ("a room's name has 2 to 30 characters", "Le nom d’une piaule compte de 2 à 30 caractères."),
    (
        "a room's name is made of lower-case letters and digits, and begins with a letter",
        "Le nom d’une piaule est fait de lettres minuscules sans accent et de chiffres, et commence par une lettre.",
    ),
    (
        "the name `{}` is reserved; choose another",
        "Le nom «\u{a0}{}\u{a0}» est réservé\u{a0}: choisis-en un autre.",
    ),
    (
        "the name `{}` is taken; choose another",
        "Le nom «\u{a0}{}\u{a0}» est déjà pris\u{a0}: choisis-en un autre.",
    ),
    (
        "a template's name is 2 to 30 lower-case letters, digits and hyphens, such as `light`",
        "Choisis un des modèles de la liste.",
    ),
    (
        "an SSH public key looks like `ssh-ed25519 AAAA… comment`, with no option before it",
        "Une clé publique SSH ressemble à «\u{a0}ssh-ed25519 AAAA… commentaire\u{a0}», sans option devant.",
    ),
    ("an SSH key is at most 8192 characters", "Une clé SSH compte au plus 8192 caractères."),
    (
        "this is a private key: keep it to yourself, and paste the file that ends in `.pub`",
        "C’est une clé privée\u{a0}: garde-la pour toi, et colle plutôt le contenu du fichier qui finit par .pub.",
    ),
    (
        "an SSH key's comment is at most 100 plain characters, without quotes or backslashes",
        "Le commentaire d’une clé SSH compte au plus 100 caractères simples, sans accent, guillemet ni barre oblique inverse.",
    ),
    (
        "DSA keys are refused by current SSH servers; make one with `ssh-keygen -t ed25519`",
        "Les serveurs SSH actuels refusent les clés DSA\u{a0}: fais-en une avec ssh-keygen -t ed25519.",
    ),
    (
        "an RSA key has at least 2048 bits; make a better one with `ssh-keygen -t ed25519`",
        "Une clé RSA a au moins 2048 bits\u{a0}: fais-en une meilleure avec ssh-keygen -t ed25519.",
    ),
    (
        "the key is of a kind this house does not know; make one with `ssh-keygen -t ed25519`",
        "La maison ne connaît pas ce genre de clé\u{a0}: fais-en une avec ssh-keygen -t ed25519.",
    ),
    ("the key {} is there already", "La clé {} y est déjà."),
    (
        "`{}` may not have a room; ask an administrator",
        "Le compte «\u{a0}{}\u{a0}» ne peut pas avoir de piaule\u{a0}: demande à l’équipe.",
    ),
    (
        "`{}` may have one room and has it; destroy it, or ask an administrator for more",
        "Le compte «\u{a0}{}\u{a0}» a droit à une piaule, et il l’a déjà\u{a0}: pour en avoir une autre, demande à l’équipe.",
    ),
    (
        "there is no such room; it may have been destroyed",
        "Cette piaule n’existe pas\u{202f}; elle a peut-être été détruite.",
    ),
    (
        "only the administrators of this house may do this; ask them",
        "Seule l’équipe de la maison peut faire cela\u{a0}: demande-lui.",
    ),
];

/// The sentence in French, if it is known.
pub(super) fn in_french(english: &str) -> Option<String> {
    SENTENCES.iter().find_map(|(pattern, french)| match pattern.split_once("{}") {
        None => (*pattern == english).then(|| (*french).to_owned()),
        Some((before, after)) => {
            let about = english.strip_prefix(before)?.strip_suffix(after)?;
            Some(french.replace("{}", about))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{RoomName, SshKey, TemplateName};

    #[test]
    fn what_a_form_can_provoke_is_translated() {
        let key =
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";
        let refusals = [
            "x".parse::<RoomName>().err(),
            "Blog".parse::<RoomName>().err(),
            "www".parse::<RoomName>().ok().and_then(|name| name.refuse_reserved().err()),
            "".parse::<TemplateName>().err(),
            "ssh-ed25519 AAAA".parse::<SshKey>().err(),
            "x".repeat(9000).parse::<SshKey>().err(),
            "PRIVATE KEY".parse::<SshKey>().err(),
            format!("{key} \"").parse::<SshKey>().err(),
        ];
        for refusal in refusals {
            let sentence = refusal.expect("a refusal").0;
            assert!(in_french(&sentence).is_some(), "{sentence}");
        }
        assert_eq!(in_french("the moon is full"), None);
    }

    #[test]
    fn what_it_is_about_is_kept() {
        let french = in_french("the name `www` is reserved; choose another").expect("known");
        assert!(french.contains("www") && !french.contains("{}"), "{french}");
    }
}
