//! The allocator's behaviour (mallopt(3)).

use std::io;

/// Bytes from which a block is mapped by itself: glibc's own first value.
const APART: libc::c_int = 128 * 1024;

/// Has every large block mapped by itself and given back when freed, for good. Left alone, glibc
/// raises the threshold as large blocks are freed (mallopt(3), M_MMAP_THRESHOLD) and serves the
/// next ones from its heaps; with argon2's 19 MiB blocks, resident memory was then measured to
/// grow with the passwords checked. M_ARENA_MAX alone did not help. To be called before the
/// first thread starts.
///
/// # Errors
/// When the allocator refuses.
pub fn map_large_blocks_apart() -> io::Result<()> {
    // SAFETY: takes two numbers, and no other thread allocates meanwhile, as is asked above.
    if unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, APART) } == 1 {
        return Ok(());
    }
    Err(io::Error::other("the allocator refuses its threshold"))
}
