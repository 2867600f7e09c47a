//! What is done to the files of a new root file system, before and after its packages' own work.
//!
//! The tree belongs to nobody yet, but it was filled by thousands of package scripts: nothing here
//! follows a symbolic link in it.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use super::TemplateError;
use super::recipe::Masked;
use crate::model::UidRange;

/// What a room is given at its first start, each only if it is absent.
const OWN: [&str; 5] =
    ["etc/hostname", "etc/hosts", "etc/machine-id", "etc/resolv.conf", "var/lib/dbus/machine-id"];

fn write_error(path: &Path) -> impl FnOnce(io::Error) -> TemplateError {
    let path = path.to_owned();
    |source| TemplateError::Write { path, source }
}

/// Whether something is at `path`, links not followed.
fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// Copies the contents of `from` over `onto`: owned by who copies, mode 0755 for folders and for
/// what its owner may execute, 0644 for the rest.
pub(super) fn copy(from: &Path, onto: &Path) -> Result<(), TemplateError> {
    if !onto.symlink_metadata().is_ok_and(|there| there.is_dir()) {
        fs::create_dir(onto).map_err(write_error(onto))?;
        fs::set_permissions(onto, fs::Permissions::from_mode(0o755)).map_err(write_error(onto))?;
    }
    let read_error = |source| TemplateError::ReadRecipe { path: from.to_owned(), source };
    for entry in fs::read_dir(from).map_err(read_error)? {
        let entry = entry.map_err(read_error)?;
        let (path, target) = (entry.path(), onto.join(entry.file_name()));
        let metadata = entry.metadata().map_err(read_error)?;
        if metadata.is_dir() {
            copy(&path, &target)?;
        } else {
            place(&path, &metadata, &target).map_err(write_error(&target))?;
        }
    }
    Ok(())
}

fn place(path: &Path, metadata: &fs::Metadata, target: &Path) -> io::Result<()> {
    if exists(target) {
        fs::remove_file(target)?;
    }
    if metadata.is_symlink() {
        return symlink(fs::read_link(path)?, target);
    }
    fs::copy(path, target)?;
    let executable = metadata.permissions().mode() & 0o100 != 0;
    let mode = if executable { 0o755 } else { 0o644 };
    fs::set_permissions(target, fs::Permissions::from_mode(mode))
}

/// Masks units and generators as systemctl(1) `mask` does: by a link to /dev/null.
pub(super) fn mask(root: &Path, masked: &[Masked]) -> Result<(), TemplateError> {
    for (folder, names) in masked
        .iter()
        .flat_map(|masked| [("system", &masked.units), ("system-generators", &masked.generators)])
    {
        let folder = root.join("etc/systemd").join(folder);
        fs::create_dir_all(&folder).map_err(write_error(&folder))?;
        for name in names {
            let link = folder.join(name.as_ref());
            if exists(&link) {
                fs::remove_file(&link).map_err(write_error(&link))?;
            }
            symlink("/dev/null", &link).map_err(write_error(&link))?;
        }
    }
    Ok(())
}

/// Makes `sources` the only place that apt in the template installs from, and forgets how this
/// machine reached it.
pub(super) fn set_sources(root: &Path, sources: &str) -> Result<(), TemplateError> {
    let apt = root.join("etc/apt");
    for path in ["sources.list", "sources.list.d", "apt.conf.d/99mmdebstrap"].map(|p| apt.join(p)) {
        remove(&path).map_err(write_error(&path))?;
    }
    let folder = apt.join("sources.list.d");
    fs::create_dir(&folder).map_err(write_error(&folder))?;
    let file = folder.join("debian.sources");
    fs::write(&file, sources).map_err(write_error(&file))?;
    for (path, mode) in [(&folder, 0o755), (&file, 0o644)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(write_error(path))?;
    }
    Ok(())
}

/// Empties the folders that a room mounts over.
pub(super) fn empty_mount_points(root: &Path) -> Result<(), TemplateError> {
    for folder in ["dev", "run"].map(|name| root.join(name)) {
        for entry in fs::read_dir(&folder).map_err(write_error(&folder))? {
            let path = entry.map_err(write_error(&folder))?.path();
            remove(&path).map_err(write_error(&path))?;
        }
    }
    Ok(())
}

fn remove(path: &Path) -> io::Result<()> {
    match path.symlink_metadata() {
        Ok(there) if there.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Checks that the tree is one rooms can be born from, and counts the bytes of its files.
pub(super) fn survey(root: &Path) -> Result<u64, TemplateError> {
    let refuse =
        |path: &str, reason| Err(TemplateError::Unfit { path: Path::new("/").join(path), reason });
    if !exists(&root.join("sbin/init")) {
        return refuse("sbin/init", "is missing, so a room could not start");
    }
    if let Some(own) = OWN.iter().find(|path| exists(&root.join(path))) {
        return refuse(own, "must be each room's own, not the template's");
    }
    let mut seen = HashSet::new();
    let mut bytes = 0;
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(write_error(&folder))? {
            let path = entry.map_err(write_error(&folder))?.path();
            let metadata = path.symlink_metadata().map_err(write_error(&path))?;
            if let Some(reason) = unfit(&path, &metadata) {
                let path = path.strip_prefix(root).unwrap_or(&path);
                return Err(TemplateError::Unfit { path: Path::new("/").join(path), reason });
            }
            if metadata.is_dir() {
                folders.push(path);
            } else if metadata.is_file() && (metadata.nlink() == 1 || seen.insert(metadata.ino())) {
                bytes += metadata.len();
            }
        }
    }
    Ok(bytes)
}

fn unfit(path: &Path, metadata: &fs::Metadata) -> Option<&'static str> {
    let kind = metadata.file_type();
    if kind.is_block_device() || kind.is_char_device() {
        return Some("is a device; rooms are given theirs from outside");
    }
    if kind.is_socket() || kind.is_fifo() {
        return Some("is a socket or a pipe left by a program that ran during the build");
    }
    if metadata.uid().max(metadata.gid()) >= UidRange::SIZE {
        return Some("belongs to an id that no room has");
    }
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if name.starts_with("ssh_host_") && path.parent().is_some_and(|up| up.ends_with("etc/ssh")) {
        return Some("is a host key, which must be each room's own");
    }
    None
}

#[cfg(test)]
mod tests;
