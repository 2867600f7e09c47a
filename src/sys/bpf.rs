//! Installing seccomp programs (seccomp(2)).

use std::io;

use seccompiler::{BpfProgram, sock_filter};

/// `struct sock_fprog` of `linux/filter.h`, over seccompiler's instructions.
#[repr(C)]
struct Program {
    length: libc::c_ushort,
    instructions: *const sock_filter,
}

/// Makes every later system call of this thread, of the threads and the children it will have,
/// pass through `program`. Nothing removes it again.
///
/// The caller has either set `no_new_privs` or holds `CAP_SYS_ADMIN` in its user namespace.
/// seccompiler's own way in sets `no_new_privs` by itself, under which `sudo` could not work in
/// a room.
///
/// # Errors
/// `InvalidInput` for a program that is empty or longer than the kernel takes; otherwise what
/// seccomp(2) says, `EACCES` for a caller without that right.
pub fn install(program: &BpfProgram) -> io::Result<()> {
    let length = u16::try_from(program.len())
        .ok()
        .filter(|length| *length > 0)
        .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    let program = Program { length, instructions: program.as_ptr() };
    // SAFETY: the kernel copies `length` instructions from a slice that long, and keeps no
    // pointer to them.
    let status = unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program)
    };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
