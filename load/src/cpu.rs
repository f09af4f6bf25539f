//! How much processor time a process has used.

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

/// Processor time of all threads of another process so far, where the system tells: on Linux.
pub(crate) fn used_by(pid: u32) -> Option<Duration> {
    /// `USER_HZ`, part of Linux's interface on every machine that it still runs on.
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may contain anything; `utime` and `stime` are the 14th and 15th field (proc(5)).
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks: Vec<u64> = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(str::parse)
        .collect::<Result<_, _>>()
        .ok()?;
    Some(Duration::from_secs_f64(
        ticks.iter().sum::<u64>() as f64 / TICKS_PER_SECOND,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn both_ways_to_ask_agree() {
        let burn = || (0..50_000_000_u64).fold(0, |sum, value| std::hint::black_box(sum ^ value));
        std::hint::black_box(burn());
        let own = used().expect("a clock");
        let other = used_by(std::process::id()).expect("a stat file");
        // The file counts in hundredths of a second.
        assert!(own.abs_diff(other) < Duration::from_millis(500), "{own:?} {other:?}");
    }

    #[test]
    fn nobody_has_no_time() {
        assert_eq!(used_by(u32::MAX), None);
    }
}
