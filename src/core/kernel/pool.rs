//! Where templates and rooms lie: one btrfs.
//!
//! ```text
//! POOL/templates/NAME/VERSION     read-only subvolume, a root file system, owners as on disk
//! POOL/rooms/ID                   subvolume with a qgroup limit
//! POOL/rooms/ID/upper             the overlay's upper layer, owned by the room's uid base
//! POOL/rooms/ID/work              the overlay's work directory
//! ```
//!
//! The directory the administrator names is used as it is when it lies on btrfs; otherwise a
//! sparse loop file is made and mounted there. Simple quota where the kernel has it (6.7), full
//! qgroups elsewhere: both are exact for subvolumes made empty, as ours are.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};

use crate::model::{ByteSize, RoomId, TemplateName, TemplateVersion, UidRange};
use crate::sys::{btrfs, loopdev};

/// What could not be done, and where.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} {}", path.display())]
pub struct PoolError {
    doing: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// Names the failing operation and its path.
fn at<'a>(doing: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> PoolError + 'a {
    move |source| PoolError { doing, path: path.to_owned(), source }
}

/// The pool, mounted and ready.
#[derive(Debug, Clone)]
pub struct Pool {
    root: PathBuf,
}

/// Bytes of the pool.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// In all.
    pub size: u64,
    /// In use.
    pub used: u64,
}

impl Pool {
    /// Opens the pool at `root`, making and mounting `image` there when `root` is not on btrfs.
    ///
    /// # Errors
    /// When a directory, the image, the mount or quota cannot be had.
    pub fn open(root: &Path, image: &Path, size: ByteSize) -> Result<Self, PoolError> {
        fs::create_dir_all(root).map_err(at("create", root))?;
        fs::set_permissions(root, Permissions::from_mode(0o700)).map_err(at("restrict", root))?;
        if !on_btrfs(root)? {
            mount_image(root, image, size)?;
        }
        let pool = Self { root: root.to_owned() };
        let fd = open_dir(root)?;
        if let Err(_before_6_7) = btrfs::enable_quota(fd.as_fd(), btrfs::Quota::Simple) {
            btrfs::enable_quota(fd.as_fd(), btrfs::Quota::Full)
                .map_err(at("switch quota on for", root))?;
        }
        for folder in [pool.templates(), pool.rooms()] {
            fs::create_dir_all(&folder).map_err(at("create", &folder))?;
        }
        Ok(pool)
    }

    /// Removes every room and template of the pool at `root`; it may not be there. A mounted
    /// image is unmounted instead, its loop device goes with it, and the image is the caller's.
    ///
    /// # Errors
    /// When something is still in use.
    pub fn demolish(root: &Path) -> Result<(), PoolError> {
        match umount2(root, MntFlags::UMOUNT_NOFOLLOW) {
            Ok(()) | Err(nix::errno::Errno::ENOENT) => Ok(()),
            // Not a mount point: the directory itself lies on btrfs.
            Err(nix::errno::Errno::EINVAL) => Self { root: root.to_owned() }.empty(),
            Err(error) => Err(at("unmount", root)(error.into())),
        }
    }

    fn empty(&self) -> Result<(), PoolError> {
        for room in self.room_ids().unwrap_or_default() {
            self.destroy_layer(room)?;
        }
        for (name, version) in self.templates_found().unwrap_or_default() {
            self.remove_template(&name, version)?;
        }
        for folder in [self.templates(), self.rooms()] {
            match fs::remove_dir_all(&folder) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(at("remove", &folder)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn templates(&self) -> PathBuf {
        self.root.join("templates")
    }

    fn rooms(&self) -> PathBuf {
        self.root.join("rooms")
    }

    /// A template's root file system.
    #[must_use]
    pub fn template(&self, name: &TemplateName, version: TemplateVersion) -> PathBuf {
        self.templates().join(name.as_ref()).join(version.to_string())
    }

    /// A room's subvolume.
    #[must_use]
    pub fn room(&self, room: RoomId) -> PathBuf {
        self.rooms().join(room.to_string())
    }

    /// Makes an empty, writable subvolume to build a template in, removing what an earlier
    /// attempt left there.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn begin_template(
        &self,
        name: &TemplateName,
        version: TemplateVersion,
    ) -> Result<PathBuf, PoolError> {
        let folder = self.templates().join(name.as_ref());
        fs::create_dir_all(&folder).map_err(at("create", &folder))?;
        self.remove_template(name, version)?;
        create_subvolume(&folder, &version.to_string())?;
        Ok(self.template(name, version))
    }

    /// Makes a built template immutable and puts it on disk.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn seal_template(
        &self,
        name: &TemplateName,
        version: TemplateVersion,
    ) -> Result<(), PoolError> {
        let path = self.template(name, version);
        let fd = open_dir(&path)?;
        rustix::fs::syncfs(&fd).map_err(|error| at("put on disk", &path)(error.into()))?;
        btrfs::set_read_only(fd.as_fd(), true).map_err(at("seal", &path))
    }

    /// Removes a template's files; it may not be there.
    ///
    /// # Errors
    /// When they cannot be removed.
    pub fn remove_template(
        &self,
        name: &TemplateName,
        version: TemplateVersion,
    ) -> Result<(), PoolError> {
        destroy_subvolume(&self.templates().join(name.as_ref()), &version.to_string())
    }

    /// The versions of each template that are there, sealed or not.
    ///
    /// # Errors
    /// When a folder cannot be read.
    pub fn templates_found(&self) -> Result<Vec<(TemplateName, TemplateVersion)>, PoolError> {
        let mut found = Vec::new();
        for name in names_in::<TemplateName>(&self.templates())? {
            let folder = self.templates().join(name.as_ref());
            let versions = names_in::<u32>(&folder)?.into_iter();
            found.extend(versions.map(|version| (name.clone(), TemplateVersion(version))));
        }
        Ok(found)
    }

    /// The rooms that have a subvolume.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn room_ids(&self) -> Result<Vec<RoomId>, PoolError> {
        names_in(&self.rooms())
    }

    /// Whether a room's layer is complete.
    #[must_use]
    pub fn has_layer(&self, room: RoomId) -> bool {
        // `upper` is chowned last.
        fs::metadata(self.room(room).join("upper"))
            .is_ok_and(|upper| std::os::unix::fs::MetadataExt::uid(&upper) != 0)
    }

    /// Makes a room's layer: the subvolume, its limit, `work`, `upper`. What an interrupted
    /// attempt left is removed first.
    ///
    /// # Errors
    /// When a part cannot be made; nothing is left then.
    pub fn create_layer(
        &self,
        room: RoomId,
        uids: UidRange,
        disk: ByteSize,
    ) -> Result<(), PoolError> {
        self.destroy_layer(room)?;
        let folder = self.rooms();
        create_subvolume(&folder, &room.to_string())?;
        self.fill_layer(room, uids, disk).inspect_err(|_| {
            if let Err(error) = self.destroy_layer(room) {
                tracing::error!(%room, %error, "a half-made layer stays behind");
            }
        })
    }

    fn fill_layer(&self, room: RoomId, uids: UidRange, disk: ByteSize) -> Result<(), PoolError> {
        self.limit_layer(room, Some(disk))?;
        let path = self.room(room);
        let (upper, work) = (path.join("upper"), path.join("work"));
        fs::create_dir(&work).map_err(at("create", &work))?;
        fs::create_dir(&upper).map_err(at("create", &upper))?;
        fs::set_permissions(&upper, Permissions::from_mode(0o755)).map_err(at("open", &upper))?;
        chown(&upper, Some(uids.base()), Some(uids.base())).map_err(at("give away", &upper))
    }

    /// Sets or lifts a room's disk limit.
    ///
    /// An overlay whose upper layer is at its limit mounts read-only without a word: lift the
    /// limit around the mount.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn limit_layer(&self, room: RoomId, disk: Option<ByteSize>) -> Result<(), PoolError> {
        let path = self.room(room);
        let fd = open_dir(&path)?;
        btrfs::limit_subvolume(fd.as_fd(), disk.map(|size| size.0)).map_err(at("limit", &path))
    }

    /// Removes a room's layer and its qgroup; it may not be there.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn destroy_layer(&self, room: RoomId) -> Result<(), PoolError> {
        destroy_subvolume(&self.rooms(), &room.to_string())
    }

    /// How full the pool is.
    ///
    /// # Errors
    /// What statfs(2) says.
    pub fn usage(&self) -> Result<Usage, PoolError> {
        let stat = nix::sys::statvfs::statvfs(&self.root)
            .map_err(|error| at("measure", &self.root)(error.into()))?;
        let size = stat.blocks() * stat.fragment_size();
        Ok(Usage { size, used: size - stat.blocks_free() * stat.fragment_size() })
    }
}

/// The entries of a folder whose names are such values.
fn names_in<T: std::str::FromStr>(folder: &Path) -> Result<Vec<T>, PoolError> {
    let entries = fs::read_dir(folder).map_err(at("read", folder))?;
    Ok(entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect())
}

fn open_dir(path: &Path) -> Result<File, PoolError> {
    File::open(path).map_err(at("open", path))
}

fn on_btrfs(path: &Path) -> Result<bool, PoolError> {
    btrfs::is_btrfs(open_dir(path)?.as_fd()).map_err(at("look at", path))
}

fn create_subvolume(folder: &Path, name: &str) -> Result<(), PoolError> {
    btrfs::create_subvolume(open_dir(folder)?.as_fd(), name)
        .map_err(at("create a subvolume in", folder))
}

/// Removes the subvolume `name` in `folder`, if there, and its qgroup.
fn destroy_subvolume(folder: &Path, name: &str) -> Result<(), PoolError> {
    let path = folder.join(name);
    let subvolume = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(at("open", &path)(error)),
    };
    let number = btrfs::subvolume_number(subvolume.as_fd()).map_err(at("look at", &path))?;
    drop(subvolume);
    let parent = open_dir(folder)?;
    btrfs::destroy_subvolume(parent.as_fd(), name).map_err(at("destroy", &path))?;
    // With full qgroups the empty group can go at once; with simple quota the kernel removes it
    // when its cleaner is done with the subvolume.
    let _ = btrfs::remove_qgroup(parent.as_fd(), number);
    Ok(())
}

fn mount_image(root: &Path, image: &Path, size: ByteSize) -> Result<(), PoolError> {
    if !image.exists() {
        make_image(image, size)?;
    }
    let file = OpenOptions::new().read(true).write(true).open(image).map_err(at("open", image))?;
    // Direct I/O keeps the pool's pages from being cached twice; not every file system has it.
    let (device, _open) = loopdev::attach(file.as_fd(), true)
        .or_else(|_| loopdev::attach(file.as_fd(), false))
        .map_err(at("attach a loop device to", image))?;
    mount(Some(&device), root, Some("btrfs"), MsFlags::MS_NOATIME, None::<&str>)
        .map_err(|error| at("mount the pool on", root)(error.into()))
}

/// Makes the image under another name first: a killed core leaves no half-made pool.
fn make_image(image: &Path, size: ByteSize) -> Result<(), PoolError> {
    let draft = image.with_extension("new");
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(&draft)
        .map_err(at("create", &draft))?;
    file.set_permissions(Permissions::from_mode(0o600)).map_err(at("restrict", &draft))?;
    file.set_len(size.0).map_err(at("size", &draft))?;
    let output = std::process::Command::new("mkfs.btrfs")
        .args(["--quiet", "--label", "piaule"])
        .arg(&draft)
        .output()
        .map_err(at("run mkfs.btrfs (package btrfs-progs) on", &draft))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(at("make a btrfs in", &draft)(io::Error::other(said)));
    }
    file.sync_all().map_err(at("put on disk", &draft))?;
    fs::rename(&draft, image).map_err(at("put in place", image))
}
