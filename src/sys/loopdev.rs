//! Loop devices (loop(4)).

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::path::PathBuf;

use nix::libc;
use nix::{ioctl_none_bad, ioctl_write_ptr_bad};

/// struct loop_info64 (linux/loop.h).
#[repr(C)]
pub struct LoopInfo {
    device: u64,
    inode: u64,
    rdevice: u64,
    offset: u64,
    size_limit: u64,
    number: u32,
    encrypt_type: u32,
    encrypt_key_size: u32,
    flags: u32,
    file_name: [u8; 64],
    crypt_name: [u8; 64],
    encrypt_key: [u8; 32],
    init: [u64; 2],
}

/// struct loop_config (linux/loop.h).
#[repr(C)]
pub struct LoopConfig {
    fd: u32,
    block_size: u32,
    info: LoopInfo,
    reserved: [u64; 8],
}

const LOOP_CONFIGURE: libc::c_ulong = 0x4c0a;
const LOOP_CTL_GET_FREE: libc::c_ulong = 0x4c82;
const AUTOCLEAR: u32 = 4;
const DIRECT_IO: u32 = 16;

ioctl_none_bad!(get_free, LOOP_CTL_GET_FREE);
ioctl_write_ptr_bad!(configure, LOOP_CONFIGURE, LoopConfig);

/// Attaches `backing` to a free loop device that goes by itself after its last use (its unmount).
/// Keep the device open until it is mounted.
///
/// # Errors
/// What the kernel says of /dev/loop-control or of the device.
pub fn attach(backing: BorrowedFd<'_>, direct_io: bool) -> io::Result<(PathBuf, File)> {
    let control = OpenOptions::new().read(true).write(true).open("/dev/loop-control")?;
    loop {
        // SAFETY: takes no argument.
        let number = unsafe { get_free(control.as_raw_fd()) }?;
        let path = PathBuf::from(format!("/dev/loop{number}"));
        let device = OpenOptions::new().read(true).write(true).open(&path)?;
        // SAFETY: loop_config is plain data, for which all zeros is valid.
        let mut config: LoopConfig = unsafe { std::mem::zeroed() };
        config.fd = backing.as_raw_fd().cast_unsigned();
        config.info.flags = AUTOCLEAR | if direct_io { DIRECT_IO } else { 0 };
        // SAFETY: the kernel reads a LoopConfig.
        match unsafe { configure(device.as_raw_fd(), &raw const config) } {
            Ok(_) => return Ok((path, device)),
            // Somebody else took it between the two calls.
            Err(nix::errno::Errno::EBUSY) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
