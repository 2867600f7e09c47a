//! Waiting for what must come, by looking again until a deadline.

use std::thread;
use std::time::{Duration, Instant};

/// How long what is not timed by its test may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Looks until there is something, at most for [`PATIENCE`]; `what` is what did not come.
#[track_caller]
pub fn until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    within(PATIENCE, what, look)
}

/// Looks until there is something, at most for this long; a look that takes longer is late.
#[track_caller]
pub fn within<T>(limit: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        let found = look();
        assert!(begun.elapsed() < limit, "not within {limit:?}: {what}");
        if let Some(found) = found {
            return found;
        }
        thread::park_timeout(Duration::from_millis(5));
    }
}
