//! How much processor time this process has used.

use std::time::Duration;

/// Processor time of all threads so far, where the system tells.
#[cfg(unix)]
pub(crate) fn used() -> Option<Duration> {
    use rustix::time::{ClockId, clock_gettime};
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Some(Duration::new(
        u64::try_from(time.tv_sec).ok()?,
        u32::try_from(time.tv_nsec).ok()?,
    ))
}

/// Processor time of all threads so far, where the system tells.
#[cfg(not(unix))]
pub(crate) fn used() -> Option<Duration> {
    None
}
