//! Where the worker threads run. A file of its own: it looks at all threads of its process.
#![cfg(target_os = "linux")]

use std::net::{IpAddr, Ipv4Addr};

use footlight_server::media::{Media, MediaConfig};

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn config(workers: usize, pinning: bool) -> MediaConfig {
    MediaConfig {
        bind: vec![LOOPBACK],
        port: 0,
        advertise: vec![LOOPBACK],
        workers,
        pinning,
        ice_tcp: true,
        pages: Vec::new(),
        relay: None,
    }
}

/// The value of a field of `proc_pid_status(5)`, of each media thread of this process.
fn of_media_threads(field: &str) -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").expect("procfs");
    let statuses = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("status")).ok());
    let value = |status: &str, field: &str| {
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        line.unwrap_or_default().trim().to_owned()
    };
    let media = statuses.filter(|status| value(status, "Name").starts_with("media-"));
    media.map(|status| value(&status, field)).collect()
}

/// The cores of all media threads of an engine, while it runs.
async fn cores(workers: usize, pinning: bool) -> Vec<String> {
    let (media, _events) = Media::start(config(workers, pinning)).expect("a media engine");
    // Each worker answers, so that all of them run.
    media.session_figures(&"show".parse().expect("an id"), None).await;
    let cores = of_media_threads("Cpus_allowed_list");
    media.shutdown().await;
    assert_eq!(cores.len(), workers);
    cores
}

#[tokio::test]
async fn each_worker_keeps_to_a_core_of_its_own_where_there_are_enough() {
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    let mut pinned = cores(count, true).await;
    pinned.sort();
    pinned.dedup();
    assert_eq!(pinned.len(), count, "{pinned:?}");
    assert!(pinned.iter().all(|list| list.parse::<usize>().is_ok()), "{pinned:?}");

    let mut everywhere = cores(count + 1, true).await;
    everywhere.extend(cores(count, false).await);
    everywhere.dedup();
    assert_eq!(everywhere.len(), 1, "{everywhere:?}");
    assert!(count == 1 || everywhere[0].parse::<usize>().is_err(), "{everywhere:?}");
}
