//! `footlight-load`, and the figures that it answers.

use std::path::Path;
use std::process::Command;

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
    /// The bearer of its requests, where the server wants one.
    pub(crate) token: Option<&'a str>,
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

/// Where `footlight-load` takes its token from: a command line is there for all to see.
pub(crate) const TOKEN_VARIABLE: &str = "FOOTLIGHT_LOAD_TOKEN";

/// Makes a run, on `cores` where they are given.
pub(crate) fn run(program: &Path, cores: Option<&str>, run: &Run<'_>) -> Result<Report> {
    let report: Report = read_json(&mut command(program, cores, run))?;
    if report.receiving == 0 {
        bail!("nobody received anything: {}", report.refusals.join("; "));
    }
    Ok(report)
}

fn command(program: &Path, cores: Option<&str>, run: &Run<'_>) -> Command {
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
    // One that is set for another server is not this one's.
    command.env_remove(TOKEN_VARIABLE);
    if let Some(token) = run.token {
        command.env(TOKEN_VARIABLE, token);
    }
    command
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    #[test]
    fn a_token_goes_by_the_environment_and_to_no_server_that_it_is_not_for() {
        let of = |token| {
            let run = Run {
                whip: None,
                whep: "http://127.0.0.1/whep/a".into(),
                publishers: 1,
                receivers: 1,
                bitrate: "1M",
                seconds: 1,
                joining: None,
                threads: 1,
                server_pid: None,
                insecure: false,
                token,
                pacing: PACING,
            };
            let command = command(Path::new("footlight-load"), None, &run);
            assert!(command.get_args().all(|argument| argument != "secret"));
            let mut variables = command.get_envs();
            let found = variables.find(|(name, _)| *name == TOKEN_VARIABLE);
            found.expect("set, or taken away").1.map(OsStr::to_owned)
        };
        assert_eq!(of(Some("secret")).as_deref(), Some(OsStr::new("secret")));
        assert_eq!(of(None), None);
    }
}
