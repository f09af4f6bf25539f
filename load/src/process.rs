//! What a process has used of the machine.

use std::time::Duration;

/// Processor time of all threads so far, where the system tells.
#[cfg(unix)]
pub(crate) fn cpu() -> Option<Duration> {
    use rustix::time::{ClockId, clock_gettime};
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Some(Duration::new(
        u64::try_from(time.tv_sec).ok()?,
        u32::try_from(time.tv_nsec).ok()?,
    ))
}

/// Processor time of all threads so far, where the system tells.
#[cfg(not(unix))]
pub(crate) fn cpu() -> Option<Duration> {
    None
}

/// Processor time of all threads of another process so far, where the system tells: on Linux.
pub(crate) fn cpu_of(pid: u32) -> Option<Duration> {
    threads_cpu_of(pid).or_else(|| counted_cpu_of(pid))
}

/// To the nanosecond, of the threads that there are (Documentation/scheduler/sched-stats.rst: time spent on the processor
/// comes first).
fn threads_cpu_of(pid: u32) -> Option<Duration> {
    let mut total = 0_u64;
    for task in std::fs::read_dir(format!("/proc/{pid}/task")).ok()? {
        let stat = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        total += stat.split_whitespace().next()?.parse::<u64>().ok()?;
    }
    Some(Duration::from_nanos(total))
}

/// In hundredths of a second.
fn counted_cpu_of(pid: u32) -> Option<Duration> {
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

/// Resident memory of a process in bytes, where the system tells: on Linux.
pub(crate) fn resident(pid: u32) -> Option<u64> {
    // proc_pid_status(5): "VmRSS:	   12345 kB", which are KiB.
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}

/// Lets this process have as many connections as it may: the usual limit of 1,024 open files is for programs that use
/// select(2).
#[cfg(unix)]
pub fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}

/// Other systems have no such limit.
#[cfg(not(unix))]
pub fn raise_open_files() {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn all_ways_to_ask_agree() {
        let burn = || (0..50_000_000_u64).fold(0, |sum, value| std::hint::black_box(sum ^ value));
        std::hint::black_box(burn());
        let threads = threads_cpu_of(std::process::id()).expect("the scheduler's files");
        let own = cpu().expect("a clock");
        let counted = counted_cpu_of(std::process::id()).expect("a stat file");
        // The file counts in hundredths of a second.
        assert!(
            own.abs_diff(counted) < Duration::from_millis(500),
            "{own:?} {counted:?}"
        );
        // Without the threads that have ended.
        assert!(!threads.is_zero() && threads <= own, "{own:?} {threads:?}");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn memory_grows_by_what_is_written_to() {
        let before = resident(std::process::id()).expect("a status file");
        let written = std::hint::black_box(vec![1_u8; 64 << 20]);
        let after = resident(std::process::id()).expect("a status file");
        // The kernel counts in batches for each thread.
        assert!(after > before + (60 << 20), "{before} {after}");
        drop(written);
    }

    #[test]
    fn nobody_uses_anything() {
        assert_eq!(resident(u32::MAX), None);
        assert_eq!(cpu_of(u32::MAX), None);
    }
}
