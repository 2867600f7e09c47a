//! Students' SSH public keys.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use ssh_key::{Algorithm, HashAlg, PublicKey};

use super::{Invalid, parsed_string};

/// One line of `authorized_keys` (sshd(8), AUTHORIZED_KEYS FILE FORMAT) without options.
///
/// It is kept as re-encoded from what was parsed, never as it came: no option, newline or second
/// key can ride along. The comment keeps only printable ASCII without quotes or backslashes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SshKey(String);

impl SshKey {
    /// `SHA256:…`, as `ssh-keygen -l` prints it.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        PublicKey::from_openssh(&self.0)
            .map(|key| key.fingerprint(HashAlg::Sha256).to_string())
            .unwrap_or_default()
    }

    /// The comment, possibly empty.
    #[must_use]
    pub fn comment(&self) -> &str {
        self.0.splitn(3, ' ').nth(2).unwrap_or_default()
    }

    /// The algorithm's name, such as `ssh-ed25519`.
    #[must_use]
    pub fn algorithm(&self) -> &str {
        self.0.split(' ').next().unwrap_or_default()
    }
}

impl FromStr for SshKey {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let text = text.trim_matches([' ', '\t', '\r', '\n']);
        if text.len() > 8192 {
            return Err(Invalid::new("an SSH key is at most 8192 characters"));
        }
        if text.contains(['\r', '\n']) {
            return Err(Invalid::new("paste one SSH key at a time, on a single line"));
        }
        if text.contains("PRIVATE KEY") {
            return Err(Invalid::new(
                "this is a private key: keep it to yourself, and paste the file that ends in `.pub`",
            ));
        }
        let key = PublicKey::from_openssh(text).map_err(|_| {
            Invalid::new(
                "an SSH public key looks like `ssh-ed25519 AAAA… comment`, with no option before it",
            )
        })?;
        refuse_weak(&key)?;
        let comment = key.comment();
        let plain = |c: char| (' '..='~').contains(&c) && !matches!(c, '"' | '\'' | '\\' | '`');
        if comment.len() > 100 || !comment.chars().all(plain) {
            return Err(Invalid::new(
                "an SSH key's comment is at most 100 plain characters, without quotes or backslashes",
            ));
        }
        key.to_openssh()
            .map(|line| Self(line.trim_end().to_owned()))
            .map_err(|_| Invalid::new("this SSH key cannot be written back"))
    }
}

/// Refuses what current OpenSSH refuses or NIST SP 800-131A calls too short.
fn refuse_weak(key: &PublicKey) -> Result<(), Invalid> {
    match key.algorithm() {
        Algorithm::Dsa => Err(Invalid::new(
            "DSA keys are refused by current SSH servers; make one with `ssh-keygen -t ed25519`",
        )),
        Algorithm::Rsa { .. } => {
            let bits = key
                .key_data()
                .rsa()
                .map_or(0, |rsa| rsa.n.as_positive_bytes().map_or(0, <[u8]>::len) * 8);
            if bits < 2048 {
                Err(Invalid::new(
                    "an RSA key has at least 2048 bits; make a better one with `ssh-keygen -t ed25519`",
                ))
            } else {
                Ok(())
            }
        }
        Algorithm::Ed25519
        | Algorithm::Ecdsa { .. }
        | Algorithm::SkEd25519
        | Algorithm::SkEcdsaSha2NistP256 => Ok(()),
        _ => Err(Invalid::new(
            "the key is of a kind this house does not know; make one with `ssh-keygen -t ed25519`",
        )),
    }
}

parsed_string!(SshKey);

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti ada@laptop";

    #[test]
    fn a_plain_key_passes_and_is_trimmed() {
        let key: SshKey = format!("  {GOOD}\n").parse().expect("valid");
        assert_eq!(key.as_ref(), GOOD);
        assert_eq!(key.comment(), "ada@laptop");
        assert!(key.fingerprint().starts_with("SHA256:"));
    }

    #[test]
    fn what_could_smuggle_is_refused() {
        let cases = [
            format!("command=\"/bin/sh\" {GOOD}"),
            format!("{GOOD}\n{GOOD}"),
            format!("{GOOD}\" no-pty"),
            GOOD.replace("ada@laptop", "a\u{1b}[2J"),
            "ssh-ed25519 AAAA".to_owned(),
            "-----BEGIN OPENSSH PRIVATE KEY-----".to_owned(),
            String::new(),
        ];
        for case in cases {
            assert!(case.parse::<SshKey>().is_err(), "{case:?}");
        }
    }
}
