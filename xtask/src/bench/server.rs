//! A server and a publisher for the time of a bench.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{fs, thread};

use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::programs::pinned;
use crate::process::Group;

/// A Footlight server on free ports of the loopback interface.
#[derive(Debug)]
pub(crate) struct Server {
    group: Group,
    address: Address,
    data: PathBuf,
}

/// The server's first line.
#[derive(Debug, Deserialize)]
struct Address {
    url: String,
    pid: u32,
}

impl Server {
    /// Starts it, on `cores` where they are given, with `workers` media threads.
    pub(crate) fn start(program: &Path, cores: Option<&str>, workers: usize) -> Result<Self> {
        let data = std::env::temp_dir().join(format!("footlight-bench-{}", std::process::id()));
        let mut command = pinned(program, cores);
        command
            .args(["--print-json-address", "--no-tls", "--listen", "127.0.0.1:0"])
            .args(["--media-port", "0", "--advertise", "127.0.0.1"])
            .args(["--workers", &workers.to_string()])
            // Thousands of lines on peers that come and go are read by nobody, and cost time that is measured.
            .args(["--log", "warn"])
            .arg("--data-dir")
            .arg(&data);
        let (group, address) = start(&mut command).context("the server did not start")?;
        Ok(Self { group, address, data })
    }

    /// Without a slash at its end.
    pub(crate) fn url(&self) -> &str {
        self.address.url.trim_end_matches('/')
    }

    pub(crate) fn pid(&self) -> u32 {
        self.address.pid
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The program ends before its folder goes.
        self.group.end();
        // What stays behind is in the system's folder for temporary files.
        let _ = fs::remove_dir_all(&self.data);
    }
}

/// `footlight publish` with the test pattern and the tone, 720p at 30 pictures per second.
#[derive(Debug)]
pub(crate) struct Publisher {
    group: Group,
    on_air: OnAir,
}

/// The publisher's first line.
#[derive(Debug, Deserialize)]
struct OnAir {
    watch_url: String,
}

impl Publisher {
    pub(crate) fn start(program: &Path, server: &Server) -> Result<Self> {
        let mut command = Command::new(program);
        command
            .args(["publish", server.url(), "--pattern", "--tone", "--json"])
            .args(["--size", "1280x720", "--fps", "30", "--bitrate", "2.5M"]);
        let (group, on_air) = start(&mut command).context("the publisher did not go live")?;
        Ok(Self { group, on_air })
    }

    pub(crate) fn watch_url(&self) -> &str {
        &self.on_air.watch_url
    }

    pub(crate) fn pid(&self) -> u32 {
        self.group.id()
    }
}

/// Starts a program and reads the JSON object in its first line.
fn start<T: DeserializeOwned>(command: &mut Command) -> Result<(Group, T)> {
    let mut group = Group::spawn(command.stdout(Stdio::piped()))?;
    let mut lines = BufReader::new(group.take_stdout().context("standard output is a pipe")?);
    let mut line = String::new();
    lines.read_line(&mut line).context("cannot read what it prints")?;
    let first = serde_json::from_str(&line).with_context(|| format!("cannot understand {line:?}"))?;
    // A pipe that nobody reads would block it.
    thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
    Ok((group, first))
}

/// The most memory that a process has had resident so far, in bytes; `None` where the system does not tell.
pub(crate) fn peak_memory(pid: u32) -> Option<u64> {
    memory(pid, "VmHWM:")
}

/// The memory that a process has resident now, in bytes; `None` where the system does not tell.
pub(crate) fn resident_memory(pid: u32) -> Option<u64> {
    memory(pid, "VmRSS:")
}

fn memory(pid: u32, field: &str) -> Option<u64> {
    // proc_pid_status(5): "VmRSS:	   12345 kB", which are KiB.
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}

/// File descriptors that a process has open; `None` where the system does not tell.
pub(crate) fn open_files(pid: u32) -> Option<usize> {
    Some(fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count())
}

/// Processor time that a process has used so far, all threads; `None` where the system does not tell.
pub(crate) fn cpu_time(pid: u32) -> Option<Duration> {
    /// `USER_HZ` of Linux, part of its interface on every machine that it still runs on.
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
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
    fn processor_time_of_this_process_grows_with_work() {
        let before = cpu_time(std::process::id()).expect("a stat file");
        let mut sum = 0_u64;
        while cpu_time(std::process::id()).expect("a stat file") <= before {
            sum = sum.wrapping_mul(31).wrapping_add(7);
        }
        assert!(cpu_time(u32::MAX).is_none());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn memory_and_open_files_of_this_process_are_told() {
        let pid = std::process::id();
        let files = open_files(pid).expect("a folder of descriptors");
        let _held: Vec<_> = (0..64).map(|_| fs::File::open("/dev/null").expect("a file")).collect();
        // Other tests open and close their own.
        assert!(open_files(pid).expect("the same") > files + 32);
        assert!(peak_memory(pid).expect("a status file") >= resident_memory(pid).expect("the same") / 2);
        assert_eq!((peak_memory(u32::MAX), open_files(u32::MAX)), (None, None));
    }
}
