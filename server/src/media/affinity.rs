//! A core of its own for each worker.
//!
//! The operating system moves threads between cores, and lets two of them share one while another is idle. A worker that
//! stays where it is keeps its peers' keys and histories in that core's cache.

use std::io;

/// The core of each worker, of those that this process `may_use`; `None` to leave it to the operating system, as where
/// there are more workers than cores. From the last core on: the first ones are where devices interrupt, and where
/// everything else is put that is not told otherwise.
pub(super) fn plan(workers: usize, may_use: &[usize]) -> Vec<Option<usize>> {
    if workers > may_use.len() {
        return vec![None; workers];
    }
    may_use.iter().rev().take(workers).copied().map(Some).collect()
}

/// The cores that this thread may run on; empty where the operating system does not say.
#[cfg(target_os = "linux")]
pub(super) fn cores() -> Vec<usize> {
    use rustix::thread::{CpuSet, sched_getaffinity};
    let Ok(set) = sched_getaffinity(None) else {
        return Vec::new();
    };
    (0..CpuSet::MAX_CPU).filter(|core| set.is_set(*core)).collect()
}

/// Keeps the calling thread on one core from now on. It fails where the process may not run on that one.
#[cfg(target_os = "linux")]
pub(super) fn pin(core: usize) -> io::Result<()> {
    use rustix::thread::{CpuSet, sched_setaffinity};
    let mut set = CpuSet::new();
    set.set(core);
    Ok(sched_setaffinity(None, &set)?)
}

/// Not known here, so that nothing is pinned.
#[cfg(not(target_os = "linux"))]
pub(super) fn cores() -> Vec<usize> {
    Vec::new()
}

/// Never asked for, because no cores are known.
#[cfg(not(target_os = "linux"))]
pub(super) fn pin(_core: usize) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_worker_gets_a_core_of_its_own_or_none_does() {
        assert_eq!(plan(2, &[0, 2, 5]), [Some(5), Some(2)]);
        assert_eq!(plan(1, &[3]), [Some(3)]);
        assert_eq!(plan(3, &[0, 1]), [None, None, None]);
        assert_eq!(plan(1, &[]), [None]);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_pinned_thread_stays_there_and_no_other_does() {
        let before = cores();
        let last = *before.last().expect("a core to run on");
        let pinned = std::thread::spawn(move || pin(last).map(|()| cores()));
        assert_eq!(pinned.join().expect("no panic").expect("it may run there"), [last]);
        assert_eq!(cores(), before);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_core_that_is_not_there_is_an_error() {
        std::thread::spawn(|| pin(rustix::thread::CpuSet::MAX_CPU - 1).expect_err("nobody has so many"))
            .join()
            .expect("no panic");
    }
}
