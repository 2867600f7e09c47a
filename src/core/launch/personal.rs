//! What makes a room's file system the student's: its names, its host key, who may sign in.
//!
//! Written by the child once it is inside, as the room's root. The house owns only
//! [`MANAGED_KEYS`], rewritten at each start and with each change; every other file is written
//! where it is absent, so what a student edits stays.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use ssh_key::private::Ed25519Keypair;
use ssh_key::{LineEnding, PrivateKey};

use super::{Identity, StageError, doing};

/// The account of every template that students sign in to.
const STUDENT: &str = "student";
/// Where the template's sshd looks for the keys the house manages.
const MANAGED_KEYS: &str = "/etc/ssh/authorized_keys.d";
const HOST_KEY: &str = "/etc/ssh/ssh_host_ed25519_key";

/// Writes what is absent, and the managed keys.
pub fn write(identity: &Identity) -> Result<(), StageError> {
    let Identity { name, host, machine_id, resolver, authorized_keys } = identity;
    let hosts = format!(
        "127.0.0.1 localhost\n127.0.1.1 {host} {name}\n::1 localhost ip6-localhost ip6-loopback\n"
    );
    let files = [
        ("/etc/hostname", format!("{name}\n")),
        ("/etc/hosts", hosts),
        ("/etc/machine-id", format!("{machine_id}\n")),
        ("/etc/resolv.conf", format!("nameserver {resolver}\n")),
    ];
    for (path, text) in files {
        if_absent(path, || Ok(text.into_bytes()), 0o644)?;
    }
    if Path::new("/etc/ssh").is_dir() {
        host_key(name.as_ref())?;
        keys(authorized_keys)?;
    }
    Ok(())
}

/// Replaces the managed keys, all at once.
pub fn keys(authorized_keys: &str) -> Result<(), StageError> {
    let folder = Path::new(MANAGED_KEYS);
    if !folder.is_dir() {
        fs::DirBuilder::new()
            .mode(0o755)
            .create(folder)
            .map_err(doing(format!("create {MANAGED_KEYS}")))?;
    }
    replace(&folder.join(STUDENT), authorized_keys.as_bytes(), 0o644)
        .map_err(doing(format!("write {MANAGED_KEYS}/{STUDENT}")))
}

/// Each room has a host key of its own, made at its first start and kept.
fn host_key(name: &str) -> Result<(), StageError> {
    let failed = || doing::<io::Error>("make the room's SSH host key");
    let seed: [u8; 32] = rand::random();
    let mut key = PrivateKey::from(Ed25519Keypair::from_seed(&seed));
    key.set_comment(format!("root@{name}"));
    let other = |error: ssh_key::Error| io::Error::other(error.to_string());
    let private = key.to_openssh(LineEnding::LF).map_err(other).map_err(failed())?;
    let public = key.public_key().to_openssh().map_err(other).map_err(failed())?;
    if if_absent(HOST_KEY, || Ok(private.as_bytes().to_vec()), 0o600)? {
        replace(Path::new(&format!("{HOST_KEY}.pub")), format!("{public}\n").as_bytes(), 0o644)
            .map_err(failed())?;
    }
    Ok(())
}

/// Writes a file unless there is something of that name; says whether it did. An empty file
/// counts as absent: a power cut may leave one.
fn if_absent(
    path: &str,
    content: impl FnOnce() -> io::Result<Vec<u8>>,
    mode: u32,
) -> Result<bool, StageError> {
    if fs::symlink_metadata(path).is_ok_and(|found| found.len() > 0) {
        return Ok(false);
    }
    content()
        .and_then(|content| replace(Path::new(path), &content, mode))
        .map(|()| true)
        .map_err(doing(format!("write {path}")))
}

/// Writes a file beside its place, then moves it there.
fn replace(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let draft = path.with_extension("piaule-new");
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&draft)?;
    file.write_all(content)?;
    fs::rename(&draft, path)
}
