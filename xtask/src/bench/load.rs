//! `footlight-load`, and the figures that it answers.

use std::path::Path;

use anyhow::{Result, bail};
use serde::Deserialize;

use super::programs::{pinned, read_json};

/// Publishers pace: `footlight` as well as libwebrtc, by so many times their bitrate.
pub(crate) const PACING: f64 = 2.5;

/// What a run is to do.
#[derive(Debug)]
pub(crate) struct Run<'a> {
    /// Where to publish; `None` where somebody else does.
    pub(crate) whip: Option<String>,
    pub(crate) whep: String,
    /// With more than one, `{n}` in the addresses becomes each one's number, and receivers go to each in turn.
    pub(crate) publishers: u32,
    pub(crate) receivers: u32,
    pub(crate) bitrate: &'a str,
    pub(crate) seconds: u32,
    /// Receivers that may be joining at the same time; `None` for a few.
    pub(crate) joining: Option<u32>,
    pub(crate) threads: usize,
    /// Whose processor time to take.
    pub(crate) server_pid: Option<u32>,
    pub(crate) insecure: bool,
    /// How many times as fast as the bitrate a picture's packets leave; 0: at once.
    pub(crate) pacing: f64,
}

/// The part of its report that the benches use; the program documents it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Report {
    pub(crate) receivers: u32,
    pub(crate) receiving: u32,
    pub(crate) failed: u32,
    pub(crate) refusals: Vec<String>,
    pub(crate) seconds: f64,
    pub(crate) bytes: u64,
    pub(crate) packets_per_second: f64,
    pub(crate) gigabits_per_second: f64,
    pub(crate) missing: u64,
    pub(crate) missing_share: f64,
    pub(crate) delay_us: Quantiles,
    pub(crate) join_ms: Quantiles,
    pub(crate) cpu_seconds: Option<f64>,
    pub(crate) server_cpu_seconds: Option<f64>,
}

/// Points of a distribution.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct Quantiles {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
}

impl Report {
    /// Whether all receivers got packets.
    pub(crate) fn everyone_served(&self) -> bool {
        self.receiving == self.receivers && self.failed == 0 && self.refusals.is_empty()
    }

    /// Processor time of the server for each packet that arrived, in seconds.
    pub(crate) fn cpu_per_packet(&self) -> Option<f64> {
        let packets = self.packets_per_second * self.seconds;
        self.server_cpu_seconds
            .filter(|_| packets > 0.0)
            .map(|cpu| cpu / packets)
    }

    /// 10⁹ bit that arrived.
    pub(crate) fn gigabits(&self) -> f64 {
        self.bytes as f64 * 8.0 / 1e9
    }
}

/// Makes a run, on `cores` where they are given.
pub(crate) fn run(program: &Path, cores: Option<&str>, run: &Run<'_>) -> Result<Report> {
    let mut command = pinned(program, cores);
    command
        .args(["--json", "--whep", &run.whep])
        .args(["--publishers", &run.publishers.to_string()])
        .args(["--receivers", &run.receivers.to_string(), "--bitrate", run.bitrate])
        .args([
            "--seconds",
            &run.seconds.to_string(),
            "--threads",
            &run.threads.to_string(),
            "--pacing",
            &run.pacing.to_string(),
        ]);
    if let Some(whip) = &run.whip {
        command.args(["--whip", whip]);
    }
    if let Some(joining) = run.joining {
        command.args(["--join-concurrency", &joining.to_string()]);
    }
    if let Some(pid) = run.server_pid {
        command.args(["--server-pid", &pid.to_string()]);
    }
    if run.insecure {
        command.arg("--insecure");
    }
    let report: Report = read_json(&mut command)?;
    if report.receiving == 0 {
        bail!("nobody received anything: {}", report.refusals.join("; "));
    }
    Ok(report)
}
