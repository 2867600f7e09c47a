//! The C library's allocator (mallopt(3)).

/// Makes threads share at most `most` arenas. The default is eight per core, each of which
/// keeps what its threads once needed; a process with few threads gains nothing from that.
pub fn limit_arenas(most: u16) {
    #[cfg(target_env = "gnu")]
    // SAFETY: takes no pointer; a refused value leaves the default.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, libc::c_int::from(most));
    }
    #[cfg(not(target_env = "gnu"))]
    let _ = most;
}
